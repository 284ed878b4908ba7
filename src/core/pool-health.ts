// The verdicts of one pool: ties probes, traffic and operator's words of its backends together and
// keeps what holds for the pool as a whole: caps and floors of ejection, the dependency rule, slow
// start, panic. Pure: facts and time in, effects and snapshots out; core/availability.ts judges.
//
// Ejection (outlier detection):
// - More than half of the backends in play qualify at once (those half way there count, and those
//   ejected within the last second): a dependency fails, not they. None is ejected for it, and if
//   the full findings alone are more than half, what was ejected a moment ago is taken back.
// - `ejectedMax` rounds down, but one may go; the floor `minAvailable` (at least 1) always stays.
// - If checks or an operator take the pool below that floor later, ejected backends are called back.
// Work grows with what changed, not with the size of the pool.

import { isAvailable } from './availability.ts'
import type { BackendHealth } from './backend-health.ts'
import { BREAKER, BREAKER_STEP } from './breaker.ts'
import { backendEvidence, type BackendEvidence } from './evidence.ts'
import type { MemberFacts } from './failover-contract.ts'
import type { Shortage } from './override-refusal.ts'
import type { AdminWord } from './overrides.ts'
import type { PoolPlan } from './plan.ts'
import { carryOver, matchBackends, windowMsOf } from './pool-adopt.ts'
import { PoolChecks, type ProbeOutcome } from './pool-checks.ts'
import { PoolEjection } from './pool-ejection.ts'
import { PoolTally } from './pool-tally.ts'
import { poolSnapshot, poolStatus, shortageOf } from './pool-view.ts'
import { PoolProbation } from './probation.ts'
import type { Random } from './random.ts'
import { isSame } from './same.ts'
import type { SharedTable } from './shared-layout.ts'
import { SUSPICION, type PoolSnapshot } from './snapshot.ts'
import type { Lag, PoolStatus, Transition } from './status.ts'
import { refreshThresholds, setThresholds } from './thresholds.ts'

/** What the shell is to do; drained by `takeEffects`. */
export type PoolEffect =
  | {
      readonly kind: 'probe'
      readonly index: number
      readonly timeoutMs: number
      readonly suspicion: boolean
    }
  | { readonly kind: 'transition'; readonly transition: Transition }
  | { readonly kind: 'warning'; readonly message: string }

/** Causes that ask for a probe: those where the backend may be gone, not merely wrong. */
const PROBE_CAUSES = SUSPICION.connect | SUSPICION.reset | SUSPICION.silence | SUSPICION.timeout
/** From a reload to the first probes of what it brought, at most. */
const VERDICT_SLACK_MS = 500

export class PoolHealth {
  /** The present one: a reload gives another. */
  plan: PoolPlan
  /** Asked before a backend is ejected; an active-standby pool has nobody else to send to at once. */
  mayLose: (index: number) => boolean = () => true
  /** Another site could take over at once: then this one may lose all of its backends. */
  elsewhere: () => boolean = () => false
  /** Something the data threads must know has changed since the last `published`. */
  changed = false
  #backends: readonly BackendHealth[]
  readonly #table: SharedTable
  readonly #checks: PoolChecks
  readonly #probation: PoolProbation
  readonly #tally = new PoolTally()
  readonly #ejection: PoolEjection
  #effects: PoolEffect[] = []
  /** Backends whose deadline may have moved. */
  #touched: number[] = []
  #newTraffic = false
  #thresholdsMs = -Infinity
  /** Until when requests wait for the first verdicts on those that a reload brought; 0: not at all. */
  #holdUntilMs = 0

  /** @param firstMs when each backend's first probe is due */
  constructor(
    plan: PoolPlan,
    table: SharedTable,
    random: Random,
    nowMs: number,
    firstMs: () => number,
  ) {
    this.plan = plan
    this.#table = table
    this.#checks = new PoolChecks(random, {
      probe: (index, timeoutMs, suspicion) => {
        this.#effects.push({ kind: 'probe', index, timeoutMs, suspicion })
      },
      touched: (index) => this.#touched.push(index),
      ramp: (backend, nowMs) => this.#ramp(backend, nowMs),
      judge: (backend, nowMs, reason) => this.#judge(backend, nowMs, reason),
    })
    this.#probation = new PoolProbation(table, plan.slot)
    this.#ejection = new PoolEjection(this.#tally, random, {
      judge: (backend, nowMs, reason) => this.#judge(backend, nowMs, reason),
      ramp: (backend, nowMs) => this.#ramp(backend, nowMs),
      ask: (backend, nowMs) => {
        this.#checks.hear(this.plan, backend, { kind: 'suspected' }, nowMs)
      },
      warn: (message) => this.#effects.push({ kind: 'warning', message }),
      mayLose: (index) => this.mayLose(index),
      elsewhere: () => this.elsewhere(),
    })
    const moment = { nowMs, soonMs: firstMs, urgent: false }
    this.#backends = matchBackends(plan, [], moment).all
    for (const backend of this.#backends) {
      this.#tally.count(backend, nowMs)
      setThresholds(plan, backend, table, Infinity, 0)
      backend.disregard(table, windowMsOf(plan), nowMs)
      if (backend.health !== null) this.#checks.unjudged++
    }
    this.#pace(nowMs)
  }

  /** Takes ordinary traffic: available or starting. */
  get available(): number {
    return this.#tally.available
  }

  /**
   * Another plan for the same pool. Backends that keep their slot keep all that is known of them;
   * what is new has to pass its first probe. Follow with `settle`.
   * @param soonMs when a new backend is probed first, or an old one by another health check
   */
  adopt(plan: PoolPlan, nowMs: number, soonMs: () => number): void {
    const before = this.plan
    const couldServe = this.available > 0
    const moment = { nowMs, soonMs, urgent: this.#checks.urgent }
    const { all, kept, fresh, gone, numbers } = matchBackends(plan, this.#backends, moment)
    this.plan = plan
    this.#backends = all
    this.#ejection.renumber(numbers)
    if (plan.outlierDetection === null) this.#ejection.forget()
    for (const backend of gone) {
      this.#tally.drop(backend)
      this.#probation.leave(backend)
    }
    for (const backend of kept) {
      const comesBack = carryOver(backend, before, plan, moment)
      const isWeighed = backend.availability === 'weightless' && backend.plan.weight > 0
      if (comesBack !== null || isWeighed) this.#ramp(backend, nowMs)
      this.#judge(backend, nowMs, comesBack)
    }
    const joins = this.available > 0
    for (const backend of fresh) {
      setThresholds(plan, backend, this.#table, Infinity, 0)
      backend.disregard(this.#table, windowMsOf(plan), nowMs)
      // Where nobody else serves they begin together, all with their whole weight.
      if (joins && backend.health === null) backend.rampMs = nowMs
      backend.isNew = joins && backend.health !== null
      backend.judge(nowMs)
      this.#tally.count(backend, nowMs)
    }
    this.#checks.unjudged = all.filter(({ health }) => health?.judged === false).length
    this.#touched = [...all.keys()]
    this.changed = true
    if (!isSame(before.outlierDetection, plan.outlierDetection)) {
      refreshThresholds(plan, all, this.#table, nowMs)
    }
    if (couldServe) this.holdForVerdicts(nowMs)
  }

  /** If nobody serves, requests wait for the first verdicts instead of being refused. */
  holdForVerdicts(nowMs: number): void {
    const { healthCheck } = this.plan
    if (healthCheck === null || this.available > 0) return
    if (!this.#backends.some(({ health }) => health!.health === 'checking')) return
    this.#holdUntilMs = nowMs + VERDICT_SLACK_MS + healthCheck.timeoutMs
    this.changed = true
  }

  /** Every backend with a health check has had a verdict. */
  ready(): boolean {
    return this.#checks.unjudged === 0
  }

  /** Something about these backends' deadlines may have changed; empties the list. */
  takeTouched(): readonly number[] {
    const touched = this.#touched
    this.#touched = []
    return touched
  }

  takeEffects(): readonly PoolEffect[] {
    const effects = this.#effects
    this.#effects = []
    return effects
  }

  deadlineMs(index: number, nowMs: number): number {
    return this.#backends[index]!.deadlineMs(nowMs)
  }

  /** A data thread calls for attention: `SUSPICION` bits. Follow with `settle`. */
  suspected(index: number, causes: number, nowMs: number): void {
    const backend = this.#backends[index]!
    if ((causes & PROBE_CAUSES) === 0) return
    this.#checks.hear(this.plan, backend, { kind: 'suspected' }, nowMs)
  }

  /** A probe ended. Follow with `settle`. */
  probed(index: number, outcome: ProbeOutcome, nowMs: number): void {
    this.#checks.probed(this.plan, this.#backends[index]!, outcome, nowMs)
  }

  /** The deadline of a backend has come. Follow with `settle`. */
  due(index: number, nowMs: number): void {
    const backend = this.#backends[index]!
    this.#checks.hear(this.plan, backend, { kind: 'due' }, nowMs)
    if (backend.breaker.tick(nowMs) === BREAKER_STEP.probation) {
      backend.traffic?.forget()
      // Who stands by has no live requests to be tried with.
      if (this.plan.mode === 'active-standby' || !backend.serves) backend.breaker.close(nowMs)
      this.#judge(backend, nowMs, `probation after: ${backend.ejectReason}`)
    } else if (backend.availability === 'starting') {
      this.#judge(backend, nowMs, 'slow start is over')
    }
    this.#touched.push(index)
  }

  /**
   * Reads what the data threads wrote about a backend. Follow with `settle`.
   * @param trusted see `BackendTraffic.look`
   */
  look(index: number, nowMs: number, trusted: Uint8Array): void {
    const backend = this.#backends[index]!
    const traffic = backend.observe(this.#table, windowMsOf(this.plan))
    if (traffic === null) return
    const news = traffic.look(nowMs, backend.thresholds.slowMs, trusted)
    if (news) this.#newTraffic = true
    if (backend.health !== null && news) {
      this.#checks.suspectQuiet(this.plan, backend, traffic, nowMs)
    }
    this.#ejection.look(this.plan, backend, news, nowMs)
  }

  /** Draws the conclusions for the pool from all that came in. */
  settle(nowMs: number): void {
    this.#ejection.settle(this.plan, this.#backends, nowMs)
    // Who is to be the active of a new pool is decided when all have been asked.
    const isServed = this.available > 0 && this.plan.failover === null
    const isHeld = !isServed && this.#checks.unjudged > 0 && nowMs < this.#holdUntilMs
    if (this.#holdUntilMs > 0 && !isHeld) {
      this.#holdUntilMs = 0
      this.changed = true
    }
    this.#pace(nowMs)
  }

  /** Recomputes the thresholds of slowness and silence, at most every `everyMs`. */
  refreshThresholds(nowMs: number, everyMs: number): void {
    if (!this.#newTraffic || nowMs - this.#thresholdsMs < everyMs) return
    this.#newTraffic = false
    this.#thresholdsMs = nowMs
    refreshThresholds(this.plan, this.#backends, this.#table, nowMs)
  }

  /** Keeps the right to send probation requests where it can be used. */
  tendProbation(nowMs: number): void {
    if (this.#probation.tend(nowMs)) this.changed = true
  }

  /** A data thread is gone and its row was cleared. */
  threadDown(thread: number, nowMs: number): void {
    for (const backend of this.#backends) {
      backend.traffic?.threadDown(thread, nowMs)
      if (backend.grant.thread === thread) this.changed = true
      backend.grant.threadDown(thread)
    }
    this.#probation.threadDown(nowMs)
    this.tendProbation(nowMs)
  }

  /**
   * What the pool would be left with if an operator took these out; `null` if that is enough, or if
   * it would not miss them.
   */
  shortageWithout(indexes: readonly number[], nowMs: number): Shortage | null {
    const sums = { available: this.available, elsewhere: this.elsewhere() }
    return shortageOf(this.plan, this.#backends, sums, indexes, nowMs)
  }

  /** An operator's word, whatever follows from it. Follow with `settle`. */
  setAdmin(index: number, { state, reason, cut = false }: AdminWord, nowMs: number): void {
    const backend = this.#backends[index]!
    const returns = backend.admin !== 'ready' && state === 'ready'
    backend.admin = state
    backend.adminReason = reason
    backend.isCut = cut
    if (returns) this.#ramp(backend, nowMs)
    this.changed = true
    this.#judge(backend, nowMs, null)
  }

  /**
   * Only these backends get new requests from now on: what holds for the pool as a whole is theirs.
   * Those that are new to it and on probation are restored, as nobody could be tried beside them.
   */
  serve(serves: (index: number) => boolean, nowMs: number): void {
    for (const backend of this.#backends) {
      const { breaker } = backend
      const isNew = serves(backend.index) && !backend.serves
      backend.serves = serves(backend.index)
      if (isNew && breaker.state === BREAKER.halfOpen) {
        breaker.close(nowMs)
        backend.traffic?.forget()
        this.#judge(backend, nowMs, 'its site takes over')
      } else this.#tally.count(backend, nowMs)
    }
    this.changed = true
  }

  /** Takes ordinary traffic, if it gets any. */
  isOpen(index: number): boolean {
    return isAvailable(this.#backends[index]!.availability)
  }

  /** The last `snapshot` goes to all data threads with this version. */
  published(version: number): void {
    this.changed = false
    for (const backend of this.#backends) backend.grant.published(version)
  }

  /** The state of now, for the data threads. */
  snapshot(): PoolSnapshot {
    const { available, meant } = this.#tally
    const sums = { available, meant, holdUntilMs: this.#holdUntilMs }
    return poolSnapshot(this.plan, this.#backends, sums)
  }

  /** What bears on one backend becoming, or staying, the active. */
  facts(index: number, nowMs: number): MemberFacts {
    return this.#backends[index]!.facts(nowMs)
  }

  /** Why its traffic speaks against it, where the replicas decide together; empty if it does not. */
  accusation(index: number, nowMs: number): string {
    const { accusation, accusedUntilMs } = this.#backends[index]!
    return nowMs < accusedUntilMs ? accusation : ''
  }

  /** Since when requests have waited for it in silence; Infinity if none do. */
  quietSinceMs(index: number): number {
    return this.#backends[index]!.quietMs
  }

  /** How far each backend is behind, as its last probe said. */
  lags(): readonly (Lag | null)[] {
    return this.#backends.map(({ lag }) => lag)
  }

  /** What stands behind the state of one backend; `null` if the pool has none of that name. */
  evidence(name: string, nowMs: number): BackendEvidence | null {
    const backend = this.#backends.find(({ plan }) => plan.name === name)
    return backend === undefined ? null : backendEvidence(this.plan, backend, nowMs)
  }

  status(nowMs: number): PoolStatus {
    return poolStatus(this.plan, this.#backends, this.#table, this.available, nowMs)
  }

  /** Slow start of a backend that comes back, unless nothing else is available. */
  #ramp(backend: BackendHealth, nowMs: number): void {
    backend.rampMs = this.available === 0 ? -Infinity : nowMs
  }

  /** @param reason why it may have changed; `null` leaves it to the verdict's own sentence */
  #judge(backend: BackendHealth, nowMs: number, reason: string | null): void {
    const from = backend.availability
    if (backend.judge(nowMs)) this.changed = true
    this.#tally.count(backend, nowMs)
    this.#touched.push(backend.index)
    const to = backend.availability
    if (to === from) return
    this.#ejection.turned(backend, from === 'ejected')
    if (to === 'probation') this.#probation.enter(backend, nowMs)
    else if (from === 'probation') this.#probation.leave(backend)
    backend.sinceMs = nowMs
    this.#effects.push({
      kind: 'transition',
      transition: {
        pool: this.plan.name,
        backend: backend.plan.name,
        from,
        to,
        reason: reason ?? backend.explain(nowMs),
        atMs: nowMs,
        available: this.available,
        ...backend.signOf(to, nowMs),
      },
    })
  }

  /** Tells the health checks whether to hurry. */
  #pace(nowMs: number): void {
    this.#checks.pace(this.plan, this.#backends, this.available === 0, nowMs)
  }
}
