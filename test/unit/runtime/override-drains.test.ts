import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OverrideDrains } from '../../../src/runtime/override-drains.ts'

/** Two backends, threads that apply versions, and a clock, all by hand. */
function world() {
  let due: { atMs: number; fire: () => void } | null = null
  const state = {
    nowMs: 0,
    version: 5,
    applied: 5,
    inFlight: new Map<string, number>(),
    told: [] as string[],
    cut: [] as string[],
  }
  const drains = new OverrideDrains({
    timers: {
      set: (ms, fire) => {
        assert.equal(due, null)
        due = { atMs: state.nowMs + ms, fire }
        return due
      },
      clear: () => (due = null),
    },
    nowMs: () => state.nowMs,
    inFlight: (pool, backend) => state.inFlight.get(`${pool}/${backend}`) ?? 0,
    version: () => state.version,
    applied: () => state.applied,
    cut: (pool, backend) => state.cut.push(`${pool}/${backend}`),
    publish: (event) => {
      assert.equal(event.kind, 'drained')
      if (event.kind !== 'drained') return
      const { pool, backend, tookMs, cut } = event
      state.told.push(`${pool}/${backend} after ${tookMs}, ${cut} cut`)
    },
  })
  const run = (ms: number): void => {
    const endMs = state.nowMs + ms
    while (due !== null && due.atMs <= endMs) {
      const { atMs, fire } = due
      due = null
      state.nowMs = atMs
      fire()
    }
    state.nowMs = endMs
  }
  return { ...state, state, drains, run, isIdle: () => due === null }
}

test('a backend is drained once every thread knows and nothing runs there, and that is told once', () => {
  const { state, drains, run, isIdle } = world()
  state.version = 6
  state.inFlight.set('web/a', 2)
  drains.begin('web', 'a', null)
  run(1_000)
  state.inFlight.set('web/a', 0)
  run(1_000)
  assert.equal(drains.isDrained('web', 'a'), false, 'a thread may still begin something')
  state.inFlight.set('web/a', 1)
  state.applied = 6
  run(1_000)
  assert.equal(drains.isDrained('web', 'a'), false)
  state.inFlight.set('web/a', 0)
  assert.equal(drains.isDrained('web', 'a'), true, 'who asks need not wait for the next look')
  run(1_000)
  assert.deepEqual(state.told, ['web/a after 3000, 0 cut'])
  assert.ok(isIdle())
  drains.begin('web', 'a', null)
  run(1_000)
  assert.deepEqual(state.told, ['web/a after 3000, 0 cut'], 'the same word again is no news')
})

test('what came back is followed no more, and taken out again it is drained anew', () => {
  const { state, drains, run } = world()
  state.inFlight.set('web/a', 1)
  drains.begin('web', 'a', null)
  drains.end('web', 'a')
  state.inFlight.set('web/a', 0)
  run(1_000)
  assert.deepEqual([state.told, drains.isDrained('web', 'a')], [[], false])
  drains.begin('web', 'a', null)
  assert.equal(drains.isDrained('web', 'a'), true)
  assert.equal(state.told.length, 1)
})

test('what was out before the start is drained without news', () => {
  const { state, drains, run } = world()
  drains.resume('web', 'a')
  run(1_000)
  assert.deepEqual([state.told, drains.isDrained('web', 'a')], [[], true])
})

test('what is followed already goes on as it was begun', () => {
  const { state, drains, run } = world()
  state.inFlight.set('web/a', 1)
  drains.begin('web', 'a', 2_000)
  run(1_000)
  drains.resume('web', 'a')
  run(1_000)
  assert.deepEqual(state.cut, ['web/a'])
  state.inFlight.clear()
  run(50)
  assert.deepEqual(state.told, ['web/a after 2050, 1 cut'])
})

test('what still runs when its time is over is cut, once', () => {
  const { state, drains, run } = world()
  state.inFlight.set('web/a', 3)
  state.inFlight.set('web/b', 1)
  drains.begin('web', 'a', 2_000)
  drains.begin('web', 'b', null)
  run(1_990)
  assert.deepEqual(state.cut, [])
  run(5_000)
  assert.deepEqual(state.cut, ['web/a'])
  state.inFlight.set('web/a', 0)
  state.inFlight.set('web/b', 0)
  run(50)
  assert.deepEqual(state.told, ['web/a after 7000, 3 cut', 'web/b after 7000, 0 cut'])
})

test('a later word sets the time to finish anew', () => {
  const { state, drains, run } = world()
  state.inFlight.set('web/a', 3)
  drains.begin('web', 'a', 2_000)
  drains.begin('web', 'a', null)
  run(10_000)
  assert.deepEqual(state.cut, [])
  drains.begin('web', 'a', 0)
  assert.deepEqual(state.cut, ['web/a'])
})

test('after the stop nothing is looked at', () => {
  const { state, drains, run, isIdle } = world()
  state.inFlight.set('web/a', 1)
  drains.begin('web', 'a', 10)
  drains.stop()
  run(1_000)
  assert.ok(isIdle())
  assert.deepEqual(state.cut, [])
})
