import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ThreadFacts } from '../../../src/runtime/supervision.ts'
import {
  SUPERVISION_LIMITS,
  isCrashLoop,
  judgeThread,
  replacementDelayMs,
} from '../../../src/runtime/supervision.ts'

const good: ThreadFacts = { isRunning: true, sinceMs: 0, heartbeatMs: 9_900, appliedVersion: 5 }
const current = { version: 5, atMs: 9_000 }

function judge(facts: Partial<ThreadFacts>, nowMs = 10_000, graceMs = 0, published = current) {
  return judgeThread({ ...good, ...facts }, published, { nowMs, graceMs }, SUPERVISION_LIMITS)
}

test('a thread that beats and is up to date is left alone', () => {
  assert.equal(judge({}), null)
})

test('a heartbeat may be one second old and no older', () => {
  assert.equal(judge({ heartbeatMs: 9_000 }), null)
  assert.equal(judge({ heartbeatMs: 8_999 }), 'standstill')
})

test('a snapshot may stay unacknowledged for 250 ms and no longer', () => {
  const fresh = { version: 6, atMs: 9_750 }
  assert.equal(judge({}, 10_000, 0, fresh), null)
  assert.equal(judge({}, 10_001, 0, fresh), 'unacknowledged')
  assert.equal(judge({ appliedVersion: 6 }, 10_001, 0, fresh), null)
})

test('a thread that is starting has ten seconds, and owes neither heartbeat nor acknowledgement', () => {
  const starting = { isRunning: false, sinceMs: 1_000, heartbeatMs: 0, appliedVersion: 0 }
  assert.equal(judge(starting, 11_000), null)
  assert.equal(judge(starting, 11_001), 'start-timeout')
})

test('a thread that has just become ready is judged from then on', () => {
  const fresh = { sinceMs: 9_800, heartbeatMs: 0, appliedVersion: 0 }
  assert.equal(judge(fresh), null)
  assert.equal(judge(fresh, 10_051), 'unacknowledged')
})

test('what happened while the judge itself was stopped is not held against a thread', () => {
  const stale = { heartbeatMs: 100, appliedVersion: 4 }
  assert.equal(judge(stale), 'standstill')
  assert.equal(judge(stale, 10_000, 9_990), null)
  assert.equal(judge({ ...stale, isRunning: false }, 20_000, 15_000), null)
})

test('the first deaths are made good at once, later ones ever more slowly, old ones are forgotten', () => {
  const deaths = [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]
  const delays = deaths.map((atMs, i) => replacementDelayMs(deaths.slice(0, i + 1), atMs))
  assert.deepEqual(delays, [0, 0, 200, 1_000, 3_000, 10_000, 10_000])
  assert.equal(replacementDelayMs([...deaths, 65_500], 65_500), 0)
  assert.equal(isCrashLoop([0, 1_000], 1_000), false)
  assert.equal(isCrashLoop([0, 1_000, 2_000], 2_000), true)
})
