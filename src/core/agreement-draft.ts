// One step of the agreement in the making, and how its parts are changed. Pure.

import type {
  AgreementEffect,
  AgreementSetup,
  AgreementState,
  AgreedPoolState,
  OtherReplica,
} from './agreement-contract.ts'
import type { FailoverEvent } from './failover-contract.ts'

/** What the functions of one step work on. */
export interface AgreementDraft {
  readonly setup: AgreementSetup
  readonly nowMs: number
  state: AgreementState
  readonly effects: AgreementEffect[]
  /** When time alone may change something. */
  untilMs: number
}

/** The state with some fields of one pool changed. */
export function pickPool(
  state: AgreementState,
  pool: number,
  change: Partial<AgreedPoolState>,
): AgreementState {
  return { ...state, pools: state.pools.with(pool, { ...state.pools[pool]!, ...change }) }
}

/** Changes some fields of one pool. */
export function changePool(
  draft: AgreementDraft,
  pool: number,
  change: Partial<AgreedPoolState>,
): void {
  draft.state = pickPool(draft.state, pool, change)
}

/** Changes some fields of another replica. */
export function changeOther(
  draft: AgreementDraft,
  name: string,
  change: Partial<OtherReplica>,
): void {
  const { others } = draft.state
  const index = others.findIndex((other) => other.name === name)
  draft.state = { ...draft.state, others: others.with(index, { ...others[index]!, ...change }) }
}

/** Our key is not in etcd, or not for certain: no cycle under way counts. */
export function unregister(draft: AgreementDraft): void {
  const { state } = draft
  const cycle = state.busy.cycle === null ? null : 'bare'
  draft.state = { ...state, registered: null, busy: { ...state.busy, cycle } }
}

/** Says something to a pool's failover machine. */
export function tell(draft: AgreementDraft, pool: number, event: FailoverEvent): void {
  draft.effects.push({ kind: 'tell', pool, event })
}

/** Asks to be called again at a time to come. */
export function wakeAt(draft: AgreementDraft, atMs: number): void {
  if (atMs > draft.nowMs) draft.untilMs = Math.min(draft.untilMs, atMs)
}
