// Probes for pools: asks the server of a backend and brings the answer to wherever its pool has it by
// then. A backend is known by its slot here, as positions shift with a reload.

import type { PoolEffect, PoolHealth } from '../core/pool-health.ts'
import type { ProbeResult } from '../probe/contract.ts'
import type { ControlProbes } from './control-probes.ts'
import type { ControlWatch } from './control-watch.ts'
import type { SlotMap } from './slot-map.ts'

export interface PoolProbingParts {
  readonly probes: ControlProbes
  readonly watch: ControlWatch
  readonly slots: SlotMap
  /** Runs something as a turn of the control loop; not at all once that has stopped. */
  readonly enter: (work: (nowMs: number) => void) => void
}

export class PoolProbing {
  readonly #parts: PoolProbingParts

  constructor(parts: PoolProbingParts) {
    this.#parts = parts
  }

  /** A probe that the health of a backend asks for. */
  run(pool: PoolHealth, effect: Extract<PoolEffect, { kind: 'probe' }>): void {
    const { index, timeoutMs, suspicion } = effect
    const { probes, watch, slots, enter } = this.#parts
    const { check, port } = pool.plan.healthCheck!
    const { address, slot } = pool.plan.backends[index]!
    probes.run({
      slot,
      request: { address, check, port, timeoutMs },
      suspicion,
      done: ({ verdict, text, tookMs, role = null, lag = null }, startedMs) => {
        enter((nowMs) => {
          const stalled = watch.stalledSince(startedMs, timeoutMs)
          const outcome = { verdict, text, tookMs, suspicion, stalled, role, lag }
          pool.probed(slots.indexAt(slot), outcome, nowMs)
        })
      },
    })
  }

  /** A probe beside the schedule, whose result counts like any other. */
  prove(pool: PoolHealth, index: number, done: (result: ProbeResult, nowMs: number) => void): void {
    const { probes, slots, enter } = this.#parts
    const { check, port, timeoutMs } = pool.plan.healthCheck!
    const { address, slot } = pool.plan.backends[index]!
    probes.run({
      slot,
      request: { address, check, port, timeoutMs },
      suspicion: true,
      done: (result) => {
        enter((nowMs) => {
          const outcome = { ...result, suspicion: true, stalled: false }
          pool.probed(slots.indexAt(slot), outcome, nowMs)
          done(result, nowMs)
        })
      },
    })
  }

  /** Ends the probes of these backends: they are gone, or asked in another way from now on. */
  cancel(slots: ReadonlySet<number>): void {
    this.#parts.probes.cancel(slots)
  }

  /** Ends all. */
  stop(): void {
    this.#parts.probes.stop()
  }
}
