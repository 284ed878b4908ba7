// May this member take over, and if not now, when? The same answer serves the automatic decision,
// an operator's switchover, the warning before it is needed, and the status page.
// Pure; knows nothing of moves in progress.

import type { FailoverMachine, FailoverState } from './failover-contract.ts'

/** Why somebody would become the active. Each purpose asks for other proofs. */
export type Purpose =
  /** The active is lost. */
  | 'failover'
  /** The active lives and the preferred one takes over again. */
  | 'planned'
  /** The active lives, and is left all the same: with its site, or by an operator's word. */
  | 'leaving'
  /** An operator names it; forced if he insists. */
  | 'operator'
  | 'forced'

export interface Readiness {
  readonly ready: boolean
  readonly reason: string
  /** When time alone may change the answer; Infinity if never. */
  readonly untilMs: number
}

/** How long a backend that was left is not returned to: doubled with each flap, up to a limit. */
export function holdDownMs(machine: FailoverMachine, flaps: number): number {
  const { holdDownMs: first, holdDownMaxMs } = machine.plan
  return Math.min(holdDownMaxMs, first * 2 ** Math.min(flaps, 30))
}

/** Quiet for this many hold-downs takes one doubling back. */
const DECAY = 10

/** Doublings that still count at `nowMs`. */
export function presentFlaps(
  machine: FailoverMachine,
  state: FailoverState,
  nowMs: number,
): number {
  let { flaps } = state
  let quietMs = nowMs - state.lastMoveMs
  while (flaps > 0) {
    const neededMs = DECAY * Math.max(1, holdDownMs(machine, flaps))
    if (quietMs < neededMs) break
    quietMs -= neededMs
    flaps--
  }
  return flaps
}

/** Doublings after one more automatic move. */
export function nextFlaps(machine: FailoverMachine, state: FailoverState, nowMs: number): number {
  const present = presentFlaps(machine, state, nowMs)
  const quietMs = nowMs - state.lastMoveMs
  return quietMs >= DECAY * holdDownMs(machine, present) ? present : present + 1
}

/** The one backend whose check says `primary`; −1 if none or several do. */
export function soleWriter(state: FailoverState): number {
  let found = -1
  for (const [index, member] of state.members.entries()) {
    if (!member.fit || member.role !== 'primary') continue
    if (found >= 0) return -1
    found = index
  }
  return found
}

/** There has never been an active. */
export function isFirst({ last, gone }: FailoverState): boolean {
  return last < 0 && gone === null
}

/** The preferred backend takes over again by itself: not away from one that an operator chose. */
export function failsBack({ plan }: FailoverMachine, state: FailoverState): boolean {
  return plan.failback === 'auto' && plan.elect === 'priority' && !state.pinned
}

/** The facts allow it to be the active: fit, and not known to be in the wrong role. */
export function canReign(machine: FailoverMachine, state: FailoverState, index: number): boolean {
  const member = state.members[index]!
  if (!member.fit) return false
  if (!machine.asksRole) return true
  return machine.plan.elect === 'role' ? member.role === 'primary' : member.role !== 'replica'
}

const yes = (reason: string): Readiness => ({ ready: true, reason, untilMs: Infinity })
const no = (reason: string, untilMs = Infinity): Readiness => ({ ready: false, reason, untilMs })

/**
 * Whether a member that isn't the active may become it.
 * A backend that was unfit when the last active was lost may have missed what was written before:
 * only its role, a promote hook, or an operator makes up for that.
 */
export function readiness(
  machine: FailoverMachine,
  state: FailoverState,
  index: number,
  purpose: Purpose,
  nowMs: number,
): Readiness {
  const { plan } = machine
  const member = state.members[index]!
  const byOperator = purpose === 'operator' || purpose === 'forced'
  if (!member.fit) return no(member.reason)
  const refusal = machine.asksRole ? roleRefusal(machine, state, index, purpose) : null
  if (refusal !== null) return no(refusal)
  if (purpose === 'forced') return yes('an operator insists')
  const isManual = machine.members[index]!.takeover === 'manual'
  if (isManual && !byOperator && index !== state.last) {
    return no('its site is taken by an operator only')
  }
  if (plan.elect === 'role' && member.role === 'primary') return yes('its check says primary')
  return proven(machine, state, index, purpose, nowMs)
}

/** Why the roles, its own and the others', speak against it. */
function roleRefusal(
  machine: FailoverMachine,
  state: FailoverState,
  index: number,
  purpose: Purpose,
): string | null {
  const { plan, members } = machine
  const byOperator = purpose === 'operator' || purpose === 'forced'
  const { role } = state.members[index]!
  if (state.conflict.length > 0 && !byOperator) return 'several backends claim to be the primary'
  if (role === 'primary') return null
  // After a loss it is taken as soon as somebody has; an active that lives isn't stopped for that.
  const isLoss = purpose === 'failover' && plan.elect === 'priority' && !isFirst(state)
  if (plan.promote === null && !isLoss) {
    // Nobody here can make it the writer; whoever does it shows in the next check.
    return `its check says ${role ?? 'nothing about its role'}, not primary`
  }
  const writer = soleWriter(state)
  if (byOperator || writer < 0 || writer === state.active) return null
  // To promote another one would make two writers.
  return `${members[writer]!.name} is the primary, as its check says`
}

/** It has shown for long enough that it can serve. */
function proven(
  machine: FailoverMachine,
  state: FailoverState,
  index: number,
  purpose: Purpose,
  nowMs: number,
): Readiness {
  const { plan } = machine
  const member = state.members[index]!
  const isNew = isFirst(state)
  const isLast = index === state.last
  if (!isNew && !isLast) {
    const readyMs = member.fitSinceMs + plan.readyForMs
    if (nowMs < readyMs) return no('it has not been fit for readyFor yet', readyMs)
    // What is fit beside an active that isn't has nobody to be in step with.
    const sinceMs = Math.max(member.fitSinceMs, member.siteSinceMs, state.holdsSinceMs)
    const stableMs = sinceMs + plan.stableForMs
    if (purpose === 'planned' && nowMs < stableMs) {
      return no('it has not been stable for stableFor yet', stableMs)
    }
  }
  const heldMs = member.leftMs + holdDownMs(machine, presentFlaps(machine, state, nowMs))
  if (purpose !== 'operator' && nowMs < heldMs) {
    return no('it was left a moment ago (holdDown)', heldMs)
  }
  const lack = lackOf(machine, state, index, purpose)
  if (lack !== null) return no(lack)
  if (isLast && state.promotedTo >= 0 && member.role !== 'primary') {
    return no('another backend may have been promoted since; an operator can take it')
  }
  return yes('it is fit and has been for long enough')
}

/** Why it may lack what was written to the last active; `null`: nothing speaks for that. */
function lackOf(
  machine: FailoverMachine,
  state: FailoverState,
  index: number,
  purpose: Purpose,
): string | null {
  const { plan } = machine
  const { rival, fresh, role } = state.members[index]!
  if (purpose === 'operator' || plan.allDown === 'any') return null
  // Where somebody else elects, the last one elected is right.
  if (rival && plan.elect === 'priority') {
    return 'it called itself the primary beside the active and may lack what was written there; an operator can take it'
  }
  const isKnown = role === 'primary' || plan.promote !== null
  if (purpose === 'planned' || fresh || isKnown || isFirst(state) || index === state.last) {
    return null
  }
  return 'it was down when the last active was lost and may be stale; an operator can take it'
}

/** What time alone decides, in words, for people. */
export function waitText(answer: Readiness, nowMs: number): string {
  if (answer.untilMs === Infinity) return answer.reason
  return `${answer.reason}; ready in ${(Math.max(0, answer.untilMs - nowMs) / 1000).toFixed(1)} s`
}
