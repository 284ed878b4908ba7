// One replica's side of the agreement about who is the active: its lease, its right to
// send, its vote, and, while it holds the say, the moves of all pools.
//
// What must hold, whatever is cut, killed, stopped or late:
// 1. A replica sends only while it has the right: until 2/3 of a TTL after it began a cycle that
//    renewed its lease and read all keys, and only if it had acknowledged what it read. The holder
//    waits half as long again.
// 2. Only the holder writes a pool's key, on condition of its revision and of holding the say; so a
//    holder that was stopped and continues writes nothing.
// 3. An epoch is raised (`moving`) before anybody is told to stop, and committed only when each
//    other replica has acknowledged that very claim, or can have no right any more: its key is gone
//    for a TTL and LAPSE_MARGIN_MS, and so long ago is the last confirmation it had from the holder.
//    The holder judges by a state of etcd that includes its own claim.
// 4. Without etcd a replica goes on only while all others confirm the same epoch, each time for 2/3
//    of a TTL from when it asked. None confirms within a move, with etcd at hand, or for an epoch it
//    has not read from etcd itself in this life; and none ends a move soon after (3).
// 5. A key with a lower epoch than was ever seen is a lost etcd, not news: nothing moves until an
//    operator says so, and then under a higher epoch than any.
// A clock here is monotonic and only compared with itself; half of a TTL is the room for its rate.
//
// Pure. This file has the session with etcd; agreement-*.ts have the rest.

import type {
  AgreementEvent,
  AgreementSetup,
  AgreementState,
  AgreementStep,
  AgreedPoolState,
  MemberKey,
  OtherReplica,
} from './agreement-contract.ts'
import { pickPool, unregister, type AgreementDraft } from './agreement-draft.ts'
import { failsafe, hearAnswer, hearQuestion, settleQuestions } from './agreement-failsafe.ts'
import { fold, foldAnew } from './agreement-fold.ts'
import { advanceMoves, orderMove, writeEnded } from './agreement-moves.ts'
import { decideRights, isOverdue } from './agreement-right.ts'
import { planText, sameMember } from './agreement-text.ts'
import { cycleMs, lapseMs, lostMs, overdueMs, retryMs } from './agreement-times.ts'

/** A replica that has just started. `seen`: the highest epoch per pool that outlived a restart. */
export function initialAgreement(
  setup: AgreementSetup,
  seen: readonly number[],
  nowMs: number,
): AgreementState {
  const others = setup.replicas.filter((name) => name !== setup.replica)
  return {
    lease: null,
    era: 0,
    hasRead: false,
    ownRevision: 0,
    mirroredOwn: null,
    registered: null,
    wasRegistered: false,
    hasReplaced: false,
    isUsurped: false,
    holder: null,
    busy: { grant: false, cycle: null, put: false, campaign: false },
    cycleMs: nowMs,
    retryMs: nowMs,
    campaignMs: nowMs,
    renewedMs: -Infinity,
    failing: false,
    trouble: '',
    round: null,
    roundMs: -Infinity,
    rounds: 0,
    questions: [],
    startedMs: nowMs,
    hasLeft: false,
    pools: setup.pools.map((pool, index) => initialPool(pool.members.length, seen[index] ?? 0)),
    others: others.map((name) => initialOther(setup, name, nowMs)),
  }
}

function initialPool(members: number, seen: number): AgreedPoolState {
  return {
    key: null,
    modRevision: 0,
    mirroredRevision: 0,
    known: null,
    seen,
    isUntold: false,
    doubtMs: -Infinity,
    doubtEpoch: 0,
    ack: null,
    views: Array.from({ length: members }, () => null),
    rightMs: -Infinity,
    joinMs: Infinity,
    leads: false,
    ok: true,
    reason: '',
    writing: null,
    commit: null,
    stoppedEpoch: 0,
    freeze: null,
    unconfirmed: null,
  }
}

function initialOther(setup: AgreementSetup, name: string, nowMs: number): OtherReplica {
  return {
    name,
    isConfigured: true,
    member: null,
    // Whoever had our name before may have confirmed it until a moment ago.
    goneMs: nowMs + lapseMs(setup),
    replacedMs: -Infinity,
    confirmMs: nowMs + lapseMs(setup),
    confirmed: null,
  }
}

/** One step. */
export function reduceAgreement(
  setup: AgreementSetup,
  state: AgreementState,
  event: AgreementEvent,
  nowMs: number,
): AgreementStep {
  const draft: AgreementDraft = { setup, state, nowMs, effects: [], untilMs: Infinity }
  hear(draft, event)
  session(draft)
  failsafe(draft)
  settleQuestions(draft)
  decideRights(draft)
  advanceMoves(draft)
  return { state: draft.state, effects: draft.effects, deadlineMs: deadline(draft) }
}

function hear(draft: AgreementDraft, event: AgreementEvent): void {
  switch (event.kind) {
    case 'due':
      return
    case 'changed':
      if (event.isAnew) foldAnew(draft, event.changes)
      else fold(draft, event.changes)
      return
    case 'asked':
      hearQuestion(draft, event)
      return
    case 'answered':
    case 'unanswered':
      hearAnswer(draft, event)
      return
    case 'wrote':
    case 'write-failed':
      writeEnded(draft, event)
      return
    case 'views':
      draft.state = pickPool(draft.state, event.pool, { views: event.members })
      return
    case 'leave':
      leave(draft)
      return
    case 'claim':
    case 'commit':
    case 'acknowledge':
    case 'freeze':
    case 'recover':
      orderMove(draft, event)
      return
    default:
      hearEtcd(draft, event)
  }
}

// --- the session with etcd -----------------------------------------------------------------

type EtcdEvent = Extract<
  AgreementEvent,
  {
    kind:
      | 'granted'
      | 'grant-failed'
      | 'cycled'
      | 'cycle-failed'
      | 'member-put'
      | 'member-failed'
      | 'campaigned'
  }
>

function hearEtcd(draft: AgreementDraft, event: EtcdEvent): void {
  const { state } = draft
  switch (event.kind) {
    case 'granted':
      draft.state = { ...state, lease: event.lease, busy: { ...state.busy, grant: false } }
      break
    case 'grant-failed':
      draft.state = { ...state, busy: { ...state.busy, grant: false } }
      failed(draft, event.reason)
      break
    case 'cycled':
      cycled(draft, event)
      break
    case 'cycle-failed':
      draft.state = { ...state, busy: { ...state.busy, cycle: null } }
      failed(draft, event.reason)
      break
    case 'member-put':
      memberPut(draft, event)
      break
    case 'member-failed':
      memberFailed(draft, event)
      break
    case 'campaigned':
      // The mirror says who has won.
      draft.state = {
        ...state,
        busy: { ...state.busy, campaign: false },
        campaignMs: draft.nowMs + retryMs(draft.setup),
      }
      break
    default:
      event satisfies never
  }
}

function failed(draft: AgreementDraft, reason: string): void {
  const { state, nowMs, setup } = draft
  const againMs = nowMs + retryMs(setup)
  draft.state = {
    ...state,
    failing: true,
    trouble: reason,
    cycleMs: Math.min(state.cycleMs, againMs),
    retryMs: againMs,
  }
  settleQuestions(draft, 'away')
}

function cycled(
  draft: AgreementDraft,
  { sentMs, ttlMs }: Extract<AgreementEvent, { kind: 'cycled' }>,
): void {
  const { state } = draft
  const kind = state.busy.cycle
  const own = state.mirroredOwn
  draft.state = {
    ...state,
    busy: { ...state.busy, cycle: null },
    hasRead: true,
    failing: false,
    trouble: '',
    // What a put of unknown outcome has become shows here.
    ownRevision: state.busy.put ? state.ownRevision : (state.ownRevision ?? own?.revision ?? 0),
  }
  if (ttlMs === 0) loseLease(draft)
  else if (kind === 'full' && draft.state.registered !== null) {
    draft.state = { ...draft.state, renewedMs: Math.max(state.renewedMs, sentMs) }
  }
  settleQuestions(draft, 'at hand')
}

function loseLease(draft: AgreementDraft): void {
  unregister(draft)
  draft.state = { ...draft.state, lease: null }
}

function memberPut(
  draft: AgreementDraft,
  { era, lease, member, revision }: Extract<AgreementEvent, { kind: 'member-put' }>,
): void {
  const { state, nowMs, setup } = draft
  const busy = { ...state.busy, put: false }
  if (revision === 0) {
    const againMs = nowMs + retryMs(setup)
    draft.state = { ...state, busy, ownRevision: null, cycleMs: nowMs, retryMs: againMs }
    return
  }
  // The lease is lost, or somebody has overwritten it since.
  const isVoid = lease !== state.lease || era !== state.era
  if (isVoid || revision < (state.mirroredOwn?.revision ?? 0)) {
    draft.state = { ...state, busy, ownRevision: null, cycleMs: nowMs }
    return
  }
  const isNew = state.registered === null
  draft.state = {
    ...state,
    busy,
    ownRevision: revision,
    registered: member,
    wasRegistered: true,
    hasReplaced: member.replaced,
    // The right begins with a cycle that others could see us in.
    cycleMs: isNew ? nowMs : state.cycleMs,
    pools: state.wasRegistered ? state.pools : state.pools.map((pool) => joining(draft, pool)),
  }
}

function joining({ setup, nowMs }: AgreementDraft, pool: AgreedPoolState): AgreedPoolState {
  return pool.joinMs === Infinity ? { ...pool, joinMs: nowMs + lapseMs(setup) } : pool
}

function memberFailed(
  draft: AgreementDraft,
  { lease, isLeaseGone, reason }: Extract<AgreementEvent, { kind: 'member-failed' }>,
): void {
  const { state } = draft
  draft.state = { ...state, busy: { ...state.busy, put: false } }
  if (isLeaseGone) {
    if (lease === state.lease) loseLease(draft)
    return
  }
  draft.state = { ...draft.state, ownRevision: null }
  failed(draft, reason)
}

/** Keeps up what this replica has in etcd: its lease, its key, and its bid to decide. */
function session(draft: AgreementDraft): void {
  if (draft.state.hasLeft) return
  beginCycle(draft)
  const { state, nowMs, setup } = draft
  if (!state.hasRead || nowMs < state.retryMs) return
  if (state.lease === null) {
    if (state.busy.grant) return
    draft.state = { ...state, busy: { ...state.busy, grant: true } }
    draft.effects.push({ kind: 'grant' })
    return
  }
  putMember(draft, state.lease)
  if (draft.state.registered === null || state.holder !== null || state.busy.campaign) return
  if (nowMs < state.campaignMs || isOverdue(draft)) return
  const { replica, incarnation } = setup
  draft.state = { ...draft.state, busy: { ...draft.state.busy, campaign: true } }
  const holder = { replica, incarnation }
  draft.effects.push({ kind: 'campaign', lease: state.lease, holder })
}

function beginCycle(draft: AgreementDraft): void {
  const { state, nowMs, setup } = draft
  if (state.busy.cycle !== null || nowMs < state.cycleMs) return
  const cycle = state.registered === null ? 'bare' : 'full'
  draft.state = { ...state, busy: { ...state.busy, cycle }, cycleMs: nowMs + cycleMs(setup) }
  draft.effects.push({ kind: 'cycle', lease: state.lease })
}

function putMember(draft: AgreementDraft, lease: string): void {
  const { state, setup } = draft
  const { busy, ownRevision, isUsurped, registered } = state
  if (busy.put || isUsurped || ownRevision === null) return
  const member = ownMember(setup, state)
  if (registered !== null && sameMember(registered, member)) return
  draft.state = { ...state, busy: { ...busy, put: true } }
  draft.effects.push({ kind: 'put-member', era: state.era, lease, member, ifRevision: ownRevision })
}

function ownMember(setup: AgreementSetup, state: AgreementState): MemberKey {
  const { incarnation } = setup
  const stranger = state.mirroredOwn?.incarnation ?? incarnation
  const entries = setup.pools.map((pool, index) => ({ pool, now: state.pools[index]! }))
  const greeted = state.others.flatMap(({ name, member }) =>
    member === null ? [] : [[name, member.incarnation] as const],
  )
  return {
    incarnation,
    greets: Object.fromEntries(greeted),
    replaced: state.wasRegistered ? state.hasReplaced : stranger !== incarnation,
    acks: Object.fromEntries(
      entries.flatMap(({ pool, now }) => (now.ack === null ? [] : [[pool.name, now.ack]])),
    ),
    seen: Object.fromEntries(entries.map(({ pool, now }) => [pool.name, now.seen])),
    views: Object.fromEntries(entries.map(({ pool, now }) => [pool.name, now.views])),
    plans: Object.fromEntries(entries.map(({ pool }) => [pool.name, planText(setup, pool)])),
  }
}

function leave(draft: AgreementDraft): void {
  const { state } = draft
  draft.state = { ...state, hasLeft: true, lease: null, registered: null, round: null }
  if (state.lease !== null) draft.effects.push({ kind: 'revoke', lease: state.lease })
}

function deadline(draft: AgreementDraft): number {
  const { state, setup, nowMs, untilMs } = draft
  if (state.hasLeft) return Infinity
  let next = untilMs
  const { busy } = state
  if (busy.cycle === null) next = Math.min(next, state.cycleMs)
  if (state.retryMs > nowMs) next = Math.min(next, state.retryMs)
  if (state.holder === null && state.campaignMs > nowMs) next = Math.min(next, state.campaignMs)
  for (const lateMs of [overdueMs(setup), lostMs(setup)]) {
    const atMs = state.renewedMs + lateMs
    if (atMs > nowMs) next = Math.min(next, atMs)
  }
  return next
}
