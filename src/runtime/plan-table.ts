// The shared memory for a plan.

import type { Plan } from '../core/plan.ts'
import { SharedTable, reserveShape } from '../core/shared-layout.ts'

/** Allocates it, with room for what reloads and discovery add. */
export function tableFor(plan: Plan, threads: number): SharedTable {
  const { listeners, pools } = plan
  const needed = { listeners: listeners.length, pools: pools.length, slots: slotsOf(plan) }
  return SharedTable.allocate(reserveShape(threads, needed))
}

/** Rows of backends that the plan needs; slots may have gaps after a reload. */
function slotsOf(plan: Plan): number {
  const slots = plan.pools.flatMap((pool) => pool.backends.map((backend) => backend.slot))
  return slots.reduce((most, slot) => Math.max(most, slot + 1), 0)
}
