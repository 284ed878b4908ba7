import assert from 'node:assert/strict'
import { test } from 'node:test'
import { slowStartNextMs, slowStartShare } from '../../../src/core/slow-start.ts'

const ramp = { durationMs: 10_000, from: 0.1 }

test('the share climbs in ten steps from its beginning to the whole weight', () => {
  const at = [0, 999, 1_000, 5_000, 9_999, 10_000, 60_000]
  const shares = at.map((ms) => Number(slowStartShare(ramp, ms).toFixed(3)))
  assert.deepEqual(shares, [0.1, 0.1, 0.19, 0.55, 0.91, 1, 1])
})

test('each step says when the next one is due', () => {
  assert.equal(slowStartNextMs(ramp, 0), 1_000)
  assert.equal(slowStartNextMs(ramp, 1_250), 750)
  assert.equal(slowStartNextMs(ramp, 9_999), 1)
  assert.equal(slowStartNextMs(ramp, 10_000), Infinity)
})

test('without a duration, or without a beginning, there is no slow start', () => {
  assert.equal(slowStartShare({ durationMs: 0, from: 0.1 }, 0), 1)
  assert.equal(slowStartNextMs({ durationMs: 0, from: 0.1 }, 0), Infinity)
  assert.equal(slowStartShare(ramp, Infinity), 1)
  assert.equal(slowStartNextMs(ramp, Infinity), Infinity)
})
