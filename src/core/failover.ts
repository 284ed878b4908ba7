// Who is the active of a pool: the decision. When the active is lost, another one is ready, a
// preferred one is back, or an operator says so, a move begins; core/switchover.ts takes its steps.
//
//   none ──first──► steady ◄──────────────► suspect        (a probe failed, traffic is silent)
//     ▲               │  ▲                     │
//     │ nobody ready  │  └──── moved ─── failing-over ◄──── lost
//     └───────────────┤  └──── moved ─── switching    ◄──── operator, failback, site left
//                     ├──► failback-wait   (the preferred one is back, not yet for `stableFor`)
//                     └──► frozen          (an operator, or no agreement: nothing moves)
//
// Rules:
// - At most one active per epoch, never two at once; between two there is a moment without any.
// - While frozen, nothing moves. Every change says why.
// - A lost active is waited for if nobody is ready; it takes up again by itself. Another backend
//   that came up later may be stale: only its role, a promote hook or an operator lets it.
// - Hold-down delays a return to a backend that was left, and leaving an active that lives; it
//   never prolongs an outage.
// - Two backends that claim the writer's role: stay, warn, and send the other one nothing.
// Pure: core/failover-contract.ts has the words, the shell does the deeds.

import type {
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  FailoverStep,
  MemberFacts,
  MemberState,
} from './failover-contract.ts'
import { describe, goneText } from './failover-words.ts'
import { follow, followHeard, lead, stoppedFollowing } from './following.ts'
import { obey } from './operator-word.ts'
import {
  canReign,
  holdDownMs,
  isFirst,
  presentFlaps,
  readiness,
  failsBack,
  soleWriter,
  type Purpose,
} from './standby.ts'
import { AUTOMATIC, beginMove, expireMove, stepMove, targetLost, type Draft } from './switchover.ts'

/** One step. */
export function reduceFailover(
  machine: FailoverMachine,
  state: FailoverState,
  event: FailoverEvent,
  nowMs: number,
): FailoverStep {
  const draft: Draft = { machine, state, nowMs, effects: [] }
  // Whoever wakes up late has not lost what was true until then.
  if (serves(draft)) refresh(draft)
  apply(draft, event)
  expireMove(draft)
  followHeard(draft)
  notice(draft)
  const waitMs = decide(draft)
  describe(draft, state)
  const { move } = draft.state
  const deadlineMs = Math.min(waitMs, move?.stepUntilMs ?? Infinity)
  return { state: draft.state, effects: draft.effects, deadlineMs }
}

function apply(draft: Draft, event: FailoverEvent): void {
  switch (event.kind) {
    case 'member':
      heed(draft, event.index, event.facts)
      break
    case 'operator':
      obey(draft, event)
      break
    case 'followed':
      follow(draft, event)
      break
    case 'lead':
      lead(draft, event.leads)
      break
    case 'agreement':
      draft.state = { ...draft.state, agreement: { ok: event.ok, reason: event.reason } }
      break
    case 'due':
      break
    case 'stopped':
      if (draft.state.following !== null) stoppedFollowing(draft, event.epoch)
      else stepMove(draft, event)
      break
    default:
      stepMove(draft, event)
  }
}

// --- facts ---------------------------------------------------------------------------------

function heed(draft: Draft, index: number, facts: MemberFacts): void {
  const { state, nowMs } = draft
  const before = state.members[index]!
  const fitSinceMs = facts.fit ? Math.min(before.fitSinceMs, nowMs) : Infinity
  const fresh = before.fresh && (facts.fit || !facts.judged)
  const siteSinceMs = facts.siteHolds ? Math.min(before.siteSinceMs, nowMs) : Infinity
  const rival = before.rival && !(facts.fit && facts.role === 'replica')
  const after: MemberState = { ...before, ...facts, fitSinceMs, siteSinceMs, fresh, rival }
  draft.state = { ...state, members: state.members.with(index, after) }
  if (before.fresh && !fresh) draft.effects.push({ kind: 'save' })
  targetLost(draft)
}

/** What follows from the facts without anybody's decision. */
function notice(draft: Draft): void {
  const { state, machine, nowMs } = draft
  const claims = state.members.flatMap(({ fit, role }, index) =>
    fit && role === 'primary' ? [index] : [],
  )
  const conflict = claims.length > 1 ? claims : []
  if (conflict.length > state.conflict.length) {
    const names = conflict.map((index) => machine.members[index]!.name).join(' and ')
    const kept = state.active >= 0 ? machine.members[state.active]!.name : 'none of them'
    const reason = `${names} claim to be the primary at once; traffic goes to ${kept}`
    draft.effects.push({ kind: 'warning', reason })
  }
  draft.state = { ...state, conflict }
  noteRivals(draft)
  // Before its first verdict nothing is known of it, good or bad.
  if (state.active < 0 || !state.members[state.active]!.judged) return
  if (serves(draft)) {
    const sinceMs = state.lostMs === Infinity ? state.holdsSinceMs : Infinity
    const holdsSinceMs = Math.min(sinceMs, nowMs)
    draft.state = { ...draft.state, lostMs: Infinity, holdsSinceMs }
    refresh(draft)
  } else draft.state = { ...draft.state, lostMs: Math.min(state.lostMs, nowMs) }
}

/** Who claims to be the primary beside the active does not follow it. */
function noteRivals(draft: Draft): void {
  const { active, conflict, members } = draft.state
  if (active < 0) return
  const claims = conflict.includes(active) ? conflict : []
  const next = members.map((member, index) => {
    if (index === active) return member.rival ? { ...member, rival: false } : member
    const isNew = claims.includes(index) && !member.rival
    return isNew ? { ...member, rival: true, fresh: false } : member
  })
  if (next.every((member, index) => member === members[index])) return
  draft.state = { ...draft.state, members: next }
  draft.effects.push({ kind: 'save' })
}

/** There is an active, and it can be one. */
function serves({ machine, state }: Draft): boolean {
  const { active, members } = state
  return active >= 0 && members[active]!.judged && canReign(machine, state, active)
}

/** Whoever is fit beside a serving active for long enough is up to date. */
function refresh(draft: Draft): void {
  const { state, nowMs } = draft
  const due = state.members.flatMap((member, index) =>
    nowMs >= freshMs(draft, index) && !member.fresh && !member.rival ? [index] : [],
  )
  if (due.length === 0) return
  let { members } = state
  for (const index of due) members = members.with(index, { ...members[index]!, fresh: true })
  draft.state = { ...state, members }
  draft.effects.push({ kind: 'save' })
}

/** When a member will be up to date if nothing happens. */
function freshMs({ state, machine }: Draft, index: number): number {
  const { fitSinceMs } = state.members[index]!
  return Math.max(fitSinceMs, state.holdsSinceMs) + machine.plan.readyForMs
}

// --- decisions -----------------------------------------------------------------------------

/** Begins a move if one is due. Returns when time alone may change the answer. */
function decide(draft: Draft): number {
  const { state, nowMs } = draft
  if (state.move !== null || state.following !== null || !state.leads) return Infinity
  if (state.frozen !== null || !state.agreement.ok) return Infinity
  if (nowMs < state.retryMs && state.failures > 0) return state.retryMs
  if (state.active < 0) return decideNone(draft)
  if (!canReign(draft.machine, state, state.active)) return decideLost(draft)
  return decideSteady(draft)
}

/** Nobody is the active: the first start, after a failed move, or after a broken-off one. */
function decideNone(draft: Draft): number {
  const { state, machine } = draft
  const { interruptedTo, last } = state
  if (isFirst(state)) return decideFirst(draft)
  if (isWaiting(state)) return Infinity
  // Its promotion may have been begun: if it can serve, finishing is safer than going back.
  if (interruptedTo >= 0 && isReady(draft, interruptedTo, 'failover')) {
    beginMove(draft, {
      kind: 'failover',
      to: interruptedTo,
      by: AUTOMATIC,
      reason: 'a move that was broken off is finished',
    })
    return Infinity
  }
  if (last >= 0 && canReign(machine, state, last) && isReady(draft, last, 'failover')) {
    beginMove(draft, {
      kind: 'resume',
      to: last,
      by: AUTOMATIC,
      reason: 'the last active can serve',
    })
    return Infinity
  }
  return decideLost(draft)
}

function decideFirst(draft: Draft): number {
  const { state, machine } = draft
  if (machine.asksRole) {
    if (state.members.some(({ judged }) => !judged)) return Infinity
    const writer = soleWriter(state)
    if (writer < 0 || machine.members[writer]!.takeover === 'manual') return Infinity
    beginMove(draft, { kind: 'first', to: writer, by: AUTOMATIC, reason: 'it is the primary' })
    return Infinity
  }
  let to = -1
  for (const [index, member] of state.members.entries()) {
    // A more preferred one may still pass its first check.
    if (!member.judged) return Infinity
    if (machine.members[index]!.takeover !== 'auto' || !member.fit) continue
    if (to < 0 || member.siteHolds) to = index
    if (member.siteHolds) break
  }
  if (to < 0) return Infinity
  const reason = 'it is the most preferred that can serve'
  beginMove(draft, { kind: 'first', to, by: AUTOMATIC, reason })
  return Infinity
}

/** Somebody who was here from the start has had no verdict: that is worth waiting for. */
function isWaiting({ members }: FailoverState): boolean {
  return members.some(({ judged, joined }) => !judged && !joined)
}

/** The active can't serve, or has had no verdict: somebody else, or wait. */
function decideLost(draft: Draft): number {
  const { state, machine } = draft
  if (state.active >= 0 && isWaiting(state)) return Infinity
  const { index, untilMs } = choose(draft, 'failover')
  if (index < 0) return untilMs
  const active = state.active >= 0 ? state.members[state.active]! : null
  const nobody = state.gone === null ? 'no backend is the active' : goneText(state.gone)
  const why = active === null ? nobody : lossOf(draft, state.active)
  const kind = machine.plan.elect === 'role' ? 'election' : 'failover'
  const isGentle = active?.withdrawn === true
  beginMove(draft, { kind: isGentle ? 'switchover' : kind, to: index, by: AUTOMATIC, reason: why })
  return Infinity
}

function decideSteady(draft: Draft): number {
  const { state, machine, nowMs } = draft
  const active = state.members[state.active]!
  warnOfStandbys(draft)
  const heldMs = state.lastMoveMs + holdDownMs(machine, presentFlaps(machine, state, nowMs))
  if (!active.siteHolds) {
    const { index, untilMs } = choose(draft, 'leaving')
    if (index < 0 || !state.members[index]!.siteHolds) return Math.min(untilMs, nextFreshMs(draft))
    if (nowMs < heldMs) return heldMs
    const name = machine.members[state.active]!.name
    const reason = `too few healthy backends are left in the site of ${name}`
    beginMove(draft, { kind: 'switchover', to: index, by: AUTOMATIC, reason })
    return Infinity
  }
  const back = preferred(draft)
  if (back.index < 0) return Math.min(back.untilMs, nextFreshMs(draft))
  if (nowMs < heldMs) return heldMs
  const reason = `${machine.members[back.index]!.name} is preferred and has been stable`
  beginMove(draft, { kind: 'failback', to: back.index, by: AUTOMATIC, reason })
  return Infinity
}

function nextFreshMs(draft: Draft): number {
  let nextMs = Infinity
  for (const [index, { fresh, rival }] of draft.state.members.entries()) {
    if (!fresh && !rival) nextMs = Math.min(nextMs, freshMs(draft, index))
  }
  return nextMs
}

/** A more preferred member that may take over again, or when one may. */
function preferred(draft: Draft): { index: number; untilMs: number } {
  const { state, machine, nowMs } = draft
  let untilMs = Infinity
  if (!failsBack(machine, state)) return { index: -1, untilMs }
  for (let index = 0; index < state.active; index++) {
    const answer = readiness(machine, state, index, 'planned', nowMs)
    if (answer.ready) return { index, untilMs: Infinity }
    untilMs = Math.min(untilMs, answer.untilMs)
  }
  return { index: -1, untilMs }
}

/** The most preferred member that may take over; first those whose site holds and that have not just failed to. */
function choose(draft: Draft, purpose: Purpose): { index: number; untilMs: number } {
  const { state, machine, nowMs } = draft
  let untilMs = Infinity
  const ready: number[] = []
  for (const index of state.members.keys()) {
    if (index === state.active) continue
    const answer = readiness(machine, state, index, purpose, nowMs)
    if (answer.ready) ready.push(index)
    else untilMs = Math.min(untilMs, answer.untilMs)
  }
  const rank = (index: number) =>
    (state.members[index]!.siteHolds ? 0 : 2) + (index === state.failedTo ? 1 : 0)
  ready.sort((one, other) => rank(one) - rank(other) || one - other)
  return { index: ready[0] ?? -1, untilMs }
}

function isReady(draft: Draft, index: number, purpose: Purpose): boolean {
  return readiness(draft.machine, draft.state, index, purpose, draft.nowMs).ready
}

/** Says it before it is needed: if the active failed now, nobody could take over. */
function warnOfStandbys(draft: Draft): void {
  const { state, machine } = draft
  if (state.members.length < 2 || state.members.some(({ judged }) => !judged)) return
  const hopeless = state.members.every(
    (member, index) =>
      index === state.active || !member.fit || machine.members[index]!.takeover === 'manual',
  )
  if (hopeless === state.warned) return
  draft.state = { ...state, warned: hopeless }
  if (!hopeless) return
  const others = state.members.flatMap((_, index) => {
    const { reason } = readiness(machine, state, index, 'failover', draft.nowMs)
    return index === state.active ? [] : [`${machine.members[index]!.name}: ${reason}`]
  })
  const reason = `no standby could take over if ${machine.members[state.active]!.name} failed now (${others.join('; ')})`
  draft.effects.push({ kind: 'warning', reason })
}

function lossOf(draft: Draft, index: number): string {
  const { members } = draft.state
  const { fit, role, reason } = members[index]!
  const name = draft.machine.members[index]!.name
  if (!fit) return `${name}: ${reason}`
  return `${name} is not the primary any more (its check says ${role ?? 'nothing about its role'})`
}
