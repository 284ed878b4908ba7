import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import type { FilterRules } from '../../../src/discover/address-filter.ts'
import { filterFound } from '../../../src/discover/address-filter.ts'
import { foundAt } from '../../support/discovery.ts'

const RULES: FilterRules = { allow: null, own: [], machine: ['10.0.0.9', 'fd00::9'] }

function filtered(addresses: readonly string[], rules: Partial<FilterRules> = {}) {
  const { found, refused } = filterFound(
    addresses.map((text) => foundAt(text)),
    { ...RULES, ...rules },
  )
  return { kept: found.map(({ address }) => formatAddress(address)), refused }
}

test('without allow, what can hardly be meant is left out', () => {
  const good = [
    '10.0.0.1:80',
    '192.168.1.1:80',
    '203.0.113.5:443',
    '[2001:db8::1]:80',
    '[fd00::1]:1',
  ]
  const bad = [
    '127.0.0.1:80',
    '127.8.8.8:80',
    '[::1]:80',
    '0.0.0.0:80',
    '[::]:80',
    '169.254.169.254:80',
    '[fe80::1]:80',
    '[fe80::1%eth0]:80',
    '[fd00:ec2::254]:80',
    '224.0.0.1:80',
    '[ff02::1]:80',
    '255.255.255.255:80',
    '[::ffff:127.0.0.1]:80',
    '[::ffff:7f00:1]:80',
    '[::FFFF:169.254.169.254]:80',
    '10.0.0.1:0',
    '10.0.0.1:65536',
    '10.0.0.1:80.5',
  ]
  const { kept, refused } = filtered([...good, ...bad])
  assert.deepEqual(kept, good)
  assert.equal(refused.length, bad.length)
  assert.match(refused.join('\n'), /^127\.0\.0\.1 is this machine itself; name its block in allow/)
  assert.match(refused.join('\n'), /^10\.0\.0\.1 has no usable port \(65536\)$/m)
  assert.match(refused.join('\n'), /^10\.0\.0\.1 has no usable port \(80\.5\)$/m)
})

test('allow names what may be, and nothing else is', () => {
  const allow = ['127.0.0.0/8', '10.1.0.0/16', 'fd00::/8']
  assert.deepEqual(filtered(['127.0.0.1:80', '10.2.0.1:80', '[fd00::1]:80'], { allow }), {
    kept: ['127.0.0.1:80', '[fd00::1]:80'],
    refused: ['10.2.0.1 is in no block of allow'],
  })
})

test('an address on which this process accepts is never a backend', () => {
  const own = [
    { kind: 'tcp', host: '', port: 8080 },
    { kind: 'tcp', host: '10.0.0.9', port: 9090 },
    { kind: 'tcp', host: '0.0.0.0', port: 7070 },
    { kind: 'tcp', host: '127.0.0.1', port: 9900 },
  ] as const
  const { kept, refused } = filtered(
    [
      '10.0.0.9:8080',
      '[fd00::9]:8080',
      '10.0.0.9:9090',
      '10.0.0.9:7070',
      '10.0.0.1:8080',
      '10.0.0.9:80',
      '127.0.0.1:8080',
      '127.0.0.1:80',
      // Other ways to write this machine.
      '0.0.0.0:8080',
      '0.0.0.0:9900',
      '[::]:8080',
      '[0::ffff:10.0.0.9]:8080',
      '[0:0:0:0:0:ffff:a00:9]:8080',
      '[fd00:0::9]:8080',
      '[0:0::1]:8080',
    ],
    { own, allow: ['0.0.0.0/0', '::/0'] },
  )
  assert.deepEqual(kept, ['10.0.0.1:8080', '10.0.0.9:80', '127.0.0.1:80'])
  assert.equal(refused[0], '10.0.0.9:8080 is Evenkeel itself')
  assert.equal(refused.length, 12)
})
