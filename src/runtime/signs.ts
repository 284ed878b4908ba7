// When the trouble of each backend of a pool first showed: what the time to find a failure counts from.

import type { MemberFacts } from '../core/failover-contract.ts'
import type { PoolHealth } from '../core/pool-health.ts'

export class Signs {
  readonly #pool: PoolHealth
  /** Row of each backend: who he is, also after a reload. */
  readonly #slots: readonly number[]
  /** Infinity without trouble. */
  readonly #firstMs: Float64Array
  /** A sign that nothing came of is forgotten after so long. */
  readonly #keepMs: number

  /** @param before of the same pool under the last plan */
  constructor(pool: PoolHealth, before: Signs | null = null) {
    const { backends, healthCheck } = pool.plan
    this.#pool = pool
    this.#slots = backends.map(({ slot }) => slot)
    const known = before === null ? [] : before.#slots.entries()
    const places = new Map([...known].map(([index, slot]) => [slot, index]))
    this.#firstMs = Float64Array.from(this.#slots, (slot) => {
      const index = places.get(slot)
      return index === undefined ? Infinity : before!.#firstMs[index]!
    })
    this.#keepMs = healthCheck?.intervalMs ?? 0
  }

  /** Something is wrong with it. */
  show(backend: number, nowMs: number): void {
    const sinceMs = Math.min(nowMs, this.#pool.quietSinceMs(backend))
    this.#firstMs[backend] = Math.min(this.#firstMs[backend]!, sinceMs)
  }

  /** The facts as they are. */
  note(backend: number, { fit, judged, doubtful }: MemberFacts, nowMs: number): void {
    if (!judged) return
    if (!fit || doubtful) this.show(backend, nowMs)
    else if (nowMs - this.#firstMs[backend]! > this.#keepMs) this.#firstMs[backend] = Infinity
  }

  ofMs(backend: number): number {
    return this.#firstMs[backend]!
  }
}
