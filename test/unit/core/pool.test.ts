import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FULL, NONE, Tried } from '../../../src/core/balancer/contract.ts'
import { BACKEND } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from '../../../src/core/snapshot.ts'
import { PoolWorld, snapshot } from './pool-world.ts'

const nobody = new Tried()

function withProbation(weights: readonly number[], index: number, thread: number): PoolSnapshot {
  const whole = snapshot(weights)
  whole.eligibility[index] = ELIGIBILITY.probation
  whole.probationThread[index] = thread
  return whole
}

function setProbing(world: PoolWorld, index: number, count: number, thread = 0): void {
  world.table.rows[thread]![world.pool.backends[index]!.base + BACKEND.probing] = count
}

test('a snapshot sets eligibility, weights and the rotation in one go', () => {
  const world = new PoolWorld({ weights: [1, 2, 3, 4] })
  const { pool } = world
  const change = snapshot([1, 0.5, 3, 0])
  change.eligibility.set([ELIGIBILITY.finish, ELIGIBILITY.yes, ELIGIBILITY.no, ELIGIBILITY.yes])
  pool.apply({ ...change, halfAvailable: false })
  assert.deepEqual(
    pool.available.map(({ index }) => index),
    [1],
  )
  assert.equal(pool.backends[1]!.weight, 0.5)
  assert.equal(pool.backends[0]!.eligibility, ELIGIBILITY.finish)
  assert.equal(pool.halfAvailable, false)
})

test('in flight is summed over all threads, and begin and end move this one', () => {
  const world = new PoolWorld({ weights: [1, 1], threads: 3 })
  world.setInFlight(1, 4, 1)
  world.setInFlight(1, 2, 2)
  world.pool.begin(world.pool.backends[1]!)
  world.pool.begin(world.pool.backends[1]!)
  world.pool.end(world.pool.backends[1]!)
  assert.equal(world.pool.inFlight(world.pool.backends[1]!), 7)
  assert.equal(world.pool.inFlight(world.pool.backends[0]!), 0)
})

test('a single backend at its limit is full', () => {
  const world = new PoolWorld({ weights: [1], perBackend: 1 })
  assert.equal(world.pool.pick(nobody, 0), 0)
  world.pool.begin(world.pool.backends[0]!)
  assert.equal(world.pool.pick(nobody, 0), FULL)
})

test('a backend on probation is out of the rotation and served by its thread alone', () => {
  const world = new PoolWorld({ weights: [1, 1], threads: 2 })
  world.apply(withProbation([1, 1], 1, 1))
  for (let i = 0; i < 4; i++) assert.equal(world.pools[1]!.pick(nobody, i), 0)
  assert.equal(world.pools[0]!.pickProbation(true, 0), NONE)
  assert.equal(world.pools[1]!.pickProbation(true, 0), 1)
})

test('one probation request at a time', () => {
  const world = new PoolWorld({ weights: [1, 1] })
  world.apply(withProbation([1, 1], 1, 0))
  assert.equal(world.pool.pickProbation(true, 0), 1)
  setProbing(world, 1, 1)
  assert.equal(world.pool.pickProbation(true, 10), NONE)
  setProbing(world, 1, 0)
  assert.equal(world.pool.pickProbation(true, 20), 1)
})

test('a request that cannot be replayed is risked only after a second without a better one', () => {
  const world = new PoolWorld({ weights: [1, 1] })
  world.apply(withProbation([1, 1], 1, 0))
  assert.equal(world.pool.pickProbation(false, 5_000), NONE, 'the wait begins')
  assert.equal(world.pool.pickProbation(false, 6_000), NONE)
  world.apply(withProbation([1, 1], 1, 0))
  assert.equal(world.pool.pickProbation(false, 6_001), 1, 'the same snapshot again changes nothing')
  setProbing(world, 1, 1)
  assert.equal(world.pool.pickProbation(false, 9_000), NONE)
  setProbing(world, 1, 0)
  assert.equal(world.pool.pickProbation(false, 9_900), NONE, 'it counts from when the last one ran')
  assert.equal(world.pool.pickProbation(false, 10_001), 1)
  world.apply(snapshot([1, 1]))
  world.apply(withProbation([1, 1], 1, 0))
  assert.equal(world.pool.pickProbation(false, 20_000), NONE, 'a new probation waits anew')
})

test('a probation request respects the limit', () => {
  const world = new PoolWorld({ weights: [1, 1], perBackend: 1 })
  world.apply(withProbation([1, 1], 1, 0))
  world.pool.begin(world.pool.backends[1]!)
  assert.equal(world.pool.pickProbation(true, 0), NONE)
  world.pool.end(world.pool.backends[1]!)
  assert.equal(world.pool.pickProbation(true, 0), 1)
})

test('tried backends are remembered once each, the last eight of them, until cleared', () => {
  const tried = new Tried()
  tried.add(3)
  tried.add(3)
  assert.equal(tried.count, 1)
  for (let index = 10; index < 18; index++) tried.add(index)
  assert.equal(tried.count, 8)
  assert.equal(tried.has(3), false)
  assert.ok(tried.has(10) && tried.has(17))
  tried.clear()
  assert.equal(tried.count, 0)
  assert.equal(tried.has(10), false)
})
