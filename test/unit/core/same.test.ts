import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSame } from '../../../src/core/same.ts'

test('plain data is the same if all of its parts are', () => {
  const plan = () => ({ a: [1, { b: null, c: Infinity }], d: 'x' })
  assert.equal(isSame(plan(), plan()), true)
  assert.equal(isSame(null, null), true)
  assert.equal(isSame([], []), true)
})

test('a part that differs, is missing, or is there only in one makes the difference', () => {
  assert.equal(isSame({ a: 1 }, { a: 2 }), false)
  assert.equal(isSame({ a: 1 }, { a: 1, b: undefined }), false)
  assert.equal(isSame({ a: undefined }, { b: undefined }), false)
  assert.equal(isSame([1, 2], [2, 1]), false)
  assert.equal(isSame([], {}), false)
  assert.equal(isSame(null, {}), false)
  assert.equal(isSame(undefined, null), false)
})
