// Two small views on how long a backend takes to answer: the last few values (median), and the tail
// of the last half minute or so (p99, from the histogram the data threads keep anyway).

import { LATENCY_BOUNDS_S, LATENCY_BUCKETS, RECENT_ATTEMPTS } from './shared-layout.ts'

/** The newest RECENT_ATTEMPTS values, in milliseconds. */
export class RecentLatencies {
  readonly #values = new Float64Array(RECENT_ATTEMPTS)
  readonly #sorted = new Float64Array(RECENT_ATTEMPTS)
  #written = 0

  /** How many there are, at most RECENT_ATTEMPTS. */
  get count(): number {
    return Math.min(this.#written, RECENT_ATTEMPTS)
  }

  push(ms: number): void {
    this.#values[this.#written++ % RECENT_ATTEMPTS] = ms
  }

  /** The lower median; 0 without values. */
  median(): number {
    const count = this.count
    if (count === 0) return 0
    const sorted = this.#sorted.subarray(0, count)
    sorted.set(this.#values.subarray(0, count))
    sorted.sort()
    return sorted[(count - 1) >> 1]!
  }

  clear(): void {
    this.#written = 0
  }
}

/**
 * The last RECENT_ATTEMPTS judgements `slow` or `not slow`. An attempt is judged when it gets its
 * answer, or as slow already when it passes the threshold while it still waits: a backend that has
 * stopped answering is seen as soon as its attempts are old, and one that answers most requests at
 * once isn't misjudged by the few long ones that are always among those that wait.
 */
export class SlowJudgements {
  readonly #slow = new Uint8Array(RECENT_ATTEMPTS)
  #written = 0
  #sum = 0

  get count(): number {
    return Math.min(this.#written, RECENT_ATTEMPTS)
  }

  get slow(): number {
    return this.#sum
  }

  /** Adds what came since the last call; more than fit are thinned out in proportion. */
  push(fast: number, slow: number): void {
    let slowOnes = slow
    let fastOnes = fast
    if (fast + slow > RECENT_ATTEMPTS) {
      slowOnes = Math.round((RECENT_ATTEMPTS * slow) / (fast + slow))
      fastOnes = RECENT_ATTEMPTS - slowOnes
    }
    for (let i = 0; i < fastOnes; i++) this.#add(0)
    for (let i = 0; i < slowOnes; i++) this.#add(1)
  }

  clear(): void {
    this.#slow.fill(0)
    this.#written = 0
    this.#sum = 0
  }

  #add(value: 0 | 1): void {
    const index = this.#written++ % RECENT_ATTEMPTS
    this.#sum += value - this.#slow[index]!
    this.#slow[index] = value
  }
}

/** How long the tail looks back: between one and two of these. */
const TAIL_SPAN_MS = 30_000

/** The p99 of a histogram that only grows, over the last one to two TAIL_SPAN_MS. */
export class LatencyTail {
  /** Totals at the start of the previous span, and of the current one. */
  readonly #before = new Float64Array(LATENCY_BUCKETS)
  readonly #current = new Float64Array(LATENCY_BUCKETS)
  #spanStartMs = -Infinity

  /**
   * Milliseconds within which all but the slowest hundredth (at least one, once there are 20) were
   * answered, interpolated within its bucket; 0 without values.
   * @param totals the histogram now, LATENCY_BUCKETS cells
   */
  p99(totals: Float64Array, nowMs: number): number {
    if (nowMs - this.#spanStartMs >= TAIL_SPAN_MS) {
      this.#before.set(this.#current)
      this.#current.set(totals)
      this.#spanStartMs = nowMs
    }
    let count = 0
    for (let i = 0; i < LATENCY_BUCKETS; i++) count += totals[i]! - this.#before[i]!
    if (count <= 0) return 0
    let beyond = count < 20 ? 0 : Math.max(1, Math.floor(count / 100))
    for (let i = LATENCY_BUCKETS - 1; i >= 0; i--) {
      const inBucket = totals[i]! - this.#before[i]!
      if (inBucket > beyond) {
        const low = i === 0 ? 0 : LATENCY_BOUNDS_S[i - 1]!
        const high = LATENCY_BOUNDS_S[Math.min(i, LATENCY_BOUNDS_S.length - 1)]!
        return 1000 * (high - ((high - low) * beyond) / inBucket)
      }
      beyond -= inBucket
    }
    return 0
  }

  /** Starts anew from these totals: a data thread died and its share of them is gone. */
  restart(totals: Float64Array, nowMs: number): void {
    this.#before.set(totals)
    this.#current.set(totals)
    this.#spanStartMs = nowMs
  }
}
