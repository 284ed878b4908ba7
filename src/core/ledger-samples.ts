// What the counters of a pool or backend said at its last looks, so that an incident whose first sign lies a few
// seconds back can be counted from there.

import type { Counts } from './ledger-contract.ts'
import type { Reading } from './ledger-incident.ts'

export class Samples {
  readonly #kept: Reading[] = []
  readonly #max: number

  /** @param max looks that are kept */
  constructor(max: number) {
    this.#max = max
  }

  add(ms: number, counts: Counts): void {
    this.#kept.push({ ms, counts, exact: false })
    if (this.#kept.length > this.#max) this.#kept.shift()
  }

  /** The last look at or before `ms`, as if it were of that moment; else the oldest one, or `now`. */
  at(ms: number, now: Reading): Reading {
    if (ms >= now.ms) return now
    let found = this.#kept[0] ?? now
    for (const sample of this.#kept) {
      if (sample.ms > ms) break
      found = sample
    }
    return { ms, counts: found.counts, exact: false }
  }

  /** The counters began anew. */
  clear(): void {
    this.#kept.length = 0
  }
}
