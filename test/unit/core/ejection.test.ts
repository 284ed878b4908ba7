import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  AT_ONCE_MS,
  EjectionBoard,
  ejectionAllowance,
  type EjectionScope,
} from '../../../src/core/ejection.ts'

const scope = (total: number, changes: Partial<EjectionScope> = {}): EjectionScope => ({
  ejectedMax: 0.5,
  total,
  inPlay: total,
  ejected: 0,
  available: total,
  floor: 1,
  elsewhere: false,
  ...changes,
})
const failing = { cause: 'failing', text: '5 in a row' } as const

test('how many may go: half, rounded down; one of two, never the last', () => {
  const allowed = [1, 2, 3, 4, 5, 10].map((total) => ejectionAllowance(scope(total)))
  assert.deepEqual(allowed, [0, 1, 1, 2, 2, 5])
})

test('a smaller share lets one go all the same, no share none', () => {
  assert.equal(ejectionAllowance(scope(3, { ejectedMax: 0.1 })), 1)
  assert.equal(ejectionAllowance(scope(100, { ejectedMax: 0.29 })), 29)
  assert.equal(ejectionAllowance(scope(3, { ejectedMax: 0 })), 0)
})

test('minAvailable is a floor, with those counted that are gone for other reasons', () => {
  assert.equal(ejectionAllowance(scope(4, { floor: 3 })), 1)
  assert.equal(ejectionAllowance(scope(4, { floor: 4 })), 0)
  assert.equal(ejectionAllowance(scope(4, { available: 2, inPlay: 2 })), 1)
  assert.equal(ejectionAllowance(scope(4, { available: 1, inPlay: 1 })), 0)
  assert.equal(ejectionAllowance(scope(4, { ejected: 1, available: 3 })), 1)
  assert.equal(ejectionAllowance(scope(3, { floor: 0, available: 1 })), 0, 'never the last')
})

test('no allowance ever leaves less than the floor, or nobody', () => {
  const any = fc.record({
    ejectedMax: fc.double({ min: 0, max: 1, noNaN: true }),
    total: fc.integer({ min: 1, max: 50 }),
    ejected: fc.nat(50),
    available: fc.nat(50),
    floor: fc.nat(50),
  })
  fc.assert(
    fc.property(any, (of) => {
      const allowed = ejectionAllowance(scope(of.total, of))
      assert.ok(allowed >= 0)
      if (allowed > 0) assert.ok(of.available - allowed >= Math.max(1, of.floor))
    }),
  )
})

test('one that qualifies among three is to go', () => {
  const board = new EjectionBoard()
  board.note(1, failing, false)
  assert.deepEqual(board.decide(scope(3), 0), { kind: 'eject', backends: [[1, failing]] })
})

test('the most certain finding goes first', () => {
  const board = new EjectionBoard()
  board.note(0, { cause: 'slow', text: '' }, false)
  board.note(1, failing, false)
  board.note(2, { cause: 'silent', text: '' }, false)
  const decision = board.decide(scope(7), 0)
  assert.ok(decision.kind === 'eject')
  assert.deepEqual(
    decision.backends.map(([index]) => index),
    [2, 1, 0],
  )
})

test('more than half at once is a dependency: exactly half is not', () => {
  const board = new EjectionBoard()
  board.note(0, failing, false)
  board.note(1, failing, false)
  assert.equal(board.decide(scope(4), 0).kind, 'eject')
  board.note(2, failing, false)
  assert.deepEqual(board.decide(scope(4), 0), {
    kind: 'dependency',
    takeBack: [],
    many: 3,
    isNew: true,
  })
})

test('those half way there hold the ejection back until they turn out well', () => {
  const board = new EjectionBoard()
  board.note(0, failing, false)
  board.note(1, null, true)
  assert.equal(board.decide(scope(3), 0).kind, 'dependency')
  board.note(1, null, false)
  assert.equal(board.decide(scope(3), 0).kind, 'eject')
})

test('an ejection of a moment ago counts, and is taken back when the others follow', () => {
  const board = new EjectionBoard()
  board.ejected(0, 0)
  board.note(1, failing, false)
  assert.deepEqual(board.decide(scope(3), AT_ONCE_MS), {
    kind: 'dependency',
    takeBack: [0],
    many: 2,
    isNew: true,
  })
  assert.equal(
    board.decide(scope(3), AT_ONCE_MS + 1).kind,
    'eject',
    'later it is a case of its own',
  )
})

test('what nearly qualifies can hold back but not take back', () => {
  const board = new EjectionBoard()
  board.ejected(0, 0)
  board.note(1, failing, false)
  board.note(2, null, true)
  const decision = board.decide(scope(5), 10)
  assert.deepEqual(decision, { kind: 'dependency', takeBack: [], many: 3, isNew: true })
})

test('a dependency failure is announced once, until it is over', () => {
  const board = new EjectionBoard()
  const isNew = () => {
    const decision = board.decide(scope(2), 0)
    return decision.kind === 'dependency' ? decision.isNew : null
  }
  board.note(0, failing, false)
  board.note(1, failing, false)
  assert.deepEqual([isNew(), isNew()], [true, false])
  board.note(1, null, false)
  assert.equal(isNew(), null)
  board.note(1, failing, false)
  assert.equal(isNew(), true)
})

test('a backend that takes no traffic any more is off the board', () => {
  const board = new EjectionBoard()
  board.note(0, failing, false)
  board.note(1, null, true)
  assert.deepEqual([board.isWanted, board.has(0), board.has(1)], [true, true, true])
  board.drop(0)
  board.drop(1)
  assert.deepEqual([board.isWanted, board.has(0), board.has(1)], [false, false, false])
})

test('where others stand ready to take over, all that qualify may go, and no dependency is seen', () => {
  const ready = scope(3, { elsewhere: true })
  assert.equal(ejectionAllowance(ready), 3)
  assert.equal(ejectionAllowance({ ...ready, available: 1, ejected: 2 }), 1)
  assert.equal(ejectionAllowance({ ...ready, ejectedMax: 0 }), 0, 'switched off is switched off')
  const board = new EjectionBoard()
  for (const index of [0, 1, 2]) board.note(index, failing, false)
  assert.equal(board.decide(scope(3), 0).kind, 'dependency')
  const decision = board.decide(ready, 0)
  assert.deepEqual(decision, {
    kind: 'eject',
    backends: [
      [0, failing],
      [1, failing],
      [2, failing],
    ],
  })
})
