import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ThreadFacts } from '../../../src/runtime/supervision.ts'
import {
  PublishedSnapshots,
  SUPERVISION_LIMITS,
  WatchedTime,
  isCrashLoop,
  judgeThread,
  replacementDelayMs,
} from '../../../src/runtime/supervision.ts'

const good: ThreadFacts = {
  isRunning: true,
  sinceMs: 0,
  beatMs: 9_900,
  owedMs: null,
  awaitedMs: null,
}

function judge(facts: Partial<ThreadFacts>, nowMs = 10_000) {
  return judgeThread({ ...good, ...facts }, nowMs, SUPERVISION_LIMITS)
}

test('a thread that beats and is up to date is left alone', () => {
  assert.equal(judge({}), null)
})

test('a heartbeat may be one second old and no older', () => {
  assert.equal(judge({ beatMs: 9_000 }), null)
  assert.equal(judge({ beatMs: 8_999 }), 'standstill')
})

test('a snapshot may stay unacknowledged for one second, one that a move waits for 250 ms', () => {
  assert.equal(judge({ owedMs: 9_000 }), null)
  assert.equal(judge({ owedMs: 8_999 }), 'unacknowledged')
  assert.equal(judge({ owedMs: 9_000, awaitedMs: 9_750 }), null)
  assert.equal(judge({ owedMs: 9_000, awaitedMs: 9_749 }), 'unacknowledged')
})

test('a thread that is starting has ten seconds, and owes neither heartbeat nor acknowledgement', () => {
  const starting = { isRunning: false, sinceMs: 1_000, beatMs: 0, owedMs: 0 }
  assert.equal(judge(starting, 11_000), null)
  assert.equal(judge(starting, 11_001), 'start-timeout')
})

test('a thread that has just become ready is judged from then on', () => {
  const fresh = { sinceMs: 9_800, beatMs: 0, owedMs: 0, awaitedMs: 0 }
  assert.equal(judge(fresh), null)
  assert.equal(judge(fresh, 10_050), null)
  assert.equal(judge(fresh, 10_051), 'unacknowledged')
})

test('the time in which the supervisor itself stood still does not count', () => {
  const watched = new WatchedTime(1_000)
  watched.advance(1_050)
  assert.equal(watched.nowMs, 50)
  watched.advance(61_050)
  assert.equal(watched.nowMs, 150)
  watched.advance(61_100)
  assert.equal(watched.nowMs, 200)
})

test('each snapshot has its own deadline, however many follow', () => {
  const published = new PublishedSnapshots()
  published.add(5, 100)
  published.add(6, 200, true)
  published.add(7, 300)
  assert.equal(published.owedMs(4), 100)
  assert.equal(published.owedMs(5), 200)
  assert.equal(published.owedMs(7), null)
  assert.equal(published.awaitedMs(4), 200)
  assert.equal(published.awaitedMs(6), null)
  published.settle(6)
  assert.equal(published.owedMs(0), 300)
  published.settle(Infinity)
  assert.equal(published.owedMs(0), null)
})

test('the first deaths are made good at once, later ones ever more slowly, old ones are forgotten', () => {
  const deaths = [0, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000]
  const delays = deaths.map((atMs, i) => replacementDelayMs(deaths.slice(0, i + 1), atMs))
  assert.deepEqual(delays, [0, 0, 200, 1_000, 3_000, 10_000, 10_000])
  assert.equal(replacementDelayMs([...deaths, 65_500], 65_500), 0)
  assert.equal(isCrashLoop([0, 1_000], 1_000), false)
  assert.equal(isCrashLoop([0, 1_000, 2_000], 2_000), true)
})
