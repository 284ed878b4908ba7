import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Deadline, Deadlines } from '../../../src/core/deadlines.ts'

/** An entry that notes when it fires. */
function noting(log: string[], name: string): Deadline {
  return new Deadline((nowMs) => log.push(`${name}@${nowMs}`))
}

test('an entry fires at its time or up to one resolution later, never earlier', () => {
  const log: string[] = []
  const deadlines = new Deadlines(1_000)
  deadlines.schedule(noting(log, 'a'), 1_005)
  deadlines.schedule(noting(log, 'b'), 1_020)
  deadlines.schedule(noting(log, 'c'), 1_021)
  assert.equal(deadlines.advance(1_004), 0)
  assert.equal(deadlines.advance(1_010), 1)
  assert.equal(deadlines.advance(1_019), 0)
  assert.equal(deadlines.advance(1_020), 1)
  assert.equal(deadlines.advance(1_031), 1)
  assert.deepEqual(log, ['a@1010', 'b@1020', 'c@1031'])
  assert.equal(deadlines.size, 0)
})

test('one that is overdue already fires on the next tick', () => {
  const log: string[] = []
  const deadlines = new Deadlines(5_000)
  deadlines.schedule(noting(log, 'late'), 100)
  assert.equal(deadlines.advance(5_010), 1)
})

test('from milliseconds to hours, across every ring', () => {
  const waits = [
    10, 2_550, 2_560, 2_570, 163_830, 163_840, 163_850, 3_600_000, 10_485_760, 50_000_000,
  ]
  for (const startMs of [0, 7, 1_234_567, 163_835, 2 ** 31 * 10]) {
    for (const waitMs of waits) {
      const deadlines = new Deadlines(startMs)
      let firedMs = -1
      deadlines.schedule(new Deadline((nowMs) => (firedMs = nowMs)), startMs + waitMs)
      // In big steps up to shortly before, then in small ones.
      deadlines.advance(startMs + waitMs * 0.3)
      deadlines.advance(startMs + waitMs - 1)
      assert.equal(firedMs, -1, `${waitMs} after ${startMs}`)
      for (let ms = waitMs; ms <= waitMs + 10; ms++) deadlines.advance(startMs + ms)
      assert.ok(firedMs >= startMs + waitMs && firedMs <= startMs + waitMs + 10, `${waitMs}`)
    }
  }
})

test('moving an entry to later and to earlier both hold', () => {
  const log: string[] = []
  const deadlines = new Deadlines(0)
  const entry = noting(log, 'a')
  deadlines.schedule(entry, 50)
  deadlines.schedule(entry, 30_000)
  deadlines.advance(29_999)
  assert.deepEqual(log, [])
  deadlines.schedule(entry, 900_000)
  deadlines.schedule(entry, 30_100)
  assert.equal(deadlines.size, 1)
  deadlines.advance(30_100)
  assert.deepEqual(log, ['a@30100'])
  assert.equal(entry.deadlineMs, Infinity)
})

test('cancelled and disarmed entries never fire; a disarmed one can be armed again', () => {
  const log: string[] = []
  const deadlines = new Deadlines(0)
  const [a, b, c] = ['a', 'b', 'c'].map((name) => noting(log, name)) as [
    Deadline,
    Deadline,
    Deadline,
  ]
  for (const entry of [a, b, c]) deadlines.schedule(entry, 100)
  deadlines.cancel(a)
  deadlines.cancel(a)
  deadlines.disarm(b)
  deadlines.disarm(c)
  assert.equal(deadlines.size, 2)
  deadlines.schedule(c, 120)
  deadlines.advance(500)
  assert.deepEqual(log, ['c@500'])
  assert.equal(deadlines.size, 0, 'the wheel has let go of the disarmed one')
  deadlines.schedule(b, 600)
  deadlines.advance(600)
  assert.deepEqual(log, ['c@500', 'b@600'])
})

test('a callback may schedule itself and others, and cancel who is due with it', () => {
  const log: string[] = []
  const deadlines = new Deadlines(0)
  const b = noting(log, 'b')
  const c = noting(log, 'c')
  let turns = 0
  const a = new Deadline((nowMs) => {
    log.push(`a@${nowMs}`)
    deadlines.cancel(b)
    deadlines.schedule(c, nowMs)
    if (++turns < 3) deadlines.schedule(a, nowMs)
  })
  deadlines.schedule(b, 10)
  deadlines.schedule(a, 10)
  deadlines.advance(10)
  assert.deepEqual(log, ['a@10'])
  deadlines.advance(20)
  deadlines.advance(30)
  deadlines.advance(40)
  assert.deepEqual(
    log.filter((line) => line.startsWith('a')),
    ['a@10', 'a@20', 'a@30'],
  )
  assert.equal(log.filter((line) => line.startsWith('b')).length, 0)
  assert.deepEqual(
    log.filter((line) => line.startsWith('c')),
    ['c@20', 'c@40'],
  )
})

test('a callback that throws does not lose the others of its slot', () => {
  const log: string[] = []
  const deadlines = new Deadlines(0)
  deadlines.schedule(noting(log, 'a'), 10)
  deadlines.schedule(
    new Deadline(() => {
      throw new Error('broken')
    }),
    10,
  )
  deadlines.schedule(noting(log, 'c'), 10)
  assert.throws(() => deadlines.advance(10), /broken/)
  deadlines.advance(10)
  assert.deepEqual(log.toSorted(), ['a@10', 'c@10'])
})

test('against a plain list: every entry fires in its window, whatever is done to the rest', () => {
  const at = fc.oneof(fc.nat(40), fc.nat(3_000), fc.nat(200_000), fc.nat(12_000_000))
  const step = fc.oneof(
    fc.record({ kind: fc.constant('schedule' as const), entry: fc.nat(7), ms: at }),
    fc.record({ kind: fc.constant('cancel' as const), entry: fc.nat(7), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant('disarm' as const), entry: fc.nat(7), ms: fc.constant(0) }),
    fc.record({ kind: fc.constant('advance' as const), entry: fc.constant(0), ms: at }),
  )
  fc.assert(
    fc.property(fc.nat(400_000), fc.array(step, { maxLength: 60 }), (startMs, steps) => {
      const deadlines = new Deadlines(startMs)
      const due = new Map<number, number>()
      const fired: number[] = []
      let nowMs = startMs
      const entries = Array.from(
        { length: 8 },
        (_, index) =>
          new Deadline((ms) => {
            assert.equal(ms, nowMs)
            assert.ok(due.has(index), `${index} fired without a deadline`)
            assert.ok(due.get(index)! <= nowMs, `${index} fired early`)
            due.delete(index)
            fired.push(index)
          }),
      )
      for (const { kind, entry, ms } of steps) {
        if (kind === 'schedule') {
          deadlines.schedule(entries[entry]!, nowMs + ms)
          due.set(entry, nowMs + ms)
        } else if (kind === 'advance') {
          nowMs += ms
          const before = fired.length
          assert.equal(deadlines.advance(nowMs), fired.length - before)
          // Deadlines within the present tick may still wait for its end.
          for (const [index, atMs] of due) {
            assert.ok(atMs > nowMs - 10, `${index} is ${nowMs - atMs} late`)
          }
        } else {
          deadlines[kind](entries[entry]!)
          due.delete(entry)
        }
      }
    }),
    { numRuns: 400 },
  )
})
