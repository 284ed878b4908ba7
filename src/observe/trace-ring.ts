// The kept exchanges of all threads, in memory and bounded. Errors and the rest push each other out
// only from the larger half: neither a sample nor a storm of errors hides the other.

import type { TraceRecord } from '../core/trace.ts'

/** What is looked for among the latest. */
export interface TraceWish {
  readonly last: number
  readonly errors?: boolean
  readonly pool?: string
}

/** Digits of an id that are enough to name it. */
const PREFIX_MIN = 6

export class TraceRing {
  #capacity: number
  readonly #errors = new Fifo()
  readonly #others = new Fifo()
  #kept = 0

  /** @param capacity exchanges, at least 1 */
  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** How many have ever been kept. */
  get total(): number {
    return this.#kept
  }

  get size(): number {
    return this.#errors.size + this.#others.size
  }

  resize(capacity: number): void {
    this.#capacity = capacity
    this.#shrink()
  }

  add(trace: TraceRecord): void {
    this.#kept++
    if (trace.keptFor === 'error') this.#errors.push(trace)
    else this.#others.push(trace)
    this.#shrink()
  }

  /** The latest first. */
  latest({ last, errors = false, pool }: TraceWish): readonly TraceRecord[] {
    return this.#all(errors)
      .filter((trace) => pool === undefined || trace.pool === pool)
      .slice(0, last)
  }

  /**
   * Those with this trace id, or that begin of one, or `X-Request-Id`; the latest first. There may be
   * several: one trace can come through here more than once.
   */
  find(id: string): readonly TraceRecord[] {
    const hex = id.toLowerCase()
    const isPrefix = id.length >= PREFIX_MIN && /^[0-9a-f]{6,32}$/.test(hex)
    return this.#all(false).filter(
      (trace) => trace.requestId === id || (isPrefix && trace.id.startsWith(hex)),
    )
  }

  #all(errorsOnly: boolean): readonly TraceRecord[] {
    const all = [...this.#errors.items(), ...(errorsOnly ? [] : this.#others.items())]
    return all.sort((one, other) => endOf(other) - endOf(one))
  }

  #shrink(): void {
    while (this.size > this.#capacity) {
      if (this.#errors.size > this.#others.size) this.#errors.shift()
      else this.#others.shift()
    }
  }
}

function endOf({ at, totalMs }: TraceRecord): number {
  return at + totalMs
}

/** A queue that gives its room back in one go, now and then. */
class Fifo {
  #items: TraceRecord[] = []
  #first = 0

  get size(): number {
    return this.#items.length - this.#first
  }

  push(trace: TraceRecord): void {
    this.#items.push(trace)
  }

  shift(): void {
    this.#items[this.#first++] = undefined as never
    if (this.#first < this.#items.length / 2) return
    this.#items = this.#items.slice(this.#first)
    this.#first = 0
  }

  items(): readonly TraceRecord[] {
    return this.#items.slice(this.#first)
  }
}
