// How much a backend carries, over all data threads, and whether that is as much as it may.
// Owns no counter: the threads keep the gauges in their rows, this only sums them up. Two threads
// that look at the same moment may both find room, so a limit holds to within (threads − 1).

import { BACKEND, type SharedTable } from './shared-layout.ts'

/** The per-backend concurrency limit of one pool. */
export class Limit {
  readonly #rows: readonly Float64Array[]
  /** Attempts or tunnels one backend may carry at once; 0 is no limit. A reload may change it. */
  perBackend: number

  constructor(table: SharedTable, perBackend: number) {
    this.#rows = table.rows
    this.perBackend = perBackend
  }

  /** Attempts and tunnels in progress on the backend whose record starts at `base`, ≥ 0. */
  inFlight(base: number): number {
    const cell = base + BACKEND.inFlight
    const rows = this.#rows
    let total = 0
    for (let row = 0; row < rows.length; row++) total += rows[row]![cell]!
    return total
  }

  /** Is the backend at its limit? */
  reached(base: number): boolean {
    return this.perBackend > 0 && this.inFlight(base) >= this.perBackend
  }
}
