// The sites of an active-active pool, in tiers: the backends of one tier serve together, and what
// they have no capacity for spills to the next.

import type { SiteNews } from '../core/events.ts'
import type { Member, MemberFacts } from '../core/failover-contract.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import { asksRole } from '../core/roles.ts'
import type { PoolPlan } from '../core/plan.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import type { Seat } from '../core/standby-view.ts'
import type { FailoverStatus, PoolStatus, Transition } from '../core/status.ts'
import {
  serviceOf,
  siteShares,
  tierSites,
  tierSnapshot,
  tierStatus,
  type Service,
} from '../core/tier-view.ts'
import { Tiers } from '../core/tiers.ts'
import { formatAddress } from '../core/address-text.ts'
import type { HookBackend } from '../ha/hooks.ts'
import type { ProbeResult } from '../probe/contract.ts'
import { standing } from './backend-roster.ts'
import type { ProbeBackend, Proof, Roster } from './roster.ts'
import { Signs } from './signs.ts'

/** So many backends of a tier are probed to prove it. */
const PROOFS_MAX = 64
/** So many of their addresses a hook is told. */
const ADDRESSES_MAX = 64

export class TierRoster implements Roster {
  readonly members: readonly Member[]
  /** Each site may have a writer of its own, so roles elect nobody; the proof asks for them. */
  readonly asksRole = false
  readonly isGroup = true
  readonly noun = 'site'
  readonly slots: readonly (readonly number[])[]
  readonly overlaps: boolean
  readonly #pool: PoolHealth
  readonly #tiers: Tiers
  readonly #signs: Signs
  readonly #indexOf: ReadonlyMap<string, number>
  readonly #tell: (news: SiteNews) => void
  #service: Service
  #shares: readonly number[]
  /** In force, by backend. */
  #weight: Float64Array
  /** Sites about which something was said, by name, and what. */
  readonly #said: Map<string, SiteNews['kind']>
  /** Sites that the pool knows to serve; `null` before anybody does. */
  #told: readonly boolean[] | null = null
  #isDirty = true
  #sending = -1

  /** @param before of the same pool under the last plan */
  constructor(
    pool: PoolHealth,
    tell: (news: SiteNews) => void,
    nowMs: number,
    before: TierRoster | null = null,
  ) {
    const { plan } = pool
    this.#pool = pool
    this.#tell = tell
    this.#tiers = new Tiers(plan, before === null ? null : before.#tiers)
    this.#signs = new Signs(pool, before === null ? null : before.#signs)
    this.members = this.#tiers.all
    this.#indexOf = new Map(plan.backends.map(({ name }, index) => [name, index]))
    const tierOf = plan.backends.map((_, index) => this.#tiers.tierOf(index))
    this.slots = this.members.map((_, tier) =>
      plan.backends.flatMap(({ slot }, index) => (tierOf[index] === tier ? [slot] : [])),
    )
    // A hook makes something of one site alone, so there nobody else may be sent to meanwhile.
    this.overlaps = plan.failover!.promote === null && plan.failover!.fence === null
    this.#service = { shares: this.members.map(() => 0), sites: plan.sites.map(() => false) }
    this.#shares = plan.sites.map(() => 0)
    this.#weight = new Float64Array(plan.backends.length)
    this.#said = new Map(before === null ? [] : before.#said)
    for (const index of plan.backends.keys()) this.touched(index, nowMs)
  }

  memberOf(backend: number): number {
    return this.#tiers.tierOf(backend)
  }

  indexOf(name: string): number {
    return this.#tiers.indexOf(name)
  }

  touched(backend: number, nowMs: number): void {
    const facts = this.#pool.facts(backend, nowMs)
    this.#signs.note(backend, facts, nowMs)
    if (this.#tiers.note(backend, facts, this.#pool.isOpen(backend))) this.#isDirty = true
  }

  sign(backend: number, nowMs: number): void {
    this.#signs.show(backend, nowMs)
  }

  signMs(member: number): number {
    // A site is lost with the last of its backends; those before it were borne.
    let lastMs = -Infinity
    for (const index of this.#pool.plan.backends.keys()) {
      if (this.memberOf(index) !== member || this.#tiers.isFit(index)) continue
      const firstMs = this.#signs.ofMs(index)
      if (firstMs !== Infinity) lastMs = Math.max(lastMs, firstMs)
    }
    return lastMs === -Infinity ? Infinity : lastMs
  }

  facts(): readonly MemberFacts[] {
    return this.#tiers.facts()
  }

  prove(
    member: number,
    nowMs: number,
    probe: ProbeBackend,
    done: (proof: Proof, nowMs: number) => void,
  ): void {
    const { plan } = this.#pool
    if (plan.healthCheck === null) {
      done({ passed: true, role: null, text: 'there is no health check' }, nowMs)
      return
    }
    const tally = new Tally(plan, this.#candidates(member))
    for (const backend of tally.backends) {
      probe(backend, (result, nowMs) => {
        const proof = tally.add(backend, result)
        if (proof !== null) done(proof, nowMs)
      })
    }
  }

  hookBackend(member: number): HookBackend {
    const own = this.#pool.plan.backends.filter((_, index) => this.memberOf(index) === member)
    const addresses = own.slice(0, ADDRESSES_MAX).map(({ address }) => formatAddress(address))
    return { name: this.members[member]!.name, address: addresses.join(',') }
  }

  arrange(seat: Seat, nowMs: number): void {
    if (!this.#isDirty && seat.sending === this.#sending) return
    this.#isDirty = false
    this.#sending = seat.sending
    const { plan } = this.#pool
    this.#service = serviceOf(this.#tiers, plan, seat)
    this.#pool.changed = true
    if (seat.sending < 0) return
    this.#serve(this.#service.sites, nowMs)
    this.#tellOfSites(seat.sending)
  }

  dress(base: PoolSnapshot, seat: Seat): PoolSnapshot {
    const { plan } = this.#pool
    const snapshot = tierSnapshot(base, plan, this.#tiers, this.#service, seat)
    this.#shares = siteShares(plan, snapshot)
    this.#weight = snapshot.weight
    return snapshot
  }

  dressStatus(base: PoolStatus, _seat: Seat, failover: FailoverStatus): PoolStatus {
    const { plan } = this.#pool
    const sites = tierSites(plan, this.#tiers, this.#service, this.#shares, failover)
    return tierStatus(base, plan, { sites, weight: this.#weight }, failover)
  }

  dressTransition(transition: Transition): Transition {
    const index = this.#indexOf.get(transition.backend)!
    const { site } = this.#pool.plan.backends[index]!
    return this.#service.sites[site]! ? transition : standing(transition)
  }

  /** Tells the pool who serves; that costs a look at every backend, so only if it is news. */
  #serve(sites: readonly boolean[], nowMs: number): void {
    const told = this.#told
    if (told !== null && sites.every((serves, site) => serves === told[site])) return
    this.#told = sites
    const { backends } = this.#pool.plan
    this.#pool.serve((backend) => sites[backends[backend]!.site]!, nowMs)
  }

  /** Who is worth a probe: who is fit, or all if nobody is. */
  #candidates(member: number): number[] {
    const own = [...this.#pool.plan.backends.keys()].filter((index) => {
      return this.memberOf(index) === member
    })
    const fit = own.filter((index) => this.#tiers.isFit(index))
    return (fit.length > 0 ? fit : own).slice(0, PROOFS_MAX)
  }

  /** Says once what happens to a site without a move. */
  #tellOfSites(active: number): void {
    const { plan } = this.#pool
    for (const [site, { name, minHealthy }] of plan.sites.entries()) {
      const tier = this.#tiers.all.findIndex((one) => one.sites.includes(site))
      const before = this.#said.get(name)
      const healthy = this.#tiers.healthy(site)
      const share = this.#service.shares[tier]!
      if (tier === active && this.#tiers.isLeft(site)) {
        if (before === 'left') continue
        const reason = `${healthy} of its backends are healthy, fewer than ${minHealthy}; the other mirrors serve`
        this.#said.set(name, 'left')
        this.#tell({ site: name, kind: 'left', reason })
      } else if (tier !== active && share > 0) {
        if (before === 'overflow') continue
        const percent = Math.round(share * 100)
        const reason = `${this.members[active]!.name} has capacity for ${100 - percent} % of the load`
        this.#said.set(name, 'overflow')
        this.#tell({ site: name, kind: 'overflow', reason })
      } else if (before !== undefined) {
        this.#said.delete(name)
        const kind = before === 'left' ? 'returned' : 'relieved'
        const who = tier === active ? 'it serves' : `${this.members[active]!.name} serves alone`
        this.#tell({ site: name, kind, reason: who })
      }
    }
  }
}

/** Counts the probes of a tier until they prove it, or can't any more. */
class Tally {
  readonly backends: readonly number[]
  readonly #plan: PoolPlan
  readonly #needsPrimary: boolean
  readonly #passed = new Map<number, number>()
  #waiting: number
  #primary = false
  #text = ''
  #over = false

  constructor(plan: PoolPlan, backends: readonly number[]) {
    this.#plan = plan
    this.backends = backends
    this.#waiting = backends.length
    const { promote } = plan.failover!
    this.#needsPrimary = promote !== null && asksRole(plan.healthCheck!.check)
  }

  /** `null`: the others have to be waited for. */
  add(backend: number, { verdict, role = null, text }: ProbeResult): Proof | null {
    if (this.#over) return null
    this.#waiting--
    const { site, name } = this.#plan.backends[backend]!
    if (verdict === 'pass') this.#passed.set(site, (this.#passed.get(site) ?? 0) + 1)
    else this.#text = `${name}: ${text}`
    if (role === 'primary') this.#primary = true
    const passed = this.#holds() && (this.#primary || !this.#needsPrimary)
    if (!passed && this.#waiting > 0) return null
    this.#over = true
    const isRole = this.#holds() && !passed
    const why = isRole ? 'none of its backends says that it is the primary' : this.#text
    return { passed, role: this.#primary ? 'primary' : null, text: passed ? text : why }
  }

  /** One of its sites has as many as it needs, as far as they were probed. */
  #holds(): boolean {
    for (const [site, count] of this.#passed) {
      const probed = this.backends.filter((index) => this.#plan.backends[index]!.site === site)
      if (count >= Math.min(this.#plan.sites[site]!.minHealthy, probed.length)) return true
    }
    return false
  }
}
