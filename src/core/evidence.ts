// The evidence behind a backend's state: its last probes, what its traffic shows against the
// thresholds in force, how it came here, and what would change it. For people; nothing is decided.

import type { BackendHealth } from './backend-health.ts'
import { BREAKER } from './breaker.ts'
import type { ProbeVerdict } from './health.ts'
import type { PoolPlan } from './plan.ts'

/** Probes of a backend that are kept. */
const PROBES_KEPT = 10

export interface ProbeEvidence {
  /** Milliseconds since it ended. */
  readonly agoMs: number
  readonly verdict: ProbeVerdict
  /** What it saw. */
  readonly text: string
  readonly tookMs: number
  /** Asked for by doubt in live traffic, beside the schedule. */
  readonly suspicion: boolean
}

interface KeptProbe extends Omit<ProbeEvidence, 'agoMs'> {
  readonly atMs: number
}

/** The last probes of one backend. */
export class ProbeHistory {
  #probes: readonly KeptProbe[] = []

  add(probe: KeptProbe): void {
    this.#probes = [probe, ...this.#probes.slice(0, PROBES_KEPT - 1)]
  }

  /** Latest first. */
  told(nowMs: number): readonly ProbeEvidence[] {
    return this.#probes.map(({ atMs, verdict, text, tookMs, suspicion }) => {
      return { agoMs: nowMs - atMs, verdict, text, tookMs, suspicion }
    })
  }
}

/** What live traffic shows, and from where on it counts against the backend. */
export interface TrafficEvidence {
  /** Weighted failures in a row. */
  readonly streak: number
  readonly attempts: number
  readonly failures: number
  /** Length of the window that `attempts` and `failures` are counted over. */
  readonly windowMs: number
  readonly waiting: number
  /** Age of the oldest attempt that waits; `null` if none does. */
  readonly oldestWaitMs: number | null
  /** An attempt that waits longer counts as slow, or silent; `null`: no such rule in force. */
  readonly slowMs: number | null
  readonly silentMs: number | null
}

export interface BackendEvidence {
  /** Latest first. */
  readonly probes: readonly ProbeEvidence[]
  /** `null` until it has seen traffic. */
  readonly traffic: TrafficEvidence | null
  /** One sentence each: what has to happen for its state to change. */
  readonly next: readonly string[]
}

export function backendEvidence(
  plan: PoolPlan,
  backend: BackendHealth,
  nowMs: number,
): BackendEvidence {
  const { traffic, thresholds } = backend
  const windowMs = plan.outlierDetection?.windowMs ?? 0
  const finite = (ms: number): number | null => (Number.isFinite(ms) ? ms : null)
  const seen =
    traffic === null
      ? null
      : {
          streak: traffic.streak,
          attempts: traffic.window.attempts(nowMs),
          failures: traffic.window.failures(nowMs),
          windowMs,
          waiting: traffic.waiting,
          oldestWaitMs: finite(nowMs - traffic.oldestWaitMs),
          slowMs: finite(thresholds.slowMs),
          silentMs: finite(thresholds.silentMs),
        }
  const next = [...nextOfChecks(plan, backend, nowMs), ...nextOfTraffic(plan, backend, nowMs)]
  const word = backend.admin === 'ready' ? [] : ["an operator's enable brings it back"]
  return { probes: backend.probes.told(nowMs), traffic: seen, next: [...word, ...next] }
}

function nextOfChecks({ healthCheck }: PoolPlan, backend: BackendHealth, nowMs: number): string[] {
  const { health } = backend
  if (health === null || healthCheck === null) return []
  const { rise, fall } = healthCheck
  const dueMs = Math.min(health.dueMs, health.suspicionDueMs)
  const when =
    dueMs === Infinity ? 'a probe runs now' : `the next probe is in ${span(dueMs - nowMs)}`
  if (health.health === 'up') {
    const left = fall - health.fails
    return [`${when}; ${left} failed ${probes(left)} in a row take it down`]
  }
  if (health.health === 'checking') return [`${when}; the first that passes brings it up`]
  const left = rise - health.passes
  return [`${when}; ${left} ${probes(left)} that pass in a row bring it up`]
}

function nextOfTraffic(plan: PoolPlan, backend: BackendHealth, nowMs: number): string[] {
  const { breaker, traffic } = backend
  const rules = plan.outlierDetection
  if (rules === null) return []
  if (breaker.state === BREAKER.open) {
    return [
      `its ejection ends in ${span(breaker.untilMs - nowMs)}; then one request at a time tries it`,
    ]
  }
  if (breaker.state === BREAKER.halfOpen) {
    const left = breaker.successesNeeded - breaker.successes
    return [
      `${left} more requests that succeed restore it; one that fails ejects it again, for longer`,
    ]
  }
  if (traffic === null) return []
  const left = rules.consecutiveFailures - traffic.streak
  const percent = Math.round(rules.failureRate * 100)
  return [
    `${left} more failures in a row eject it, or ${percent} % of at least ${rules.attemptsMin} within ${span(rules.windowMs)}`,
  ]
}

function probes(count: number): string {
  return count === 1 ? 'probe' : 'probes'
}

function span(ms: number): string {
  return ms < 1_000 ? `${Math.max(0, Math.round(ms))} ms` : `${(ms / 1_000).toFixed(1)} s`
}
