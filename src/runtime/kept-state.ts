// What survives a restart, opened at the start and closed at the end: who is active in pools with an
// active, what operators have changed about backends, and what discovery was told.

import type { Plan } from '../core/plan.ts'
import type { MemberStore } from '../ha/member-file.ts'
import { openMembers } from '../ha/member-file.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import { openOverrides } from '../ha/override-file.ts'
import { openStateDir } from '../ha/state-dir.ts'
import type { StateStore } from '../ha/state-file.ts'
import type { Log } from '../observe/log.ts'
import { openFailoverState } from './failover-state.ts'

export interface KeptState {
  readonly failover: StateStore
  readonly overrides: OverrideStore
  readonly members: MemberStore
  /** Waits for what is being written and gives the directory free. */
  close(): Promise<void>
}

/**
 * Opens the state directory of a plan; without one nothing is kept.
 * @throws StateFileError when it is in use, or can't be read
 */
export async function openKeptState(plan: Plan, log: Log): Promise<KeptState> {
  const { stateDir } = plan.runtime
  const dir = stateDir === null ? null : await openStateDir(stateDir)
  try {
    const failover = await openFailoverState(plan, dir, log)
    const overrides = await openOverrides(dir)
    const members = await openMembers(dir)
    const close = async (): Promise<void> => {
      await failover.close()
      await dir?.close()
    }
    return { failover, overrides, members, close }
  } catch (error) {
    await dir?.close()
    throw error
  }
}
