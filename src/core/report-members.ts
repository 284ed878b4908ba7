// Who was in a pool when, from its records in any order. A span lists a backend only if there is
// something to say of it, so whoever is not listed was up, if it was there. Pure.

import type { PoolRecord } from './ledger-contract.ts'

export class PoolHistory {
  /** By time once it is asked. */
  #records: PoolRecord[] = []
  #isSorted = true
  readonly #members = new WeakMap<PoolRecord, ReadonlySet<string>>()

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

  /** Who was in it at a time; before the first record, whom that one names. */
  membersAt(time: number): ReadonlySet<string> {
    const record = this.#at(time)
    const known = this.#members.get(record)
    if (known !== undefined) return known
    const members = new Set(record.backends)
    this.#members.set(record, members)
    return members
  }

  #at(time: number): PoolRecord {
    const records = this.#sorted()
    let low = 0
    let high = records.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (records[middle]!.at <= time) low = middle
      else high = middle
    }
    return records[low]!
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
