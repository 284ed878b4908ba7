import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import { readMemberList } from '../../../src/config/member-list.ts'

function read(text: string): unknown {
  const list = readMemberList(text, 'members.yaml')
  if (!list.ok) return list.reason
  return list.found.map(({ name, address, weight, zone }) => {
    return [name, formatAddress(address), weight, zone]
  })
}

test('a list of addresses, of maps, or of both', () => {
  assert.deepEqual(read('- 10.0.0.1:80\n- { address: "[fd00::1]:80", weight: 5 }\n'), [
    [null, '10.0.0.1:80', 1, null],
    [null, '[fd00::1]:80', 5, null],
  ])
  assert.deepEqual(read('- { name: a, address: 10.0.0.1:80, zone: seoul-1 }'), [
    ['a', '10.0.0.1:80', 1, 'seoul-1'],
  ])
})

test('a map from names to addresses, as in the configuration', () => {
  assert.deepEqual(read('a: 10.0.0.1:80\nb: { address: unix:/run/b.sock, weight: 2 }'), [
    ['a', '10.0.0.1:80', 1, null],
    ['b', 'unix:/run/b.sock', 2, null],
  ])
})

test('JSON is read as well', () => {
  assert.deepEqual(read('["10.0.0.1:80", {"name": "b", "address": "10.0.0.2:80", "weight": 3}]'), [
    [null, '10.0.0.1:80', 1, null],
    ['b', '10.0.0.2:80', 3, null],
  ])
})

test('a list of nobody is a list', () => {
  for (const text of ['', '# none\n', '[]', '{}', 'null']) assert.deepEqual(read(text), [], text)
})

test('what is wrong is told with line and column', () => {
  for (const [text, expected] of [
    [
      '- 10.0.0.1:80\n- 10.0.0.2',
      'line 2, column 3: [1]: "10.0.0.2" has no port (write 10.0.0.2:8080)',
    ],
    ['[10.0.0.1:80,', 'line 1, column 1: this [ is never closed (add ] at its end)'],
    [
      '- { address: 10.0.0.1:80, wieght: 2 }',
      'line 1, column 27: [0].wieght: there is no such key',
    ],
    [
      '- { name: a }',
      'line 1, column 5: [0].address: is missing (expected an address such as 10.0.0.1:8080)',
    ],
    [
      '- { name: "a b", address: 10.0.0.1:80 }',
      'line 1, column 11: [0].name: "a b" cannot be a name',
    ],
    ['ten', 'line 1, column 1: expected a list of addresses'],
  ] as const) {
    const reason = read(text)
    assert.ok(
      typeof reason === 'string' && reason.startsWith(expected),
      `${text}: ${String(reason)}`,
    )
  }
})

test('variables and files are not followed: whoever writes the list may not read them', () => {
  assert.match(String(read('- ${HOME}:80')), /^line 1, column 3: /)
  assert.match(String(read('- ${file:/etc/passwd}')), /^line 1, column 3: /)
})

test('a text that nests too deeply is refused before it is parsed', () => {
  assert.equal(read('['.repeat(100_000)), 'line 1: it nests too deeply')
})
