// The backends of an active-standby pool: one of them alone serves.

import { isAvailable } from '../core/availability.ts'
import type { Member, MemberFacts } from '../core/failover-contract.ts'
import type { PoolPlan } from '../core/plan.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import { asksRole } from '../core/roles.ts'
import type { PoolSnapshot } from '../core/snapshot.ts'
import { dressSnapshot, dressStatus, standbySites, type Seat } from '../core/standby-view.ts'
import { takeoverOf } from '../core/tiers.ts'
import type { Availability, FailoverStatus, PoolStatus, Transition } from '../core/status.ts'
import { formatAddress } from '../core/address-text.ts'
import type { HookBackend } from '../ha/hooks.ts'
import type { ProbeBackend, Proof, Roster } from './roster.ts'
import { Signs } from './signs.ts'

export class BackendRoster implements Roster {
  readonly members: readonly Member[]
  readonly asksRole: boolean
  readonly isGroup = false
  readonly noun = 'backend'
  readonly slots: readonly (readonly number[])[]
  readonly overlaps = false
  readonly #pool: PoolHealth
  #facts: readonly MemberFacts[] = []
  readonly #signs: Signs
  /** Who is sent to, and when that began or ended for each; −Infinity: it never was. */
  #sending = -1
  readonly #turnedMs: number[]

  /**
   * @param reads its read side, whose sessions on a backend are that backend's; `null`: there is none
   * @param before of the same pool under the last plan
   */
  constructor(pool: PoolHealth, reads: PoolPlan | null, before: BackendRoster | null = null) {
    const { backends, sites, healthCheck } = pool.plan
    this.#pool = pool
    this.members = backends.map(({ name, site }) => {
      return { name, takeover: takeoverOf(sites[site]?.kind) }
    })
    this.asksRole = healthCheck !== null && asksRole(healthCheck.check)
    this.slots = backends.map(({ slot }, index) =>
      reads === null ? [slot] : [slot, reads.backends[index]!.slot],
    )
    this.#signs = new Signs(pool, before === null ? null : before.#signs)
    this.#turnedMs = backends.map(() => -Infinity)
    if (before === null) return
    for (const [index, { name }] of backends.entries()) {
      const place = before.indexOf(name)
      if (place < 0) continue
      this.#turnedMs[index] = before.#turnedMs[place]!
      if (place === before.#sending) this.#sending = index
    }
  }

  memberOf(backend: number): number {
    return backend
  }

  indexOf(name: string): number {
    return this.members.findIndex((member) => member.name === name)
  }

  touched(): void {
    // They are few, and looked at in every turn.
  }

  sign(backend: number, nowMs: number): void {
    this.#signs.show(backend, nowMs)
  }

  signMs(member: number): number {
    return this.#signs.ofMs(member)
  }

  facts(nowMs: number): readonly MemberFacts[] {
    const facts = this.members.map((_, index) => this.#pool.facts(index, nowMs))
    for (const [index, fact] of facts.entries()) this.#signs.note(index, fact, nowMs)
    const holds = this.#sitesHold(facts)
    this.#facts = facts.map((fact, index) => {
      const next = Object.assign(fact, { siteHolds: holds[this.#siteOf(index)] ?? true })
      const before = this.#facts[index]
      return before !== undefined && isSame(before, next) ? before : next
    })
    return this.#facts
  }

  prove(
    member: number,
    _nowMs: number,
    probe: ProbeBackend,
    done: (proof: Proof, nowMs: number) => void,
  ): void {
    probe(member, ({ verdict, role = null, text }, nowMs) => {
      done({ passed: verdict === 'pass', role, text }, nowMs)
    })
  }

  hookBackend(member: number): HookBackend {
    const { name, address } = this.#pool.plan.backends[member]!
    return { name, address: formatAddress(address) }
  }

  arrange({ sending }: Seat, nowMs: number): void {
    if (sending === this.#sending) return
    for (const index of [sending, this.#sending]) if (index >= 0) this.#turnedMs[index] = nowMs
    this.#sending = sending
  }

  dress(base: PoolSnapshot, seat: Seat): PoolSnapshot {
    return dressSnapshot(base, seat)
  }

  dressStatus(base: PoolStatus, seat: Seat, failover: FailoverStatus, nowMs: number): PoolStatus {
    const serves = seat.sending >= 0 && this.#pool.facts(seat.sending, nowMs).fit
    const turns = this.#turnedMs.map((ms) => nowMs - ms)
    const dressed = dressStatus(base, seat, failover, { serves, turns })
    const { plan } = this.#pool
    if (plan.sites.length === 0) return dressed
    return { ...dressed, sites: standbySites(plan, this.facts(nowMs), failover) }
  }

  dressTransition(transition: Transition, { sending }: Seat): Transition {
    if (transition.backend === this.members[sending]?.name) return transition
    return standing(transition)
  }

  #siteOf(index: number): number {
    return this.#pool.plan.backends[index]!.site
  }

  #sitesHold(facts: readonly MemberFacts[]): readonly boolean[] {
    return this.#pool.plan.sites.map(({ minHealthy }, site) => {
      const fit = facts.filter((fact, index) => fact.fit && this.#siteOf(index) === site)
      return fit.length >= minHealthy
    })
  }
}

/** The transition of a backend that gets nothing: available is standing by. */
export function standing(transition: Transition): Transition {
  const { from, to } = transition
  const worded = (one: Availability) => (isAvailable(one) ? 'standby' : one)
  return { ...transition, from: worded(from), to: worded(to) }
}

function isSame(one: MemberFacts, other: MemberFacts): boolean {
  return (
    one.fit === other.fit &&
    one.judged === other.judged &&
    one.doubtful === other.doubtful &&
    one.withdrawn === other.withdrawn &&
    one.siteHolds === other.siteHolds &&
    one.role === other.role
  )
}
