// What operators have changed about backends while it runs: admin state, weight, members of a pool.
// Plain data and pure functions on it: what is kept over a restart, what of it holds now, and since
// when it has had no backend to hold for. Carrying it out is runtime/override*.ts.

import type { Address } from './plan.ts'
import type { AdminState, OverrideStatus, Signature } from './status.ts'

/** An operator's word about one backend, as the control plane takes it. */
export interface AdminWord {
  readonly state: AdminState
  readonly reason: string
}

/** A weight instead of the configured one (`absolute`), or a share of that: 0, 0.5, 1.2 … */
export interface WeightWish {
  readonly kind: 'absolute' | 'share'
  readonly value: number
}

/** A backend that is there, or not, other than the configuration or its discovery says. */
export type MemberWish =
  | {
      readonly kind: 'added'
      readonly address: Address
      readonly weight: number
      readonly zone: string | null
      readonly site: string | null
    }
  | { readonly kind: 'removed' }

/** All that holds for one backend beside its configuration; at least one part is not `null`. */
export interface BackendOverride {
  readonly pool: string
  readonly backend: string
  readonly admin: (Signature & { readonly state: 'drain' | 'maint' }) | null
  readonly weight: (Signature & { readonly wish: WeightWish }) | null
  readonly member: (Signature & { readonly wish: MemberWish }) | null
  /** Since when there has been no such backend (wall clock); `null` while there is. */
  readonly goneSince: number | null
}

/** Sorted by pool and backend; at most one each. */
export type Overrides = readonly BackendOverride[]

/** How long an override is kept for a backend that is not there: 7 days. */
export const GONE_KEPT_MS = 7 * 86_400_000
/** Largest weight, as in the configuration. */
export const WEIGHT_MAX = 65_535
/** Largest share of a configured weight. */
export const SHARE_MAX = 10

export function findOverride(
  overrides: Overrides,
  pool: string,
  backend: string,
): BackendOverride | null {
  return overrides.find((one) => one.pool === pool && one.backend === backend) ?? null
}

/** The parts of an override that a change replaces; `null` takes one away. */
export type OverrideChange = Partial<Pick<BackendOverride, 'admin' | 'weight' | 'member'>>

/** The overrides after a change to one backend. What holds nothing any more is left out. */
export function changeOverride(
  overrides: Overrides,
  pool: string,
  backend: string,
  change: OverrideChange,
): Overrides {
  const nothing = { pool, backend, admin: null, weight: null, member: null, goneSince: null }
  const before = findOverride(overrides, pool, backend)
  const next: BackendOverride = { ...(before ?? nothing), ...change }
  const others = overrides.filter((one) => one !== before)
  return isEmpty(next) ? others : [...others, next].sort(inOrder)
}

function isEmpty({ admin, weight, member }: BackendOverride): boolean {
  return admin === null && weight === null && member === null
}

function inOrder(one: BackendOverride, other: BackendOverride): number {
  if (one.pool !== other.pool) return one.pool < other.pool ? -1 : 1
  return one.backend < other.backend ? -1 : Number(one.backend > other.backend)
}

export interface Settled {
  readonly overrides: Overrides
  /** Their backends are not there any more, or not yet. */
  readonly gone: Overrides
  /** Their backends have been gone for too long: forgotten. */
  readonly dropped: Overrides
}

/**
 * Looks through the overrides when the set of backends may have changed.
 * @param exists whether the configuration, or the discovery, of a pool has this backend
 * @param at wall clock
 */
export function settleOverrides(
  overrides: Overrides,
  exists: (pool: string, backend: string) => boolean,
  at: number,
): Settled {
  const kept: BackendOverride[] = []
  const gone: BackendOverride[] = []
  const dropped: BackendOverride[] = []
  for (const one of overrides) {
    if (exists(one.pool, one.backend)) {
      kept.push(one.goneSince === null ? one : { ...one, goneSince: null })
    } else if (one.goneSince === null) {
      gone.push({ ...one, goneSince: at })
      kept.push(gone.at(-1)!)
    } else if (at - one.goneSince > GONE_KEPT_MS) dropped.push(one)
    else kept.push(one)
  }
  return { overrides: kept, gone, dropped }
}

/** `3`, `50 %`: a weight as an operator asked for it. */
export function describeWeight({ kind, value }: WeightWish): string {
  return kind === 'absolute' ? String(value) : percent(value)
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`
}

/** `drain by kim: kernel update`: one line of what holds, without its time. */
export function describeOverride({ admin, weight, member }: BackendOverride): string {
  const parts: string[] = []
  if (admin !== null) parts.push(`${stateNames[admin.state]} by ${signed(admin)}`)
  if (weight !== null) parts.push(`weight ${describeWeight(weight.wish)} by ${signed(weight)}`)
  if (member !== null) parts.push(`${member.wish.kind} by ${signed(member)}`)
  return parts.join('; ')
}

const stateNames = { drain: 'drain', maint: 'maintenance' } as const

function signed({ by, reason }: Signature): string {
  return reason === '' ? by : `${by}: ${reason}`
}

/** The reason that the control plane shows for a backend that was taken out. */
export function adminWordOf({ admin }: BackendOverride): AdminWord | null {
  if (admin === null) return null
  return { state: admin.state, reason: wordReason(admin) }
}

/** `kernel update (kim)`. */
export function wordReason({ by, reason }: Pick<Signature, 'by' | 'reason'>): string {
  return reason === '' ? by : `${reason} (${by})`
}

/** An override as the status of its backend shows it. */
export function overrideStatus({ admin, weight, member }: BackendOverride): OverrideStatus {
  const isAdded = member?.wish.kind === 'added'
  return {
    admin,
    weight: weight === null ? null : { ...signatureOf(weight), text: describeWeight(weight.wish) },
    added: isAdded ? signatureOf(member) : null,
  }
}

function signatureOf({ by, reason, at }: Signature): Signature {
  return { by, reason, at }
}
