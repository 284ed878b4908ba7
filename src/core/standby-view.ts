// An active-standby pool as others see it: what the data threads get, and what people are shown.
// Pure; the verdicts come from core/pool-health.ts and core/failover.ts.

import type { FailoverMachine, FailoverState, MemberFacts } from './failover-contract.ts'
import type { PoolPlan } from './plan.ts'
import { ELIGIBILITY, type PoolSnapshot } from './snapshot.ts'
import { readiness, waitText } from './standby.ts'
import type { FailoverStatus, MoveReport, PoolStatus, SiteStatus, StandbyStatus } from './status.ts'

/** Where the pool's traffic may go at this moment: what has been started and what is being stopped. */
export interface Seat {
  /** −1: nobody. */
  readonly sending: number
  /** Its sessions may finish; −1: nobody's. */
  readonly draining: number
  /** Its sessions are destroyed; −1: nobody's. */
  readonly cutting: number
  readonly epoch: number
  readonly holdUntilMs: number
}

/** Whoever sits, or is on the way out; −1: nobody. Of a pool in which there is never a second one. */
export function seatedIn({ sending, draining, cutting }: Seat): number {
  return Math.max(sending, draining, cutting)
}

/** The snapshot of an active-standby pool: all but the active are cut off. */
export function dressSnapshot(base: PoolSnapshot, seat: Seat): PoolSnapshot {
  const eligibility = new Uint8Array(base.eligibility.length).fill(ELIGIBILITY.cut)
  const weight = new Float64Array(base.weight.length)
  const { sending, draining, epoch } = seat
  const holdUntilMs = Math.max(base.holdUntilMs, seat.holdUntilMs)
  if (draining >= 0) eligibility[draining] = ELIGIBILITY.finish
  if (sending >= 0) {
    const own = base.eligibility[sending]!
    // There is nobody to try it beside: whoever reigns gets everything or nothing.
    eligibility[sending] = own === ELIGIBILITY.probation ? ELIGIBILITY.yes : own
    if (eligibility[sending] === ELIGIBILITY.yes) weight[sending] = 1
  }
  const probationThread = new Int8Array(base.probationThread.length).fill(-1)
  return { ...base, eligibility, weight, probationThread, halfAvailable: true, epoch, holdUntilMs }
}

/**
 * For people: the pool's status with its active, and the others standing by.
 * @param turns how long ago each became the active, or ceased to be it; Infinity: never
 */
export function dressStatus(
  base: PoolStatus,
  seat: Seat,
  failover: FailoverStatus,
  { serves, turns }: { readonly serves: boolean; readonly turns: readonly number[] },
): PoolStatus {
  const backends = base.backends.map((one, index) => {
    const fit = one.availability === 'available' || one.availability === 'starting'
    const sinceMs = fit ? Math.min(one.sinceMs, turns[index]!) : one.sinceMs
    const backend = Object.assign({ ...one }, { sinceMs })
    if (index === seat.sending) return backend
    if (!fit) return Object.assign(backend, { effectiveWeight: 0 })
    const standby = failover.standbys.find(({ name }) => name === backend.name)
    const reason = standby === undefined ? backend.reason : `standing by: ${standby.reason}`
    return Object.assign(backend, { availability: 'standby', effectiveWeight: 0, reason })
  })
  return { ...base, available: serves ? 1 : 0, failover, backends }
}

/** The sites of an active-standby pool: the active stands in one of them. */
export function standbySites(
  plan: PoolPlan,
  facts: readonly MemberFacts[],
  { active }: FailoverStatus,
): SiteStatus[] {
  const at = plan.backends.find(({ name }) => name === active)?.site ?? -1
  return plan.sites.map(({ name, kind, minHealthy }, site) => {
    const own = facts.filter((_, index) => plan.backends[index]!.site === site)
    const healthy = own.filter(({ fit }) => fit).length
    const total = own.length
    const least = healthy < minHealthy && minHealthy > 1 ? `, fewer than ${minHealthy}` : ''
    const state = site === at ? 'active' : healthy > 0 ? 'standby' : 'down'
    const share = site === at ? 1 : 0
    const reason = `${healthy} of ${total} healthy${least}`
    return { name, kind, state, healthy, total, minHealthy, share, reason }
  })
}

/** The machine's state for people. */
export function failoverStatus(
  machine: FailoverMachine,
  state: FailoverState,
  lastMoves: readonly MoveReport[],
  nowMs: number,
): FailoverStatus {
  const nameOf = (index: number): string | null => machine.members[index]?.name ?? null
  const { move } = state
  return {
    state: state.phase,
    reason: state.reason,
    sinceMs: nowMs - state.sinceMs,
    active: nameOf(state.active),
    epoch: state.agreedEpoch,
    preferred: machine.members[0]!.name,
    frozen: state.frozen,
    standbys: machine.members.flatMap((_, index) =>
      index === state.active ? [] : [standbyStatus(machine, state, index, nowMs)],
    ),
    move:
      move === null
        ? null
        : {
            kind: move.kind,
            from: nameOf(move.from),
            to: nameOf(move.to) ?? '',
            step: move.step,
            forMs: nowMs - move.startedMs,
          },
    lastMoves,
  }
}

function standbyStatus(
  machine: FailoverMachine,
  state: FailoverState,
  index: number,
  nowMs: number,
): StandbyStatus {
  const { name } = machine.members[index]!
  const answer = readiness(machine, state, index, 'failover', nowMs)
  if (awaitsElection(machine, state, index, answer.ready)) {
    return { name, ready: true, reason: 'it is fit, and taken once its check says primary' }
  }
  return { name, ready: answer.ready, reason: waitText(answer, nowMs) }
}

/**
 * Somebody else makes one of them the writer: for that, a replica that is fit is all there can be while
 * the active serves. Once it is lost, a replica is not enough.
 */
function awaitsElection(
  { plan, asksRole }: FailoverMachine,
  { members, active, conflict }: FailoverState,
  index: number,
  ready: boolean,
): boolean {
  const { fit, role } = members[index]!
  if (!asksRole || plan.promote !== null || role !== 'replica') return false
  const isCalm = members[active]?.fit === true && conflict.length === 0
  return ready || (plan.elect === 'role' && isCalm && fit)
}
