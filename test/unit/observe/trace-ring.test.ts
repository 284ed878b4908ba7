import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { TraceRing } from '../../../src/observe/trace-ring.ts'
import { someTrace } from '../../support/traces.ts'

function filled(capacity: number, kinds: readonly boolean[]): TraceRing {
  const ring = new TraceRing(capacity)
  kinds.forEach((isError, at) =>
    ring.add(someTrace({ at, totalMs: 0, keptFor: isError ? 'error' : 'sampled' })),
  )
  return ring
}

test('a flood of samples leaves half of the ring to the errors, and the other way round', () => {
  const errorsFirst = filled(
    10,
    [...Array(20).keys()].map((i) => i < 10),
  )
  assert.equal(errorsFirst.latest({ last: 100, errors: true }).length, 5)
  assert.equal(errorsFirst.latest({ last: 100 }).length, 10)
  const samplesFirst = filled(
    10,
    [...Array(1_000).keys()].map((i) => i >= 10),
  )
  assert.equal(samplesFirst.latest({ last: 100, errors: true }).length, 5)
})

test('the ring never holds more than it may, and of each kind the latest', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.boolean()), (capacity, kinds) => {
      const ring = filled(capacity, kinds)
      const kept = ring.latest({ last: 1_000 })
      assert.equal(kept.length, Math.min(capacity, kinds.length))
      assert.equal(ring.size, kept.length)
      assert.equal(ring.total, kinds.length)
      for (const isError of [true, false]) {
        const ofKind = kept.filter(({ keptFor }) => (keptFor === 'error') === isError)
        const all = kinds.flatMap((kind, at) => (kind === isError ? [at] : []))
        const latest = ofKind.length === 0 ? [] : all.slice(-ofKind.length).reverse()
        assert.deepEqual(
          ofKind.map(({ at }) => at),
          latest,
        )
      }
    }),
  )
})

test('an exchange is found by its id, six digits of it, or the request id of the client', () => {
  const ring = new TraceRing(10)
  ring.add(someTrace({ requestId: 'order-1' }))
  ring.add(someTrace({ id: 'ab'.repeat(16), at: 2_000 }))
  ring.add(someTrace({ at: 3_000, pool: 'other' }))
  const found = (id: string) => ring.find(id).map(({ at }) => at)
  assert.deepEqual(found('4bf92f3577b34da6a3ce929d0e0e4736'), [3_000, 1_000])
  assert.deepEqual(found('4BF92F'), [3_000, 1_000])
  assert.deepEqual(found('4bf92'), [])
  assert.deepEqual(found('order-1'), [1_000])
  assert.deepEqual(found(''), [])
  assert.deepEqual(
    ring.latest({ last: 5, pool: 'other' }).map(({ at }) => at),
    [3_000],
  )
})

test('a smaller ring keeps the latest', () => {
  const ring = filled(10, Array<boolean>(10).fill(false))
  ring.resize(3)
  assert.deepEqual(
    ring.latest({ last: 10 }).map(({ at }) => at),
    [9, 8, 7],
  )
})
