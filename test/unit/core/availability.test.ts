import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  explainAvailability,
  isInPlay,
  judgeAvailability,
  trafficVerdict,
  type Circumstances,
  type Evidence,
} from '../../../src/core/availability.ts'
import { BREAKER } from '../../../src/core/breaker.ts'
import { ELIGIBILITY } from '../../../src/core/snapshot.ts'

const { closed, open, halfOpen } = BREAKER
const { no, yes, probation, finish } = ELIGIBILITY

const fine: Circumstances = { admin: 'ready', health: 'up', breaker: closed, weight: 4, share: 1 }

test('the truth table, row by row', () => {
  const rows: [Partial<Circumstances>, string, number, number][] = [
    [{ admin: 'maint' }, 'maint', no, 0],
    [{ admin: 'drain' }, 'drain', finish, 0],
    [{ health: 'down' }, 'down', no, 0],
    [{ health: 'checking' }, 'checking', no, 0],
    [{ breaker: open }, 'ejected', no, 0],
    [{ weight: 0 }, 'weightless', finish, 0],
    [{ breaker: halfOpen }, 'probation', probation, 4],
    [{ share: 0.5 }, 'starting', yes, 2],
    [{}, 'available', yes, 4],
    [{ health: 'none' }, 'available', yes, 4],
    [{ health: 'none', breaker: open }, 'ejected', no, 0],
  ]
  for (const [changes, availability, eligibility, weight] of rows) {
    const verdict = judgeAvailability({ ...fine, ...changes })
    assert.deepEqual(verdict, { availability, eligibility, weight }, JSON.stringify(changes))
  }
})

test('admin state beats the checks, the checks beat the traffic, in every combination', () => {
  let combinations = 0
  for (const admin of ['ready', 'drain', 'maint'] as const) {
    for (const health of ['none', 'checking', 'up', 'down'] as const) {
      for (const breaker of [closed, open, halfOpen]) {
        for (const weight of [0, 3]) {
          for (const share of [0.1, 1]) {
            combinations++
            const of = { admin, health, breaker, weight, share }
            const verdict = judgeAvailability(of)
            const name = JSON.stringify(of)
            if (admin !== 'ready') assert.equal(verdict.availability, admin, name)
            else if (health === 'down') assert.equal(verdict.availability, 'down', name)
            else if (health === 'checking') assert.equal(verdict.availability, 'checking', name)
            else if (breaker === open) assert.equal(verdict.availability, 'ejected', name)
            const sends = verdict.eligibility === yes || verdict.eligibility === probation
            assert.equal(verdict.weight > 0, sends, name)
            assert.equal(sends, isInPlay(of) && breaker !== open, name)
          }
        }
      }
    }
  }
  assert.equal(combinations, 144)
})

test('the breaker reads as the traffic verdict', () => {
  assert.deepEqual([closed, open, halfOpen].map(trafficVerdict), ['ok', 'ejected', 'probation'])
})

test('every availability has a sentence that says why, and when it ends if that is known', () => {
  const evidence: Evidence = {
    adminReason: 'kernel update',
    healthReason: '3 probes in a row failed, the last: connection refused',
    ejectReason: '5 weighted failures in a row',
    spared: '',
    ejectedForMs: 9_440,
    probationSuccesses: 1,
    probationNeeded: 3,
    share: 0.19,
  }
  const rows = {
    maint: 'taken out for maintenance: kernel update',
    drain: 'draining, no new requests: kernel update',
    down: '3 probes in a row failed, the last: connection refused',
    checking: 'no probe has passed yet',
    ejected: 'ejected for 9.4 s more: 5 weighted failures in a row',
    weightless: 'its weight is 0',
    probation: 'on probation, 1 of 3 requests succeeded, after: 5 weighted failures in a row',
    starting: 'slow start at 19 % of its weight',
  } as const
  for (const [availability, sentence] of Object.entries(rows)) {
    assert.equal(explainAvailability(availability as keyof typeof rows, evidence), sentence)
  }
  const spared = { ...evidence, spared: 'not ejected: the last one' }
  assert.equal(explainAvailability('available', spared), 'not ejected: the last one')
  assert.equal(
    explainAvailability('available', { ...evidence, healthReason: '' }),
    'no health check; traffic is fine',
  )
  assert.equal(
    explainAvailability('drain', { ...evidence, adminReason: '' }),
    'draining, no new requests',
  )
})
