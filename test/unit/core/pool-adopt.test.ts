// A pool that goes on by a new plan: what it knows of the backends that stay goes with them to their
// new positions, whatever the balancer.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NONE, Tried } from '../../../src/core/balancer/contract.ts'
import type { BalanceKind, PoolPlan } from '../../../src/core/plan.ts'
import { BACKEND } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY } from '../../../src/core/snapshot.ts'
import { PoolWorld, poolPlan, snapshot } from './pool-world.ts'
import type { WorldOptions } from './pool-world.ts'

const nobody = new Tried()
const BALANCES: readonly BalanceKind[] = ['round-robin', 'least-connections', 'random-two']

/** The plan of a world with these slots, in this order, and this weight each. */
function planOf(slots: readonly number[], options: Partial<WorldOptions> = {}): PoolPlan {
  const plan = poolPlan({ weights: slots.map(() => 1), ...options })
  const backends = plan.backends.map((backend, index) => ({ ...backend, slot: slots[index]! }))
  return { ...plan, backends }
}

/** A world with room for 100 slots whose pool has these. */
function worldOf(slots: readonly number[], options: Partial<WorldOptions> = {}): PoolWorld {
  const world = new PoolWorld({ ...options, weights: Array.from({ length: 100 }, () => 1) })
  adopt(world, slots, options)
  return world
}

function adopt(world: PoolWorld, slots: readonly number[], options: Partial<WorldOptions>): void {
  const plan = planOf(slots, options)
  for (const pool of world.pools) pool.adopt(plan, new Map())
  world.apply(snapshot(plan.backends.map(({ weight }) => weight)))
}

/** Slots that get the next picks. */
function picks(world: PoolWorld, count: number): readonly number[] {
  return Array.from(
    { length: count },
    (_, at) => world.pool.backends[world.pool.pick(nobody, at)]!.slot,
  )
}

test('positions are told: where each one was, and where it is now', () => {
  const world = worldOf([0, 1, 2])
  const { pool } = world
  assert.equal(pool.adopt(planOf([0, 1, 2]), new Map()), null)
  assert.deepEqual([...pool.adopt(planOf([2, 5, 0]), new Map())!], [2, NONE, 0])
  // One more behind the others moves nobody, but is a change of size.
  assert.deepEqual([...pool.adopt(planOf([2, 5, 0, 6]), new Map())!], [0, 1, 2])
})

test('who stays keeps its place, who goes has none and still counts out', () => {
  const { pool, table } = worldOf([0, 1])
  const [first, second] = pool.backends
  pool.begin(first!)
  pool.begin(second!)
  pool.adopt(planOf([1, 7]), new Map())
  assert.equal(pool.backends[0], second)
  assert.deepEqual([second!.index, first!.index], [0, NONE])
  assert.equal(first!.eligibility, ELIGIBILITY.no)
  // Before the snapshot comes, the new one is not in the rotation, and the old one is.
  assert.deepEqual(pool.available, [second])
  pool.end(first!)
  pool.end(second!)
  for (const slot of [0, 1]) {
    assert.equal(table.rows[0]![table.backendBase(slot) + BACKEND.inFlight], 0)
  }
})

test('who comes back is the one it was', () => {
  const { pool } = worldOf([0, 1])
  const [first] = pool.backends
  pool.adopt(planOf([1]), new Map())
  pool.adopt(planOf([1, 0]), new Map([[0, first!]]))
  assert.equal(pool.backends[1], first)
  assert.equal(first!.index, 1)
})

test('what was tried is known in its new position', () => {
  const tried = new Tried()
  for (const index of [4, 0, 2]) tried.add(index)
  tried.move(Int32Array.of(3, 1, NONE, 0, 2))
  assert.equal(tried.count, 2)
  assert.deepEqual(
    [0, 1, 2, 3, 4].filter((index) => tried.has(index)),
    [2, 3],
  )
  for (let index = 10; index < 20; index++) tried.add(index)
  assert.equal(tried.count, 8)
  assert.ok(!tried.has(2) && tried.has(19))
})

for (const size of [4, 40]) {
  test(`round robin goes on where it was, of ${size} backends`, () => {
    const slots = Array.from({ length: size }, (_, slot) => slot)
    const world = worldOf(slots)
    const plain = worldOf(slots)
    const expected = picks(plain, 5 * size)
    const got: number[] = []
    // The same order again and again, once turned around.
    for (let i = 0; i < 5 * size; i++) {
      adopt(world, i % 3 === 1 ? slots.toReversed() : slots, {})
      got.push(...picks(world, 1))
    }
    const count = (list: readonly number[]): readonly number[] =>
      slots.map((slot) => list.filter((one) => one === slot).length)
    for (const times of count(got)) assert.ok(Math.abs(times - 5) <= 1, `${times} of 5`)
    assert.ok(count(expected).every((times) => times === 5))
  })
}

test('round robin gives nobody a second turn in a cycle because positions change', () => {
  for (const size of [5, 45]) {
    const slots = Array.from({ length: size }, (_, slot) => slot)
    const world = worldOf(slots)
    picks(world, 2 * size)
    const got = new Set<number>()
    for (let i = 0; i < size; i++) {
      adopt(world, i % 2 === 0 ? slots.toReversed() : slots, {})
      for (const slot of picks(world, 1)) got.add(slot)
    }
    assert.equal(got.size, size)
  }
})

for (const balance of ['least-connections', 'random-two'] as const) {
  test(`${balance}: a failing backend stays in bad repute in its new position`, () => {
    const world = worldOf([0, 1, 2], { balance })
    const row = world.table.rows[0]!
    for (let slot = 0; slot < 3; slot++) world.setInFlight(slot, 4)
    picks(world, 3)
    row[world.table.backendBase(0) + BACKEND.failures]! += 300
    for (const slot of [1, 2]) row[world.table.backendBase(slot) + BACKEND.successes]! += 100
    const share = (from: number): number => {
      let times = 0
      for (let i = 0; i < 100; i++) {
        if (world.pool.backends[world.pool.pick(nobody, from + 5 * i)]!.slot === 0) times++
      }
      return times
    }
    assert.ok(share(10) < 5)
    adopt(world, [2, 1, 0], { balance })
    assert.ok(share(1_000) < 5)
    adopt(world, [5, 0], { balance })
    assert.ok(share(2_000) < 5)
  })
}

for (const balance of BALANCES) {
  test(`${balance}: tried backends are left out after positions changed`, () => {
    for (const size of [3, 50]) {
      const slots = Array.from({ length: size }, (_, slot) => slot)
      const world = worldOf(slots, { balance })
      const turned = slots.toReversed()
      for (let i = 0; i < 20; i++) {
        const tried = new Tried()
        const first = world.pool.pick(tried, i)
        const { slot } = world.pool.backends[first]!
        tried.add(first)
        const to = world.pool.adopt(planOf(i % 2 === 0 ? turned : slots, { balance }), new Map())
        tried.move(to!)
        world.apply(snapshot(slots.map(() => 1)))
        const second = world.pool.pick(tried, i)
        assert.notEqual(world.pool.backends[second]!.slot, slot)
      }
    }
  })

  test(`${balance}: from none to many and back, and to another balancer`, () => {
    const world = worldOf([], { balance })
    assert.equal(world.pool.pick(nobody, 0), NONE)
    const many = Array.from({ length: 60 }, (_, slot) => slot)
    adopt(world, many, { balance })
    assert.equal(new Set(picks(world, 600)).size, 60)
    for (const next of BALANCES) {
      adopt(world, [9, 8, 7], { balance: next })
      assert.deepEqual(new Set(picks(world, 90)), new Set([7, 8, 9]))
    }
    adopt(world, [], { balance })
    assert.equal(world.pool.pick(nobody, 0), NONE)
  })

  test(`${balance}: a limit that a plan brings or takes away counts at once`, () => {
    const world = worldOf([0, 1], { balance })
    for (const slot of [0, 1]) world.setInFlight(slot, 3)
    adopt(world, [0, 1], { balance, perBackend: 3 })
    assert.equal(world.pool.pick(nobody, 0), -2)
    adopt(world, [0, 1], { balance, perBackend: 4 })
    assert.ok(world.pool.pick(nobody, 0) >= 0)
    adopt(world, [0, 1], { balance, perBackend: 1 })
    adopt(world, [0, 1], { balance, perBackend: 0 })
    assert.ok(world.pool.pick(nobody, 0) >= 0)
  })
}

test('a pool that is over has nobody', () => {
  const { pool } = worldOf([0, 1, 2])
  pool.retire()
  assert.equal(pool.pick(nobody, 0), NONE)
  assert.equal(pool.pickProbation(true, 0), NONE)
})
