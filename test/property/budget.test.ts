import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { RetryBudget } from '../../src/core/budget.ts'

test('in no stretch of time more retries than burst + the most it can have earned', () => {
  const step = fc.record({
    waitMs: fc.oneof(fc.nat(5), fc.nat(3_000)),
    requests: fc.nat(200),
    retries: fc.nat(60),
  })
  const limits = fc.record({
    ratio: fc.constantFrom(0, 0.1, 0.2, 1),
    perSecondMin: fc.constantFrom(0, 1, 10),
    burst: fc.integer({ min: 1, max: 100 }),
  })
  fc.assert(
    fc.property(
      limits,
      fc.integer({ min: 1, max: 4 }),
      fc.array(step),
      (limits, threads, steps) => {
        const budget = new RetryBudget(limits, threads)
        const granted: { atMs: number; count: number }[] = []
        const seen: { atMs: number; count: number }[] = []
        let nowMs = 0
        for (const { waitMs, requests, retries } of steps) {
          nowMs += waitMs
          for (let i = 0; i < requests; i++) budget.deposit(nowMs)
          seen.push({ atMs: nowMs, count: requests })
          let count = 0
          for (let i = 0; i < retries; i++) if (budget.withdraw(nowMs)) count++
          granted.push({ atMs: nowMs, count })
        }
        const burst = Math.max(1, limits.burst / threads)
        for (const [i, { atMs: fromMs }] of granted.entries()) {
          let taken = 0
          for (const { atMs, count } of granted.slice(i)) {
            taken += count
            const seconds = (atMs - fromMs) / 1_000
            // Every request of the stretch, and of the 10 s before it, earns at most its ratio once.
            const requests = seen
              .filter((one) => one.atMs >= fromMs - 10_000 && one.atMs <= atMs)
              .reduce((sum, one) => sum + one.count, 0)
            const earned = (seconds * limits.perSecondMin) / threads + limits.ratio * requests
            assert.ok(taken <= burst + earned + 1e-6, `${taken} in ${seconds} s`)
          }
        }
      },
    ),
    { numRuns: 200 },
  )
})
