import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { RateWindow } from '../../../src/core/window.ts'

test('outcomes leave the window bucket by bucket', () => {
  const window = new RateWindow(10_000)
  window.add(3, 1, 1_000)
  window.add(0, 2, 5_500)
  assert.deepEqual([window.attempts(5_500), window.failures(5_500)], [6, 3])
  assert.deepEqual([window.attempts(10_999), window.failures(10_999)], [6, 3])
  assert.deepEqual([window.attempts(11_000), window.failures(11_000)], [2, 2])
  assert.deepEqual([window.attempts(15_000), window.failures(15_000)], [0, 0])
})

test('a long idle gap empties the window at once, and it goes on from there', () => {
  const window = new RateWindow(10_000)
  window.add(50, 50, 1_000)
  window.add(1, 0, 3_600_000)
  assert.deepEqual([window.attempts(3_600_000), window.failures(3_600_000)], [1, 0])
})

test('clear forgets everything', () => {
  const window = new RateWindow(1_000)
  window.add(5, 5, 100)
  window.clear()
  assert.equal(window.attempts(100), 0)
})

test('the sums are those of a list of events, whatever the gaps between them', () => {
  const event = fc.record({
    gapMs: fc.oneof(fc.nat(300), fc.nat(30_000)),
    successes: fc.nat(5),
    failures: fc.nat(5),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const window = new RateWindow(1_000)
      let nowMs = 7
      const all: { bucket: number; successes: number; failures: number }[] = []
      for (const { gapMs, successes, failures } of events) {
        nowMs += gapMs
        window.add(successes, failures, nowMs)
        const bucket = Math.floor(nowMs / 100)
        all.push({ bucket, successes, failures })
        const inside = all.filter((one) => one.bucket > bucket - 10)
        assert.equal(
          window.failures(nowMs),
          inside.reduce((sum, one) => sum + one.failures, 0),
        )
        assert.equal(
          window.attempts(nowMs),
          inside.reduce((sum, one) => sum + one.successes + one.failures, 0),
        )
      }
    }),
  )
})
