// What operators have changed about backends while it runs: admin state, weight, members of a pool.
// Plain data and pure functions on it: what is kept over a restart, what of it holds now, and since
// when it has had no backend to hold for. Carrying it out is runtime/override*.ts.

import type { AddedBackend, PlanOverrides } from './effective-plan.ts'
import type { Address } from './plan.ts'
import type { AdminState, OverrideStatus, Signature } from './status.ts'

/** An operator's word about one backend, as the control plane takes it. */
export interface AdminWord {
  readonly state: AdminState
  readonly reason: string
  /** What runs there ends at once. */
  readonly cut?: boolean
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
export function findOverride(
  overrides: Overrides,
  pool: string,
  backend: string,
): BackendOverride | null {
  return overrides.find((one) => one.pool === pool && one.backend === backend) ?? null
}

/** The parts of an override that a change replaces; `null` takes one away. */
export type OverrideChange = Partial<Omit<BackendOverride, 'pool' | 'backend'>>

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
  /** Their backends were gone and are there again. */
  readonly back: Overrides
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
  const back: BackendOverride[] = []
  const dropped: BackendOverride[] = []
  for (const one of overrides) {
    const { pool, backend, goneSince } = one
    const isThere = exists(pool, backend)
    if (isThere && goneSince !== null) {
      const next = { ...one, goneSince: null }
      back.push(next)
      kept.push(next)
    } else if (!isThere && goneSince === null) {
      const next = { ...one, goneSince: at }
      gone.push(next)
      kept.push(next)
    } else if (goneSince !== null && at - goneSince > GONE_KEPT_MS) dropped.push(one)
    else kept.push(one)
  }
  return { overrides: kept, gone, back, dropped }
}

/** `3`, `50 %`: a weight as an operator asked for it. */
export function describeWeight({ kind, value }: WeightWish): string {
  return kind === 'absolute' ? String(value) : percent(value)
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(2))} %`
}

const stateNames = { drain: 'drain', maint: 'maintenance' } as const

/** `drain by kim: kernel update`: one line of what holds, without its time. */
export function describeOverride({ admin, weight, member }: BackendOverride): string {
  const parts: string[] = []
  if (admin !== null) parts.push(`${stateNames[admin.state]} by ${signed(admin)}`)
  if (weight !== null) parts.push(`weight ${describeWeight(weight.wish)} by ${signed(weight)}`)
  if (member !== null) parts.push(`${member.wish.kind} by ${signed(member)}`)
  return parts.join('; ')
}

function signed({ by, reason }: Signature): string {
  return reason === '' ? by : `${by}: ${reason}`
}

/**
 * `drain by kim 5 min ago: kernel update; 3 still run there`.
 * @param running what is in progress there; `null`: nothing, and nothing can begin
 * @param wallMs wall clock
 */
export function describeAdmin(
  admin: NonNullable<BackendOverride['admin']>,
  running: number | null,
  wallMs: number,
): string {
  const { state, by, reason, at } = admin
  const why = reason === '' ? '' : `: ${reason}`
  const rest =
    running === null ? 'drained' : `${running} still ${running === 1 ? 'runs' : 'run'} there`
  return `${stateNames[state]} by ${by} ${agoText(wallMs - at)}${why}; ${rest}`
}

/** `just now`, `5 min ago`, `3 h ago`, `2 days ago`. */
export function agoText(ms: number): string {
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 1) return 'just now'
  if (minutes < 60) return `${minutes} min ago`
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return `${hours} h ago`
  return `${Math.floor(hours / 24)} days ago`
}

/** The part of them that makes the plan in force: weights and members. */
export function planOverrides(overrides: Overrides): PlanOverrides {
  const weights = overrides.flatMap(({ pool, backend, weight }) =>
    weight === null ? [] : [{ pool, backend, weight: weight.wish }],
  )
  const added: AddedBackend[] = []
  const removed: { pool: string; backend: string }[] = []
  for (const { pool, backend, member } of overrides) {
    if (member === null) continue
    if (member.wish.kind === 'removed') removed.push({ pool, backend })
    else {
      const { address, weight, zone, site } = member.wish
      added.push({ pool, name: backend, address, weight, zone, site })
    }
  }
  return { weights, added, removed }
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
