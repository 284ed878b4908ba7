// The state file of a plan whose pools have an active, opened and looked over at the start.

import { memberNames } from '../core/failover-adopt.ts'
import type { Plan } from '../core/plan.ts'
import type { StateDir } from '../ha/state-dir.ts'
import type { StateStore } from '../ha/state-file.ts'
import { openStateIn } from '../ha/state-file.ts'
import { strangersIn } from '../ha/state-record.ts'
import type { Log } from '../observe/log.ts'
import { systemTimers } from './clock.ts'

/**
 * Reads it and logs what is odd about it. Without a state directory nothing is kept. It is opened
 * although no pool has an active yet: a reload may bring one.
 * @throws StateFileError when it can't be read
 */
export async function openFailoverState(
  { pools }: Plan,
  dir: StateDir | null,
  log: Log,
): Promise<StateStore> {
  const movable = pools.filter((pool) => pool.failover !== null)
  const state = await openStateIn(dir, systemTimers)
  const known = movable.map((pool) => [pool.name, memberNames(pool)] as const)
  const { pools: records, warnings } = state.loaded
  for (const line of [...warnings, ...strangersIn(records, new Map(known))]) log.warn(line)
  return state
}
