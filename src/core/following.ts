// A replica that does not decide: it does what the agreed key says, in the same order as the one that
// does. Stop first, acknowledge, and start only what the key says is settled (DESIGN §7).

import type { FailoverEvent } from './failover-contract.ts'
import type { Draft } from './switchover.ts'

/** The key as it stands: this replica does what it says, whoever wrote it. */
export function follow(draft: Draft, event: Extract<FailoverEvent, { kind: 'followed' }>): void {
  const { state } = draft
  const { epoch, active, to, moving, frozen } = event
  // The holder's own writes come back to it, and old ones may come late.
  if (epoch < state.epoch || state.move !== null) return
  draft.state = { ...state, epoch, frozen }
  const isSame = !moving && active === state.active && state.following === null
  if (isSame && epoch === state.epoch) return
  const mustStop = state.active >= 0 && (moving || active !== state.active)
  const stopped = mustStop ? false : (state.following?.stopped ?? true)
  draft.state = {
    ...draft.state,
    active: mustStop ? -1 : state.active,
    last: active,
    following: { epoch, active, to, settled: !moving, stopped },
  }
  if (mustStop) stopFollowed(draft, state.active, moving)
  else settleFollowing(draft)
}

function stopFollowed(draft: Draft, index: number, moving: boolean): void {
  const { nowMs, machine, state } = draft
  const { drainMs, pauseMaxMs, sessions } = machine.plan
  draft.effects.push({
    kind: 'stop',
    epoch: state.following!.epoch,
    index,
    // Whoever learns of the move only when it is over has no time to lose.
    sessions: moving ? sessions : 'destroy',
    drainUntilMs: moving ? nowMs + drainMs : nowMs,
    holdUntilMs: pauseMaxMs > 0 ? nowMs + pauseMaxMs : 0,
  })
}

/** No thread here sends to the old active any more. */
export function stoppedFollowing(draft: Draft): void {
  const { state } = draft
  draft.state = { ...state, following: { ...state.following!, stopped: true } }
  settleFollowing(draft)
}

function settleFollowing(draft: Draft): void {
  const { following, leads } = draft.state
  if (following === null || !following.stopped) return
  const { epoch, active, to, settled } = following
  if (settled) {
    draft.state = { ...draft.state, following: null, active, last: active, tainted: false }
    draft.effects.push({ kind: 'start', epoch, index: active }, { kind: 'save' })
    return
  }
  draft.effects.push({ kind: 'acknowledge', epoch })
  if (leads) takeOverMove(draft, to)
}

/** Whoever began this move has lost the say: it is for this replica to end it. */
function takeOverMove(draft: Draft, to: number): void {
  const tainted = draft.machine.plan.promote !== null
  draft.state = { ...draft.state, following: null, interruptedTo: to, tainted }
}

/** This replica decides from now on, or no longer. */
export function lead(draft: Draft, leads: boolean): void {
  const { state } = draft
  draft.state = { ...state, leads }
  if (leads) {
    settleFollowing(draft)
    return
  }
  const { move } = state
  if (move === null) return
  // The key will say how this ends.
  const { epoch, from, to, step } = move
  const isClaimed = step !== 'claim'
  draft.state = {
    ...draft.state,
    move: null,
    following: isClaimed
      ? { epoch, active: from, to, settled: false, stopped: step !== 'stop' }
      : null,
  }
  const reason = 'another replica decides now'
  draft.effects.push({ kind: 'ended', move, outcome: 'failed', reason })
}
