// An active-active pool with sites as others see it: what the data threads get, and what people are
// shown. Pure; the verdicts come from core/tiers.ts and core/failover.ts.

import type { PoolPlan } from './plan.ts'
import { ELIGIBILITY, type PoolSnapshot } from './snapshot.ts'
import type { Seat } from './standby-view.ts'
import type { FailoverStatus, PoolStatus, SiteStatus } from './status.ts'
import type { Tiers } from './tiers.ts'

/** Who serves at this moment, and for how much of the load. */
export interface Service {
  /** Of each tier; adds up to 1, or all are 0 while nobody is active. */
  readonly shares: readonly number[]
  /** Whether each site gets new requests. */
  readonly sites: readonly boolean[]
}

/** Who serves as the tiers stand. */
export function serviceOf(tiers: Tiers, plan: PoolPlan, { sending }: Seat): Service {
  const shares = tiers.shares(sending, plan.failover!.overflow)
  const sites = plan.sites.map(() => false)
  for (const [tier, { sites: own }] of tiers.all.entries()) {
    const serves = tier === sending || shares[tier]! > 0
    for (const site of own) sites[site] = serves && !tiers.isLeft(site)
  }
  return { shares, sites }
}

/**
 * The snapshot of a pool with sites: those that serve share the load; in the others what runs may
 * finish, unless their sessions are to be cut.
 */
export function tierSnapshot(
  base: PoolSnapshot,
  plan: PoolPlan,
  tiers: Tiers,
  { shares, sites }: Service,
  seat: Seat,
): PoolSnapshot {
  const eligibility = base.eligibility.slice()
  const weight = base.weight.slice()
  const probationThread = base.probationThread.slice()
  for (const [index, { site }] of plan.backends.entries()) {
    if (sites[site]!) continue
    const isCut = tiers.tierOf(index) === seat.cutting
    if (isCut) eligibility[index] = ELIGIBILITY.cut
    else if (eligibility[index] !== ELIGIBILITY.no) eligibility[index] = ELIGIBILITY.finish
    weight[index] = 0
    probationThread[index] = -1
  }
  if (shares.filter((share) => share > 0).length > 1) {
    scale(weight, eligibility, shares, (index) => tiers.tierOf(index))
  }
  const { epoch } = seat
  const holdUntilMs = Math.max(base.holdUntilMs, seat.holdUntilMs)
  return { ...base, eligibility, weight, probationThread, epoch, holdUntilMs }
}

/** Weights within a tier stay in proportion, and the tiers together get their shares. */
function scale(
  weight: Float64Array,
  eligibility: Uint8Array,
  shares: readonly number[],
  tierOf: (index: number) => number,
): void {
  const sums = shares.map(() => 0)
  const opens = (index: number) => eligibility[index] === ELIGIBILITY.yes
  for (const index of weight.keys()) if (opens(index)) sums[tierOf(index)]! += weight[index]!
  const total = sums.reduce((sum, one) => sum + one, 0)
  for (const index of weight.keys()) {
    const tier = tierOf(index)
    if (opens(index)) weight[index]! *= (shares[tier]! * total) / sums[tier]!
  }
}

/** What each site gets of new requests, 0…1, by the snapshot that was made. */
export function siteShares(plan: PoolPlan, { eligibility, weight }: PoolSnapshot): number[] {
  const shares = plan.sites.map(() => 0)
  let total = 0
  for (const [index, { site }] of plan.backends.entries()) {
    if (eligibility[index] !== ELIGIBILITY.yes) continue
    total += weight[index]!
    shares[site]! += weight[index]!
  }
  return shares.map((share) => (total === 0 ? 0 : share / total))
}

/** For people: the pool's status with its sites, and those that don't serve standing by. */
export function tierStatus(
  base: PoolStatus,
  plan: PoolPlan,
  { sites, weight }: { readonly sites: readonly SiteStatus[]; readonly weight: Float64Array },
  failover: FailoverStatus,
): PoolStatus {
  const backends = base.backends.map((backend, index) => {
    const site = sites[plan.backends[index]!.site]!
    if (serves(site)) {
      const effectiveWeight = backend.effectiveWeight > 0 ? weight[index]! : 0
      return Object.assign({ ...backend }, { effectiveWeight })
    }
    const fit = backend.availability === 'available' || backend.availability === 'starting'
    if (!fit) return Object.assign({ ...backend }, { effectiveWeight: 0 })
    const reason = `its site ${site.name} ${wordsOf(site.state)}: ${site.reason}`
    return Object.assign({ ...backend }, { availability: 'standby', effectiveWeight: 0, reason })
  })
  return { ...base, failover, sites, backends }
}

function serves({ state }: SiteStatus): boolean {
  return state === 'active' || state === 'overflow'
}

function wordsOf(state: SiteStatus['state']): string {
  if (state === 'left') return 'is left'
  return state === 'down' ? 'is down' : 'stands by'
}

/** The sites of an active-active pool. */
export function tierSites(
  plan: PoolPlan,
  tiers: Tiers,
  service: Service,
  shares: readonly number[],
  failover: FailoverStatus,
): SiteStatus[] {
  return plan.sites.map(({ name, kind, minHealthy }, site) => {
    const tier = tiers.all.findIndex((one) => one.sites.includes(site))
    const healthy = tiers.healthy(site)
    const total = plan.backends.filter((backend) => backend.site === site).length
    const isActive = tiers.all[tier]!.name === failover.active
    const standby = failover.standbys.find((one) => one.name === tiers.all[tier]!.name)
    const own = { name, kind, healthy, total, minHealthy, share: shares[site]! }
    if (isActive && tiers.isLeft(site)) {
      const reason = `${tiers.siteReason(site)}; the other mirrors serve`
      return { ...own, state: 'left', reason }
    }
    if (isActive) return { ...own, state: 'active', reason: tiers.siteReason(site) }
    const reason = standby?.reason ?? tiers.siteReason(site)
    if (service.sites[site]!) return { ...own, state: 'overflow', reason }
    return { ...own, state: healthy > 0 ? 'standby' : 'down', reason }
  })
}
