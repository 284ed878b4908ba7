import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/core/address-text.ts'
import { EndpointSlices } from '../../../src/discover/endpoint-slices.ts'
import { describe, type FakeSlice } from '../../support/kubernetes.ts'

function read(slices: readonly FakeSlice[], port: string | number | null = null) {
  const all = new EndpointSlices(port)
  for (const slice of slices) all.set(describe(slice))
  const { found, refused } = all.read()
  const list = found.map(({ name, address, weight, zone }) => {
    return `${name ?? '-'} ${formatAddress(address)} ${weight}${zone === null ? '' : ` ${zone}`}`
  })
  return { list: list.sort(), refused }
}

test('endpoints of all slices are backends by the names of their pods', () => {
  const { list } = read([
    { name: 's1', endpoints: [{ address: '10.1.0.1', pod: 'api-1', zone: 'a', ready: true }] },
    { name: 's2', endpoints: [{ address: '10.1.0.2' }] },
  ])
  assert.deepEqual(list, ['- 10.1.0.2:8080 1', 'api-1 10.1.0.1:8080 1 a'])
})

test('who is not ready, or on the way out, gets nothing new', () => {
  const { list } = read([
    {
      name: 's',
      endpoints: [
        { address: '10.1.0.1', ready: true },
        { address: '10.1.0.2', ready: false, serving: false },
        { address: '10.1.0.3', ready: false, serving: true, terminating: true },
        { address: '10.1.0.4', ready: true, terminating: true },
      ],
    },
  ])
  assert.deepEqual(list, [
    '- 10.1.0.1:8080 1',
    '- 10.1.0.2:8080 0',
    '- 10.1.0.3:8080 0',
    '- 10.1.0.4:8080 0',
  ])
})

test('with nobody ready, those that go and still serve are used', () => {
  const { list } = read([
    {
      name: 's',
      endpoints: [
        { address: '10.1.0.2', ready: false, serving: false },
        { address: '10.1.0.3', ready: false, serving: true, terminating: true },
      ],
    },
  ])
  assert.deepEqual(list, ['- 10.1.0.2:8080 0', '- 10.1.0.3:8080 1'])
})

test('a pod with addresses of both families is one backend, by its IPv4 address', () => {
  const six: FakeSlice = {
    name: 'six',
    addressType: 'IPv6',
    endpoints: [
      { address: 'fd00::1', pod: 'api-1' },
      { address: 'fd00::2', pod: 'api-2' },
    ],
  }
  const four: FakeSlice = { name: 'four', endpoints: [{ address: '10.1.0.1', pod: 'api-1' }] }
  const expected = ['api-1 10.1.0.1:8080 1', 'api-2 [fd00::2]:8080 1']
  assert.deepEqual(read([six, four]).list, expected)
  assert.deepEqual(read([four, six]).list, expected)
})

test('a pod that is in two slices for a moment is one, and ready if one says so', () => {
  const old: FakeSlice = { name: 'a', endpoints: [{ address: '10.1.0.1', pod: 'p', ready: false }] }
  const fresh: FakeSlice = {
    name: 'b',
    endpoints: [{ address: '10.1.0.1', pod: 'p', ready: true }],
  }
  assert.deepEqual(read([old, fresh]).list, ['p 10.1.0.1:8080 1'])
})

test('a port is found by name or number, or is the only one', () => {
  const slice: FakeSlice = {
    name: 's',
    ports: [
      { name: 'http', port: 8080 },
      { name: 'metrics', port: 9090 },
      { name: 'dns', port: 53, protocol: 'UDP' },
    ],
    endpoints: [{ address: '10.1.0.1' }],
  }
  assert.deepEqual(read([slice], 'metrics').list, ['- 10.1.0.1:9090 1'])
  assert.deepEqual(read([slice], 8080).list, ['- 10.1.0.1:8080 1'])
  assert.deepEqual(read([slice]).refused, ['the service has several ports: say which'])
  assert.deepEqual(read([slice], 'grpc').refused, ['the service has no port grpc'])
  assert.deepEqual(read([slice], 53).refused, ['the service has no port 53'])
})

test('a slice that is deleted takes its endpoints along', () => {
  const all = new EndpointSlices(null)
  const slice = describe({ name: 's', endpoints: [{ address: '10.1.0.1' }] })
  all.set(slice)
  assert.equal(all.read().found.length, 1)
  all.delete(slice)
  assert.equal(all.read().found.length, 0)
})

test('names instead of addresses, and what is no slice, are left out', () => {
  const all = new EndpointSlices(null)
  all.set(describe({ name: 'f', addressType: 'FQDN', endpoints: [{ address: 'a.example' }] }))
  all.set(describe({ name: 'x', endpoints: [{ address: 'not an address' }] }))
  for (const odd of [null, 1, [], {}, { metadata: {} }, { metadata: { name: 'y' } }]) all.set(odd)
  assert.deepEqual(all.read(), { found: [], refused: [] })
})
