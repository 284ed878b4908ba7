// What the data threads wrote about one backend, summed up: the facts core/outlier.ts judges.
// Reads the shared rows, never writes them. A look costs a few dozen reads per thread.

import { LatencyTail, RecentLatencies, SlowJudgements } from './latency.ts'
import {
  BACKEND,
  LATENCY_BUCKETS,
  RECENT_ATTEMPTS,
  THREAD,
  type SharedTable,
} from './shared-layout.ts'
import { RateWindow } from './window.ts'

/** What was seen of a thread's record at the last look. */
const SEEN = {
  successes: 0,
  failures: 1,
  timeouts: 2,
  recentCount: 3,
  probationSuccesses: 4,
  probationFailures: 5,
  streak: 6,
  /** Part of the streak that a later success on another thread, or a new start, made void. */
  streakVoid: 7,
  heartbeat: 8,
  /** Attempts that ended slow since the tick the gauges are from: they may still be in them. */
  slowSinceTick: 9,
  /** Growth of `successes` at this look. */
  succeeded: 10,
  attempts: 11,
} as const
const SEEN_CELLS = 12

/** Facts about one backend's live traffic over all threads, as of the last `look`. */
export class BackendTraffic {
  /** Weighted failures in a row. */
  streak = 0
  /**
   * Attempts since the last success that failed without counting: resets on kept connections, each
   * the first of its thread, that may have been no more than the keep-alive race.
   */
  excused = 0
  /** When a look last found one. */
  excusedMs = -Infinity
  /** When a look last found a new failure; −Infinity before the first. */
  failedMs = -Infinity
  /** When a look last found a new response timeout. */
  timedOutMs = -Infinity
  /** Waiting attempts, and those older than the published thresholds. */
  waiting = 0
  waitingSlow = 0
  waitingSilent = 0
  /** When the oldest waiting attempt was sent; Infinity if none waits. */
  oldestWaitMs = Infinity
  /** Last response byte on any thread. */
  lastByteMs = 0
  /** Outcomes of probation requests since the last look. */
  probationSuccesses = 0
  probationFailures = 0
  /** Probation requests in progress. */
  probing = 0
  window: RateWindow
  readonly latencies = new RecentLatencies()
  readonly judgements = new SlowJudgements()
  readonly #table: SharedTable
  readonly #base: number
  readonly #seen: Float64Array
  readonly #tail = new LatencyTail()
  readonly #histogram = new Float64Array(LATENCY_BUCKETS)
  /** Attempts judged slow while they waited, that have not ended since: see `#judgeSpeed`. */
  #slowPending = 0
  #looks = 0

  constructor(table: SharedTable, slot: number, windowMs: number) {
    this.#table = table
    this.#base = table.backendBase(slot)
    this.#seen = new Float64Array(table.rows.length * SEEN_CELLS)
    this.window = new RateWindow(windowMs)
  }

  /**
   * Takes up what is new.
   * @param slowMs the threshold the threads measure `waitingSlow` against
   * @param trusted per thread: 0 if it stood still a moment ago, so that its gauges may only show
   *   that it has not read yet what long has come
   * @returns whether there is anything new, or anything waits
   */
  look(nowMs: number, slowMs: number, trusted: Uint8Array): boolean {
    const { rows } = this.#table
    let successes = 0
    let failures = 0
    let timeouts = 0
    let attempts = 0
    this.#clearGauges()
    for (let thread = 0; thread < rows.length; thread++) {
      const row = rows[thread]!
      this.#readGauges(row, trusted[thread] === 1)
      const fresh = this.#advance(thread, SEEN.successes, row[this.#base + BACKEND.successes]!)
      this.#seen[thread * SEEN_CELLS + SEEN.succeeded] = fresh
      successes += fresh
      failures += this.#advance(thread, SEEN.failures, row[this.#base + BACKEND.failures]!)
      attempts += this.#advance(thread, SEEN.attempts, row[this.#base + BACKEND.attempts]!)
      timeouts += this.#advance(thread, SEEN.timeouts, row[this.#base + BACKEND.timeouts]!)
      this.probationSuccesses += this.#advance(
        thread,
        SEEN.probationSuccesses,
        row[this.#base + BACKEND.probationSuccesses]!,
      )
      this.probationFailures += this.#advance(
        thread,
        SEEN.probationFailures,
        row[this.#base + BACKEND.probationFailures]!,
      )
    }
    this.#sumStreaks(nowMs, successes)
    this.#countExcused(attempts - successes - failures, successes, nowMs)
    if (successes + failures > 0) this.window.add(successes, failures, nowMs)
    if (failures > 0) this.failedMs = nowMs
    if (timeouts > 0) this.timedOutMs = nowMs
    const ended = this.#readLatencies(slowMs)
    return ended > 0 || successes + failures > 0 || this.waiting > 0 || this.probing > 0
  }

  /** Another length of the window: what was counted for the old one says nothing about it. */
  resize(windowMs: number): void {
    this.window = new RateWindow(windowMs)
  }

  /** p99 of the time to a response head, in milliseconds; 0 if unknown. */
  p99(nowMs: number): number {
    this.#readHistogram()
    return this.#tail.p99(this.#histogram, nowMs)
  }

  /** No response byte came since the oldest waiting attempt was sent. */
  silentSinceOldest(): boolean {
    return this.waiting > 0 && this.lastByteMs <= this.oldestWaitMs
  }

  /** Starts with a clean slate: what was before says nothing about the backend any more. */
  forget(): void {
    const { rows } = this.#table
    for (let thread = 0; thread < rows.length; thread++) {
      const at = thread * SEEN_CELLS
      this.#seen[at + SEEN.streak] = rows[thread]![this.#base + BACKEND.streak]!
      this.#seen[at + SEEN.streakVoid] = this.#seen[at + SEEN.streak]!
    }
    this.streak = 0
    this.excused = 0
    this.failedMs = -Infinity
    this.timedOutMs = -Infinity
    this.window.clear()
    this.latencies.clear()
    this.judgements.clear()
  }

  /** A thread died and its row was cleared. */
  threadDown(thread: number, nowMs: number): void {
    this.#seen.fill(0, thread * SEEN_CELLS, (thread + 1) * SEEN_CELLS)
    this.#readHistogram()
    this.#tail.restart(this.#histogram, nowMs)
  }

  #clearGauges(): void {
    this.waiting = 0
    this.waitingSlow = 0
    this.waitingSilent = 0
    this.oldestWaitMs = Infinity
    this.lastByteMs = 0
    this.probing = 0
    this.probationSuccesses = 0
    this.probationFailures = 0
  }

  #readGauges(row: Float64Array, trusted: boolean): void {
    const base = this.#base
    this.probing += row[base + BACKEND.probing]!
    this.lastByteMs = Math.max(this.lastByteMs, row[base + BACKEND.lastByteMs]!)
    if (!trusted) return
    this.waiting += row[base + BACKEND.waiting]!
    this.waitingSlow += row[base + BACKEND.waitingSlow]!
    this.waitingSilent += row[base + BACKEND.waitingSilent]!
    const oldestMs = row[base + BACKEND.oldestWaitMs]!
    if (oldestMs > 0) this.oldestWaitMs = Math.min(this.oldestWaitMs, oldestMs)
  }

  /** Growth of a counter; one that fell was cleared and counts from 0. */
  #advance(thread: number, cell: number, value: number): number {
    const at = thread * SEEN_CELLS + cell
    const before = this.#seen[at]!
    this.#seen[at] = value
    return value >= before ? value - before : value
  }

  /**
   * The streak over all threads. Each thread knows only its own, so a success on one voids what had
   * stood at the last look on the others.
   */
  #sumStreaks(nowMs: number, successes: number): void {
    const { rows } = this.#table
    this.streak = 0
    for (let thread = 0; thread < rows.length; thread++) {
      const at = thread * SEEN_CELLS
      const streak = rows[thread]![this.#base + BACKEND.streak]!
      const before = this.#seen[at + SEEN.streak]!
      const own = this.#seen[at + SEEN.succeeded]!
      if (own > 0 || streak < before) this.#seen[at + SEEN.streakVoid] = 0
      else if (successes > 0) this.#seen[at + SEEN.streakVoid] = before
      if (streak > before) this.failedMs = nowMs
      this.#seen[at + SEEN.streak] = streak
      this.streak += streak - this.#seen[at + SEEN.streakVoid]!
    }
  }

  /** `more` is −1 after a look that came between the counting of an attempt and of its outcome. */
  #countExcused(more: number, successes: number, nowMs: number): void {
    this.excused = successes > 0 ? 0 : Math.max(0, this.excused + more)
    if (more > 0) this.excusedMs = nowMs
  }

  /** @returns how many attempts ended with a response head since the last look */
  #readLatencies(slowMs: number): number {
    const { rows } = this.#table
    let ended = 0
    let endedSlow = 0
    // Another thread first each time, so that none always has the last word in the small ring.
    const first = this.#looks++
    for (let i = 0; i < rows.length; i++) {
      const thread = (first + i) % rows.length
      const row = rows[thread]!
      const count = row[this.#base + BACKEND.recentCount]!
      const fresh = this.#advance(thread, SEEN.recentCount, count)
      const at = thread * SEEN_CELLS
      if (row[THREAD.heartbeatMs]! !== this.#seen[at + SEEN.heartbeat]!) {
        this.#seen[at + SEEN.heartbeat] = row[THREAD.heartbeatMs]!
        this.#seen[at + SEEN.slowSinceTick] = 0
      }
      if (fresh === 0) continue
      const visible = Math.min(fresh, RECENT_ATTEMPTS)
      let slow = 0
      for (let n = count - visible; n < count; n++) {
        const ms = row[this.#base + BACKEND.recent + (n % RECENT_ATTEMPTS)]!
        this.latencies.push(ms)
        if (ms > slowMs) slow++
      }
      ended += fresh
      this.#seen[at + SEEN.slowSinceTick]! += (fresh * slow) / visible
      endedSlow += (fresh * slow) / visible
    }
    this.#judgeSpeed(ended, endedSlow)
    return ended
  }

  /**
   * Each attempt is to be judged once: as slow when it passes the threshold while it waits, else at
   * its end. Of those waiting there is only a gauge, as old as the thread's last tick, so what ended
   * slow since that tick may still be in it; and attempts may leave it without an end (client gone,
   * rescued).
   */
  #judgeSpeed(ended: number, endedSlow: number): void {
    const judgedBefore = Math.min(endedSlow, this.#slowPending)
    this.#slowPending -= judgedBefore
    let slow = endedSlow - judgedBefore
    let maybeEnded = 0
    for (let thread = 0; thread < this.#table.rows.length; thread++) {
      maybeEnded += this.#seen[thread * SEEN_CELLS + SEEN.slowSinceTick]!
    }
    const stillWaiting = this.waitingSlow - maybeEnded
    if (stillWaiting > this.#slowPending) {
      slow += stillWaiting - this.#slowPending
      this.#slowPending = stillWaiting
    } else if (this.waitingSlow < this.#slowPending) {
      this.#slowPending = this.waitingSlow
    }
    this.judgements.push(Math.round(ended - endedSlow), Math.round(slow))
  }

  #readHistogram(): void {
    this.#histogram.fill(0)
    for (const row of this.#table.rows) {
      for (let i = 0; i < LATENCY_BUCKETS; i++) {
        this.#histogram[i]! += row[this.#base + BACKEND.response + i]!
      }
    }
  }
}
