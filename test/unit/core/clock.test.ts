import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../../../src/core/clock.ts'

test('a manual clock moves only forward, and only when told to', () => {
  const clock = new ManualClock(5)
  assert.equal(clock.nowMs(), 5)
  assert.equal(clock.advance(2.5), 7.5)
  assert.equal(clock.nowMs(), 7.5)
  assert.throws(() => clock.advance(-1), /can't go back/)
})
