// An operator's words about backends, before the control plane takes them: whom they are about, and
// whether the pool can do without. Changes nothing.

import {
  decidedElsewhere,
  lastActive,
  noBackend,
  noPool,
  tooFew,
  type Refusal,
} from '../core/override-refusal.ts'
import type { PoolHealth } from '../core/pool-health.ts'
import type { FailoverDriver } from './failover-driver.ts'

export interface FoundBackends {
  readonly ok: true
  readonly health: PoolHealth
  /** Positions in the pool. */
  readonly indexes: readonly number[]
}

/** The pool and its backends that are called so. */
export function findBackends(
  pools: readonly PoolHealth[],
  pool: string,
  backends: readonly string[],
): FoundBackends | Refusal {
  const health = pools.find(({ plan }) => plan.name === pool)
  if (health === undefined) {
    const names = pools.map(({ plan }) => plan.name)
    return noPool(pool, names)
  }
  const names = health.plan.backends.map(({ name }) => name)
  const unknown = backends.find((name) => !names.includes(name))
  if (unknown !== undefined) return noBackend(pool, unknown, names)
  return { ok: true, health, indexes: backends.map((name) => names.indexOf(name)) }
}

/** Why the pool can't do without these; `null` if it can. */
export function refuseLoss(
  { health, indexes }: FoundBackends,
  driver: FailoverDriver | null,
  nowMs: number,
): Refusal | null {
  const { name, backends } = health.plan
  if (driver !== null && !driver.state.leads) {
    const { active, members } = driver.state
    // The others would not follow: here alone nobody would be served.
    if (indexes.includes(active) && members[active]!.fit) {
      return decidedElsewhere(name, backends[active]!.name)
    }
  }
  const active = indexes.find((one) => driver !== null && !driver.mayLose(one, indexes))
  if (driver !== null && active !== undefined) {
    const { failover } = driver.status(health.status(nowMs), nowMs)
    return lastActive(name, backends[active]!.name, failover?.standbys ?? [])
  }
  const shortage = health.shortageWithout(indexes, nowMs)
  return shortage === null ? null : tooFew(name, shortage)
}
