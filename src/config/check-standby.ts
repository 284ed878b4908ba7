// What an active-standby pool's other keys mean when one backend alone serves: some nothing, some
// the opposite of what the mode is for.

import type { PoolPlan, RuntimePlan, SitePlan } from '../core/plan.ts'
import { tellsLag } from '../core/roles.ts'
import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import type { Scope } from './scope.ts'
import { formatDuration } from './units.ts'

/** Checks one active-standby pool; `scope.path` is its path. */
export function checkStandby(pool: PoolPlan, { path, source, findings }: Scope): void {
  const at = (...keys: string[]): Path => [...path, ...keys]
  if (pool.backends.length === 1) {
    findings.warning(
      at('backends'),
      'there is one backend only: nothing to fail over to',
      'add the standby, or write mode: active-active',
      { on: 'key' },
    )
  }
  if (pool.healthCheck === null) {
    findings.error(
      source.has(at('healthCheck')) ? at('healthCheck') : at('mode'),
      'active-standby needs a health check: nothing would notice that the active is lost, or that a standby is ready',
      'add a healthCheck, such as healthCheck: { tcp: {} }',
    )
  }
  if (pool.panic === 'serve') {
    findings.error(
      at('panic'),
      'serve would send to every backend at once, which active-standby is there to prevent',
      'remove it; failover: { allDown: any } takes whoever is ready',
    )
  }
  if (source.has(at('minAvailable'))) {
    findings.warning(
      at('minAvailable'),
      'has no effect: in an active-standby pool one backend serves',
      'remove it',
      { on: 'key' },
    )
  }
  checkHolding(pool, { path, source, findings })
}

// Held requests wait in the pool's queue, within its limits.
function checkHolding(pool: PoolPlan, { path, source, findings }: Scope): void {
  const { failover, timeouts, limits } = pool
  const pause = [...path, 'failover', 'pauseMax']
  if (failover === null || failover.pauseMaxMs === 0) return
  if (limits.queue === 0) {
    findings.warning(
      [...path, 'limits', 'queue'],
      '0 means that no request is held during a move, and all are refused',
      'raise it, or write failover: { pauseMax: 0 }',
    )
  } else if (source.has(pause) && failover.pauseMaxMs > timeouts.queueMs) {
    const queue = [...path, 'timeouts', 'queue']
    findings.warning(
      pause,
      `${formatDuration(failover.pauseMaxMs)} is longer than any request waits (timeouts.queue ${formatDuration(timeouts.queueMs)})`,
      'raise timeouts.queue, or lower pauseMax',
      source.has(queue) ? { other: queue } : {},
    )
  }
}

/**
 * What only shows once the listeners are known.
 * @param hasReaders some listener or route leads to the pool's replicas
 */
export function checkReading(
  pool: PoolPlan,
  hasReaders: boolean,
  source: Source,
  findings: Findings,
): void {
  const path: Path = ['pools', pool.name]
  const lag = [...path, 'failover', 'replicaLag']
  if (hasReaders) {
    const check = pool.healthCheck?.check
    if (source.has(lag) && check !== undefined && !tellsLag(check)) {
      findings.error(
        lag,
        `a ${check.kind} check does not tell how far a replica is behind`,
        check.kind === 'http'
          ? 'let the server judge: healthCheck: { http: { replica: "/replica?lag=10MB" } }'
          : 'use a check that does: redis, postgres or mysql',
        { on: 'key', other: [...path, 'healthCheck'] },
      )
    }
    return
  }
  const unread = 'as no listener or route with role: replica reads from the standbys'
  if (source.has(lag)) {
    findings.warning(lag, `has no effect, ${unread}`, 'add role: replica there, or remove it', {
      on: 'key',
    })
  }
  if (source.has([...path, 'balance'])) {
    findings.warning(
      [...path, 'balance'],
      `has no effect: one backend serves, and ${unread.slice(3)}`,
      'remove it, or write mode: active-active',
      { on: 'key' },
    )
  }
  for (const { name, weight } of pool.backends) {
    const place = [...path, 'backends', name, 'weight']
    if (weight === 0 || !source.has(place)) continue
    findings.warning(
      place,
      'has no effect in an active-standby pool: the order of the backends counts',
      'remove it',
      { on: 'key' },
    )
  }
}

/** Who is active has to be remembered somewhere. */
export function checkMemory(
  pools: readonly PoolPlan[],
  runtime: RuntimePlan,
  source: Source,
  findings: Findings,
): void {
  const pool = pools.find(({ mode, sites }) => mode === 'active-standby' || sites.some(isPromoted))
  if (pool === undefined || runtime.stateDir !== null) return
  const key = pool.mode === 'active-active' ? 'sites' : 'mode'
  findings.warning(
    ['pools', pool.name, source.has(['pools', pool.name, key]) ? key : 'failover'],
    'who is active, and whether it is frozen, is forgotten at each restart',
    'add runtime: { stateDir: /var/lib/evenkeel }',
  )
}

/** A site that is not served from unless it was made ready for that. */
function isPromoted({ kind }: SitePlan): boolean {
  return kind === 'warm' || kind === 'cold'
}
