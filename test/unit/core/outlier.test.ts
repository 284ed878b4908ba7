import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findOutlier, isQuiet, nearlyOutlier, trafficFails } from '../../../src/core/outlier.ts'
import type { OutlierPlan } from '../../../src/core/plan.ts'
import { BACKEND, RECENT_ATTEMPTS, SharedTable, THREAD } from '../../../src/core/shared-layout.ts'
import { BackendTraffic } from '../../../src/core/traffic.ts'

const plan: OutlierPlan = {
  consecutiveFailures: 5,
  failureRate: 0.5,
  attemptsMin: 20,
  windowMs: 10_000,
  slow: { thresholdMs: 200, factor: 5 },
  silent: { thresholdMs: 300, factor: 5, attempts: 5 },
  ejectMs: 10_000,
  ejectMaxMs: 300_000,
  ejectedMax: 0.5,
  probationSuccesses: 3,
}

const thresholds = { slowMs: 200, silentMs: 300, responseMs: 1_000 }

/** Rows of some data threads and what is seen of one backend in them. */
class Bench {
  readonly table: SharedTable
  readonly traffic: BackendTraffic
  readonly trusted: Uint8Array
  nowMs = 100_000

  constructor(threads = 1) {
    this.table = SharedTable.allocate({ threads, listeners: 0, pools: 1, slots: 1 })
    this.traffic = new BackendTraffic(this.table, 0, plan.windowMs)
    this.trusted = new Uint8Array(threads).fill(1)
  }

  add(column: number, value: number, thread = 0): this {
    this.table.rows[thread]![this.table.backendBase(0) + column]! += value
    return this
  }

  set(column: number, value: number, thread = 0): this {
    this.table.rows[thread]![this.table.backendBase(0) + column] = value
    return this
  }

  fail(weight = 1, thread = 0): this {
    return this.add(BACKEND.failures, 1, thread).add(BACKEND.streak, weight, thread)
  }

  succeed(tookMs = 5, thread = 0): this {
    const count = this.table.rows[thread]![this.table.backendBase(0) + BACKEND.recentCount]!
    this.set(BACKEND.recent + (count % RECENT_ATTEMPTS), tookMs, thread)
    this.add(BACKEND.recentCount, 1, thread)
    return this.add(BACKEND.successes, 1, thread).set(BACKEND.streak, 0, thread)
  }

  /** What a thread writes at its tick: attempts that wait, how many of them too long, since when. */
  waiting(
    of: { all: number; slow?: number; silent?: number; oldestMs?: number },
    thread = 0,
  ): this {
    this.table.rows[thread]![THREAD.heartbeatMs]!++
    this.set(BACKEND.waiting, of.all, thread)
    this.set(BACKEND.waitingSlow, of.slow ?? 0, thread)
    this.set(BACKEND.waitingSilent, of.silent ?? 0, thread)
    return this.set(BACKEND.oldestWaitMs, of.oldestMs ?? 0, thread)
  }

  look(): this {
    this.traffic.look(this.nowMs, thresholds.slowMs, this.trusted)
    return this
  }

  find(): string {
    this.look()
    const finding = findOutlier(plan, this.traffic, thresholds, this.nowMs)
    return finding === null ? '' : `${finding.cause}: ${finding.text}`
  }

  nearly(): boolean {
    return nearlyOutlier(plan, this.traffic, thresholds, this.nowMs)
  }
}

test('failing: five failures in a row, over all threads', () => {
  const bench = new Bench(3)
  for (const thread of [0, 1, 2, 0]) bench.fail(1, thread)
  assert.equal(bench.find(), '')
  assert.equal(bench.fail(1, 2).find(), 'failing: 5 weighted failures in a row')
})

test('failing: two resets on fresh connections are enough, also on two threads', () => {
  assert.equal(new Bench().fail(3).find(), '')
  assert.equal(new Bench(2).fail(3, 0).fail(3, 1).find(), 'failing: 6 weighted failures in a row')
})

test('failing: an excused reset counts once a fresh connection is reset, too', () => {
  const excuse = (bench: Bench, thread = 0) => bench.add(BACKEND.attempts, 1, thread)
  const fresh = (bench: Bench, thread = 0) => excuse(bench, thread).fail(3, thread)
  const bench = excuse(new Bench(2))
  assert.equal(bench.find(), '')
  assert.equal(fresh(bench, 1).find(), 'failing: 6 weighted failures in a row')
  // One success between them, and the first was a race.
  const racing = excuse(new Bench(2))
  racing.look()
  excuse(racing, 1).succeed(5, 1).look()
  assert.equal(fresh(racing).find(), '')
  // Long ago it was one as well.
  const late = excuse(new Bench()).look()
  late.nowMs += plan.windowMs + 1
  assert.equal(fresh(late).find(), '')
  // Kept connections that die alone, say of a restart, are no failure.
  const many = new Bench()
  for (let i = 0; i < 50; i++) excuse(many)
  assert.equal(many.fail(1).find(), '')
})

test('failing: a look between the counting of an attempt and its outcome excuses nothing', () => {
  const bench = new Bench().add(BACKEND.attempts, 1)
  assert.equal(bench.find(), '')
  assert.equal(bench.fail(3).find(), '')
})

test('failing: a success on any thread ends the row on all of them', () => {
  const bench = new Bench(2).fail(1).fail(1).fail(1).fail(1)
  assert.equal(bench.find(), '')
  assert.equal(bench.succeed(5, 1).find(), '')
  assert.equal(bench.fail(1, 0).fail(1, 1).find(), '', 'what stood before the success is void')
  assert.equal(
    bench.fail(1, 0).fail(1, 1).fail(1, 0).find(),
    'failing: 5 weighted failures in a row',
  )
})

test('failing: failures after a success count in full, even if seen in one look', () => {
  const bench = new Bench().fail(1).fail(1).fail(1)
  assert.equal(bench.find(), '')
  bench.succeed().fail(1).fail(1).fail(1)
  assert.equal(bench.find(), '')
  assert.equal(bench.fail(1).fail(1).find(), 'failing: 5 weighted failures in a row')
})

test('failing: half of at least twenty attempts in ten seconds', () => {
  const bench = new Bench()
  for (let i = 0; i < 9; i++) bench.fail().succeed()
  assert.equal(bench.fail().find(), '', '10 of 19')
  assert.equal(bench.succeed().find(), 'failing: 10 of 20 attempts failed in 10 s')
  assert.equal(bench.succeed().find(), '', '10 of 21')
  bench.nowMs += 10_000
  for (let i = 0; i < 9; i++) bench.succeed().fail()
  assert.equal(bench.find(), '', 'what is older than the window does not count')
})

test('a thread that was replaced, with its row cleared, changes no sums', () => {
  const bench = new Bench(2)
  for (let i = 0; i < 30; i++) bench.succeed(5, 1)
  bench.fail(1, 0).look()
  for (const column of [BACKEND.successes, BACKEND.streak, BACKEND.recentCount]) {
    bench.set(column, 0, 1)
  }
  bench.traffic.threadDown(1, bench.nowMs)
  assert.equal(bench.find(), '')
  assert.equal(bench.traffic.window.attempts(bench.nowMs), 31)
  bench.succeed(5, 1)
  bench.look()
  assert.equal(bench.traffic.window.attempts(bench.nowMs), 32)
})

test('silent: five attempts wait too long and no byte came since the oldest was sent', () => {
  const bench = new Bench()
  bench.set(BACKEND.lastByteMs, 99_000)
  assert.equal(bench.waiting({ all: 6, silent: 4, oldestMs: 99_500 }).find(), '')
  assert.equal(
    bench.waiting({ all: 6, silent: 5, oldestMs: 99_500 }).find(),
    'silent: 5 attempts wait longer than 300 ms and no byte has come',
  )
  bench.set(BACKEND.lastByteMs, 99_501)
  assert.equal(bench.find(), '', 'a byte since then: it works, if slowly')
})

test('silent: the waiting attempts and the last byte are those of all threads', () => {
  const bench = new Bench(2).set(BACKEND.lastByteMs, 99_400, 1)
  bench.waiting({ all: 3, silent: 3, oldestMs: 99_500 }, 0)
  assert.equal(bench.find(), '')
  bench.waiting({ all: 2, silent: 2, oldestMs: 99_450 }, 1)
  assert.match(bench.find(), /^silent: 5 attempts/)
  bench.set(BACKEND.lastByteMs, 99_600, 1)
  assert.equal(bench.find(), '')
})

test('silent: one response timeout is enough if no byte came meanwhile', () => {
  const bench = new Bench().set(BACKEND.lastByteMs, 98_999).add(BACKEND.timeouts, 1)
  assert.equal(
    bench.find(),
    'silent: an attempt got no byte within the response timeout of 1000 ms',
  )
  bench.nowMs += 1_001
  assert.equal(bench.find(), '', 'and for a second only')
  const answering = new Bench().set(BACKEND.lastByteMs, 99_500).add(BACKEND.timeouts, 1)
  assert.equal(answering.find(), '', 'a single slow answer among good ones')
})

test('slow: half of the last twenty attempts', () => {
  const bench = new Bench()
  for (let i = 0; i < 10; i++) bench.succeed(20)
  for (let i = 0; i < 9; i++) bench.succeed(900)
  assert.equal(bench.find(), '', 'nineteen are not enough to tell')
  assert.equal(
    bench.succeed(900).find(),
    'slow: 10 of the last 20 attempts took longer than 200 ms, 5 times what the other backends take',
  )
  for (let i = 0; i < 11; i++) bench.succeed(20)
  assert.equal(bench.find(), '')
})

test('slow: attempts that still wait count at their age, each once', () => {
  const bench = new Bench()
  for (let i = 0; i < 20; i++) bench.succeed(20)
  assert.equal(bench.look().waiting({ all: 12, slow: 9 }).find(), '')
  // Now they end, slow; the gauge still shows them until the thread's next tick.
  for (let i = 0; i < 9; i++) bench.succeed(500)
  assert.equal(bench.find(), '')
  assert.equal(bench.find(), '')
  assert.equal(bench.waiting({ all: 3, slow: 0 }).find(), '')
  assert.match(bench.waiting({ all: 3, slow: 1 }).find(), /^slow: 10 of the last 20/)
})

test('slow: a backend that answers most at once is not misjudged by the few that always wait', () => {
  const bench = new Bench()
  // 200 answers a look, 2 of them after half a second: some are slow and waiting at any time.
  for (let look = 0; look < 50; look++) {
    for (let i = 0; i < 99; i++) bench.succeed(5)
    bench.succeed(500)
    for (let i = 0; i < 99; i++) bench.succeed(5)
    bench.succeed(500)
    assert.equal(bench.waiting({ all: 30, slow: 20 }).find(), '')
    bench.nowMs += 100
  }
})

test('slow: attempts that left without an end do not hide those that come later', () => {
  const bench = new Bench()
  for (let i = 0; i < 20; i++) bench.succeed(20)
  bench.look().waiting({ all: 9, slow: 9 }).look()
  // Their clients gave up; the backend is slow still.
  bench.waiting({ all: 0, slow: 0 }).look()
  assert.match(bench.waiting({ all: 1, slow: 1 }).find(), /^slow: 10 of the last 20/)
})

test('gauges of a thread that stood still are not believed', () => {
  const bench = new Bench()
  for (let i = 0; i < 20; i++) bench.succeed(20)
  bench.waiting({ all: 30, slow: 30, silent: 30, oldestMs: 90_000 })
  bench.trusted[0] = 0
  assert.equal(bench.find(), '')
  bench.trusted[0] = 1
  assert.match(bench.find(), /^silent/)
})

test('rules that are switched off find nothing', () => {
  const bench = new Bench().add(BACKEND.timeouts, 1)
  for (let i = 0; i < 20; i++) bench.succeed(900)
  bench.waiting({ all: 9, slow: 9, silent: 9, oldestMs: 90_000 }).look()
  const off = { ...plan, slow: null, silent: null }
  assert.equal(findOutlier(off, bench.traffic, thresholds, bench.nowMs), null)
  const nobody = { ...thresholds, slowMs: Infinity }
  const only = { ...plan, silent: null }
  assert.equal(findOutlier(only, bench.traffic, nobody, bench.nowMs), null)
})

test('half way there counts as nearly, but only while it is fresh', () => {
  const bench = new Bench().fail().fail().look()
  assert.equal(bench.nearly(), false)
  bench.fail().look()
  assert.equal(bench.nearly(), true)
  bench.nowMs += 2_001
  assert.equal(bench.look().nearly(), false)
  assert.equal(new Bench().waiting({ all: 3, silent: 3, oldestMs: 90_000 }).look().nearly(), true)
})

test('traffic fails: a fresh failure, or one attempt in silence', () => {
  const fails = (bench: Bench) => trafficFails(bench.look().traffic, thresholds, bench.nowMs)
  assert.equal(fails(new Bench().succeed()), false)
  const failing = new Bench().fail()
  assert.equal(fails(failing), true)
  failing.nowMs += 2_001
  assert.equal(fails(failing), false)
  const waiting = new Bench().waiting({ all: 1, silent: 1, oldestMs: 90_000 })
  assert.equal(fails(waiting.set(BACKEND.lastByteMs, 99_701)), false)
  assert.equal(fails(waiting.set(BACKEND.lastByteMs, 99_700)), true)
  assert.equal(isQuiet(waiting.traffic, { ...thresholds, silentMs: Infinity }, 1e9), false)
})

test('forgetting leaves a clean slate, and what comes later counts in full', () => {
  const bench = new Bench()
  for (let i = 0; i < 20; i++) bench.succeed(900)
  for (let i = 0; i < 4; i++) bench.fail()
  bench.look().traffic.forget()
  assert.equal(bench.find(), '')
  assert.equal(bench.fail().find(), '')
  for (let i = 0; i < 4; i++) bench.fail()
  assert.equal(bench.find(), 'failing: 5 weighted failures in a row')
})
