import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoadView } from '../../../src/core/balancer/load.ts'
import { PoolWorld } from './pool-world.ts'

/** A view on two backends with 10 attempts in progress each. */
function setUp() {
  const world = new PoolWorld({ weights: [1, 1], threads: 2 })
  const load = new LoadView(world.table, 2)
  load.rebuild(world.pool.available)
  for (const index of [0, 1]) world.setInFlight(index, 10, index)
  const refresh = (nowMs: number) => {
    for (let due = load.refreshDue(nowMs); due > 0; due--) load.refreshNext()
  }
  refresh(0)
  return { world, load, refresh }
}

test('failures weigh three times their share of what ended, times what is in progress', () => {
  const { world, load, refresh } = setUp()
  assert.equal(load.anyFailed, false)
  world.countEnded(0, 10, 10, 0)
  world.countEnded(1, 0, 20, 1)
  refresh(10)
  // 3 × 20 × 10 ÷ 40, and 3 × 20 × 20 ÷ 40.
  assert.deepEqual([load.penalty(0), load.penalty(1)], [15, 30])
  assert.equal(load.anyFailed, true)
  world.countEnded(1, 40, 0, 0)
  refresh(11)
  assert.equal(load.penalty(0), 15, 'no more than every 2 ms')
  refresh(12)
  // 3 × 20 × 10 ÷ 80 is 7.5, less a trace of 2 ms, in steps of ½.
  assert.deepEqual([load.penalty(0), load.penalty(1)], [7, 14.5])
})

test('what ended 5 s ago counts 1/e of what ends now', () => {
  const { world, load, refresh } = setUp()
  world.countEnded(0, 0, 100)
  refresh(10)
  world.countEnded(1, 100, 0)
  refresh(5_010)
  assert.equal(load.penalty(0), Math.floor((2 * 60 * 1) / (1 + Math.E)) / 2)
})

test('it is as good after an hour, with and without traffic in between', () => {
  for (const steps of [1, 50]) {
    const { world, load, refresh } = setUp()
    world.countEnded(0, 0, 1_000)
    refresh(10)
    for (let i = 1; i <= steps; i++) {
      world.countEnded(0, 1, 0)
      refresh(10 + (i * 3_600_000) / steps)
    }
    assert.equal(load.penalty(0), 0, `${steps}`)
    world.countEnded(0, 0, 10)
    world.countEnded(1, 10, 0)
    refresh(3_600_020)
    assert.ok(load.penalty(0) >= 27 && load.penalty(0) <= 30, `${load.penalty(0)}`)
  }
})

test('backends out of the rotation do not count', () => {
  const { world, load, refresh } = setUp()
  world.countEnded(0, 0, 10)
  world.countEnded(1, 990, 0)
  refresh(10)
  assert.equal(load.penalty(0), 0.5)
  load.rebuild(world.pool.available.slice(0, 1))
  refresh(20)
  assert.equal(load.penalty(0), 30, '3 × 10 × 10 ÷ 10')
  load.rebuild(world.pool.available)
  refresh(30)
  assert.equal(load.penalty(0), 0.5)
})
