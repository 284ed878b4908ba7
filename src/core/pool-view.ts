// A pool as others see it: what the data threads get, and what people are shown.

import { isAvailable } from './availability.ts'
import type { BackendHealth } from './backend-health.ts'
import type { Shortage } from './override-refusal.ts'
import type { PoolPlan } from './plan.ts'
import { BACKEND, LATENCY_BUCKETS, POOL, type SharedTable } from './shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from './snapshot.ts'
import type { PoolStatus, PoolTraffic } from './status.ts'

/** What holds for the pool as a whole. */
export interface PoolSums {
  /** Backends that take ordinary traffic. */
  readonly available: number
  /** Backends that config and operator want to serve. */
  readonly meant: number
  /** See `PoolSnapshot`. */
  readonly holdUntilMs: number
}

/** For the data threads. */
export function poolSnapshot(
  plan: PoolPlan,
  backends: readonly BackendHealth[],
  { available, meant, holdUntilMs }: PoolSums,
): PoolSnapshot {
  const eligibility = new Uint8Array(backends.length)
  const weight = new Float64Array(backends.length)
  const probationThread = new Int8Array(backends.length).fill(-1)
  const panic = available === 0 && plan.panic === 'serve'
  for (const backend of backends) {
    const { index } = backend
    const everyone = panic && backend.admin === 'ready' && backend.plan.weight > 0
    eligibility[index] = everyone ? ELIGIBILITY.yes : backend.eligibility
    weight[index] = everyone ? backend.plan.weight : backend.weight
    if (eligibility[index] === ELIGIBILITY.probation) probationThread[index] = backend.grant.thread
  }
  const halfAvailable = available > 0 && available * 2 >= meant
  return {
    pool: plan.index,
    eligibility,
    weight,
    probationThread,
    halfAvailable,
    epoch: 0,
    holdUntilMs,
  }
}

/** For people. */
export function poolStatus(
  plan: PoolPlan,
  backends: readonly BackendHealth[],
  table: SharedTable,
  available: number,
  nowMs: number,
): PoolStatus {
  return {
    name: plan.name,
    mode: plan.mode,
    balance: plan.balance,
    available,
    total: backends.length,
    minAvailable: plan.minAvailable,
    failover: null,
    sites: [],
    queued: table.sum(table.poolBase(plan.slot) + POOL.queued),
    traffic: poolTraffic(plan, backends, table),
    backends: backends.map((backend) => backend.status(table, nowMs)),
    removed: [],
  }
}

function poolTraffic(
  { slot }: PoolPlan,
  backends: readonly BackendHealth[],
  table: SharedTable,
): PoolTraffic {
  const base = table.poolBase(slot)
  const latency = Array.from({ length: LATENCY_BUCKETS }, (_, bucket) =>
    backends.reduce((sum, { plan }) => {
      return sum + table.sum(table.backendBase(plan.slot) + BACKEND.response + bucket)
    }, 0),
  )
  return {
    requests: table.sum(base + POOL.requests),
    failures: table.sum(base + POOL.failed),
    retries: table.sum(base + POOL.retries),
    latency,
  }
}

/**
 * What the pool would be left with without these backends; `null` if that is enough, or if it would
 * not miss them.
 */
export function shortageOf(
  { minAvailable }: PoolPlan,
  backends: readonly BackendHealth[],
  { available, elsewhere }: { readonly available: number; readonly elsewhere: boolean },
  indexes: readonly number[],
  nowMs: number,
): Shortage | null {
  const isOpen = ({ serves, availability }: BackendHealth) => serves && isAvailable(availability)
  const left = available - indexes.filter((index) => isOpen(backends[index]!)).length
  if (left === available || left >= minAvailable || elsewhere) return null
  const others = backends.filter((backend) => {
    return backend.serves && !isOpen(backend) && !indexes.includes(backend.index)
  })
  const out = others.map((other) => ({
    backend: other.plan.name,
    availability: other.availability,
    reason: other.explain(nowMs),
  }))
  return { left, minAvailable, out }
}
