// How long a pool is without a backend that serves, at worst, after one fails: computed from the
// plan, step by step, so that `evenkeel check` can say beforehand whether an objective can be met.
//
// Two answers for each kind of failure: what the checks alone guarantee, whatever the traffic, which
// is what an objective is held against; and how soon live traffic gives it away.
// Pure. Must never promise what the machines don't keep: tests run them against these figures.

import {
  blindness,
  byChecks,
  byTraffic,
  inWords,
  total,
  type FailureKind,
  type ObjectiveStep,
  type Unbounded,
} from './objective-detection.ts'
import { moveSteps, nobodyTakesOver } from './objective-move.ts'
import type { Plan, PoolPlan } from './plan.ts'

/** After its lease a replica that went silent is waited for this much longer. */
const LAPSE_GRACE_MS = 500

export interface FailureCase {
  readonly kind: FailureKind
  /** In words, for people. */
  readonly what: string
  /** Until the checks alone have found it; empty if they never do. */
  readonly detection: readonly ObjectiveStep[]
  /** Sum of `detection`; `null`: never. */
  readonly detectionMs: number | null
  /** From the first request that meets it, where live traffic gives it away sooner. */
  readonly traffic: readonly ObjectiveStep[]
  /** Sum of `traffic`; `null`: not sooner than the checks. */
  readonly trafficMs: number | null
  /** Why the checks never find it; `null` if they do. */
  readonly never: Unbounded | null
}

export interface ObjectiveReport {
  readonly pool: string
  readonly rtoMs: number | null
  readonly cases: readonly FailureCase[]
  /** From the verdict to the first byte that another backend may get; empty if others serve already. */
  readonly move: readonly ObjectiveStep[]
  readonly moveMs: number
  /** The kind of failure that takes longest. */
  readonly worst: FailureKind
  /** Its detection and the move; `null`: not bounded. */
  readonly worstMs: number | null
  /** Why it isn't bounded; `null` if it is. */
  readonly unbounded: Unbounded | null
  /** `null`: there is no `objective.rto`. */
  readonly met: boolean | null
  /** What the figures take for granted. */
  readonly assumes: readonly string[]
}

/** Every pool of a configuration, but for read sides: they only follow. */
export function assessObjectives(plan: Plan): ObjectiveReport[] {
  const remembers = plan.runtime.stateDir !== null
  const ttlMs = plan.cluster?.ttlMs ?? null
  return plan.pools
    .filter(({ replicasOf }) => replicasOf < 0)
    .map((pool) => assessObjective(pool, { tcp: onlyTcp(plan, pool), remembers, ttlMs }))
}

function onlyTcp({ listeners, pools }: Plan, pool: PoolPlan): boolean {
  const leadsHere = (index: number) =>
    index >= 0 && (index === pool.index || pools[index]?.replicasOf === pool.index)
  const users = listeners.filter(
    (listener) =>
      leadsHere(listener.pool) ||
      listener.routes.some(({ action }) => action.kind === 'pool' && leadsHere(action.pool)),
  )
  return users.length > 0 && users.every(({ protocol }) => protocol === 'tcp')
}

/** How a pool is used. */
export interface PoolUse {
  /** Only tcp listeners lead to it: nobody reads what flows through. */
  readonly tcp: boolean
  /** `runtime.stateDir` is given. */
  readonly remembers: boolean
  /** Lease of a replica; `null` without a cluster. */
  readonly ttlMs: number | null
}

/** Computes the worst case of a pool. */
export function assessObjective(pool: PoolPlan, use: PoolUse): ObjectiveReport {
  const cases = (['process', 'host', 'hung'] as const).map((kind) => failureCase(kind, pool, use))
  const move = moveSteps(pool, use.remembers)
  const moveMs = total(move)
  const worst = cases.reduce((one, other) => (spanOf(other) > spanOf(one) ? other : one))
  const unbounded = nobodyTakesOver(pool) ?? worst.never
  const worstMs = unbounded === null ? worst.detectionMs! + moveMs : null
  const { rtoMs } = pool.objective
  return {
    pool: pool.name,
    rtoMs,
    cases,
    move,
    moveMs,
    worst: worst.kind,
    worstMs,
    unbounded,
    met: rtoMs === null ? null : worstMs !== null && worstMs <= rtoMs,
    assumes: assumptions(pool, use),
  }
}

const words: Readonly<Record<FailureKind, string>> = {
  process: 'its process is gone',
  host: 'its host, or the way to it, is gone',
  hung: 'its process hangs',
}

function failureCase(kind: FailureKind, pool: PoolPlan, use: PoolUse): FailureCase {
  const { healthCheck } = pool
  const never = blindness(kind, healthCheck)
  const detection = never === null ? byChecks(kind, healthCheck!) : []
  const detectionMs = never === null ? total(detection) : null
  const traffic = healthCheck === null ? [] : byTraffic(kind, pool, healthCheck, use.tcp)
  const isSooner = traffic.length > 0 && total(traffic) < (detectionMs ?? Infinity)
  return {
    kind,
    what: words[kind],
    detection,
    detectionMs,
    traffic: isSooner ? traffic : [],
    trafficMs: isSooner ? total(traffic) : null,
    never,
  }
}

function spanOf({ detectionMs }: FailureCase): number {
  return detectionMs ?? Infinity
}

function assumptions(pool: PoolPlan, { ttlMs }: PoolUse): string[] {
  const { healthCheck: check, failover, mode } = pool
  const list = ['one backend fails at a time, and Evenkeel itself keeps its pace']
  if (check?.port != null) list.push(`what answers on port ${check.port} fails with the backend`)
  if (mode === 'active-standby' && failover !== null) {
    list.push(`a standby is ready: fit for ${inWords(failover.readyForMs)} without a break`)
    if (failover.elect === 'role' && failover.promote === null) {
      list.push('whoever promotes the new primary has done so by the time the old one is down')
    }
    if (failover.agreement === 'etcd' && ttlMs !== null) {
      const lapse = inWords(ttlMs + LAPSE_GRACE_MS)
      list.push(`no replica dies with it, whose right to send would be waited for (${lapse})`)
    }
  }
  return list
}
