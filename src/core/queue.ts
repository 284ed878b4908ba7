// Where requests wait while every backend of a pool is at its limit: first in, first out per data
// thread, bounded over all threads by the sum of their gauges. The waiters are the caller's own
// objects, linked through their own fields, so waiting allocates nothing.
//
// Who serves: `serve` from each release of this thread, `tick` every few milliseconds while anybody
// waits (room may come from another thread). Fairness between the threads: each shows since when
// its first waiter waits, and one that sees another's first wait longer than its own, by more than
// YIELD_MS, leaves a freed backend to it for up to YIELD_MS. Without that, a thread that always
// refills its own slot would let the others' queues run into their timeouts. Where backends have no
// limit there is no slot to leave: then requests wait for a backend as such, and all are served.
// Must never keep a waiter past its deadline.

import { POOL, type SharedTable } from './shared-layout.ts'

/** How much longer another thread must have waited to go first, and for how long we step back. */
const YIELD_MS = 10

/** What waits in a queue. The queue owns the four fields at the end; start them as shown. */
export interface Waiter {
  /**
   * A backend may have room: pick one and begin. False if there was none: the waiter keeps its
   * place. It is out of the queue during the call; one that returns true may have been put back.
   */
  onTurn(nowMs: number): boolean
  /** The deadline has come; it is out of the queue. */
  onQueueTimeout(nowMs: number): void
  /** It has tried some backends, so others may be able to use what it refuses. */
  readonly picky: boolean
  /** −1 while not queued. Start: −1. */
  queuedAtMs: number
  /** Start: 0. */
  queueDeadlineMs: number
  /** Start: null. */
  queueNext: Waiter | null
  /** Start: null. */
  queuePrevious: Waiter | null
}

export class WaitQueue {
  readonly #rows: readonly Float64Array[]
  readonly #row: Float64Array
  readonly #queuedCell: number
  readonly #sinceCell: number
  #max: number
  #isLimited: boolean
  #first: Waiter | null = null
  #last: Waiter | null = null
  #length = 0
  /** No waiter has an earlier deadline. */
  #earliestMs = Infinity
  #serving = false
  #yieldUntilMs = -1

  /**
   * @param thread number of this data thread: its row in the table
   * @param pool slot of the pool
   * @param max waiters over all threads
   * @param isLimited whether what is waited for is room on a backend, which threads share
   */
  constructor(table: SharedTable, thread: number, pool: number, max: number, isLimited = true) {
    this.#rows = table.rows
    this.#row = table.rows[thread]!
    this.#queuedCell = table.poolBase(pool) + POOL.queued
    this.#sinceCell = table.poolBase(pool) + POOL.queuedSinceMs
    this.#max = max
    this.#isLimited = isLimited
  }

  /** Takes over the limits of a new plan; who waits keeps place and deadline. */
  adopt(max: number, isLimited: boolean): void {
    this.#max = max
    this.#isLimited = isLimited
  }

  /** Waiters on this thread. */
  get length(): number {
    return this.#length
  }

  /**
   * Must a new request queue even if a backend has room? True if others wait already: those of this
   * thread, or of another one that has been passed over for a while. Ask before `Pool.pick`.
   */
  mustWait(nowMs: number): boolean {
    return this.#length > 0 || this.#othersWaitSince(nowMs - YIELD_MS)
  }

  /** Appends a waiter. False, and nothing done, if the queue is full over all threads. */
  push(waiter: Waiter, nowMs: number, deadlineMs: number): boolean {
    let queued = 0
    for (const row of this.#rows) queued += row[this.#queuedCell]!
    if (queued >= this.#max) return false
    waiter.queuedAtMs = nowMs
    waiter.queueDeadlineMs = deadlineMs
    this.#linkAfter(waiter, this.#last)
    return true
  }

  /** Takes a waiter out, wherever it stands; no effect if it isn't queued. */
  remove(waiter: Waiter): void {
    if (waiter.queuedAtMs < 0) return
    this.#unlink(waiter)
    waiter.queuedAtMs = -1
  }

  /**
   * A backend may have freed on this thread: gives waiters their turn, first come first served,
   * until one finds no room. Safe to call from within a turn.
   */
  serve(nowMs: number): void {
    if (this.#first === null) return
    // A turn that frees a backend at once calls this again; the loop goes on to the next one anyway.
    if (this.#serving || this.#stepsBack(nowMs)) return
    this.#serving = true
    try {
      this.#serveAll(nowMs)
    } finally {
      this.#serving = false
    }
  }

  /** Ends the waits whose deadline has come, then serves. For every few milliseconds. */
  tick(nowMs: number): void {
    if (nowMs >= this.#earliestMs) this.#expire(nowMs)
    this.serve(nowMs)
  }

  /** Ends all waits as if their deadlines had come, e.g. when the process stops. */
  clear(nowMs: number): void {
    while (this.#first !== null) this.#timeout(this.#first, nowMs)
  }

  #serveAll(nowMs: number): void {
    // The last one that refused its turn and let others go ahead.
    let previous: Waiter | null = null
    for (;;) {
      if (previous !== null && previous.queuedAtMs < 0) previous = null
      const waiter: Waiter | null = previous === null ? this.#first : previous.queueNext
      if (waiter === null) return
      if (waiter.queueDeadlineMs <= nowMs) {
        this.#timeout(waiter, nowMs)
        continue
      }
      const { queuedAtMs } = waiter
      this.#unlink(waiter)
      waiter.queuedAtMs = -1
      if (waiter.onTurn(nowMs)) continue
      if (previous !== null && previous.queuedAtMs < 0) previous = null
      waiter.queuedAtMs = queuedAtMs
      this.#linkAfter(waiter, previous)
      if (!waiter.picky) return
      previous = waiter
    }
  }

  #expire(nowMs: number): void {
    let earliest = Infinity
    let waiter = this.#first
    while (waiter !== null) {
      const next: Waiter | null = waiter.queueNext
      if (waiter.queueDeadlineMs > nowMs) {
        earliest = Math.min(earliest, waiter.queueDeadlineMs)
        waiter = next
        continue
      }
      this.#timeout(waiter, nowMs)
      // The call may have taken out the next one as well; then begin anew.
      const gone = next !== null && next.queuedAtMs < 0
      if (gone) earliest = Infinity
      waiter = gone ? this.#first : next
    }
    this.#earliestMs = earliest
  }

  #timeout(waiter: Waiter, nowMs: number): void {
    this.remove(waiter)
    waiter.onQueueTimeout(nowMs)
  }

  /** Leaves freed room to another thread whose first waiter waits longer, but not for ever. */
  #stepsBack(nowMs: number): boolean {
    if (!this.#isLimited || !this.#othersWaitSince(this.#first!.queuedAtMs - YIELD_MS)) {
      this.#yieldUntilMs = -1
      return false
    }
    if (this.#yieldUntilMs < 0) this.#yieldUntilMs = nowMs + YIELD_MS
    if (nowMs < this.#yieldUntilMs) return true
    this.#yieldUntilMs = -1
    return false
  }

  #othersWaitSince(sinceMs: number): boolean {
    for (const row of this.#rows) {
      if (row === this.#row) continue
      const since = row[this.#sinceCell]!
      if (since > 0 && since < sinceMs) return true
    }
    return false
  }

  #linkAfter(waiter: Waiter, previous: Waiter | null): void {
    const next = previous === null ? this.#first : previous.queueNext
    waiter.queueNext = next
    waiter.queuePrevious = previous
    if (previous === null) this.#first = waiter
    else previous.queueNext = waiter
    if (next === null) this.#last = waiter
    else next.queuePrevious = waiter
    if (waiter.queueDeadlineMs < this.#earliestMs) this.#earliestMs = waiter.queueDeadlineMs
    this.#count(1)
  }

  #unlink(waiter: Waiter): void {
    const { queuePrevious: previous, queueNext: next } = waiter
    if (previous === null) this.#first = next
    else previous.queueNext = next
    if (next === null) this.#last = previous
    else next.queuePrevious = previous
    waiter.queuePrevious = null
    waiter.queueNext = null
    this.#count(-1)
  }

  #count(change: 1 | -1): void {
    this.#length += change
    this.#row[this.#queuedCell]! += change
    this.#row[this.#sinceCell] = this.#first === null ? 0 : this.#first.queuedAtMs
  }
}
