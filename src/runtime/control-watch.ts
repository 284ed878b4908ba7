// Whose word can be trusted right now: notices when our own event loop or a data thread stood still,
// because what looks late after such a stretch may only have been read late.

import { THREAD, type SharedTable } from '../core/shared-layout.ts'

/** A data thread that has not ticked for this long stands still (it ticks every 50 ms). */
const THREAD_STALL_MS = 300
/** After it moves again it gets this long to read what has come meanwhile. */
const THREAD_RECOVERY_MS = 150
/** Stretches of our own to remember; far more than fit into a probe's time. */
const STALLS_MAX = 16
/** Shorter lateness is ordinary. */
const LATE_MS = 20

export class ControlWatch {
  /** Per data thread: 1 if its gauges mean something. */
  readonly trusted: Uint8Array
  readonly #table: SharedTable
  readonly #beatMs: Float64Array
  readonly #trustFromMs: Float64Array
  #stalls: { readonly endMs: number; readonly ms: number }[] = []
  /** When the loop was last seen at work, and when it promised to be back. */
  #turnMs = 0
  #promisedMs = Infinity

  constructor(table: SharedTable) {
    this.#table = table
    this.trusted = new Uint8Array(table.rows.length).fill(1)
    this.#beatMs = new Float64Array(table.rows.length)
    this.#trustFromMs = new Float64Array(table.rows.length)
  }

  /** The loop is to wake by then. */
  promise(ms: number): void {
    this.#promisedMs = ms
  }

  /**
   * To be called first in every turn.
   * @returns for how long, at most, the loop has stood still just now; 0 if it is on time
   */
  turn(nowMs: number): number {
    const isLate = nowMs - this.#promisedMs > LATE_MS
    // It stopped at some time after its last turn: assume the longest it can have been.
    const ms = isLate ? nowMs - this.#turnMs : 0
    this.#turnMs = nowMs
    if (!isLate) return 0
    this.#promisedMs = nowMs
    this.#stalls.push({ endMs: nowMs, ms })
    if (this.#stalls.length > STALLS_MAX) this.#stalls.shift()
    // The threads may well have stood still with us (the whole process was stopped).
    if (ms > THREAD_STALL_MS) this.#trustFromMs.fill(nowMs + THREAD_RECOVERY_MS)
    return ms
  }

  /** Since `fromMs` our loop stood still for more than `ms` at a stretch. */
  stalledSince(fromMs: number, ms: number): boolean {
    return this.#stalls.some((stall) => stall.endMs > fromMs && stall.ms >= ms)
  }

  /** Looks at the threads' heartbeats and refreshes `trusted`. */
  look(nowMs: number): void {
    const { rows } = this.#table
    for (let thread = 0; thread < rows.length; thread++) {
      const beatMs = rows[thread]![THREAD.heartbeatMs]!
      const before = this.#beatMs[thread]!
      this.#beatMs[thread] = beatMs
      if (before > 0 && beatMs - before > THREAD_STALL_MS) {
        this.#trustFromMs[thread] = nowMs + THREAD_RECOVERY_MS
      }
      const beats = nowMs - beatMs <= THREAD_STALL_MS
      this.trusted[thread] = beats && nowMs >= this.#trustFromMs[thread]! ? 1 : 0
    }
  }
}
