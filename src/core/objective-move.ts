// The second half of an objective: from the verdict that the active is lost to the first byte that
// another backend may get. The steps are those of core/switchover.ts, each at its longest.
// Pure.

import { inWords, PACE, type ObjectiveStep, type Unbounded } from './objective-detection.ts'
import type { BackendPlan, FailoverPlan, HookPlan, PoolPlan } from './plan.ts'
import type { HealthCheckPlan } from './check-plan.ts'
import { asksRole } from './roles.ts'

/** What a state file, and a transaction of etcd, are given; a slower one adds to the figure. */
export const STORE_MS = { file: 50, etcd: 250 } as const

/**
 * The steps of an automatic move away from a lost active; none for a pool whose other backends serve
 * already.
 * @param remembers a state file is written
 */
export function moveSteps(pool: PoolPlan, remembers: boolean): ObjectiveStep[] {
  const { failover } = pool
  if (failover === null || tiers(pool) < 2) return []
  const steps: ObjectiveStep[] = []
  const add = (what: string, ms: number, how: string) => steps.push({ what, ms, how })
  const agrees = failover.agreement === 'etcd'
  const storeMs = (remembers ? STORE_MS.file : 0) + (agrees ? STORE_MS.etcd : 0)
  const store = agrees ? 'etcd' : 'the state file'
  if (isElected(failover)) {
    const { intervalMs, jitter, timeoutMs } = pool.healthCheck!
    const ms = intervalMs * (1 + jitter) + timeoutMs
    add('the new primary shows in its check', ms, 'interval and timeout of a probe')
  }
  if (agrees) add('a majority sees it', STORE_MS.etcd, 'votes go through etcd')
  if (storeMs > 0) add('the move is written down', storeMs, store)
  const stopMs = PACE.acknowledgeMs + PACE.superviseMs
  add(
    'the old one gets nothing more',
    stopMs,
    `a thread that doesn't say so within ${inWords(PACE.acknowledgeMs)} is ended`,
  )
  if (agrees) add('in all replicas', 2 * STORE_MS.etcd, 'told and answered through etcd')
  addHook(steps, 'it is fenced', failover.fence)
  addHook(steps, 'the standby is promoted', failover.promote)
  const proof = proveStep(failover, pool.healthCheck)
  if (proof !== null) steps.push(proof)
  if (storeMs > 0) add('the new active is written down', storeMs, store)
  add('our own loop', PACE.wakeMs, `${inWords(PACE.wakeMs)} to wake up`)
  return steps
}

function addHook(steps: ObjectiveStep[], what: string, hook: HookPlan | null): void {
  if (hook === null) return
  steps.push({ what, ms: hook.timeoutMs, how: `timeout of the hook ${inWords(hook.timeoutMs)}` })
}

/** A standby that its checks have watched needs no proof; a promoted one does. */
function proveStep(failover: FailoverPlan, check: HealthCheckPlan | null): ObjectiveStep | null {
  const what = 'it proves that it serves'
  const roles = check !== null && asksRole(check.check)
  if (failover.promote !== null || (roles && failover.elect === 'priority')) {
    return { what, ms: failover.proveMs, how: `proveWithin ${inWords(failover.proveMs)}` }
  }
  if (!roles) return null
  return { what, ms: check.timeoutMs, how: `a probe, timeout ${inWords(check.timeoutMs)}` }
}

/** Somebody else makes the new primary, and its check tells. */
function isElected(failover: FailoverPlan): boolean {
  return failover.elect === 'role' && failover.promote === null
}

/** Why nobody would take over; `null` if somebody would. */
export function nobodyTakesOver(pool: PoolPlan): Unbounded | null {
  const serving = pool.backends.filter(({ weight }) => weight > 0)
  if (serving.length < 2) return 'alone'
  if (pool.sites.length === 0) return null
  const first = Math.min(...serving.map(({ site }) => site))
  const others = pool.mode === 'active-standby' ? serving.slice(1) : serving
  const isOpen = (backend: BackendPlan) =>
    backend.site === first || pool.sites[backend.site]?.kind !== 'cold'
  return others.some(isOpen) ? null : 'cold'
}

/** Among how many the active moves: backends, or sites with all mirrors for one. */
function tiers(pool: PoolPlan): number {
  if (pool.mode === 'active-standby') return pool.backends.length
  const mirrors = pool.sites.filter(({ kind }) => kind === 'mirror').length
  return pool.sites.length - Math.max(0, mirrors - 1)
}
