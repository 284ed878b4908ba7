import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/core/random.ts'

test('the same seed repeats the sequence and stays in [0, 1)', () => {
  const one = seededRandom(7)
  const two = seededRandom(7)
  let sum = 0
  for (let i = 0; i < 10_000; i++) {
    const value = one.next()
    assert.equal(value, two.next())
    assert.ok(value >= 0 && value < 1)
    sum += value
  }
  assert.ok(Math.abs(sum / 10_000 - 0.5) < 0.02)
  assert.notEqual(seededRandom(8).next(), seededRandom(7).next())
})
