// The right to send to pools with an active, as the data threads see it: a deadline in shared memory
// that they check before every attempt. A process that is followed by another gives it up.

import type { Clock } from '../core/clock.ts'
import { CONTROL_POOL, THREAD, type SharedTable } from '../core/shared-layout.ts'

/** How often it is looked whether every thread has noticed. */
const LOOK_MS = 10
/** Supervision has ended a thread that stands still for so long. */
const NOTICED_MS = 2_000

export class Rights {
  readonly #table: SharedTable
  readonly #clock: Clock
  readonly #revoked = new Set<number>()

  constructor(table: SharedTable, clock: Clock) {
    this.#table = table
    this.#clock = clock
  }

  /** Data threads may send to the pool in this row until then (monotonic ms). */
  grant(slot: number, untilMs: number): void {
    if (this.#revoked.has(slot)) return
    this.#table.control[this.#cellOf(slot)] = untilMs
  }

  /** Whether data threads may send to all of these pools now. */
  areGranted(pools: readonly { readonly slot: number }[]): boolean {
    const nowMs = this.#clock.nowMs()
    return pools.every(({ slot }) => this.#table.control[this.#cellOf(slot)]! > nowMs)
  }

  /**
   * Nothing of this process goes to these pools any more, ever. Resolves when every data thread has
   * noticed and has cut what ran there.
   */
  async revoke(slots: readonly number[]): Promise<void> {
    for (const slot of slots) {
      this.#revoked.add(slot)
      this.#table.control[this.#cellOf(slot)] = 0
    }
    const sinceMs = this.#clock.nowMs()
    // A tick that began after this has cut everything once the next one begins.
    const first = this.#heartbeats()
    await this.#until(() => this.#havePassed(first), sinceMs)
    const second = this.#heartbeats()
    await this.#until(() => this.#havePassed(second), sinceMs)
  }

  #cellOf(slot: number): number {
    return this.#table.controlPoolBase(slot) + CONTROL_POOL.sendUntilMs
  }

  #heartbeats(): readonly number[] {
    return this.#table.rows.map((row) => row[THREAD.heartbeatMs]!)
  }

  /** A row without a heartbeat has no thread, and one that comes reads the deadline first. */
  #havePassed(before: readonly number[]): boolean {
    return this.#heartbeats().every((beat, i) => beat === 0 || beat > before[i]!)
  }

  async #until(isSo: () => boolean, sinceMs: number): Promise<void> {
    while (!isSo() && this.#clock.nowMs() - sinceMs < NOTICED_MS) {
      await new Promise((resolve) => {
        setTimeout(resolve, LOOK_MS)
      })
    }
  }
}
