import assert from 'node:assert/strict'
import type { NetworkInterfaceInfo } from 'node:os'
import { test } from 'node:test'
import { interfaceOf } from '../../../src/ha/virtual-ip.ts'

function info(address: string, internal = false): NetworkInterfaceInfo {
  const base = { address, netmask: '', mac: '', internal, cidr: null }
  return address.includes(':')
    ? { ...base, family: 'IPv6', scopeid: 0 }
    : { ...base, family: 'IPv4' }
}

test('an address is here if an interface that leads somewhere has it', () => {
  const interfaces = { lo: [info('127.0.0.1', true)], eth0: [info('10.0.0.1'), info('10.0.0.100')] }
  assert.equal(interfaceOf('10.0.0.100', interfaces), 'eth0')
  assert.equal(interfaceOf('10.0.0.10', interfaces), null)
})

test('an address on lo alone is not here: with the second chance every node has it there', () => {
  const interfaces = {
    lo: [info('10.0.0.100', true), info('fd00::100', true)],
    eth0: [info('10.0.0.1')],
  }
  assert.equal(interfaceOf('10.0.0.100', interfaces), null)
  assert.equal(interfaceOf('fd00::100', interfaces), null)
})

test('an IPv6 address may be written in more than one way', () => {
  const interfaces = { eth0: [info('fe80::1%2'), info('fd00::100')] }
  assert.equal(interfaceOf('fd00:0:0:0::0100', interfaces), 'eth0')
  assert.equal(interfaceOf('FD00::100', interfaces), 'eth0')
})

test('the interfaces of this machine can be asked', () => {
  assert.equal(interfaceOf('192.0.2.1'), null)
})
