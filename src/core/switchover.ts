// The steps of a move, one after the other: claim, stop, fence, promote, prove, commit, start.
// Automatic or asked for, every change of active takes this way; what differs is what a failure
// means. A planned move that fails goes back to the old active, under the new epoch, as long as that
// one still serves; any other leaves the pool without an active until the next decision.
// Pure: works on the draft of one step of core/failover.ts.
// Must never let `start` come before `stopped`.

import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  Move,
  MoveStep,
} from './failover-contract.ts'
import type { MoveKind, MoveReport } from './status.ts'
import { canReign, nextFlaps } from './standby.ts'

/** One step of the machine in the making. */
export interface Draft {
  readonly machine: FailoverMachine
  readonly nowMs: number
  state: FailoverState
  readonly effects: FailoverEffect[]
}

/** A state file or etcd answers well within this. */
export const STORE_MS = 5_000
/** What the shell may take beyond the time a hook has. */
const HOOK_GRACE_MS = 2_000
/** Threads acknowledge in 250 ms or are ended; other replicas within their lease. */
const STOP_GRACE_MS = 60_000
const RETRY_MIN_MS = 250
const RETRY_MAX_MS = 30_000

/** Who asks for moves that nobody asked for. */
export const AUTOMATIC = 'evenkeel'

export interface Wish {
  readonly kind: MoveKind
  readonly to: number
  readonly reason: string
  readonly by: string
}

/** Asked for while the old active lives: nothing is lost by going back. */
export function isPlanned(kind: MoveKind): boolean {
  return kind === 'switchover' || kind === 'failback'
}

/** Raises the epoch and begins. The active stays the active until it is told to stop. */
export function beginMove(draft: Draft, wish: Wish): void {
  const { state, nowMs, machine } = draft
  const from = state.active
  const epoch = state.epoch + 1
  const lost = state.lostMs !== Infinity
  const move: Move = {
    ...wish,
    from,
    epoch,
    step: 'claim',
    faultMs: lost ? state.lostMs : nowMs,
    startedMs: nowMs,
    stepUntilMs: nowMs + STORE_MS,
    holdUntilMs: machine.plan.pauseMaxMs > 0 ? nowMs + machine.plan.pauseMaxMs : 0,
    failure: null,
  }
  draft.state = { ...state, epoch, move, interruptedTo: -1 }
  const { to, reason } = wish
  draft.effects.push({ kind: 'claim', epoch, from, to, reason })
}

/** An answer to one of the move's effects. Answers to an older epoch, or out of turn, are void. */
export function stepMove(draft: Draft, event: FailoverEvent): void {
  const { move } = draft.state
  if (move === null || !('epoch' in event) || event.epoch !== move.epoch) return
  switch (event.kind) {
    case 'claimed':
      if (move.step === 'claim') afterClaim(draft, move)
      break
    case 'claim-lost':
      if (move.step === 'claim') giveUp(draft, event.reason)
      break
    case 'stopped':
      if (move.step === 'stop') fence(draft, move)
      break
    case 'hooked':
      if (move.step === event.hook) afterHook(draft, move, event)
      break
    case 'proved':
      if (move.step === 'prove' && isProof(draft, event)) commit(draft, move, move.to)
      break
    case 'committed':
    case 'commit-lost':
      if (move.step === 'commit' || move.step === 'roll-back') afterCommit(draft, move, event)
      break
    default:
      break
  }
}

function afterClaim(draft: Draft, move: Move): void {
  draft.state = { ...draft.state, agreedEpoch: move.epoch, heard: null }
  // With agreement the other replicas stop at the claim: this one must not send on under the old epoch.
  if (move.failure === null || draft.machine.plan.agreement === 'etcd') stop(draft, move)
  // Nobody has stopped yet; all that is to be undone is the claim.
  else if (draft.state.active >= 0) commit(draft, move, move.from)
  else abandon(draft, move.failure)
}

function afterHook(
  draft: Draft,
  move: Move,
  { hook: which, failure }: Extract<FailoverEvent, { kind: 'hooked' }>,
): void {
  if (failure !== null) fail(draft, failure)
  else if (which === 'fence') promote(draft, move)
  else prove(draft, move)
}

function afterCommit(
  draft: Draft,
  move: Move,
  event: Extract<FailoverEvent, { kind: 'committed' | 'commit-lost' }>,
): void {
  if (event.kind === 'commit-lost') abandon(draft, event.reason)
  else if (move.step === 'commit') finish(draft, move)
  else finishRollBack(draft, move)
}

/** The present step has had its time. */
export function expireMove(draft: Draft): void {
  const { move } = draft.state
  if (move === null || draft.nowMs < move.stepUntilMs) return
  const what = `no answer to '${move.step}' in time`
  if (move.step === 'claim') giveUp(draft, what)
  else if (move.step === 'stop') {
    // Whatever else fails, nobody is started as long as another may still be sent to.
    enter(draft, move, 'stop', STOP_GRACE_MS)
    draft.effects.push({
      kind: 'warning',
      reason: `still waiting for all to stop sending to ${nameOf(draft, move.from)}`,
    })
  } else if (move.step === 'commit' || move.step === 'roll-back') abandon(draft, what)
  else if (move.step === 'prove') fail(draft, `${nameOf(draft, move.to)} was not proven in time`)
  else fail(draft, what)
}

/** The target has become unfit: while nobody has promoted it, there is no point in going on. */
export function targetLost(draft: Draft): void {
  const { move, members } = draft.state
  if (move === null || move.to < 0 || members[move.to]!.fit) return
  // A fence that was begun is waited for: it may have put the old one out for good.
  const unpromoted = move.step === 'prove' && draft.state.promotedTo < 0
  const why = `${nameOf(draft, move.to)} failed: ${members[move.to]!.reason}`
  if (unpromoted) fail(draft, why)
  else if (move.step === 'claim' || move.step === 'stop') {
    // A claim may be kept already, and the old one must have stopped before it may be started.
    draft.state = { ...draft.state, move: { ...move, failure: move.failure ?? why } }
  }
}

function stop(draft: Draft, move: Move): void {
  const { state, nowMs, machine } = draft
  if (move.from < 0) {
    stopOthers(draft, move)
    return
  }
  const serves = canReign(machine, state, move.from) || state.members[move.from]!.withdrawn
  const gentle = isPlanned(move.kind) && serves
  const sessions = gentle ? machine.plan.sessions : 'destroy'
  const drainUntilMs = sessions === 'drain' ? nowMs + machine.plan.drainMs : nowMs
  draft.state = { ...leave(state, move.from, serves, nowMs), active: -1 }
  enter(draft, move, 'stop', drainUntilMs - nowMs + STOP_GRACE_MS)
  const { epoch, from: index, holdUntilMs } = move
  draft.effects.push({ kind: 'stop', epoch, index, sessions, drainUntilMs, holdUntilMs })
}

/** Who is left because it failed is not returned to for a while; who served well may be at once. */
export function leave(
  state: FailoverState,
  index: number,
  serves: boolean,
  nowMs: number,
): FailoverState {
  if (serves) return state
  const member = { ...state.members[index]!, leftMs: nowMs }
  return { ...state, members: state.members.with(index, member) }
}

/** Nobody is sent to here. Another replica may be behind, and still send to whom it knows. */
function stopOthers(draft: Draft, move: Move): void {
  const { state, nowMs, machine } = draft
  if (machine.plan.agreement === 'none') {
    fence(draft, move)
    return
  }
  const index = state.last >= 0 ? state.last : move.to
  enter(draft, move, 'stop', STOP_GRACE_MS)
  const { epoch, holdUntilMs } = move
  const sessions = 'destroy'
  draft.effects.push({ kind: 'stop', epoch, index, sessions, drainUntilMs: nowMs, holdUntilMs })
}

function fence(draft: Draft, move: Move): void {
  if (move.failure !== null) {
    fail(draft, move.failure)
    return
  }
  const { plan } = draft.machine
  const from = outgoing(draft, move)
  if (plan.fence === null || from < 0) promote(draft, move)
  else hook(draft, move, 'fence', plan.fence.timeoutMs)
}

/** Who is to be kept out: also after a move that left nobody, and after a restart within one. */
function outgoing({ state }: Draft, { from, to }: Move): number {
  const old = from >= 0 ? from : state.last
  return old === to ? -1 : old
}

/** The hook is needed: there is one, and nothing says that the target is the writer already. */
function promotes(draft: Draft, move: Move): boolean {
  if (draft.machine.plan.promote === null) return false
  if (move.kind === 'first' || move.kind === 'resume') return false
  return draft.state.members[move.to]!.role !== 'primary'
}

function promote(draft: Draft, move: Move): void {
  if (!promotes(draft, move)) {
    prove(draft, move)
    return
  }
  draft.state = { ...draft.state, promotedTo: move.to }
  hook(draft, move, 'promote', draft.machine.plan.promote!.timeoutMs)
}

function hook(draft: Draft, move: Move, which: 'fence' | 'promote', timeoutMs: number): void {
  enter(draft, move, which, timeoutMs + HOOK_GRACE_MS)
  const { epoch, to, reason } = move
  const from = outgoing(draft, move)
  draft.effects.push({ kind: 'hook', epoch, hook: which, from, to, reason })
}

function prove(draft: Draft, move: Move): void {
  const { asksRole, plan } = draft.machine
  // An unplanned move to a standby that its checks have watched all along can't wait for one more.
  const isWatched = !asksRole && !isPlanned(move.kind) && draft.state.promotedTo < 0
  const { fit, reason } = draft.state.members[move.to]!
  if (isWatched && fit) {
    commit(draft, move, move.to)
    return
  }
  if (isWatched) {
    fail(draft, `${nameOf(draft, move.to)} failed: ${reason}`)
    return
  }
  enter(draft, move, 'prove', plan.proveMs)
  draft.effects.push({ kind: 'prove', epoch: move.epoch, index: move.to })
}

function isProof(draft: Draft, event: Extract<FailoverEvent, { kind: 'proved' }>): boolean {
  return event.passed && (!draft.machine.asksRole || event.role === 'primary')
}

function commit(draft: Draft, move: Move, active: number): void {
  if (active === move.to) draft.state = { ...draft.state, pinned: pins(move) }
  enter(draft, move, active === move.to ? 'commit' : 'roll-back', STORE_MS)
  draft.effects.push({ kind: 'commit', epoch: move.epoch, active })
}

function pins({ kind, by }: Move): boolean {
  return kind === 'switchover' && by !== AUTOMATIC
}

function finish(draft: Draft, move: Move): void {
  const { nowMs } = draft
  if (move.by === AUTOMATIC && move.from >= 0) countMove(draft)
  draft.state = {
    ...draft.state,
    active: move.to,
    last: move.to,
    gone: null,
    startedEpoch: move.epoch,
    promotedTo: -1,
    move: null,
    lostMs: Infinity,
    holdsSinceMs: nowMs,
    failures: 0,
    failedTo: -1,
  }
  draft.effects.push(
    { kind: 'start', epoch: move.epoch, index: move.to },
    { kind: 'ended', move, outcome: 'moved', reason: move.reason },
  )
}

/** Moves that nobody asked for make the next ones wait. */
function countMove(draft: Draft): void {
  const { machine, state, nowMs } = draft
  draft.state = { ...state, flaps: nextFlaps(machine, state, nowMs), lastMoveMs: nowMs }
}

function finishRollBack(draft: Draft, move: Move): void {
  // A failback that fails has interrupted the service, too.
  const hasStopped = draft.state.active < 0
  if (move.by === AUTOMATIC && hasStopped) countMove(draft)
  const { from } = move
  draft.state = {
    ...draft.state,
    active: from,
    last: from,
    startedEpoch: move.epoch,
    promotedTo: -1,
    move: null,
    holdsSinceMs: hasStopped ? draft.nowMs : draft.state.holdsSinceMs,
  }
  draft.effects.push({ kind: 'start', epoch: move.epoch, index: move.from })
  ended(draft, move, 'rolled-back', move.failure ?? '')
}

/** Past the claim: somebody has stopped sending, and the target can't be had. */
function fail(draft: Draft, why: string): void {
  const move = draft.state.move!
  const { machine, state } = draft
  if (isPlanned(move.kind) && move.from >= 0 && canReign(machine, state, move.from)) {
    const failed = { ...move, failure: why }
    draft.state = { ...state, move: failed }
    commit(draft, failed, move.from)
    return
  }
  abandon(draft, why)
}

/** Nothing has been done yet, and nothing is. */
function giveUp(draft: Draft, why: string): void {
  const move = draft.state.move!
  draft.state = { ...draft.state, move: null }
  ended(draft, move, 'failed', why)
}

/** Nobody is the active now, unless the old one has not been stopped yet. */
function abandon(draft: Draft, why: string): void {
  const move = draft.state.move!
  draft.state = {
    ...draft.state,
    move: null,
    lostMs: Math.min(draft.state.lostMs, move.faultMs),
  }
  draft.effects.push({ kind: 'release' })
  ended(draft, move, 'failed', why)
}

function ended(draft: Draft, move: Move, outcome: MoveReport['outcome'], reason: string): void {
  draft.effects.push({ kind: 'ended', move, outcome, reason })
  if (move.by !== AUTOMATIC) return
  const failures = draft.state.failures + 1
  const waitMs = Math.min(RETRY_MAX_MS, RETRY_MIN_MS * 2 ** Math.min(failures, 20))
  // A claim that is lost is not the target's fault.
  const failedTo = move.step === 'claim' ? draft.state.failedTo : move.to
  draft.state = { ...draft.state, failures, failedTo, retryMs: draft.nowMs + waitMs }
}

function enter(draft: Draft, move: Move, step: MoveStep, limitMs: number): void {
  const stepUntilMs = draft.nowMs + limitMs
  const current = draft.state.move ?? move
  draft.state = { ...draft.state, move: { ...current, step, stepUntilMs } }
}

function nameOf(draft: Draft, index: number): string {
  return draft.machine.members[index]?.name ?? 'nobody'
}
