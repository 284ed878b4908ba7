// How loaded a backend is, as least-connections and random-two understand it: attempts in progress
// over all data threads, plus a penalty for recent failures.
//
// The penalty: a backend that fails in 1 ms always has few attempts in progress, so the bare count
// sends it nearly everything (the black hole of least-connections). So each recent failure is taken
// for an attempt still in progress for as long as attempts of this pool usually are. By Little's law
// (in progress = rate × time) that is the pool's number in progress × this backend's failures ÷ all
// ended attempts; times FAILURE_FACTOR, so that a backend that only fails stays below its fair
// share even of two. It needs no latency, it is scale-free, one per cent of failures costs three per
// cent of load, and where all backends fail alike it changes nothing.
// Must never keep a backend from all traffic for good: that is outlier detection's business.

import { BACKEND, type SharedTable } from '../shared-layout.ts'
import { SCAN_MAX, moved, type PoolBackend } from './contract.ts'

const FAILURE_FACTOR = 3
/** What ended so long ago counts 1/e. */
const FORGET_MS = 5_000
/** The counters of the other threads are read no more often than this. */
const REFRESH_MS = 2
/** Above SCAN_MAX backends: how many are read on one pick. */
const SLICE = 8

export class LoadView {
  readonly #rows: readonly Float64Array[]
  #available: readonly PoolBackend[] = []
  // By index in the pool. Outcomes are weighted by e^(age of this view ÷ FORGET_MS), so that old ones
  // fade without being touched.
  #inFlight: Float64Array
  #failed: Float64Array
  #ended: Float64Array
  #failuresSeen: Float64Array
  #successesSeen: Float64Array
  #totalInFlight = 0
  #totalEnded = 0
  /** No penalty is above 0 as long as this is false. */
  anyFailed = false
  #startMs = -1
  #gain = 1
  #next = 0
  #roundMs = -Infinity

  /** @param size backends in the pool, available or not */
  constructor(table: SharedTable, size: number) {
    this.#rows = table.rows
    this.#inFlight = new Float64Array(size)
    this.#failed = new Float64Array(size)
    this.#ended = new Float64Array(size)
    this.#failuresSeen = new Float64Array(size).fill(-1)
    this.#successesSeen = new Float64Array(size).fill(-1)
  }

  /** Takes over a new set of available backends; what is remembered of each stays. */
  rebuild(available: readonly PoolBackend[]): void {
    this.#available = available
    this.#next = 0
    this.#roundMs = -Infinity
    this.#totalInFlight = 0
    this.#totalEnded = 0
    for (const { index } of available) {
      this.#totalInFlight += this.#inFlight[index]!
      this.#totalEnded += this.#ended[index]!
    }
  }

  /** See `Balancer.move`. */
  move(from: Int32Array): void {
    this.#inFlight = moved(this.#inFlight, from, 0)
    this.#failed = moved(this.#failed, from, 0)
    this.#ended = moved(this.#ended, from, 0)
    this.#failuresSeen = moved(this.#failuresSeen, from, -1)
    this.#successesSeen = moved(this.#successesSeen, from, -1)
  }

  /**
   * How many backends `refreshNext` has to be called for now: all when they are few and it is time,
   * a slice when they are many.
   */
  refreshDue(nowMs: number): number {
    const size = this.#available.length
    if (this.#next === 0) {
      if (nowMs - this.#roundMs < REFRESH_MS) return 0
      this.#roundMs = nowMs
      this.#age(nowMs)
    }
    return size <= SCAN_MAX ? size : Math.min(SLICE, size - this.#next)
  }

  /** Reads the counters of the next backend, and returns its position among the available ones. */
  refreshNext(): number {
    const position = this.#next
    const { index, base } = this.#available[position]!
    this.#next = position + 1 === this.#available.length ? 0 : position + 1
    this.readInFlight(index, base)
    let failures = 0
    let successes = 0
    for (const row of this.#rows) {
      failures += row[base + BACKEND.failures]!
      successes += row[base + BACKEND.successes]!
    }
    const failuresSeen = this.#failuresSeen[index]!
    if (failures === failuresSeen && successes === this.#successesSeen[index]) return position
    // A dead thread's row is cleared, so the sums can fall: then there is nothing to learn.
    if (failuresSeen >= 0) {
      const failed = Math.max(0, failures - failuresSeen) * this.#gain
      const ended = failed + Math.max(0, successes - this.#successesSeen[index]!) * this.#gain
      this.#failed[index]! += failed
      if (failed > 0) this.anyFailed = true
      this.#ended[index]! += ended
      this.#totalEnded += ended
    }
    this.#failuresSeen[index] = failures
    this.#successesSeen[index] = successes
    return position
  }

  /** Attempts in progress, over all threads, on the backend whose record begins at `base`. */
  inFlight(base: number): number {
    const cell = base + BACKEND.inFlight
    const rows = this.#rows
    let total = 0
    for (let row = 0; row < rows.length; row++) total += rows[row]![cell]!
    return total
  }

  /** The same, noted for the penalty's sake. */
  readInFlight(index: number, base: number): number {
    const total = this.inFlight(base)
    this.#totalInFlight += total - this.#inFlight[index]!
    this.#inFlight[index] = total
    return total
  }

  /** What recent failures add to the attempts in progress; ≥ 0, in steps of ½. */
  penalty(index: number): number {
    const failed = this.#failed[index]!
    if (failed === 0) return 0
    const share = failed / this.#totalEnded
    return Math.floor(2 * FAILURE_FACTOR * this.#totalInFlight * share) / 2
  }

  #age(nowMs: number): void {
    if (this.#startMs < 0) this.#startMs = nowMs
    const age = (nowMs - this.#startMs) / FORGET_MS
    this.#gain = Math.exp(age)
    if (age < 40) return
    const fade = Math.exp(-age)
    this.#totalEnded = 0
    for (let index = 0; index < this.#failed.length; index++) {
      this.#failed[index]! *= fade
      this.#ended[index]! *= fade
    }
    for (const { index } of this.#available) this.#totalEnded += this.#ended[index]!
    this.#startMs = nowMs
    this.#gain = 1
  }
}
