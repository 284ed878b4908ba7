// What `evenkeel keepalived init` refuses, and how it says so.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { InitOptions } from '../../../src/cli/keepalived.ts'
import { readSetup } from '../../../src/cli/keepalived.ts'
import { makeAuthority } from '../../support/certificates.ts'
import { planOf } from '../../support/embedded.ts'

const config = {
  admin: { bind: '127.0.0.1:9900' },
  keepalived: { vip: '10.0.0.100' },
  listeners: {
    web: { bind: ':8080', pool: 'app' },
    local: { bind: '127.0.0.1:8081', pool: 'app' },
    secure: { bind: '10.0.0.100:8443', pool: 'app' },
    other: { bind: '0.0.0.0:8444', pool: 'app' },
    six: { bind: '[fd00::100]:8445', pool: 'app' },
    file: { bind: 'unix:/run/x.sock', pool: 'app' },
  },
  pools: { app: { backends: ['10.0.0.1:80', '10.0.0.2:80'] } },
}

const options: InitOptions = {
  vip: '10.0.0.100/24',
  interface: 'eth0',
  self: '10.0.0.11',
  peer: ['10.0.0.12'],
  profile: 'default',
  priority: '100',
  vrid: '51',
  force: false,
}

function refusal(changed: Partial<InitOptions>, changedConfig: object = {}): string {
  try {
    readSetup({ ...options, ...changed }, planOf({ ...config, ...changedConfig }), 'my.yaml')
  } catch (error) {
    return (error as Error).message
  }
  return 'accepted'
}

test('a right command line gives the ports of the listeners that are on the address', () => {
  const setup = readSetup(options, planOf(config), 'my.yaml')
  assert.deepEqual(setup, {
    profile: 'default',
    vip: '10.0.0.100',
    prefix: 24,
    family: 4,
    interface: 'eth0',
    self: '10.0.0.11',
    peers: ['10.0.0.12'],
    priority: 100,
    vrid: 51,
    ports: [8080, 8443, 8444],
    trackFile: '/run/evenkeel/track',
    admin: { kind: 'http', base: 'http://127.0.0.1:9900' },
    folder: '/etc/keepalived',
  })
})

test('an IPv6 address has the listeners on it and on every address', () => {
  const six = { vip: 'fd00::100/64', self: 'fd00::11', peer: ['fd00::12', 'fd00::13'] }
  const changed = { ...config, keepalived: { vip: 'fd00::100' } }
  const setup = readSetup({ ...options, ...six }, planOf(changed), 'my.yaml')
  assert.deepEqual([setup.family, setup.prefix, setup.ports], [6, 64, [8080, 8445]])
})

test('an IPv6 address is the same in every spelling', () => {
  const six = { vip: 'FD00:0::100/64', self: 'fd00:0::11', peer: ['FD00::12'] }
  const changed = { ...config, keepalived: { vip: 'fd00:0:0::100' } }
  const setup = readSetup({ ...options, ...six }, planOf(changed), 'my.yaml')
  assert.deepEqual([setup.vip, setup.self, setup.peers], ['fd00::100', 'fd00::11', ['fd00::12']])
  assert.deepEqual(setup.ports, [8080, 8445])
  assert.equal(
    refusal({ ...six, peer: ['fd00::11'] }, { keepalived: { vip: 'fd00::100' } }),
    '--peer fd00::11: that is --self; name the other nodes',
  )
})

test('an admin API for everybody is asked through loopback, one on a socket through the socket', () => {
  const tokens = { readOnly: '0123456789abcdef' }
  const adminOf = (bind: string, tls?: object) =>
    readSetup(options, planOf({ ...config, admin: { bind, tokens, tls } }), 'my.yaml').admin
  assert.deepEqual(adminOf(':9901'), { kind: 'http', base: 'http://127.0.0.1:9901' })
  assert.deepEqual(adminOf('[::1]:9901'), { kind: 'http', base: 'http://[::1]:9901' })
  const { cert, key } = makeAuthority('CA')
  const secure = adminOf(':9901', { cert, key })
  assert.deepEqual(secure, { kind: 'http', base: 'https://127.0.0.1:9901' })
  assert.deepEqual(adminOf('unix:/run/a.sock'), { kind: 'unix', path: '/run/a.sock' })
})

const cases: readonly (readonly [string, Partial<InitOptions>, string])[] = [
  [
    'an address without a prefix length',
    { vip: '10.0.0.100' },
    '--vip 10.0.0.100: add the prefix length of its network, such as 10.0.0.100/24',
  ],
  [
    'an IPv6 address without a prefix length',
    { vip: 'fd00::1' },
    '--vip fd00::1: add the prefix length of its network, such as fd00::1/64',
  ],
  [
    'a name',
    { vip: 'vip.example/24' },
    '--vip vip.example/24: not an IP address with a prefix length, such as 10.0.0.100/24',
  ],
  [
    'an address with a zone',
    { vip: 'fe80::1%eth0/64' },
    '--vip fe80::1%eth0/64: not an IP address with a prefix length, such as 10.0.0.100/24',
  ],
  [
    'a prefix length that does not exist',
    { vip: '10.0.0.100/33' },
    '--vip 10.0.0.100/33: prefix length 33: use 1 to 32',
  ],
  [
    'another address than the configuration has',
    { vip: '10.0.0.101/24' },
    '--vip is 10.0.0.101, but my.yaml has keepalived.vip 10.0.0.100',
  ],
  [
    'nodes of another family',
    { self: 'fd00::11' },
    '--self fd00::11: --vip is an IPv4 address, so the nodes need IPv4 too',
  ],
  ['a peer that is no address', { peer: ['lb2'] }, '--peer lb2: not an IP address'],
  [
    'itself among its peers',
    { peer: ['10.0.0.12', '10.0.0.11'] },
    '--peer 10.0.0.11: that is --self; name the other nodes',
  ],
  ['a peer twice', { peer: ['10.0.0.12', '10.0.0.12'] }, '--peer 10.0.0.12 is named twice'],
  [
    'the virtual address as a node',
    { self: '10.0.0.100' },
    "--self 10.0.0.100: that is the virtual address; name the node's own",
  ],
  ['a priority out of range', { priority: '255' }, '--priority 255: use 52 to 254'],
  ['a priority too low to be lowered', { priority: '51' }, '--priority 51: use 52 to 254'],
  ['a priority that is no number', { priority: '1e2' }, '--priority 1e2: use 52 to 254'],
  ['a router id out of range', { vrid: '0' }, '--vrid 0: use 1 to 255'],
  [
    'an interface that can be none',
    { interface: 'eth0; reboot' },
    '--interface eth0; reboot: not the name of an interface',
  ],
  [
    'a folder that would have to be quoted',
    { out: '/tmp/my files' },
    '--out: use a path of letters, digits and ./@:+-_ only, not /tmp/my files',
  ],
]

for (const [title, changed, message] of cases) {
  test(`${title} is refused`, () => assert.equal(refusal(changed), message))
}

test('a configuration without keepalived is refused with what to add', () => {
  assert.equal(
    refusal({}, { keepalived: undefined }),
    'my.yaml does not say that Evenkeel works with keepalived; add: keepalived: { vip: "10.0.0.100" }',
  )
})

test('an admin API that is off is refused with what to do', () => {
  assert.equal(
    refusal({}, { admin: false }),
    'my.yaml switches the admin API off, but keepalived asks its /readyz; remove admin: false (unix:/path will do)',
  )
})

test('a configuration without a listener on the address is refused', () => {
  assert.equal(
    refusal({}, { listeners: { web: { bind: '127.0.0.1:80', pool: 'app' } } }),
    'no listener of my.yaml is on 10.0.0.100; bind one to it, or to every address (:8080)',
  )
})
