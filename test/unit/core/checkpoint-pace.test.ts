import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { CheckpointPace } from '../../../src/core/checkpoint-pace.ts'

const QUIET = { isDown: false, turned: false }
const DOWN = { isDown: true, turned: false }
const TURNED = { isDown: false, turned: true }

test('a checkpoint is due once a minute, every 2 s while a pool is down, at once at a turn', () => {
  const pace = new CheckpointPace()
  pace.begun(1_000)
  pace.written(4_096)
  assert.deepEqual([pace.isDue(60_999, QUIET), pace.isDue(61_000, QUIET)], [false, true])
  assert.deepEqual([pace.isDue(2_999, DOWN), pace.isDue(3_000, DOWN)], [false, true])
  assert.deepEqual([pace.isDue(1_062, TURNED), pace.isDue(1_063, TURNED)], [false, true])
})

test('a large checkpoint is enough for longer, whatever happens', () => {
  const pace = new CheckpointPace()
  pace.begun(0)
  pace.written(1_638_400)
  for (const why of [DOWN, TURNED]) {
    assert.deepEqual([pace.isDue(24_999, why), pace.isDue(25_000, why)], [false, true])
  }
})

test('over time checkpoints write no more than 64 KiB a second', () => {
  const look = fc.record({ afterMs: fc.integer({ min: 1, max: 5_000 }), turned: fc.boolean() })
  fc.assert(
    fc.property(fc.array(look), fc.integer({ min: 0, max: 5_000_000 }), (looks, bytes) => {
      const pace = new CheckpointPace()
      let nowMs = 0
      let written = 0
      for (const { afterMs, turned } of looks) {
        nowMs += afterMs
        if (!pace.isDue(nowMs, { isDown: true, turned })) continue
        pace.begun(nowMs)
        pace.written(bytes)
        written += bytes
      }
      assert.ok(written <= bytes + (nowMs / 1_000) * 65_536)
    }),
  )
})
