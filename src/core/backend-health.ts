// All that is known about one backend of a pool, and its present verdict.
// Holds the machines; what they mean together is core/availability.ts, what they mean for the pool
// is core/pool-health.ts.

import { formatAddress } from './address-text.ts'
import {
  explainAvailability,
  isInPlay,
  judgeAvailability,
  trafficVerdict,
  type Circumstances,
  type Evidence,
} from './availability.ts'
import { BREAKER, Breaker, type BreakerPlan } from './breaker.ts'
import { ProbeHistory } from './evidence.ts'
import type { MemberFacts } from './failover-contract.ts'
import type { HealthState } from './health.ts'
import type { BackendPlan } from './plan.ts'
import { ProbationGrant } from './probation.ts'
import { BACKEND, type SharedTable } from './shared-layout.ts'
import { slowStartNextMs, slowStartShare, type SlowStartPlan } from './slow-start.ts'
import type { Eligibility } from './snapshot.ts'
import type {
  AdminState,
  Availability,
  BackendRole,
  BackendStatus,
  Health,
  Lag,
  Transition,
} from './status.ts'
import { BackendTraffic } from './traffic.ts'

/** What holds for all backends of a pool. */
export interface BackendSettings {
  readonly slowStart: SlowStartPlan
  readonly breaker: BreakerPlan
  readonly responseMs: number
}

export class BackendHealth {
  plan: BackendPlan
  /** Position in the pool. */
  index: number
  admin: AdminState = 'ready'
  adminReason = ''
  /** An operator took it out, and what runs there has had its time. */
  isCut = false
  /** `null`: the pool has no health check. */
  health: HealthState | null
  healthReason = ''
  lastProbe: string | null = null
  readonly probes = new ProbeHistory()
  /** What it said of itself in the last probe that could ask. */
  role: BackendRole | null = null
  lag: Lag | null = null
  readonly breaker: Breaker
  readonly grant = new ProbationGrant()
  ejectReason = ''
  /** Whether it was slowness that ejected it last: probation then asks for speed, too. */
  ejectedSlow = false
  /** Why it stays in though its traffic says that it should go; empty if there is no such case. */
  spared = ''
  /** Why this replica would leave it, where all of them decide together; and for how long it says so. */
  accusation = ''
  accusedUntilMs = -Infinity
  /** `null` until the backend has seen traffic. */
  traffic: BackendTraffic | null = null
  /** Since when requests have waited for it in silence; Infinity if none do. */
  quietMs = Infinity
  /** When the first of the probes that fail in a row was begun; Infinity after one that passed. */
  doubtMs = Infinity
  readonly thresholds: { slowMs: number; silentMs: number; responseMs: number }
  /** It gets new requests, if it is fit to; else it counts for nothing. */
  serves = true
  /** It came to a pool in use and has not served yet. */
  isNew = false
  /** Start of the slow-start ramp; −Infinity for none. */
  rampMs = -Infinity
  availability: Availability
  eligibility: Eligibility
  weight: number
  /** When `availability` last changed. */
  sinceMs: number
  /** How it is counted in its pool: bits of `COUNTED` in core/pool-tally.ts. */
  counted = 0
  #slowStart: SlowStartPlan

  constructor(
    plan: BackendPlan,
    index: number,
    health: HealthState | null,
    pool: BackendSettings,
    nowMs: number,
  ) {
    this.plan = plan
    this.index = index
    this.health = health
    this.breaker = new Breaker(pool.breaker, nowMs)
    this.thresholds = { slowMs: Infinity, silentMs: Infinity, responseMs: pool.responseMs }
    this.#slowStart = pool.slowStart
    this.sinceMs = nowMs
    const verdict = judgeAvailability(this.circumstances(nowMs))
    this.availability = verdict.availability
    this.eligibility = verdict.eligibility
    this.weight = verdict.weight
  }

  /** Takes the verdict of now. Returns whether it changes anything for the data threads. */
  judge(nowMs: number): boolean {
    const { availability, eligibility, weight } = judgeAvailability(this.circumstances(nowMs))
    const isOther = eligibility !== this.eligibility || weight !== this.weight
    this.availability = availability
    this.eligibility = eligibility
    this.weight = weight
    return isOther
  }

  /** The same backend under a new plan: what is known of it stays. */
  adopt(plan: BackendPlan, index: number, pool: BackendSettings): void {
    this.plan = plan
    this.index = index
    this.breaker.adopt(pool.breaker)
    this.thresholds.responseMs = pool.responseMs
    this.#slowStart = pool.slowStart
  }

  /** The facts on its traffic; `null` as long as there has been none. */
  observe(table: SharedTable, windowMs: number): BackendTraffic | null {
    if (this.traffic !== null) return this.traffic
    const base = table.backendBase(this.plan.slot)
    for (const row of table.rows) {
      const any = row[base + BACKEND.attempts]! + row[base + BACKEND.waiting]!
      if (any === 0) continue
      this.traffic = new BackendTraffic(table, this.plan.slot, windowMs)
      return this.traffic
    }
    return null
  }

  /** What is counted in its row was before its time. */
  disregard(table: SharedTable, windowMs: number, nowMs: number): void {
    const traffic = this.observe(table, windowMs)
    traffic?.look(nowMs, Infinity, new Uint8Array(table.rows.length))
    traffic?.forget()
  }

  circumstances(nowMs: number): Circumstances {
    return {
      admin: this.admin,
      cut: this.isCut,
      health: this.healthName(),
      breaker: this.breaker.state,
      weight: this.plan.weight,
      share: slowStartShare(this.#slowStart, nowMs - this.rampMs),
    }
  }

  healthName(): Health {
    return this.health === null ? 'none' : this.health.health
  }

  /** Takes up what the checks said. @param tookMs of the probe that has ended; 0 if none has */
  noteHealth(health: HealthState, tookMs: number, nowMs: number): void {
    this.health = health
    this.doubtMs = health.fails === 0 ? Infinity : Math.min(this.doubtMs, nowMs - tookMs)
  }

  /** When the loss that this verdict is first showed, if it did before. */
  signOf(to: Availability, nowMs: number): Pick<Transition, 'signMs'> {
    const signMs = Math.min(this.doubtMs, this.quietMs)
    const isLoss = to === 'down' || to === 'ejected'
    return isLoss && signMs < nowMs ? { signMs } : {}
  }

  /** When something will change without anything happening; Infinity if never. */
  deadlineMs(nowMs: number): number {
    const { health, breaker } = this
    let deadline = Infinity
    if (health !== null) deadline = Math.min(health.dueMs, health.suspicionDueMs)
    if (breaker.state === BREAKER.open) deadline = Math.min(deadline, breaker.untilMs)
    if (this.availability === 'starting') {
      deadline = Math.min(deadline, nowMs + slowStartNextMs(this.#slowStart, nowMs - this.rampMs))
    }
    return deadline
  }

  /** What bears on its becoming, or staying, the active. */
  facts(nowMs: number): MemberFacts {
    const { health, breaker, role } = this
    return {
      fit: isInPlay(this.circumstances(nowMs)) && breaker.state !== BREAKER.open,
      judged: this.healthName() !== 'checking',
      doubtful: health !== null && health.health === 'up' && health.fails > 0,
      withdrawn: this.admin !== 'ready',
      siteHolds: true,
      role,
      reason: this.explain(nowMs),
    }
  }

  explain(nowMs: number): string {
    const evidence: Evidence = {
      adminReason: this.adminReason,
      healthReason: this.#healthSentence(),
      ejectReason: this.ejectReason,
      spared: this.spared,
      ejectedForMs: this.breaker.untilMs - nowMs,
      probationSuccesses: this.breaker.successes,
      probationNeeded: this.breaker.successesNeeded,
      share: slowStartShare(this.#slowStart, nowMs - this.rampMs),
    }
    return explainAvailability(this.availability, evidence)
  }

  #healthSentence(): string {
    if (this.healthName() !== 'up') return this.healthReason
    if (this.lastProbe === null) return 'trusted until its first check has ended'
    return `checks pass, the last: ${this.lastProbe}`
  }

  status(table: SharedTable, nowMs: number): BackendStatus {
    const base = table.backendBase(this.plan.slot)
    const open = this.breaker.state === BREAKER.open
    return {
      name: this.plan.name,
      address: formatAddress(this.plan.address),
      weight: this.plan.weight,
      effectiveWeight: this.weight,
      availability: this.availability,
      reason: this.explain(nowMs),
      sinceMs: nowMs - this.sinceMs,
      health: this.healthName(),
      lastProbe: this.lastProbe,
      role: this.role,
      lag: this.lag,
      admin: this.admin,
      drained: false,
      override: null,
      traffic: trafficVerdict(this.breaker.state),
      ejectedForMs: open ? Math.max(0, this.breaker.untilMs - nowMs) : null,
      inFlight: table.sum(base + BACKEND.inFlight),
      attempts: table.sum(base + BACKEND.attempts),
      failures: table.sum(base + BACKEND.failures),
    }
  }
}
