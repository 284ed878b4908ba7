import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spill } from '../../../src/core/overflow.ts'

const percent = (...capacity: number[]) =>
  spill(capacity.map((healthy) => healthy / 100)).map((share) => Math.round(share * 100))

test("the first tier keeps what 1.4 times its healthy share is worth: Envoy's figures", () => {
  assert.deepEqual(percent(100, 100), [100, 0])
  assert.deepEqual(percent(72, 100), [100, 0])
  assert.deepEqual(percent(71, 100), [99, 1])
  assert.deepEqual(percent(50, 100), [70, 30])
  assert.deepEqual(percent(25, 100), [35, 65])
  assert.deepEqual(percent(0, 100), [0, 100])
})

test('what the second has no capacity for goes to the third', () => {
  assert.deepEqual(percent(50, 10, 100), [70, 14, 16])
  assert.deepEqual(percent(50, 0, 100), [70, 0, 30])
  assert.deepEqual(percent(100, 0, 0), [100, 0, 0])
})

test('too little altogether is shared in proportion', () => {
  assert.deepEqual(percent(25, 25), [50, 50])
  assert.deepEqual(percent(20, 10), [67, 33])
  assert.deepEqual(percent(10), [100])
})

test('nobody healthy leaves it all to the first', () => {
  assert.deepEqual(percent(0, 0, 0), [100, 0, 0])
  assert.deepEqual(percent(0), [100])
})
