import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { DueQueue } from '../../../src/core/due-queue.ts'

test('members come out in the order of their due times, and only when they are due', () => {
  const queue = new DueQueue(3)
  queue.set(0, 30)
  queue.set(1, 10)
  queue.set(2, 20)
  assert.equal(queue.nextMs(), 10)
  assert.equal(queue.take(9), -1)
  assert.deepEqual([queue.take(25), queue.take(25), queue.take(25)], [1, 2, -1])
  assert.equal(queue.nextMs(), 30)
})

test('a due time can be moved either way, and taken back', () => {
  const queue = new DueQueue(3)
  for (const [member, dueMs] of [10, 20, 30].entries()) queue.set(member, dueMs)
  queue.set(2, 5)
  queue.set(0, 40)
  queue.set(1, Infinity)
  assert.deepEqual([queue.take(99), queue.take(99), queue.take(99)], [2, 0, -1])
  assert.equal(queue.nextMs(), Infinity)
})

test('it always agrees with a plain list', () => {
  const change = fc.record({
    member: fc.nat(9),
    dueMs: fc.oneof(fc.nat(50), fc.constant(Infinity)),
    takeAt: fc.option(fc.nat(50), { nil: undefined, freq: 2 }),
  })
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const queue = new DueQueue(10)
      const due = new Map<number, number>()
      for (const { member, dueMs, takeAt } of changes) {
        queue.set(member, dueMs)
        if (dueMs === Infinity) due.delete(member)
        else due.set(member, dueMs)
        if (takeAt !== undefined) {
          const taken = queue.take(takeAt)
          if (taken >= 0) {
            assert.equal(due.get(taken), Math.min(...due.values()))
            assert.ok(due.get(taken)! <= takeAt)
            due.delete(taken)
          } else assert.ok(Math.min(Infinity, ...due.values()) > takeAt)
        }
        assert.equal(queue.nextMs(), Math.min(Infinity, ...due.values()))
      }
    }),
  )
})
