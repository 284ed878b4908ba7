import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { formatAddress } from '../../../src/core/address-text.ts'
import {
  canonicalAddress,
  isLocal,
  overlap,
  readBackendAddress,
  readBind,
  readBlock,
} from '../../../src/config/address.ts'

function bind(text: string) {
  const reading = readBind(text)
  assert.ok(reading.ok, text)
  return reading.value
}

test('addresses are read in every form', () => {
  for (const [text, host, port] of [
    ['127.0.0.1:80', '127.0.0.1', 80],
    ['localhost:0', 'localhost', 0],
    ['[::1]:65535', '::1', 65_535],
    ['[fe80::1%eth0]:80', 'fe80::1%eth0', 80],
    ['my_app-1.internal.:8080', 'my_app-1.internal.', 8080],
    [':80', '', 80],
    ['*:80', '', 80],
    ['0.0.0.0:80', '0.0.0.0', 80],
    ['[::]:80', '::', 80],
  ] as const) {
    assert.deepEqual(bind(text), { kind: 'tcp', host, port }, text)
  }
  assert.deepEqual(bind('unix:/run/a.sock'), { kind: 'unix', path: '/run/a.sock' })
  assert.deepEqual(readBackendAddress('db:5432').ok && readBackendAddress('db:5432'), {
    ok: true,
    value: { kind: 'tcp', host: 'db', port: 5432 },
  })
})

test('what is no address is refused with a reason', () => {
  for (const text of [
    '',
    ':',
    'a',
    'a:',
    'a:b',
    'a:-1',
    'a:65536',
    '1.2.3:80',
    '-a:80',
    'a b:80',
    'a/b:80',
    'http://a',
    '::1:80',
    '[::1]',
    '[a]:80',
    'a:80:90',
    'unix:',
    'unix:a',
    `unix:/${'x'.repeat(107)}`,
    '80',
    'a:8e1',
    'a:080000000000',
    'ä:80',
  ]) {
    const reading = readBind(text)
    assert.equal(reading.ok, false, text)
    assert.ok(!reading.ok && reading.message !== '')
  }
  for (const text of [':80', '*:80', '80', 'a:0', '[::1]:0']) {
    assert.equal(readBackendAddress(text).ok, false, text)
  }
})

test('an address survives writing and reading', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain())
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (host, port) => {
      const address = { kind: 'tcp', host, port } as const
      assert.deepEqual(readBackendAddress(formatAddress(address)), { ok: true, value: address })
    }),
  )
})

test('addresses overlap when one socket would take the port of the other', () => {
  for (const [one, two, expected] of [
    ['127.0.0.1:80', '127.0.0.1:80', true],
    ['127.0.0.1:80', '127.0.0.1:81', false],
    ['127.0.0.1:80', '127.0.0.2:80', false],
    ['0.0.0.0:80', '127.0.0.1:80', true],
    ['0.0.0.0:80', '[::1]:80', false],
    [':80', '127.0.0.1:80', true],
    [':80', '[::1]:80', true],
    ['[::]:80', '10.0.0.1:80', true],
    ['localhost:80', '127.0.0.1:80', true],
    ['localhost:80', '[0:0::1]:80', true],
    ['LOCALHOST:80', 'localhost:80', true],
    ['a.example:80', 'b.example:80', false],
    [':0', ':0', false],
    ['unix:/a', 'unix:/a', true],
    ['unix:/a', 'unix:/b', false],
    ['unix:/a', ':80', false],
  ] as const) {
    assert.equal(overlap(bind(one), bind(two)), expected, `${one} ${two}`)
    assert.equal(overlap(bind(two), bind(one)), expected, `${two} ${one}`)
  }
})

test('one host has one canonical spelling', () => {
  assert.equal(canonicalAddress(bind('[FD00:0:0::1]:80')), '[fd00::1]:80')
  assert.equal(canonicalAddress(bind('A.Example.:80')), 'a.example:80')
  assert.equal(canonicalAddress(bind('[fe80::1%eth0]:80')), '[fe80::1]%eth0:80')
})

test('local is what only this machine reaches', () => {
  const local = ['127.0.0.1:1', '127.9.9.9:1', '[::1]:1', 'localhost:1', 'unix:/a']
  for (const text of local) assert.ok(isLocal(bind(text)), text)
  for (const text of [':1', '0.0.0.0:1', '10.0.0.1:1', '127.example:1']) {
    assert.ok(!isLocal(bind(text)), text)
  }
})

test('blocks are read, and a single address is a block of one', () => {
  for (const [text, expected] of [
    ['10.0.0.0/8', '10.0.0.0/8'],
    ['10.0.0.1', '10.0.0.1/32'],
    ['fd00::/8', 'fd00::/8'],
    ['::1', '::1/128'],
  ] as const) {
    assert.deepEqual(readBlock(text), { ok: true, value: expected })
  }
  for (const text of [
    '',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0/8',
    '10.0.0.0/8/8',
    '::/129',
    'a/8',
  ]) {
    assert.equal(readBlock(text).ok, false, text)
  }
})
