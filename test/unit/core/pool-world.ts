// A pool with its shared memory and nothing else, for tests of pool and balancers.

import type { BalanceKind, PoolPlan } from '../../../src/core/plan.ts'
import { Pool } from '../../../src/core/pool.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { BACKEND, SharedTable } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from '../../../src/core/snapshot.ts'

export interface WorldOptions {
  readonly weights: readonly number[]
  readonly balance?: BalanceKind
  readonly threads?: number
  /** 0 is no limit. */
  readonly perBackend?: number
  readonly seed?: number
}

export function poolPlan(options: WorldOptions): PoolPlan {
  return {
    name: 'web',
    index: 0,
    slot: 0,
    mode: 'active-active',
    balance: options.balance ?? 'round-robin',
    backends: options.weights.map((weight, slot) => ({
      name: `b${slot}`,
      slot,
      address: { kind: 'tcp', host: '127.0.0.1', port: 1 + (slot % 65_535) },
      weight,
      zone: null,
      site: -1,
    })),
    sites: [],
    failover: null,
    replicasOf: -1,
    healthCheck: null,
    outlierDetection: null,
    minAvailable: 1,
    slowStart: { durationMs: 0, from: 1 },
    panic: 'refuse',
    retry: null,
    timeouts: {
      connectMs: 1_000,
      responseMs: 30_000,
      totalMs: 60_000,
      idleMs: 300_000,
      tunnelIdleMs: 3_600_000,
      queueMs: 5_000,
    },
    limits: {
      perBackend: options.perBackend ?? 0,
      queue: 1_000,
      connections: { idleMax: 10, idleMs: 4_000, ageMs: 300_000, requestsMax: 10_000 },
    },
    objective: { rtoMs: null, availability: null },
  }
}

/** A snapshot in which the backends of `up` are eligible with these weights. */
export function snapshot(
  weights: readonly number[],
  up: readonly boolean[] = weights.map(() => true),
): PoolSnapshot {
  return {
    pool: 0,
    eligibility: Uint8Array.from(up, (yes) => (yes ? ELIGIBILITY.yes : ELIGIBILITY.no)),
    weight: Float64Array.from(weights),
    probationThread: new Int8Array(weights.length).fill(-1),
    halfAvailable: true,
    epoch: 0,
    holdUntilMs: 0,
  }
}

export class PoolWorld {
  readonly table: SharedTable
  /** One per thread. */
  readonly pools: readonly Pool[]

  constructor(options: WorldOptions) {
    const plan = poolPlan(options)
    const threads = options.threads ?? 1
    this.table = SharedTable.allocate({
      threads,
      listeners: 0,
      pools: 1,
      slots: options.weights.length,
    })
    this.pools = Array.from(
      { length: threads },
      (_, thread) => new Pool(plan, this.table, thread, seededRandom((options.seed ?? 1) + thread)),
    )
    this.apply(snapshot(options.weights))
  }

  get pool(): Pool {
    return this.pools[0]!
  }

  apply(snapshot: PoolSnapshot): void {
    for (const pool of this.pools) pool.apply(snapshot)
  }

  /** Sets attempts in progress on a backend, as if a thread had them. */
  setInFlight(index: number, count: number, thread = 0): void {
    const { base } = this.pool.backends[index]!
    this.table.rows[thread]![base + BACKEND.inFlight] = count
  }

  /** Counts attempts that have ended. */
  countEnded(index: number, successes: number, failures: number, thread = 0): void {
    const { base } = this.pool.backends[index]!
    const row = this.table.rows[thread]!
    row[base + BACKEND.successes]! += successes
    row[base + BACKEND.failures]! += failures
    row[base + BACKEND.attempts]! += successes + failures
  }
}
