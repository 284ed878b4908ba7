// What a new plan means for the backends of a pool: who stays, who is new, who is gone, and what
// becomes of what is known of those who stay. A backend with the same slot is the same backend.

import { BackendHealth, type BackendSettings } from './backend-health.ts'
import { BREAKER } from './breaker.ts'
import { adoptHealth } from './health-adopt.ts'
import { initialHealth } from './health.ts'
import type { PoolPlan } from './plan.ts'
import { asksRole } from './roles.ts'

const WINDOW_DEFAULT_MS = 10_000
/** The active gets everything at once or nothing. */
const NO_SLOW_START = { durationMs: 0, from: 1 }
/** Where outlier detection is off, and so the breaker never opens. */
const BREAKER_DEFAULT = { ejectMs: 10_000, ejectMaxMs: 300_000, probationSuccesses: 3 }

export interface Matched {
  /** In the order of the plan. */
  readonly all: readonly BackendHealth[]
  readonly kept: readonly BackendHealth[]
  readonly fresh: readonly BackendHealth[]
  readonly gone: readonly BackendHealth[]
  /** Of those that are kept: position before → now. */
  readonly numbers: ReadonlyMap<number, number>
}

/** When something is done, and how. */
export interface Moment {
  readonly nowMs: number
  /** When a new backend is probed first, or an old one by another health check. */
  readonly soonMs: () => number
  /** The pool has nothing available: probes hurry. */
  readonly urgent: boolean
}

/** What holds for all backends of a pool. */
function settingsOf(plan: PoolPlan): BackendSettings {
  return {
    slowStart: plan.mode === 'active-standby' ? NO_SLOW_START : plan.slowStart,
    breaker: plan.outlierDetection ?? BREAKER_DEFAULT,
    responseMs: plan.timeouts.responseMs,
  }
}

/** How far back the rate of failures looks. */
export function windowMsOf({ outlierDetection }: PoolPlan): number {
  return outlierDetection?.windowMs ?? WINDOW_DEFAULT_MS
}

/** Gives the backends that stay their new plan and position, and makes those that are new. */
export function matchBackends(
  plan: PoolPlan,
  before: readonly BackendHealth[],
  { nowMs, soonMs, urgent }: Moment,
): Matched {
  const settings = settingsOf(plan)
  const left = new Map(before.map((backend) => [backend.plan.slot, backend]))
  const kept: BackendHealth[] = []
  const fresh: BackendHealth[] = []
  const numbers = new Map<number, number>()
  const all = plan.backends.map((own, index) => {
    const backend = left.get(own.slot)
    if (backend === undefined) {
      const health = plan.healthCheck === null ? null : { ...initialHealth(soonMs()), urgent }
      return fresh[fresh.push(new BackendHealth(own, index, health, settings, nowMs)) - 1]!
    }
    left.delete(own.slot)
    kept.push(backend)
    numbers.set(backend.index, index)
    backend.adopt(own, index, settings)
    return backend
  })
  return { all, kept, fresh, gone: [...left.values()], numbers }
}

/**
 * Carries over what is known of a backend that stays. Its verdict is to be taken anew.
 * @returns why it comes back, if it does; `null` if nothing of that kind happens
 */
export function carryOver(
  backend: BackendHealth,
  before: PoolPlan,
  plan: PoolPlan,
  { nowMs, soonMs, urgent }: Moment,
): string | null {
  const { health, breaker } = backend
  let comesBack: string | null = null
  const next = adoptHealth(health, before.healthCheck, plan.healthCheck, soonMs)
  backend.health = health === null && next !== null ? { ...next, urgent } : next
  if (health !== null && next === null) {
    backend.lastProbe = null
    backend.healthReason = ''
    backend.doubtMs = Infinity
    if (health.health !== 'up') comesBack = 'its pool has no health check any more'
  }
  if (plan.healthCheck === null || !asksRole(plan.healthCheck.check)) {
    backend.role = null
    backend.lag = null
  }
  if (plan.outlierDetection === null) {
    backend.spared = ''
    if (breaker.state !== BREAKER.closed) {
      breaker.close(nowMs)
      backend.traffic?.forget()
      comesBack ??= 'its pool has no outlier detection any more'
    }
  }
  if (windowMsOf(before) !== windowMsOf(plan)) backend.traffic?.resize(windowMsOf(plan))
  return comesBack
}
