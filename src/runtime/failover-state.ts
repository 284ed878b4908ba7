// The state file of a plan whose pools have an active, opened and looked over at the start.

import type { Plan, PoolPlan } from '../core/plan.ts'
import { tiersOf } from '../core/tiers.ts'
import type { StateDir } from '../ha/state-dir.ts'
import type { StateStore } from '../ha/state-file.ts'
import { openStateIn } from '../ha/state-file.ts'
import { strangersIn } from '../ha/state-record.ts'
import type { Log } from '../observe/log.ts'

/**
 * Reads it and logs what is odd about it. Without a state directory, or pools that need one, nothing is
 * kept.
 * @throws StateFileError when it can't be read
 */
export async function openFailoverState(
  { pools }: Plan,
  dir: StateDir | null,
  log: Log,
): Promise<StateStore> {
  const movable = pools.filter((pool) => pool.failover !== null)
  const state = await openStateIn(movable.length > 0 ? dir : null)
  const known = movable.map((pool) => [pool.name, membersOf(pool)] as const)
  const { pools: records, warnings } = state.loaded
  for (const line of [...warnings, ...strangersIn(records, new Map(known))]) log.warn(line)
  return state
}

/** Who can be the active of it: backends, or tiers of sites. */
function membersOf({ mode, backends, sites }: PoolPlan): string[] {
  const members = mode === 'active-standby' ? backends : tiersOf(sites)
  return members.map(({ name }) => name)
}
