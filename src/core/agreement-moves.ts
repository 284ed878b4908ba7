// The holder's part: what the failover machines ask for is written into the pools' keys, and what
// must be waited for is waited for. Rules 2 and 3 of core/agreement.ts are kept here. Pure.

import type {
  AgreementEvent,
  AgreementSetup,
  AgreementState,
  AgreedPoolState,
  OtherReplica,
  PoolKey,
  Reign,
  Writing,
} from './agreement-contract.ts'
import { changePool, tell, wakeAt, type AgreementDraft } from './agreement-draft.ts'
import { isAway, isHolder, isLost } from './agreement-right.ts'
import { sameReign } from './agreement-text.ts'

type Order = Extract<
  AgreementEvent,
  { kind: 'claim' | 'commit' | 'acknowledge' | 'freeze' | 'recover' }
>

/** Takes an order of a pool's failover machine. */
export function orderMove(draft: AgreementDraft, event: Order): void {
  const { pool: index } = event
  switch (event.kind) {
    case 'claim':
      claim(draft, event)
      break
    case 'commit':
      commit(draft, event)
      break
    case 'acknowledge':
      acknowledge(draft, index, event.epoch)
      break
    case 'freeze':
      changePool(draft, index, {
        freeze: { frozen: event.frozen, holder: draft.state.holder?.createRevision ?? 0 },
      })
      break
    default:
      if (refuseRecovery(draft.setup, draft.state, index, draft.nowMs) === null) {
        recover(draft, index)
      }
  }
}

/** Why an operator can't take the present state of a pool for good; `null` if he can. */
export function refuseRecovery(
  setup: AgreementSetup,
  state: AgreementState,
  index: number,
  nowMs: number,
): string | null {
  const pool = state.pools[index]!
  const isDoubted = isLost(pool) || pool.doubtMs > -Infinity
  if (isAway(setup, state, nowMs) || !isDoubted) {
    return `the replicas do not agree at present: ${pool.reason}`
  }
  if (!isHolder(setup, state)) return 'another replica decides; ask that one'
  return pool.writing === null ? null : 'etcd has not answered the last writing yet'
}

function claim(draft: AgreementDraft, event: Extract<Order, { kind: 'claim' }>): void {
  const { pool: index, epoch } = event
  const pool = draft.state.pools[index]!
  const refusal = refuseClaim(pool, epoch)
  if (refusal !== null) {
    changePool(draft, index, { isUntold: true })
    tell(draft, index, { kind: 'claim-lost', epoch, reason: refusal })
    return
  }
  // Whatever an earlier move was waiting for is overtaken.
  changePool(draft, index, { commit: null })
  write(draft, index, { kind: 'claim', epoch }, moving(draft, event))
}

function refuseClaim(pool: AgreedPoolState, epoch: number): string | null {
  if (!pool.leads) return 'another replica decides'
  if (pool.writing !== null) return 'etcd has not answered the last writing yet'
  if (epoch <= pool.seen) return `epoch ${pool.seen} was seen already`
  return null
}

function commit(
  draft: AgreementDraft,
  { pool: index, epoch, active, pinned }: Extract<Order, { kind: 'commit' }>,
): void {
  const pool = draft.state.pools[index]!
  if (!isOwnMove(draft, pool) || pool.key!.epoch !== epoch) {
    const reason = 'the key says something else by now'
    changePool(draft, index, { isUntold: true })
    tell(draft, index, { kind: 'commit-lost', epoch, reason })
    return
  }
  changePool(draft, index, { commit: { epoch, active, pinned } })
}

/** Nothing of this replica goes out under an earlier epoch any more. */
function acknowledge(draft: AgreementDraft, index: number, epoch: number): void {
  const { key, known } = draft.state.pools[index]!
  // The answer to a claim may come before the mirror has told of it.
  const reign = [known, key].find((one) => one?.epoch === epoch)
  if (reign == null) return
  changePool(draft, index, { ack: { epoch, id: reign.id } })
}

function recover(draft: AgreementDraft, index: number): void {
  const { key, known, seen } = draft.state.pools[index]!
  const epoch = seen + 1
  const active = known?.active ?? key?.active ?? null
  const pinned = (known ?? key)?.pinned ?? false
  const value = moving(draft, { pool: index, epoch, active, to: active, pinned })
  write(draft, index, { kind: 'recover' }, value)
}

/** The key within a move that this replica begins. */
function moving(
  draft: AgreementDraft,
  { pool, epoch, active, to, pinned }: Omit<Extract<Order, { kind: 'claim' }>, 'kind'>,
): PoolKey {
  const { replica: by, incarnation } = draft.setup
  const frozen = draft.state.pools[pool]!.key?.frozen ?? null
  // No other process, nor this one again, names a claim like this.
  const id = `${by}/${incarnation}/${epoch}`
  return { epoch, id, active, to, moving: true, frozen, pinned, by }
}

function write(draft: AgreementDraft, index: number, writing: Writing, value: PoolKey): void {
  const { modRevision: ifRevision } = draft.state.pools[index]!
  const ifHolder = draft.state.holder!.createRevision
  changePool(draft, index, { writing })
  const { era } = draft.state
  draft.effects.push({ kind: 'write', era, pool: index, value, ifRevision, ifHolder })
}

/** etcd has answered, or has not. */
export function writeEnded(
  draft: AgreementDraft,
  event: Extract<AgreementEvent, { kind: 'wrote' | 'write-failed' }>,
): void {
  const { pool: index } = event
  const { writing, modRevision } = draft.state.pools[index]!
  changePool(draft, index, { writing: null })
  if (writing === null) return
  if (event.kind === 'wrote' && event.revision > 0 && event.era === draft.state.era) {
    if (event.revision > modRevision) {
      const { value, revision } = event
      const seen = Math.max(draft.state.pools[index]!.seen, value.epoch)
      changePool(draft, index, { key: value, modRevision: revision, seen })
    }
    answer(draft, index, writing, null)
    return
  }
  const reason =
    event.kind === 'wrote'
      ? 'another replica was faster'
      : `nobody knows whether it was written: ${event.reason}`
  answer(draft, index, writing, reason)
  // Whatever became of it shows in the next read.
  draft.state = { ...draft.state, cycleMs: draft.nowMs }
}

function answer(
  draft: AgreementDraft,
  index: number,
  writing: Writing,
  failure: string | null,
): void {
  changePool(draft, index, { isUntold: true })
  if (writing.kind !== 'claim' && writing.kind !== 'commit') return
  const { epoch, kind } = writing
  if (failure === null) {
    tell(draft, index, { kind: kind === 'claim' ? 'claimed' : 'committed', epoch })
    return
  }
  const lost = kind === 'claim' ? 'claim-lost' : 'commit-lost'
  tell(draft, index, { kind: lost, epoch, reason: failure })
}

/** Goes on with what waits: everybody has stopped, a commit may be written, a freeze as well. */
export function advanceMoves(draft: AgreementDraft): void {
  for (const index of draft.setup.pools.keys()) {
    advanceMove(draft, index)
    advanceFreeze(draft, index)
  }
}

function advanceMove(draft: AgreementDraft, index: number): void {
  const pool = draft.state.pools[index]!
  if (!isOwnMove(draft, pool)) {
    dropMove(draft, index)
    return
  }
  const key = pool.key!
  // Rule 3: what is known of the others must be as new as the claim.
  if (pool.mirroredRevision < pool.modRevision || !sameReign(pool.ack, key)) return
  if (!haveStopped(draft, index, key)) return
  if (pool.stoppedEpoch !== key.epoch) {
    changePool(draft, index, { stoppedEpoch: key.epoch })
    tell(draft, index, { kind: 'stopped', epoch: key.epoch })
  }
  const { commit, writing } = draft.state.pools[index]!
  if (commit === null || writing !== null) return
  changePool(draft, index, { commit: null })
  const { epoch } = commit
  write(draft, index, { kind: 'commit', epoch }, { ...key, ...commit, to: null, moving: false })
}

/** Our move is not ours to end any more: whoever waits for it goes on as one who follows. */
function dropMove(draft: AgreementDraft, index: number): void {
  const { commit, leads, ack, stoppedEpoch } = draft.state.pools[index]!
  if (commit !== null) {
    changePool(draft, index, { commit: null })
    const reason = 'this replica does not decide any more'
    tell(draft, index, { kind: 'commit-lost', epoch: commit.epoch, reason })
  }
  if (leads || ack === null || ack.epoch === stoppedEpoch || !isOurs(draft, ack)) return
  // Nothing goes out from here: that is all that is asked of it now.
  changePool(draft, index, { stoppedEpoch: ack.epoch })
  tell(draft, index, { kind: 'stopped', epoch: ack.epoch })
}

/** The move that the key speaks of is ours to end. */
function isOwnMove(draft: AgreementDraft, { key, leads }: AgreedPoolState): boolean {
  if (key === null || !key.moving || !leads || !isHolder(draft.setup, draft.state)) return false
  return isOurs(draft, key)
}

/** This process claimed it. */
function isOurs({ setup }: AgreementDraft, { id }: Reign): boolean {
  return id.startsWith(`${setup.replica}/${setup.incarnation}/`)
}

/** No other replica can be sending under an epoch before this claim. */
function haveStopped(draft: AgreementDraft, index: number, key: PoolKey): boolean {
  const { name } = draft.setup.pools[index]!
  let stopped = true
  for (const other of draft.state.others) {
    const untilMs = sendsUntil(other, name, key)
    if (draft.nowMs >= untilMs) continue
    stopped = false
    wakeAt(draft, untilMs)
  }
  return stopped
}

/** Until when a replica may send under an earlier epoch; Infinity: until it says otherwise. */
function sendsUntil(other: OtherReplica, pool: string, key: PoolKey): number {
  const { member, goneMs, replacedMs, confirmMs, confirmed } = other
  if (member === null) return Math.max(goneMs, replacedMs, confirmMs)
  if (!sameReign(member.acks[pool], key)) return Infinity
  // It has stopped; a process that had its name before may live on what we confirmed to that one.
  const isAnother = confirmed !== null && confirmed !== member.incarnation
  return isAnother ? Math.max(replacedMs, confirmMs) : replacedMs
}

function advanceFreeze(draft: AgreementDraft, index: number): void {
  const { freeze, leads, writing, key } = draft.state.pools[index]!
  if (freeze === null || writing !== null) return
  const { frozen } = freeze
  const { holder } = draft.state
  if (holder !== null && holder.createRevision !== freeze.holder) {
    // It was meant for the time it was said: others may have decided, and said, something else since.
    changePool(draft, index, { freeze: null })
    if (sameFrozen(key?.frozen ?? null, frozen)) return
    const { name } = draft.setup.pools[index]!
    const what =
      frozen === null ? `'unfreeze' of pool ${name}` : `'freeze' of pool ${name} by ${frozen.by}`
    const reason = `${what} came to nothing: the say has passed on since`
    draft.effects.push({ kind: 'warning', reason })
    return
  }
  if (!leads) return
  if (sameFrozen(key?.frozen ?? null, frozen)) {
    changePool(draft, index, { freeze: null })
    return
  }
  const none = { epoch: 0, id: '', active: null, to: null, moving: false, pinned: false }
  write(draft, index, { kind: 'freeze' }, { ...(key ?? none), frozen, by: draft.setup.replica })
}

function sameFrozen(one: PoolKey['frozen'], other: PoolKey['frozen']): boolean {
  return one?.by === other?.by && one?.reason === other?.reason
}
