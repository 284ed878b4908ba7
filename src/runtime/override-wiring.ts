// Changes at run time put in their place: between the plan, the control plane and the data threads.

import type { EventBody } from '../core/events.ts'
import type { Plan } from '../core/plan.ts'
import { BACKEND, type SharedTable } from '../core/shared-layout.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import { systemClock, systemTimers } from './clock.ts'
import type { ControlPlane } from './control-plane.ts'
import { OverrideDrains } from './override-drains.ts'
import type { OverridePorts } from './overrides.ts'
import { RunningOverrides } from './overrides.ts'

export interface OverrideParts extends Pick<OverridePorts, 'plan' | 'exists' | 'setPlanOverrides'> {
  readonly store: OverrideStore
  readonly table: SharedTable
  /** It may not be there yet. */
  readonly control: () => ControlPlane
  /** The lowest snapshot version that a data thread works by. */
  readonly applied: () => number
  readonly publish: (event: EventBody) => void
}

export function makeOverrides(parts: OverrideParts): RunningOverrides {
  const { table, control, publish } = parts
  const clock = systemClock()
  const inFlight = (pool: string, backend: string): number => {
    let count = 0
    for (const slot of slotsOf(parts.plan(), pool, backend)) {
      count += table.sum(table.backendBase(slot) + BACKEND.inFlight)
    }
    return count
  }
  const drains = new OverrideDrains({
    timers: systemTimers,
    nowMs: () => clock.nowMs(),
    inFlight,
    version: () => control().current().version,
    applied: parts.applied,
    cut: (pool, backend) => {
      const word = overrides.recall(pool, backend)
      if (word !== null) control().setAdminStates(pool, [backend], { ...word, cut: true }, true)
    },
    publish,
  })
  const overrides = new RunningOverrides(parts.store, {
    plan: parts.plan,
    exists: parts.exists,
    setPlanOverrides: parts.setPlanOverrides,
    setAdminStates: (...words) => control().setAdminStates(...words),
    maySpare: (pool, backends) => control().maySpare(pool, backends),
    drains,
    inFlight,
    wallMs: () => Date.now(),
    warn: (message, fields) => publish({ kind: 'warning', message, fields }),
  })
  return overrides
}

/** Rows of a backend: its own, and those in the read sides of its pool. */
function slotsOf({ pools }: Plan, pool: string, backend: string): number[] {
  const main = pools.findIndex(({ name }) => name === pool)
  return pools
    .filter(({ name, replicasOf }) => name === pool || (main >= 0 && replicasOf === main))
    .flatMap(({ backends }) => backends.filter(({ name }) => name === backend))
    .map(({ slot }) => slot)
}
