import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backoffMs } from '../../../src/core/backoff.ts'
import { seededRandom } from '../../../src/core/random.ts'

test('the ceiling doubles from the least to the greatest wait', () => {
  const almostOne = { next: () => 1 - 2 ** -32 }
  const waits = [1, 2, 3, 4, 5, 60].map((attempt) =>
    Math.round(backoffMs(attempt, 25, 250, almostOne)),
  )
  assert.deepEqual(waits, [25, 50, 100, 200, 250, 250])
})

test('a wait is anything from 0 to its ceiling, evenly', () => {
  const random = seededRandom(11)
  const waits = Array.from({ length: 10_000 }, () => backoffMs(3, 25, 250, random))
  assert.ok(waits.every((ms) => ms >= 0 && ms < 100))
  const quarters = [0, 0, 0, 0]
  for (const ms of waits) quarters[Math.floor(ms / 25)]!++
  for (const n of quarters) assert.ok(Math.abs(n - 2_500) < 200, quarters.join(' '))
})
