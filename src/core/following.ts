// A replica that does not decide: it does what the agreed key says, in the same order as the one that
// does. Stop first, acknowledge, and start only what the key says is settled.

import type { FailoverState, Followed, Frozen } from './failover-contract.ts'
import { canReign } from './standby.ts'
import { leave, type Draft } from './switchover.ts'

/** The key as it stands: this replica does what it says, whoever wrote it. */
export function follow(draft: Draft, event: Followed): void {
  const { move, agreedEpoch } = draft.state
  // Old ones may come late.
  if (event.epoch < agreedEpoch) return
  obeyFreeze(draft, event.frozen)
  if (move !== null && move.step === 'claim') {
    // The claim's answer will say whether this was it, or somebody was faster.
    draft.state = { ...draft.state, heard: event }
    return
  }
  if (move !== null) {
    // The holder's own writes come back to it.
    if (event.epoch <= move.epoch) return
    loseMove(draft)
  }
  obeyKey(draft, event)
}

/** A claim was lost: what the key said meanwhile holds. */
export function followHeard(draft: Draft): void {
  const { move, heard } = draft.state
  if (move !== null || heard === null) return
  draft.state = { ...draft.state, heard: null }
  follow(draft, heard)
}

function obeyKey(draft: Draft, event: Followed): void {
  const { state } = draft
  const { epoch, active, to, moving } = event
  // Within an epoch the key settles once: the claim's echo may come after that.
  if (moving && state.active >= 0 && epoch === state.startedEpoch) return
  draft.state = { ...draft.state, epoch: Math.max(state.epoch, epoch), agreedEpoch: epoch }
  const isSame = !moving && active === state.active && state.following === null
  const pinned = event.pinned ?? (isSame && state.pinned)
  if (isSame && epoch === state.startedEpoch) {
    draft.state = { ...draft.state, pinned }
    return
  }
  const mustStop = state.active >= 0 && (moving || active !== state.active)
  const stopped = mustStop ? false : (state.following?.stopped ?? true)
  const stopEpoch = mustStop ? epoch : (state.following?.stopEpoch ?? epoch)
  draft.state = {
    ...draft.state,
    active: mustStop ? -1 : state.active,
    last: active,
    following: { epoch, active, to, settled: !moving, stopped, stopEpoch, pinned },
  }
  if (mustStop) stopFollowed(draft, state.active, moving)
  else settleFollowing(draft)
}

/** An operator's word is in force at once; what the key said before it may still be on its way. */
function obeyFreeze(draft: Draft, frozen: Frozen | null): void {
  const { state } = draft
  const isSame = frozen?.by === state.frozen?.by && frozen?.reason === state.frozen?.reason
  if (isSame) draft.state = { ...state, freezing: false }
  else if (!state.freezing) {
    draft.state = { ...state, frozen }
    draft.effects.push({ kind: 'save' })
  }
}

function stopFollowed(draft: Draft, index: number, moving: boolean): void {
  const { nowMs, machine, state } = draft
  const { drainMs, pauseMaxMs, sessions } = machine.plan
  const serves = canReign(machine, state, index) || state.members[index]!.withdrawn
  // Whoever learns of the move only when it is over has no time to lose.
  const gentle = moving && serves && sessions === 'drain'
  draft.state = leave(state, index, serves, nowMs)
  draft.effects.push({
    kind: 'stop',
    epoch: state.following!.epoch,
    index,
    sessions: gentle ? 'drain' : 'destroy',
    drainUntilMs: gentle ? nowMs + drainMs : nowMs,
    holdUntilMs: pauseMaxMs > 0 ? nowMs + pauseMaxMs : 0,
  })
}

/** No thread here sends to the old active any more. */
export function stoppedFollowing(draft: Draft, epoch: number): void {
  const { state } = draft
  const { following } = state
  // Said twice, it must not pass for the answer to a later one.
  if (following === null || following.stopEpoch !== epoch) return
  draft.state = { ...state, following: { ...following, stopped: true } }
  settleFollowing(draft)
}

function settleFollowing(draft: Draft): void {
  const { following, leads } = draft.state
  if (following === null || !following.stopped) return
  if (following.settled) {
    settle(draft)
    return
  }
  draft.effects.push({ kind: 'acknowledge', epoch: following.epoch })
  if (leads) takeOverMove(draft, following.to)
}

function settle(draft: Draft): void {
  const { state } = draft
  const { epoch, active, pinned } = state.following!
  const times: Partial<FailoverState> =
    active === state.active ? {} : { lostMs: Infinity, holdsSinceMs: Infinity }
  draft.state = {
    ...state,
    ...times,
    following: null,
    active,
    last: active,
    gone: null,
    startedEpoch: epoch,
    pinned,
    promotedTo: -1,
    failures: 0,
    failedTo: -1,
    interruptedTo: -1,
  }
  if (active >= 0) draft.effects.push({ kind: 'start', epoch, index: active })
  draft.effects.push({ kind: 'save' })
}

/** Whoever began this move has lost the say: it is for this replica to end it. */
function takeOverMove(draft: Draft, to: number): void {
  const promotedTo = draft.machine.plan.promote === null ? -1 : to
  draft.state = { ...draft.state, following: null, interruptedTo: to, promotedTo }
}

/** This replica decides from now on, or no longer. */
export function lead(draft: Draft, leads: boolean): void {
  draft.state = { ...draft.state, leads }
  if (leads) {
    settleFollowing(draft)
    return
  }
  draft.state = { ...draft.state, freezing: false }
  if (draft.state.move !== null) loseMove(draft)
}

/** Somebody else decides: the key will say how the move ends. */
function loseMove(draft: Draft): void {
  const { state } = draft
  const move = state.move!
  const { epoch, from, to, step } = move
  // Until then who was told to stop is stopped.
  const isUnderWay = step !== 'claim' && state.active < 0
  const stopped = step !== 'stop'
  const following = { epoch, active: from, to, settled: false, stopped, stopEpoch: epoch }
  draft.state = {
    ...state,
    move: null,
    following: isUnderWay ? { ...following, pinned: false } : null,
  }
  const reason = 'another replica decides now'
  draft.effects.push({ kind: 'ended', move, outcome: 'failed', reason })
}
