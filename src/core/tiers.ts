// The sites of an active-active pool as tiers: all mirror sites serve side by side as one, every
// other site is one of its own. What a tier is worth follows from its backends, and is counted as
// they change, so that a big pool costs no more than a small one.
// Pure; core/failover.ts decides between the tiers, core/tier-view.ts shows what comes of it.

import type { Member, MemberFacts } from './failover-contract.ts'
import { spill } from './overflow.ts'
import type { PoolPlan, SitePlan } from './plan.ts'

/** Sites that are active together. */
export interface Tier extends Member {
  /** Positions in `PoolPlan.sites`. */
  readonly sites: readonly number[]
}

/** By itself, with a promote hook only, or by an operator only. */
export function takeoverOf(kind: SitePlan['kind'] | undefined): Member['takeover'] {
  if (kind === 'cold') return 'manual'
  return kind === 'warm' ? 'promoted' : 'auto'
}

/** The tiers in order of preference; the mirrors where the first of them stands. */
export function tiersOf(sites: readonly SitePlan[]): Tier[] {
  const mirrors = sites.flatMap(({ kind }, site) => (kind === 'mirror' ? [site] : []))
  return sites.flatMap(({ kind, name }, site): Tier[] => {
    if (kind !== 'mirror') return [{ name, takeover: takeoverOf(kind), sites: [site] }]
    if (site !== mirrors[0]) return []
    const names = mirrors.map((mirror) => sites[mirror]!.name)
    return [{ name: names.join('+'), takeover: 'auto', sites: mirrors }]
  })
}

/** What counts of one backend. */
const IS = { fit: 1, steady: 2, judged: 4, withdrawn: 8, open: 16 } as const

interface SiteCount {
  readonly total: number
  readonly minHealthy: number
  fit: number
  /** Fit, and not in doubt. */
  steady: number
  judged: number
  withdrawn: number
  /** Sum of the configured weights. */
  readonly weight: number
  /** The same of backends that take ordinary traffic, and of those without a first verdict. */
  openWeight: number
  /** Why each backend that is not fit isn't. */
  readonly reasons: Map<number, string>
}

/** What is known of the tiers of one pool. */
export class Tiers {
  readonly all: readonly Tier[]
  readonly #plan: PoolPlan
  readonly #sites: readonly SiteCount[]
  /** Tier of each site. */
  readonly #tierOf: readonly number[]
  readonly #bits: Uint8Array
  readonly #judged: boolean[]
  #facts: MemberFacts[] | null = null

  /** @param before of the same pool under the last plan: a verdict that was final stays so */
  constructor(plan: PoolPlan, before: Tiers | null = null) {
    this.#plan = plan
    this.all = tiersOf(plan.sites)
    this.#tierOf = plan.sites.map((_, site) => this.all.findIndex((t) => t.sites.includes(site)))
    this.#bits = new Uint8Array(plan.backends.length)
    this.#judged = this.all.map(
      ({ sites }) => before?.wasJudged(sites.map((site) => plan.sites[site]!.name)) ?? false,
    )
    this.#sites = plan.sites.map(({ minHealthy }, site) => {
      const own = plan.backends.filter((backend) => backend.site === site)
      const weight = own.reduce((sum, backend) => sum + backend.weight, 0)
      const none = { fit: 0, steady: 0, judged: 0, withdrawn: 0, openWeight: 0 }
      return { total: own.length, minHealthy, weight, ...none, reasons: new Map() }
    })
  }

  /** A tier with one of these sites had its verdict. */
  wasJudged(sites: readonly string[]): boolean {
    return this.all.some(
      (tier, index) =>
        this.#judged[index]! &&
        tier.sites.some((site) => sites.includes(this.#plan.sites[site]!.name)),
    )
  }

  /** Tier of a backend. */
  tierOf(backend: number): number {
    return this.#tierOf[this.#plan.backends[backend]!.site]!
  }

  /** Tier of this name, or with a site of this name; −1 if there is none. */
  indexOf(name: string): number {
    const tier = this.all.findIndex((one) => one.name === name)
    if (tier >= 0) return tier
    return this.#tierOf[this.#plan.sites.findIndex((site) => site.name === name)] ?? -1
  }

  /**
   * The verdict on a backend as it is now. True if it changes anything.
   * @param open it takes ordinary traffic, if it gets any
   */
  note(backend: number, facts: MemberFacts, open: boolean): boolean {
    const { fit, judged, doubtful, withdrawn, reason } = facts
    const now =
      (fit ? IS.fit : 0) |
      (fit && !doubtful ? IS.steady : 0) |
      (judged ? IS.judged : 0) |
      (withdrawn ? IS.withdrawn : 0) |
      (open || !judged ? IS.open : 0)
    const before = this.#bits[backend]!
    const site = this.#sites[this.#plan.backends[backend]!.site]!
    if (now === before) return false
    if (fit) site.reasons.delete(backend)
    else site.reasons.set(backend, reason)
    this.#bits[backend] = now
    const grown = (bit: number) => Number((now & bit) !== 0) - Number((before & bit) !== 0)
    site.fit += grown(IS.fit)
    site.steady += grown(IS.steady)
    site.judged += grown(IS.judged)
    site.withdrawn += grown(IS.withdrawn)
    site.openWeight += grown(IS.open) * this.#plan.backends[backend]!.weight
    this.#facts = null
    return true
  }

  /** What bears on each tier becoming, or staying, the active. The same array until it changes. */
  facts(): readonly MemberFacts[] {
    this.#facts ??= this.all.map((_, tier) => this.#factsOf(tier))
    return this.#facts
  }

  /** It has enough fit backends to be served from. */
  holds(site: number): boolean {
    const { fit, minHealthy } = this.#sites[site]!
    return fit >= minHealthy
  }

  /** A mirror that doesn't hold is left to the mirrors that do. */
  isLeft(site: number): boolean {
    const { fit, judged, total, minHealthy } = this.#sites[site]!
    // Whoever has not had its first verdict yet may still turn out well.
    if (fit + total - judged >= minHealthy) return false
    return this.all[this.#tierOf[site]!]!.sites.some((other) => this.holds(other))
  }

  isFit(backend: number): boolean {
    return (this.#bits[backend]! & IS.fit) !== 0
  }

  /** Fit backends of a site. */
  healthy(site: number): number {
    return this.#sites[site]!.fit
  }

  /** Which share of its capacity a tier has, 0…1: by weight, without the mirrors that are left. */
  capacity(tier: number): number {
    let open = 0
    let all = 0
    for (const site of this.all[tier]!.sites) {
      all += this.#sites[site]!.weight
      if (!this.isLeft(site)) open += this.#sites[site]!.openWeight
    }
    return all === 0 ? 0 : open / all
  }

  /**
   * The share of the load of each tier.
   * @param active −1: nobody's
   * @param overflow what the active one has no capacity for goes to the next that may help
   */
  shares(active: number, overflow: boolean): number[] {
    const shares = this.all.map(() => 0)
    if (active < 0) return shares
    const facts = this.facts()
    // Those before it were left, or passed over by an operator: they get nothing until a move.
    const chain = this.all.flatMap(({ takeover }, tier) => {
      const helps = tier > active && takeover === 'auto' && facts[tier]!.siteHolds
      return tier === active || (overflow && helps) ? [tier] : []
    })
    const spilt = spill(chain.map((tier) => this.capacity(tier)))
    for (const [place, tier] of chain.entries()) shares[tier] = spilt[place]!
    return shares
  }

  #factsOf(tier: number): MemberFacts {
    const { sites } = this.all[tier]!
    const counts = sites.map((site) => this.#sites[site]!)
    const fit = counts.some((site) => site.fit > 0)
    const siteHolds = sites.some((site) => this.holds(site))
    // Enough of them is enough; whoever hangs in its first check need not be waited for.
    this.#judged[tier] ||= siteHolds || counts.every(({ judged, total }) => judged === total)
    return {
      fit,
      judged: this.#judged[tier],
      doubtful: siteHolds && !counts.some(({ steady, minHealthy }) => steady >= minHealthy),
      withdrawn: !fit && counts.every(({ withdrawn, total }) => withdrawn === total),
      siteHolds,
      // Each site may have a writer of its own; what roles say is asked for in the proof.
      role: null,
      reason: this.#reasonOf(tier),
    }
  }

  /** How many of a site are healthy, and why the first one that isn't is not; for people. */
  siteReason(site: number): string {
    const { fit, total, minHealthy, reasons } = this.#sites[site]!
    const least = fit < minHealthy && minHealthy > 1 ? `, fewer than ${minHealthy}` : ''
    const [first] = reasons
    const why = first === undefined ? '' : ` (${this.#plan.backends[first[0]]!.name}: ${first[1]})`
    return `${fit} of ${total} healthy${least}${why}`
  }

  #reasonOf(tier: number): string {
    const { sites } = this.all[tier]!
    if (sites.length === 1) return this.siteReason(sites[0]!)
    return sites
      .map((site) => `${this.#plan.sites[site]!.name}: ${this.siteReason(site)}`)
      .join(', ')
  }
}
