// What a pool with an active keeps over a restart, in names: positions change with the
// configuration. Pure; who keeps it is a state file or etcd.

import type {
  FailoverMachine,
  FailoverState,
  Frozen,
  MemberState,
  Restored,
} from './failover-contract.ts'
import type { MoveReport } from './status.ts'

export interface FailoverRecord {
  /** Who is the active, or was when a move began; `null`: nobody ever. */
  readonly active: string | null
  readonly epoch: number
  /**
   * Within a move, and after one that failed: to whom. The same as `active` if nobody is the active
   * and nobody else's promotion was begun. `null`: no move, `active` may be sent to.
   */
  readonly movingTo: string | null
  readonly frozen: Frozen | null
  /** An operator chose it: no automatic failback. */
  readonly pinned: boolean
  /** Who was in step with the active. */
  readonly fresh: readonly string[]
  /** Who called itself the primary beside the active, and no replica since. Absent: nobody. */
  readonly rivals?: readonly string[]
  /** Latest first. */
  readonly lastMoves: readonly MoveReport[]
}

/** The part of a record that a move changes. */
export interface Reign {
  /** −1: nobody. */
  readonly active: number
  readonly epoch: number
  /** −1: nobody. */
  readonly movingTo: number
}

/**
 * What holds at this moment. Within a commit it is what is being committed: whatever is kept for
 * another reason must not undo that.
 */
export function reignOf({ plan }: FailoverMachine, state: FailoverState): Reign {
  const { active, agreedEpoch, move, promotedTo, interruptedTo } = state
  if (move?.step === 'claim' && plan.agreement === 'etcd') {
    // The key has the claim, or not; who remembers one that came to nothing is deaf to the key.
    return { active, epoch: agreedEpoch, movingTo: -1 }
  }
  if (move?.step === 'commit') return { active: move.to, epoch: move.epoch, movingTo: -1 }
  if (move?.step === 'roll-back') return { active: move.from, epoch: move.epoch, movingTo: -1 }
  if (move !== null) return { active, epoch: move.epoch, movingTo: move.to }
  if (active >= 0) return { active, epoch: agreedEpoch, movingTo: -1 }
  return { active, epoch: agreedEpoch, movingTo: promotedTo >= 0 ? promotedTo : interruptedTo }
}

/** What is to be kept. */
export function recordOf(
  { members }: FailoverMachine,
  state: FailoverState,
  { active, epoch, movingTo }: Reign,
  lastMoves: readonly MoveReport[],
): FailoverRecord {
  const kept = active >= 0 ? active : state.last
  const keptName = members[kept]?.name ?? state.gone
  const named = (is: (member: MemberState) => boolean): string[] =>
    state.members.flatMap((member, index) => (is(member) ? [members[index]!.name] : []))
  const rivals = named(({ rival }) => rival)
  return {
    active: keptName,
    epoch,
    movingTo: members[movingTo]?.name ?? (active < 0 ? keptName : null),
    frozen: state.frozen,
    pinned: state.pinned,
    fresh: named(({ fresh }) => fresh),
    ...(rivals.length > 0 ? { rivals } : {}),
    lastMoves,
  }
}

/** What was kept, in positions of the present configuration. */
export function restoredFrom(
  { members }: FailoverMachine,
  record: FailoverRecord | null,
): Restored | null {
  if (record === null) return null
  const indexOf = (name: string | null) => members.findIndex((member) => member.name === name)
  const active = indexOf(record.active)
  // Where nobody is left of those that were known, it is another pool under the same name.
  const { lastMoves } = record
  const known = [
    ...record.fresh,
    record.movingTo,
    ...lastMoves.flatMap(({ from, to }) => [from, to]),
  ]
  const isGone = active < 0 && known.some((name) => indexOf(name) >= 0)
  return {
    active,
    epoch: record.epoch,
    // A move to or from a backend that is gone can't be finished; it isn't over either.
    movingTo: record.movingTo === null ? -1 : Math.max(indexOf(record.movingTo), active),
    frozen: record.frozen,
    pinned: record.pinned,
    fresh: members.map(({ name }) => record.fresh.includes(name)),
    rivals: members.map(({ name }) => record.rivals?.includes(name) === true),
    gone: isGone ? record.active : null,
  }
}
