// What pool and balancers agree on: what a balancer sees of a backend, and the three verbs it has.
// A balancer pays on transitions (`rebuild`), not on picks: it sees only backends that may be
// picked, and never asks about health. Up to SCAN_MAX of them it may look at each; above that a
// pick must stay within O(log n).

import { ELIGIBILITY, type Eligibility } from '../snapshot.ts'
import type { BackendPlan } from '../plan.ts'

/** No backend may be picked at all. */
export const NONE = -1
/** There are backends to pick, but each is at its limit: the request has to queue. */
export const FULL = -2

/** Up to here a look at every backend costs no more than keeping an order among them (measured). */
export const SCAN_MAX = 32

/** A backend as one data thread sees it. Written by `Pool` alone. */
export class PoolBackend {
  /** As the present plan has it; its name, address and slot never change. */
  plan: BackendPlan
  /** Position in `PoolPlan.backends`; −1 once a reload has left it out. */
  index: number
  /** Position in the shared memory. */
  readonly slot: number
  /** First cell of its record in each row. */
  readonly base: number
  eligibility: Eligibility = ELIGIBILITY.no
  /** Effective weight: configured weight × slow-start share. */
  weight = 0
  /** Is this the thread that may send its probation request? */
  onProbationHere = false
  /** Since when (monotonic ms) it has been waiting for a probation request; −1 is not yet known. */
  probationWaitMs = -1

  constructor(plan: BackendPlan, index: number, base: number) {
    this.plan = plan
    this.index = index
    this.slot = plan.slot
    this.base = base
  }
}

const TRIED_MAX = 8

/**
 * The backends an exchange has already been sent to. Made once per connection and cleared for each
 * exchange. Remembers the last 8, more than any retry policy makes.
 */
export class Tried {
  readonly #indexes = new Int32Array(TRIED_MAX)
  #next = 0
  count = 0

  /** Remembers the backend with this index in its pool. */
  add(index: number): void {
    if (this.has(index)) return
    this.#indexes[this.#next] = index
    this.#next = (this.#next + 1) % TRIED_MAX
    if (this.count < TRIED_MAX) this.count++
  }

  /**
   * A reload has changed the positions: the backend at `i` is at `to[i]` now, −1 if it is gone. Those
   * that are gone are forgotten.
   */
  move(to: Int32Array): void {
    const before = this.#indexes.slice(0, this.count)
    this.clear()
    for (const index of before) {
      const now = to[index] ?? NONE
      if (now !== NONE) this.add(now)
    }
  }

  has(index: number): boolean {
    for (let i = 0; i < this.count; i++) if (this.#indexes[i] === index) return true
    return false
  }

  /** The `position`-th remembered index, in no particular order; `position` < `count`. */
  at(position: number): number {
    return this.#indexes[position]!
  }

  clear(): void {
    this.count = 0
    this.#next = 0
  }
}

/** Chooses among the available backends of one pool, on one data thread. */
export interface Balancer {
  /**
   * Takes over a new set of available backends (ascending by index, weights > 0). What it knows of
   * backends that stay is kept.
   */
  rebuild(available: readonly PoolBackend[]): void
  /**
   * A reload has changed the positions: the backend at `i` was at `from[i]` before, −1 if it is new.
   * What is known of the others goes with them. `rebuild` follows before anything else is asked.
   */
  move(from: Int32Array): void
  /**
   * The index in the pool of the backend that gets the next attempt, and counts it as its turn;
   * NONE if each available one is at its limit or in `tried`.
   */
  pick(tried: Tried, nowMs: number): number
  /** This thread has just changed the in-flight gauge of a backend. */
  changed(index: number): void
}

/** `values` in new positions: `from` says where each was before, −1 is a new one, which is `empty`. */
export function moved<Values extends Float64Array | Int32Array>(
  values: Values,
  from: Int32Array,
  empty: number,
): Values {
  const made = (
    values instanceof Float64Array ? new Float64Array(from.length) : new Int32Array(from.length)
  ) as Values
  for (let i = 0; i < from.length; i++) made[i] = from[i]! < 0 ? empty : values[from[i]!]!
  return made
}
