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

import { isAvailable, isInPlay, judgeAvailability } from './availability.ts'
import { BackendHealth } from './backend-health.ts'
import { BREAKER, BREAKER_STEP } from './breaker.ts'
import { ejectedText, EjectionBoard, ejectionAllowance, type EjectionScope } from './ejection.ts'
import {
  initialHealth,
  reduceHealth,
  type HealthEvent,
  type HealthStep,
  type ProbeVerdict,
} from './health.ts'
import type { MemberFacts } from './failover-contract.ts'
import {
  FRESH_MS,
  findOutlier,
  isQuiet,
  nearlyOutlier,
  trafficFails,
  type OutlierFinding,
} from './outlier.ts'
import type { Shortage } from './override-refusal.ts'
import type { AdminWord } from './overrides.ts'
import type { PoolPlan } from './plan.ts'
import { poolSnapshot, poolStatus } from './pool-view.ts'
import { PoolProbation } from './probation.ts'
import type { Random } from './random.ts'
import type { SharedTable } from './shared-layout.ts'
import { SUSPICION, type PoolSnapshot } from './snapshot.ts'
import type { BackendRole, Lag, PoolStatus, Transition } from './status.ts'
import { refreshThresholds, setThresholds } from './thresholds.ts'
import type { BackendTraffic } from './traffic.ts'

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

/** Result of a probe as the prober saw it. */
export interface ProbeOutcome {
  readonly verdict: ProbeVerdict
  readonly text: string
  readonly tookMs: number
  readonly suspicion: boolean
  /** Our own loop stood still meanwhile, so the verdict is void. */
  readonly stalled: boolean
  readonly role?: BackendRole | null
  readonly lag?: Lag | null
}

/** Causes that ask for a probe: those where the backend may be gone, not merely wrong. */
const PROBE_CAUSES = SUSPICION.connect | SUSPICION.reset | SUSPICION.silence | SUSPICION.timeout
/** Bits of `BackendHealth.counted`: which of the pool's sums it is part of. */
const COUNTED = { available: 1, inPlay: 2, ejected: 4, meant: 8 } as const
const WINDOW_DEFAULT_MS = 10_000
/** The active gets everything at once or nothing. */
const NO_SLOW_START = { durationMs: 0, from: 1 }
/** Where outlier detection is off, and so the breaker never opens. */
const BREAKER_DEFAULT = { ejectMs: 10_000, ejectMaxMs: 300_000, probationSuccesses: 3 }

export class PoolHealth {
  readonly plan: PoolPlan
  /** Asked before a backend is ejected; an active-standby pool has nobody else to send to at once. */
  mayLose: (index: number) => boolean = () => true
  /** Another site could take over at once: then this one may lose all of its backends. */
  elsewhere: () => boolean = () => false
  /** Takes ordinary traffic: available or starting. */
  available = 0
  /** Something the data threads must know has changed since the last `published`. */
  changed = false
  readonly #backends: readonly BackendHealth[]
  readonly #table: SharedTable
  readonly #random: Random
  readonly #windowMs: number
  readonly #probation: PoolProbation
  #effects: PoolEffect[] = []
  /** Backends whose deadline may have moved. */
  #touched: number[] = []
  /** Ready, fit and with weight: the traffic's verdict alone decides. */
  #inPlay = 0
  /** Of those in play: ejected or in probation. */
  #ejected = 0
  /** Meant to serve by config and operator. */
  #meant = 0
  #unjudged = 0
  readonly #board = new EjectionBoard()
  #urgent = false
  #newTraffic = false
  #thresholdsMs = -Infinity
  /** Which backends get new requests, if they are fit to; the others count for nothing. */
  #serves: (index: number) => boolean = () => true
  #serving: number

  /** @param firstMs when each backend's first probe is due */
  constructor(
    plan: PoolPlan,
    table: SharedTable,
    random: Random,
    nowMs: number,
    firstMs: () => number,
  ) {
    this.plan = plan
    this.#serving = plan.backends.length
    this.#table = table
    this.#random = random
    this.#windowMs = plan.outlierDetection?.windowMs ?? WINDOW_DEFAULT_MS
    this.#probation = new PoolProbation(table, plan.slot)
    const settings = {
      slowStart: plan.mode === 'active-standby' ? NO_SLOW_START : plan.slowStart,
      breaker: plan.outlierDetection ?? BREAKER_DEFAULT,
      responseMs: plan.timeouts.responseMs,
    }
    this.#backends = plan.backends.map((backend, index) => {
      const health = plan.healthCheck === null ? null : initialHealth(firstMs())
      return new BackendHealth(backend, index, health, settings, nowMs)
    })
    for (const backend of this.#backends) {
      this.#count(backend, nowMs)
      setThresholds(plan, backend, table, Infinity, 0)
      if (backend.health !== null) this.#unjudged++
    }
    this.#pace(nowMs)
  }

  /** Every backend with a health check has had a verdict. */
  ready(): boolean {
    return this.#unjudged === 0
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
    if (backend.health !== null && (causes & PROBE_CAUSES) !== 0) {
      this.#health(backend, { kind: 'suspected' }, nowMs)
    }
  }

  /** A probe ended. Follow with `settle`. */
  probed(index: number, outcome: ProbeOutcome, nowMs: number): void {
    const backend = this.#backends[index]!
    const { health, traffic } = backend
    if (health === null) return
    const before = health.judged
    const { suspicion, stalled, text, tookMs } = outcome
    const verdict = stalled ? 'void' : outcome.verdict
    if (verdict !== 'void') {
      backend.lastProbe = text
    }
    // A probe that failed has not asked: it is doubt about the backend, not about its role.
    if (verdict === 'pass') {
      backend.role = outcome.role ?? null
      backend.lag = outcome.lag ?? null
    }
    const { breaker } = backend
    // What was ejected while its probe ran has no traffic left that could fail.
    const gone = breaker.state === BREAKER.open && nowMs - breaker.sinceMs <= FRESH_MS
    const fails = gone || (traffic !== null && trafficFails(traffic, backend.thresholds, nowMs))
    this.#health(
      backend,
      { kind: 'probed', verdict, tookMs, text, suspicion, stalled, trafficFails: fails },
      nowMs,
    )
    if (!before && backend.health!.judged) this.#unjudged--
  }

  /** The deadline of a backend has come. Follow with `settle`. */
  due(index: number, nowMs: number): void {
    const backend = this.#backends[index]!
    if (backend.health !== null) this.#health(backend, { kind: 'due' }, nowMs)
    if (backend.breaker.tick(nowMs) === BREAKER_STEP.probation) {
      backend.traffic?.forget()
      // Who stands by has no live requests to be tried with.
      if (this.plan.mode === 'active-standby' || !this.#serves(index)) backend.breaker.close(nowMs)
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
    const traffic = backend.observe(this.#table, this.#windowMs)
    if (traffic === null) return
    const news = traffic.look(nowMs, backend.thresholds.slowMs, trusted)
    if (news) this.#newTraffic = true
    if (backend.health !== null && news) this.#suspectQuiet(backend, traffic, nowMs)
    const plan = this.plan.outlierDetection
    if (plan === null) return
    if (backend.breaker.state === BREAKER.halfOpen) {
      this.#lookAtProbation(backend, traffic, nowMs)
      return
    }
    if (!isAvailable(backend.availability) || (!news && !this.#board.has(index))) return
    const { thresholds } = backend
    const finding = findOutlier(plan, traffic, thresholds, nowMs)
    this.#board.note(index, finding, nearlyOutlier(plan, traffic, thresholds, nowMs))
    if (finding === null) backend.spared = ''
  }

  /** Draws the conclusions for the pool from all that came in. */
  settle(nowMs: number): void {
    if (this.#board.isWanted) this.#eject(nowMs)
    this.#callBack(nowMs)
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
    const isMissed = (index: number): boolean => this.#serves(index) && this.isOpen(index)
    const left = this.available - indexes.filter(isMissed).length
    const { minAvailable } = this.plan
    if (left === this.available || left >= minAvailable || this.elsewhere()) return null
    const others = this.#backends.filter(({ index }) => {
      return this.#serves(index) && !this.isOpen(index) && !indexes.includes(index)
    })
    const out = others.map((other) => ({
      backend: other.plan.name,
      availability: other.availability,
      reason: other.explain(nowMs),
    }))
    return { left, minAvailable, out }
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
    const before = this.#serves
    this.#serves = serves
    this.#serving = 0
    for (const backend of this.#backends) {
      const { index, breaker } = backend
      if (serves(index)) this.#serving++
      const isNew = serves(index) && !before(index)
      if (isNew && breaker.state === BREAKER.halfOpen) {
        breaker.close(nowMs)
        backend.traffic?.forget()
        this.#judge(backend, nowMs, 'its site takes over')
      } else this.#count(backend, nowMs)
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
    return poolSnapshot(this.plan, this.#backends, this.available, this.#meant)
  }

  /** What bears on one backend becoming, or staying, the active. */
  facts(index: number, nowMs: number): MemberFacts {
    return this.#backends[index]!.facts(nowMs)
  }

  /** Since when requests have waited for it in silence; Infinity if none do. */
  quietSinceMs(index: number): number {
    return this.#backends[index]!.quietMs
  }

  /** How far each backend is behind, as its last probe said. */
  lags(): readonly (Lag | null)[] {
    return this.#backends.map(({ lag }) => lag)
  }

  status(nowMs: number): PoolStatus {
    return poolStatus(this.plan, this.#backends, this.#table, this.available, nowMs)
  }

  #health(backend: BackendHealth, event: HealthEvent, nowMs: number): void {
    const before = backend.health!
    const step: HealthStep = reduceHealth(
      this.plan.healthCheck!,
      before,
      event,
      nowMs,
      this.#random,
    )
    backend.noteHealth(step.state, event.kind === 'probed' ? event.tookMs : 0, nowMs)
    this.#touched.push(backend.index)
    for (const effect of step.effects) {
      if (effect.kind === 'probe') {
        const { timeoutMs, suspicion } = effect
        this.#effects.push({ kind: 'probe', index: backend.index, timeoutMs, suspicion })
        continue
      }
      backend.healthReason = effect.reason
      if (effect.to === 'up' && before.health === 'down') {
        if (backend.breaker.state !== BREAKER.closed) backend.breaker.close(nowMs)
        backend.traffic?.forget()
        this.#ramp(backend, nowMs)
      }
      this.#judge(backend, nowMs, effect.reason)
    }
  }

  /**
   * One attempt that waits in silence is no reason to eject, but to ask: at its onset, and then at
   * the pace of a backend in doubt. Threads report only what looks worse.
   */
  #suspectQuiet(backend: BackendHealth, traffic: BackendTraffic, nowMs: number): void {
    const quiet = isQuiet(traffic, backend.thresholds, nowMs)
    backend.quietMs = quiet ? Math.min(backend.quietMs, traffic.oldestWaitMs) : Infinity
    if (!quiet) return
    if (nowMs - backend.health!.suspectedMs < this.plan.healthCheck!.fastIntervalMs) return
    this.#health(backend, { kind: 'suspected' }, nowMs)
  }

  /** Slow start of a backend that comes back, unless nothing else is available. */
  #ramp(backend: BackendHealth, nowMs: number): void {
    backend.rampMs = this.available === 0 ? -Infinity : nowMs
  }

  /** @param reason why it may have changed; `null` leaves it to the verdict's own sentence */
  #judge(backend: BackendHealth, nowMs: number, reason: string | null): void {
    const { index } = backend
    const verdict = judgeAvailability(backend.circumstances(nowMs))
    const from = backend.availability
    if (verdict.eligibility !== backend.eligibility || verdict.weight !== backend.weight) {
      this.changed = true
    }
    backend.availability = verdict.availability
    backend.eligibility = verdict.eligibility
    backend.weight = verdict.weight
    this.#count(backend, nowMs)
    this.#touched.push(index)
    if (verdict.availability === from) return
    if (!isAvailable(verdict.availability)) {
      this.#board.drop(index)
      backend.spared = ''
    }
    if (from === 'ejected') this.#board.returned(index)
    if (verdict.availability === 'probation') this.#probation.enter(backend, nowMs)
    else if (from === 'probation') this.#probation.leave(backend)
    backend.sinceMs = nowMs
    this.#effects.push({
      kind: 'transition',
      transition: {
        pool: this.plan.name,
        backend: backend.plan.name,
        from,
        to: verdict.availability,
        reason: reason ?? backend.explain(nowMs),
        atMs: nowMs,
        available: this.available,
        ...backend.signOf(verdict.availability, nowMs),
      },
    })
  }

  /** Keeps the pool's sums in step with one backend. */
  #count(backend: BackendHealth, nowMs: number): void {
    const circumstances = backend.circumstances(nowMs)
    const inPlay = isInPlay(circumstances)
    const now = this.#serves(backend.index)
      ? (isAvailable(backend.availability) ? COUNTED.available : 0) |
        (inPlay ? COUNTED.inPlay : 0) |
        (inPlay && backend.breaker.state !== BREAKER.closed ? COUNTED.ejected : 0) |
        (backend.admin === 'ready' && backend.plan.weight > 0 ? COUNTED.meant : 0)
      : 0
    const before = backend.counted
    backend.counted = now
    const grown = (bit: number) => Number((now & bit) !== 0) - Number((before & bit) !== 0)
    this.available += grown(COUNTED.available)
    this.#inPlay += grown(COUNTED.inPlay)
    this.#ejected += grown(COUNTED.ejected)
    this.#meant += grown(COUNTED.meant)
  }

  #lookAtProbation(backend: BackendHealth, traffic: BackendTraffic, nowMs: number): void {
    const { breaker, thresholds } = backend
    if (traffic.probing + traffic.probationSuccesses + traffic.probationFailures > 0) {
      backend.grant.used(nowMs)
    }
    const silent = traffic.waitingSilent > 0 && nowMs - traffic.lastByteMs >= thresholds.silentMs
    const slow = backend.ejectedSlow && traffic.judgements.slow > 0
    if (traffic.probationFailures > 0 || silent || slow) {
      const lengthMs = breaker.eject(nowMs, this.#random.next())
      const what = slow ? 'was slow again' : silent ? 'got no answer' : 'failed'
      backend.ejectReason = `a probation request ${what}`
      traffic.forget()
      this.#judge(backend, nowMs, ejectedText(lengthMs, backend.ejectReason))
      return
    }
    for (let i = 0; i < traffic.probationSuccesses; i++) {
      if (breaker.observe(true, nowMs, 0) !== BREAKER_STEP.restored) continue
      traffic.forget()
      this.#ramp(backend, nowMs)
      this.#judge(
        backend,
        nowMs,
        `restored: ${breaker.successesNeeded} probation requests succeeded`,
      )
      return
    }
  }

  #eject(nowMs: number): void {
    const decision = this.#board.decide(this.#scope(), nowMs)
    if (decision.kind === 'dependency') {
      const { isNew, many, takeBack } = decision
      // A single backend has nobody to be compared with: that is no dependency's failure.
      if (isNew && this.#inPlay > 1) {
        const message = `${many} of ${this.#inPlay} backends of pool '${this.plan.name}' qualify for ejection at once: taken for the failure of something they share, so none is ejected for it`
        this.#effects.push({ kind: 'warning', message })
      }
      for (const index of takeBack) {
        const backend = this.#backends[index]!
        backend.breaker.revoke(nowMs)
        this.#judge(backend, nowMs, 'ejection taken back: most of the pool fails alike')
      }
      return
    }
    for (const [index, finding] of decision.backends) {
      const backend = this.#backends[index]!
      if (ejectionAllowance(this.#scope()) === 0 || !this.mayLose(index)) {
        backend.spared = `not ejected, too few others are available: ${finding.text}`
      } else this.#ejectOne(backend, finding, nowMs)
    }
  }

  #ejectOne(backend: BackendHealth, finding: OutlierFinding, nowMs: number): void {
    const lengthMs = backend.breaker.eject(nowMs, this.#random.next())
    backend.ejectReason = finding.text
    backend.ejectedSlow = finding.cause === 'slow'
    backend.traffic!.forget()
    this.#judge(backend, nowMs, ejectedText(lengthMs, finding.text))
    this.#board.ejected(backend.index, nowMs)
    // Is it gone, or only wrong? If a probe fails too it is down, and back as soon as probes pass.
    if (backend.health !== null) this.#health(backend, { kind: 'suspected' }, nowMs)
  }

  #scope(): EjectionScope {
    return {
      ejectedMax: this.plan.outlierDetection!.ejectedMax,
      total: this.#serving,
      elsewhere: this.elsewhere(),
      inPlay: this.#inPlay,
      ejected: this.#ejected,
      available: this.available,
      floor: this.plan.minAvailable,
    }
  }

  /** Ejection never takes the pool below its floor, also not with the help of checks or people. */
  #callBack(nowMs: number): void {
    const floor = Math.max(1, this.plan.minAvailable)
    if (this.available >= floor || this.#ejected === 0 || this.elsewhere()) return
    while (this.available < floor && this.#ejected > 0) {
      let best: BackendHealth | null = null
      for (const backend of this.#backends) {
        if ((backend.counted & COUNTED.ejected) === 0) continue
        if (best === null || backend.breaker.untilMs < best.breaker.untilMs) best = backend
      }
      best!.breaker.close(nowMs)
      best!.traffic?.forget()
      this.#ramp(best!, nowMs)
      this.#judge(best!, nowMs, `called back: fewer than ${floor} other backends are available`)
    }
  }

  /** Tells the health checks whether to hurry. */
  #pace(nowMs: number): void {
    const urgent = this.available === 0
    if (urgent === this.#urgent) return
    this.#urgent = urgent
    for (const backend of this.#backends) {
      if (backend.health !== null) this.#health(backend, { kind: 'urgent', urgent }, nowMs)
    }
  }
}
