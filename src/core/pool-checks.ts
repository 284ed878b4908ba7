// The health checks of a pool's backends: what each one's machine hears, when it is asked out of turn,
// and what a probe said beside its verdict. Pure; core/health.ts holds the machine itself.

import type { BackendHealth } from './backend-health.ts'
import { BREAKER } from './breaker.ts'
import { reduceHealth, type HealthEvent, type ProbeVerdict } from './health.ts'
import { FRESH_MS, isQuiet, trafficFails } from './outlier.ts'
import type { PoolPlan } from './plan.ts'
import type { Random } from './random.ts'
import type { BackendRole, Lag } from './status.ts'
import type { BackendTraffic } from './traffic.ts'

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

/** What the checks have the pool do. */
export interface CheckHands {
  probe(index: number, timeoutMs: number, suspicion: boolean): void
  /** Its next deadline may be another one. */
  touched(index: number): void
  ramp(backend: BackendHealth, nowMs: number): void
  judge(backend: BackendHealth, nowMs: number, reason: string): void
}

export class PoolChecks {
  /** Backends that wait for their first verdict. */
  unjudged = 0
  /** Nobody serves: the checks hurry. */
  urgent = false
  readonly #random: Random
  readonly #hands: CheckHands

  constructor(random: Random, hands: CheckHands) {
    this.#random = random
    this.#hands = hands
  }

  /** Tells the machine of a backend, if it has one. */
  hear(plan: PoolPlan, backend: BackendHealth, event: HealthEvent, nowMs: number): void {
    const before = backend.health
    if (before === null) return
    const step = reduceHealth(plan.healthCheck!, before, event, nowMs, this.#random)
    backend.noteHealth(step.state, event.kind === 'probed' ? event.tookMs : 0, nowMs)
    this.#hands.touched(backend.index)
    for (const effect of step.effects) {
      if (effect.kind === 'probe') {
        this.#hands.probe(backend.index, effect.timeoutMs, effect.suspicion)
        continue
      }
      backend.healthReason = effect.reason
      if (effect.to === 'up' && before.health === 'down') {
        if (backend.breaker.state !== BREAKER.closed) backend.breaker.close(nowMs)
        backend.traffic?.forget()
        this.#hands.ramp(backend, nowMs)
      } else if (backend.isNew) this.#hands.ramp(backend, nowMs)
      backend.isNew = false
      this.#hands.judge(backend, nowMs, effect.reason)
    }
  }

  /** A probe ended. */
  probed(plan: PoolPlan, backend: BackendHealth, outcome: ProbeOutcome, nowMs: number): void {
    const { health, traffic, breaker } = backend
    if (health === null) return
    const { suspicion, stalled, text, tookMs } = outcome
    const verdict = stalled ? 'void' : outcome.verdict
    backend.probes.add({ atMs: nowMs, verdict, text, tookMs, suspicion })
    if (verdict !== 'void') backend.lastProbe = text
    // A probe that failed has not asked: it is doubt about the backend, not about its role.
    if (verdict === 'pass') {
      backend.role = outcome.role ?? null
      backend.lag = outcome.lag ?? null
    }
    // What was ejected while its probe ran has no traffic left that could fail.
    const gone = breaker.state === BREAKER.open && nowMs - breaker.sinceMs <= FRESH_MS
    const fails = gone || (traffic !== null && trafficFails(traffic, backend.thresholds, nowMs))
    const event = { verdict, tookMs, text, suspicion, stalled, trafficFails: fails }
    this.hear(plan, backend, { kind: 'probed', ...event }, nowMs)
    if (!health.judged && backend.health!.judged) this.unjudged--
  }

  /**
   * One attempt that waits in silence is no reason to eject, but to ask: at its onset, and then at
   * the pace of a backend in doubt. Threads report only what looks worse.
   */
  suspectQuiet(
    plan: PoolPlan,
    backend: BackendHealth,
    traffic: BackendTraffic,
    nowMs: number,
  ): void {
    const quiet = isQuiet(traffic, backend.thresholds, nowMs)
    backend.quietMs = quiet ? Math.min(backend.quietMs, traffic.oldestWaitMs) : Infinity
    if (!quiet) return
    if (nowMs - backend.health!.suspectedMs < plan.healthCheck!.fastIntervalMs) return
    this.hear(plan, backend, { kind: 'suspected' }, nowMs)
  }

  /** Has the checks hurry, or no longer. */
  pace(plan: PoolPlan, backends: readonly BackendHealth[], urgent: boolean, nowMs: number): void {
    if (urgent === this.urgent) return
    this.urgent = urgent
    for (const backend of backends) this.hear(plan, backend, { kind: 'urgent', urgent }, nowMs)
  }
}
