import assert from 'node:assert/strict'
import { test } from 'node:test'
import { medianOfOthers } from '../../../src/core/thresholds.ts'

test('the median of the others leaves one out, and takes the lower of two', () => {
  const sorted = Float64Array.of(1, 2, 3, 40)
  const others = [0, 1, 2, 3].map((place) => medianOfOthers(sorted, place))
  assert.deepEqual(others, [3, 3, 2, 2])
  assert.equal(medianOfOthers(sorted, -1), 2)
  assert.equal(medianOfOthers(Float64Array.of(7), 0), Infinity, 'nobody to compare with')
  assert.equal(medianOfOthers(Float64Array.of(7), -1), 7)
  assert.equal(medianOfOthers(new Float64Array(0), -1), Infinity)
})
