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
      if (move.step === 'claim') stop(draft, move)
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
  const early = move.step === 'claim' || move.step === 'stop' || move.step === 'fence'
  const unpromoted = move.step === 'prove' && !promotes(draft, move)
  if (!early && !unpromoted) return
  const why = `${nameOf(draft, move.to)} failed: ${members[move.to]!.reason}`
  if (move.step === 'claim') giveUp(draft, why)
  else if (move.step === 'stop') {
    // The old one must have stopped before it may be started again.
    draft.state = { ...draft.state, move: { ...move, failure: move.failure ?? why } }
  } else fail(draft, why)
}

function stop(draft: Draft, move: Move): void {
  const { state, nowMs, machine } = draft
  if (move.from < 0) {
    fence(draft, move)
    return
  }
  const serves = canReign(machine, state, move.from) || state.members[move.from]!.withdrawn
  const gentle = isPlanned(move.kind) && serves
  const sessions = gentle ? machine.plan.sessions : 'destroy'
  const drainUntilMs = sessions === 'drain' ? nowMs + machine.plan.drainMs : nowMs
  draft.state = {
    ...state,
    active: -1,
    members: state.members.with(move.from, { ...state.members[move.from]!, leftMs: nowMs }),
  }
  enter(draft, move, 'stop', drainUntilMs - nowMs + STOP_GRACE_MS)
  const { epoch, from: index, holdUntilMs } = move
  draft.effects.push({ kind: 'stop', epoch, index, sessions, drainUntilMs, holdUntilMs })
}

function fence(draft: Draft, move: Move): void {
  if (move.failure !== null) {
    fail(draft, move.failure)
    return
  }
  const { plan } = draft.machine
  if (plan.fence === null || move.from < 0) promote(draft, move)
  else hook(draft, move, 'fence', plan.fence.timeoutMs)
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
  draft.state = { ...draft.state, tainted: true }
  hook(draft, move, 'promote', draft.machine.plan.promote!.timeoutMs)
}

function hook(draft: Draft, move: Move, which: 'fence' | 'promote', timeoutMs: number): void {
  enter(draft, move, which, timeoutMs + HOOK_GRACE_MS)
  const { epoch, from, to, reason } = move
  draft.effects.push({ kind: 'hook', epoch, hook: which, from, to, reason })
}

function prove(draft: Draft, move: Move): void {
  const { asksRole, plan } = draft.machine
  // An unplanned move to a standby that its checks have watched all along can't wait for one more.
  const isWatched = !asksRole && !isPlanned(move.kind) && !draft.state.tainted
  if (isWatched) {
    commit(draft, move, move.to)
    return
  }
  enter(draft, move, 'prove', plan.proveMs)
  draft.effects.push({ kind: 'prove', epoch: move.epoch, index: move.to })
}

function isProof(draft: Draft, event: Extract<FailoverEvent, { kind: 'proved' }>): boolean {
  return event.passed && (!draft.machine.asksRole || event.role === 'primary')
}

function commit(draft: Draft, move: Move, active: number): void {
  enter(draft, move, active === move.to ? 'commit' : 'roll-back', STORE_MS)
  draft.effects.push({ kind: 'commit', epoch: move.epoch, active })
}

function finish(draft: Draft, move: Move): void {
  const { nowMs } = draft
  const counts = move.by === AUTOMATIC && move.from >= 0
  draft.state = {
    ...draft.state,
    active: move.to,
    last: move.to,
    tainted: false,
    move: null,
    lostMs: Infinity,
    holdsSinceMs: nowMs,
    pinned: move.kind === 'switchover' && move.by !== AUTOMATIC,
    flaps: counts ? nextFlaps(draft.machine, draft.state, nowMs) : draft.state.flaps,
    lastMoveMs: counts ? nowMs : draft.state.lastMoveMs,
    failures: 0,
    failedTo: -1,
  }
  draft.effects.push(
    { kind: 'start', epoch: move.epoch, index: move.to },
    { kind: 'ended', move, outcome: 'moved', reason: move.reason },
  )
}

function finishRollBack(draft: Draft, move: Move): void {
  draft.state = { ...draft.state, active: move.from, last: move.from, move: null }
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

/** Nobody is the active now. */
function abandon(draft: Draft, why: string): void {
  const move = draft.state.move!
  draft.state = {
    ...draft.state,
    active: -1,
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
  draft.state = { ...draft.state, failures, failedTo: move.to, retryMs: draft.nowMs + waitMs }
}

function enter(draft: Draft, move: Move, step: MoveStep, limitMs: number): void {
  const stepUntilMs = draft.nowMs + limitMs
  const current = draft.state.move ?? move
  draft.state = { ...draft.state, move: { ...current, step, stepUntilMs } }
}

function nameOf(draft: Draft, index: number): string {
  return draft.machine.members[index]?.name ?? 'nobody'
}
