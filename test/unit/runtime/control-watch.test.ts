import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedTable, THREAD } from '../../../src/core/shared-layout.ts'
import { ControlWatch } from '../../../src/runtime/control-watch.ts'

const shape = { threads: 2, listeners: 0, pools: 0, slots: 0 }

function setUp() {
  const table = SharedTable.allocate(shape)
  const watch = new ControlWatch(table)
  const beat = (thread: number, ms: number) => (table.rows[thread]![THREAD.heartbeatMs] = ms)
  return { watch, beat }
}

test('a turn that comes when it was promised is on time, also before or shortly after', () => {
  const { watch } = setUp()
  assert.equal(watch.turn(1_000), 0)
  watch.promise(1_100)
  assert.equal(watch.turn(1_050), 0)
  watch.promise(1_150)
  assert.equal(watch.turn(1_170), 0)
  assert.equal(watch.stalledSince(0, 1), false)
})

test('a late turn is a stall, as long as it can have been', () => {
  const { watch } = setUp()
  watch.turn(1_000)
  watch.promise(1_100)
  assert.equal(watch.turn(1_700), 700)
  assert.equal(watch.stalledSince(1_200, 700), true)
  assert.equal(watch.stalledSince(1_200, 701), false, 'shorter than was asked for')
  assert.equal(watch.stalledSince(1_700, 100), false, 'over by then')
})

test('a stall is noticed by whatever comes first after it, and only once', () => {
  const { watch } = setUp()
  watch.turn(0)
  watch.promise(100)
  assert.equal(watch.turn(900), 900)
  assert.equal(watch.turn(905), 0)
})

test('several stalls within one probe are judged one by one', () => {
  const { watch } = setUp()
  for (const [promised, came] of [
    [100, 900],
    [1_000, 1_300],
  ] as const) {
    watch.promise(promised)
    watch.turn(came)
  }
  assert.equal(watch.stalledSince(50, 800), true)
  assert.equal(watch.stalledSince(50, 1_000), false)
})

test('a thread is trusted while it beats, not while it stands, nor right after', () => {
  const { watch, beat } = setUp()
  const trusted = (nowMs: number) => {
    watch.turn(nowMs)
    watch.promise(nowMs + 100)
    watch.look(nowMs)
    return [...watch.trusted]
  }
  beat(0, 1_000)
  beat(1, 1_000)
  assert.deepEqual(trusted(1_020), [1, 1])
  beat(1, 1_100)
  assert.deepEqual(trusted(1_120), [1, 1])
  beat(1, 1_200)
  trusted(1_220)
  beat(1, 1_300)
  assert.deepEqual(trusted(1_320), [0, 1], 'no beat for 320 ms')
  beat(0, 1_380)
  beat(1, 1_350)
  assert.deepEqual(trusted(1_390), [0, 1], 'it moves again and has to read first')
  beat(0, 1_530)
  beat(1, 1_530)
  assert.deepEqual(trusted(1_539), [0, 1])
  assert.deepEqual(trusted(1_540), [1, 1])
})

test('when we stood still, so may have the threads', () => {
  const { watch, beat } = setUp()
  beat(0, 1_000)
  beat(1, 1_000)
  watch.look(1_000)
  watch.turn(1_000)
  watch.promise(1_100)
  watch.turn(3_000)
  beat(0, 3_000)
  beat(1, 3_000)
  watch.look(3_010)
  assert.deepEqual([...watch.trusted], [0, 0])
})
