import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { BREAKER, BREAKER_STEP, Breaker } from '../../../src/core/breaker.ts'

const plan = { ejectMs: 10_000, ejectMaxMs: 300_000, probationSuccesses: 3 }
const { closed, open, halfOpen } = BREAKER

/** Brings a breaker that is open into probation. @returns the time */
function sitOut(breaker: Breaker): number {
  const nowMs = breaker.untilMs
  assert.equal(breaker.tick(nowMs), BREAKER_STEP.probation)
  return nowMs
}

test('an ejection lasts its time, not a moment less, and leads to probation', () => {
  const breaker = new Breaker(plan, 0)
  assert.equal(breaker.eject(1_000, 0), 10_000)
  assert.equal(breaker.state, open)
  assert.equal(breaker.tick(10_999), BREAKER_STEP.none)
  assert.equal(breaker.tick(11_000), BREAKER_STEP.probation)
  assert.equal(breaker.state, halfOpen)
})

test('three successes in probation restore', () => {
  const breaker = new Breaker(plan, 0)
  breaker.eject(0, 0)
  const nowMs = sitOut(breaker)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.none)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.none)
  assert.equal(breaker.state, halfOpen)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.restored)
  assert.equal(breaker.state, closed)
})

test('one failure in probation ejects again, for longer, and the count starts anew', () => {
  const breaker = new Breaker(plan, 0)
  breaker.eject(0, 0)
  let nowMs = sitOut(breaker)
  breaker.observe(true, nowMs, 0)
  breaker.observe(true, nowMs, 0)
  assert.equal(breaker.observe(false, nowMs, 0), BREAKER_STEP.ejected)
  assert.equal(breaker.untilMs - nowMs, 20_000)
  nowMs = sitOut(breaker)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.none)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.none)
  assert.equal(breaker.observe(true, nowMs, 0), BREAKER_STEP.restored)
})

test('each further ejection is twice as long, up to the maximum', () => {
  const breaker = new Breaker(plan, 0)
  const lengths: number[] = []
  for (let i = 0, nowMs = 0; i < 8; i++) {
    lengths.push(breaker.eject(nowMs, 0) / 1_000)
    nowMs = sitOut(breaker)
  }
  assert.deepEqual(lengths, [10, 20, 40, 80, 160, 300, 300, 300])
})

test('jitter only makes an ejection longer, by at most a tenth, and never past the maximum', () => {
  assert.equal(new Breaker(plan, 0).eject(0, 0.5), 10_500)
  const small = { ...plan, ejectMaxMs: 10_000 }
  assert.equal(new Breaker(small, 0).eject(0, 0.9), 10_000)
})

test('a minute without ejection halves the next one', () => {
  const breaker = new Breaker(plan, 0)
  for (let i = 0; i < 4; i++) {
    breaker.eject(breaker.untilMs, 0)
    sitOut(breaker)
  }
  const restoredMs = breaker.untilMs
  for (let i = 0; i < 3; i++) breaker.observe(true, restoredMs, 0)
  assert.equal(breaker.eject(restoredMs + 59_999, 0), 160_000)
  breaker.close(restoredMs + 60_000)
  assert.equal(breaker.eject(restoredMs + 60_000 + 180_000, 0), 40_000)
  breaker.close(restoredMs + 240_000)
  assert.equal(breaker.eject(restoredMs + 240_000 + 86_400_000, 0), 10_000)
})

test('closing over an ejection keeps the multiplier, taking it back does not', () => {
  const absorbed = new Breaker(plan, 0)
  absorbed.eject(0, 0)
  absorbed.close(1_000)
  assert.equal(absorbed.state, closed)
  assert.equal(absorbed.eject(2_000, 0), 20_000)
  const revoked = new Breaker(plan, 0)
  revoked.eject(0, 0)
  revoked.revoke(1_000)
  assert.equal(revoked.state, closed)
  assert.equal(revoked.eject(2_000, 0), 10_000)
})

test('outcomes outside of probation change nothing', () => {
  const breaker = new Breaker(plan, 0)
  assert.equal(breaker.observe(false, 1, 0), BREAKER_STEP.none)
  breaker.eject(1, 0)
  assert.equal(breaker.observe(true, 2, 0), BREAKER_STEP.none)
  assert.equal(breaker.observe(false, 2, 0), BREAKER_STEP.none)
  assert.deepEqual([breaker.state, breaker.untilMs], [open, 10_001])
})

test('in any course of events it restores only after its time and enough successes in a row', () => {
  const event = fc.record({
    gapMs: fc.oneof(fc.nat(5_000), fc.nat(400_000)),
    kind: fc.constantFrom('eject', 'success', 'failure', 'tick'),
    jitter: fc.double({ min: 0, max: 0.999, noNaN: true }),
  })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 100 }), (events) => {
      const breaker = new Breaker(plan, 0)
      let nowMs = 0
      let notBeforeMs = 0
      let successes = 0
      for (const { gapMs, kind, jitter } of events) {
        nowMs += gapMs
        const before = breaker.state
        if (kind === 'tick') breaker.tick(nowMs)
        else if (kind === 'eject') {
          if (before === closed) breaker.eject(nowMs, jitter)
        } else breaker.observe(kind === 'success', nowMs, jitter)
        if (before === halfOpen && kind === 'success') successes++
        if (breaker.state === open && before !== open) {
          const lengthMs = breaker.untilMs - nowMs
          assert.ok(lengthMs >= plan.ejectMs && lengthMs <= plan.ejectMaxMs)
          notBeforeMs = breaker.untilMs
          successes = 0
        }
        if (before === open && breaker.state !== open) assert.ok(nowMs >= notBeforeMs)
        if (before !== closed && breaker.state === closed) {
          assert.ok(nowMs >= notBeforeMs)
          assert.equal(successes, plan.probationSuccesses)
        }
      }
    }),
  )
})
