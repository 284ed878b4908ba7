// Time as a value. Everything below `runtime/` gets its time as an argument or through this
// interface, so that each policy can run under a simulated clock.
// Must never read a real clock: the real one lives in `runtime/clock.ts`.

/**
 * A monotonic clock whose readings can be compared between the threads of one process.
 * Wall-clock jumps never show in it.
 */
export interface Clock {
  /** Milliseconds since an arbitrary origin that is the same in every thread. Never decreases. */
  nowMs(): number
}

/** Timers as a value, so that a test can run a loop on a clock of its own. */
export interface Timers {
  /** Calls `fire` once in `ms` milliseconds. */
  set(ms: number, fire: () => void): unknown
  clear(handle: unknown): void
}

/** A clock that moves only when told to: the twin of the real one, for tests and simulations. */
export class ManualClock implements Clock {
  #nowMs: number

  constructor(startMs = 1_000) {
    this.#nowMs = startMs
  }

  nowMs(): number {
    return this.#nowMs
  }

  /** Moves time forward by `ms` (≥ 0) and returns the new reading. */
  advance(ms: number): number {
    if (!(ms >= 0)) throw new RangeError(`a monotonic clock can't go back: advance(${ms})`)
    this.#nowMs += ms
    return this.#nowMs
  }
}
