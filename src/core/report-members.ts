// Who was in a pool when, from its records in any order. A span lists a backend only if there is
// something to say of it, so whoever is not listed was up, if it was there. Pure.

import type { PoolRecord } from './ledger-contract.ts'

export class PoolHistory {
  /** By time once it is asked. */
  #records: PoolRecord[] = []
  #isSorted = true

  add(record: PoolRecord): void {
    const last = this.#records.at(-1)
    // Each start and each file begins with the same again.
    if (last !== undefined && record.at >= last.at && isSame(record, last)) return
    this.#isSorted &&= last === undefined || record.at >= last.at
    this.#records.push(record)
  }

  /** As it is configured now. */
  get latest(): PoolRecord {
    return this.#sorted().at(-1)!
  }

  /** As it was at a time; before the first record, what that one says. */
  at(time: number): PoolRecord {
    const records = this.#sorted()
    return records.findLast(({ at }) => at <= time) ?? records[0]!
  }

  #sorted(): readonly PoolRecord[] {
    if (!this.#isSorted) this.#records.sort((a, b) => a.at - b.at)
    this.#isSorted = true
    return this.#records
  }
}

function isSame(one: PoolRecord, other: PoolRecord): boolean {
  const { mode, rtoMs, availability, backends } = one
  return (
    mode === other.mode &&
    rtoMs === other.rtoMs &&
    availability === other.availability &&
    backends.length === other.backends.length &&
    backends.every((name, i) => name === other.backends[i])
  )
}
