// What a replica concludes from what it knows: whether the replicas can agree about a pool, what its
// failover machine has to follow, whether it decides, and until when its threads may send. Pure.

import type {
  AgreementSetup,
  AgreementState,
  AgreedPoolState,
  PoolKey,
} from './agreement-contract.ts'
import { changePool, tell, wakeAt, type AgreementDraft } from './agreement-draft.ts'
import { planText, sameKey, sameReign } from './agreement-text.ts'
import { lostMs, overdueMs, rightMs } from './agreement-times.ts'

/** etcd has not renewed our lease for so long that the others have to be asked. */
export function isOverdue({ state, setup, nowMs }: AgreementDraft): boolean {
  return nowMs >= state.renewedMs + overdueMs(setup)
}

/** Nor for so long that it counts as out of reach. */
export function isAway(
  setup: AgreementSetup,
  { renewedMs }: AgreementState,
  nowMs: number,
): boolean {
  return nowMs >= renewedMs + lostMs(setup)
}

/** This process holds the say, as far as it knows. */
export function isHolder(setup: AgreementSetup, { holder, registered }: AgreementState): boolean {
  return (
    registered !== null &&
    holder?.replica === setup.replica &&
    holder.incarnation === setup.incarnation
  )
}

/** The key is older than what was once seen: etcd has lost something. */
export function isLost({ key, seen, known }: AgreedPoolState): boolean {
  const epoch = key?.epoch ?? 0
  if (epoch < seen) return true
  if (known === null || key === null || known.epoch !== epoch) return false
  // Another claim of the same epoch, or a move that was over and is not any more.
  return !sameReign(known, key) || (key.moving && !known.moving)
}

/** Brings every pool up to date with what has been heard. */
export function decideRights(draft: AgreementDraft): void {
  for (const index of draft.setup.pools.keys()) {
    const verdict = judge(draft, index)
    follow(draft, index)
    sayAgreement(draft, index, verdict)
    sayLead(draft, index, verdict.ok)
    renewRight(draft, index)
  }
}

interface Verdict {
  readonly ok: boolean
  readonly reason: string
}

function judge(draft: AgreementDraft, index: number): Verdict {
  const { state, setup } = draft
  const pool = state.pools[index]!
  if (state.isUsurped) {
    const reason = `another process is registered in etcd as replica '${setup.replica}'`
    return { ok: false, reason }
  }
  if (isAway(setup, state, draft.nowMs)) return { ok: false, reason: awayReason(draft, pool) }
  if (isLost(pool)) {
    const held = pool.key === null ? 'no key' : `epoch ${pool.key.epoch}`
    const reason = `etcd holds ${held} for it, but epoch ${pool.seen} was seen: etcd was set back or emptied. Nothing moves until an operator says 'unfreeze'`
    return { ok: false, reason }
  }
  const waiting = waitsForOthers(draft, index)
  if (waiting !== null) return { ok: false, reason: waiting }
  const unknown = unknownName(setup, index, pool.key)
  if (unknown !== null) {
    const reason = `the replicas' configurations differ: etcd names backend '${unknown}', this one has none of that name`
    return { ok: false, reason }
  }
  return { ok: true, reason: '' }
}

/**
 * Whom to wait for before the key is believed, and why; `null`: nobody.
 * A process that has just started can't tell an etcd that was set back: the others have a while to
 * say what they know. One that has seen it set back, without a right of its own meanwhile, needs to
 * hear all of them: what was set back holds keys of processes that are gone, so not at once.
 */
function waitsForOthers(draft: AgreementDraft, index: number): string | null {
  const { state, nowMs, setup } = draft
  const { joinMs, doubtMs } = state.pools[index]!
  if (joinMs === -Infinity && doubtMs === -Infinity) return null
  // Who has greeted this very process has said what it knows after we were there to hear it.
  const absent = state.others.find(
    ({ isConfigured, member }) =>
      isConfigured && member?.greets[setup.replica] !== setup.incarnation,
  )
  if (doubtMs > -Infinity && (absent !== undefined || nowMs < doubtMs)) {
    wakeAt(draft, doubtMs)
    const who = absent?.name ?? 'the others'
    return `etcd was set back while this replica could not follow it; nothing moves until ${who} can say what is known there, or an operator says 'unfreeze'`
  }
  if (absent !== undefined && nowMs < joinMs) {
    wakeAt(draft, joinMs)
    return `it has just started; replica ${absent.name} has a while to say what it knows`
  }
  changePool(draft, index, { joinMs: -Infinity, doubtMs: -Infinity })
  return null
}

function awayReason({ state, nowMs }: AgreementDraft, pool: AgreedPoolState): string {
  const why = state.trouble === '' ? '' : ` (${state.trouble})`
  if (state.renewedMs === -Infinity) return `not registered in etcd yet${why}`
  const away = `etcd is out of reach${why}`
  if (pool.unconfirmed !== null) {
    const effect = nowMs < pool.rightMs ? 'it will stop sending' : 'it sends nothing'
    return `${away}; ${effect}: ${pool.unconfirmed}`
  }
  if (nowMs >= pool.rightMs) return `${away}; it sends nothing until the other replicas confirm`
  return `${away}; the replicas go on as they are`
}

function unknownName(setup: AgreementSetup, index: number, key: PoolKey | null): string | null {
  const { members } = setup.pools[index]!
  const names = [key?.active ?? null, key?.moving === true ? key.to : null]
  return names.find((name) => name !== null && !members.includes(name)) ?? null
}

/** Tells the failover machine what the key says, unless it knows. */
function follow(draft: AgreementDraft, index: number): void {
  const { state, setup } = draft
  const pool = state.pools[index]!
  const { key, known, isUntold } = pool
  if (key === null || (sameKey(key, known) && !isUntold) || isLost(pool)) return
  if (unknownName(setup, index, key) !== null) return
  const doubtMs = key.epoch > pool.doubtEpoch ? -Infinity : pool.doubtMs
  changePool(draft, index, { known: key, isUntold: false, doubtMs })
  const { members } = setup.pools[index]!
  const indexOf = (name: string | null) => (name === null ? -1 : members.indexOf(name))
  const { epoch, moving, frozen, pinned } = key
  const [active, to] = [indexOf(key.active), indexOf(key.to)]
  tell(draft, index, { kind: 'followed', epoch, active, moving, to, frozen, pinned })
}

function sayAgreement(draft: AgreementDraft, index: number, { ok, reason }: Verdict): void {
  const pool = draft.state.pools[index]!
  if (pool.ok === ok && pool.reason === reason) return
  changePool(draft, index, { ok, reason })
  tell(draft, index, { kind: 'agreement', ok, reason })
}

function sayLead(draft: AgreementDraft, index: number, ok: boolean): void {
  const { state, setup } = draft
  const leads = ok && isHolder(setup, state) && isOfMajority(setup, state, index)
  if (leads === state.pools[index]!.leads) return
  changePool(draft, index, { leads })
  tell(draft, index, { kind: 'lead', leads })
  if (!ok || leads || !isHolder(setup, state)) return
  const { name } = setup.pools[index]!
  const reason = `this replica holds the say but does not decide about pool ${name}: its configuration of it differs from that of most live replicas`
  draft.effects.push({ kind: 'warning', reason })
}

/** More than half of the live replicas are configured as this one is. */
function isOfMajority(setup: AgreementSetup, state: AgreementState, index: number): boolean {
  const pool = setup.pools[index]!
  const own = planText(setup, pool)
  const live = state.others.filter(({ member }) => member !== null)
  const alike = live.filter(({ member }) => member!.plans[pool.name] === own)
  return 2 * (alike.length + 1) > live.length + 1
}

/** Extends the right to send as far as the last cycle bears it. */
function renewRight(draft: AgreementDraft, index: number): void {
  const { state, setup, nowMs } = draft
  const pool = state.pools[index]!
  const untilMs = state.renewedMs + rightMs(setup)
  if (untilMs <= pool.rightMs || untilMs <= nowMs || state.registered === null) return
  if (state.isUsurped || !isSettledHere(pool)) return
  if (pool.joinMs > -Infinity || pool.doubtMs > -Infinity) return
  // What the key says is done here; or etcd has lost it, and nobody knows of a later one.
  if (isLost(pool) ? pool.known!.epoch !== pool.seen : !sameReign(pool.key, pool.known)) return
  extendRight(draft, index, untilMs)
}

/** Nothing of this replica goes out under an epoch before the one it was told last. */
export function isSettledHere({ known, ack }: AgreedPoolState): boolean {
  return sameReign(known, ack)
}

/** Data threads may send until then. */
export function extendRight(draft: AgreementDraft, index: number, untilMs: number): void {
  if (untilMs <= draft.state.pools[index]!.rightMs) return
  changePool(draft, index, { rightMs: untilMs })
  draft.effects.push({ kind: 'right', pool: index, untilMs })
}
