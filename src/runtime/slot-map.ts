// Which backend has which row of the shared memory, for the control plane: slots go with the plan in
// force, positions in pools shift with it.

import type { PoolHealth } from '../core/pool-health.ts'

export class SlotMap {
  /** Slot → pool; where a slot is unused, nothing. */
  #pools: (PoolHealth | undefined)[] = []
  /** Slot → position in its pool; −1 where a slot is unused. */
  readonly #index: Int32Array
  #all: readonly number[] = []
  #cursor = 0

  /** @param size room for so many slots */
  constructor(size: number, pools: readonly PoolHealth[]) {
    this.#index = new Int32Array(size).fill(-1)
    this.adopt(pools)
  }

  /** All slots in use, in the order of the plan. */
  get all(): readonly number[] {
    return this.#all
  }

  /** Takes over the present plans of these pools. Returns the slots that are not in use any more. */
  adopt(pools: readonly PoolHealth[]): readonly number[] {
    const before = this.#all
    this.#pools = []
    this.#index.fill(-1)
    for (const pool of pools) {
      pool.plan.backends.forEach(({ slot }, index) => {
        this.#pools[slot] = pool
        this.#index[slot] = index
      })
    }
    this.#all = pools.flatMap(({ plan }) => plan.backends.map(({ slot }) => slot))
    this.#cursor = 0
    return before.filter((slot) => this.#index[slot]! < 0)
  }

  /** The pool of a backend; `null` for a slot that nobody has. */
  poolAt(slot: number): PoolHealth | null {
    return this.#pools[slot] ?? null
  }

  /** Position of a backend in its pool. */
  indexAt(slot: number): number {
    return this.#index[slot]!
  }

  /** Goes round all slots, one at a time. Only if there are any. */
  next(): number {
    const slot = this.#all[this.#cursor]!
    this.#cursor = (this.#cursor + 1) % this.#all.length
    return slot
  }
}
