import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryBudget } from '../../../src/core/budget.ts'

const limits = { ratio: 0.2, perSecondMin: 10, burst: 100 }

function drain(budget: RetryBudget, nowMs: number): number {
  let taken = 0
  while (budget.withdraw(nowMs)) taken++
  return taken
}

test('it begins full, and a burst empties it', () => {
  const budget = new RetryBudget(limits, 1)
  assert.equal(drain(budget, 5_000), 100)
  assert.equal(budget.withdraw(5_000), false)
})

test('without traffic it earns the floor, and no more than the burst', () => {
  const budget = new RetryBudget(limits, 1)
  drain(budget, 1_000)
  assert.equal(drain(budget, 1_099), 0)
  assert.equal(drain(budget, 1_100), 1)
  assert.equal(drain(budget, 3_100), 20)
  assert.equal(drain(budget, 903_100), 100)
})

test('with traffic it earns the ratio of the requests of the last 10 s', () => {
  const budget = new RetryBudget(limits, 1)
  // 500 requests a second for 10 s, then none.
  for (let ms = 0; ms < 10_000; ms += 2) budget.deposit(ms)
  drain(budget, 10_000 - 1)
  assert.equal(
    drain(budget, 10_499),
    50,
    '20 % of 500 a second, before a second has left the window',
  )
  budget.withdraw(15_000)
  drain(budget, 15_000)
  // 4 full seconds are left in the window: 2,000 requests ÷ 10 s × 20 % = 40 a second.
  assert.equal(drain(budget, 15_500), 20)
  drain(budget, 40_000)
  assert.equal(drain(budget, 41_000), 10, 'all has left the window: the floor')
})

test('threads share floor and burst', () => {
  const budget = new RetryBudget(limits, 4)
  assert.equal(drain(budget, 0), 25)
  assert.equal(drain(budget, 2_000), 5)
  assert.equal(drain(new RetryBudget({ ...limits, burst: 2 }, 8), 0), 1, 'at least one each')
})

test('a burst of 0 allows no retry', () => {
  const budget = new RetryBudget({ ...limits, burst: 0 }, 1)
  assert.equal(budget.withdraw(100_000), false)
})

test('looking does not charge', () => {
  const budget = new RetryBudget({ ratio: 0, perSecondMin: 1, burst: 3 }, 1)
  assert.equal(budget.available(10), 3)
  assert.equal(drain(budget, 10), 3)
  assert.equal(budget.available(1_509), 1)
  assert.equal(budget.available(511), 1, 'a reading from before changes nothing')
})
