// What the rules of alerts look at, from where it lies: the counters of the data threads, the right
// to send, and the certificates of the configuration.

import { X509Certificate } from 'node:crypto'
import type { AlertsPlan } from '../core/alert-contract.ts'
import type { CertificateFacts, PoolTraffic } from '../core/alert-rules.ts'
import { CounterSum, CounterWindow, quantileOf } from '../core/alert-traffic.ts'
import type { Plan, PoolPlan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import {
  BACKEND,
  CONTROL_POOL,
  LATENCY_BOUNDS_S,
  LATENCY_BUCKETS,
  POOL,
} from '../core/shared-layout.ts'

const BOUNDS_MS = LATENCY_BOUNDS_S.map((bound) => bound * 1_000)

/** Traffic of pools under the two rules that measure. */
export class AlertTraffic {
  readonly #table: SharedTable
  readonly #windows = new Map<string, CounterWindow>()
  /** Answers of each pool, whichever backends gave them. */
  readonly #sums = new Map<string, CounterSum>()

  constructor(table: SharedTable) {
    this.#table = table
  }

  /** Takes the counters of all pools; the answers hold until the next look. */
  look({ pools }: Plan, alerts: AlertsPlan, nowMs: number): Map<string, PoolTraffic> {
    const found = new Map<string, PoolTraffic>()
    const seen = new Set<string>()
    const { errorRate, latency } = alerts.rules
    for (const pool of pools) {
      if (errorRate !== undefined) {
        const [requests, failures] = this.#grown(
          `errorRate ${pool.name}`,
          errorRate.windowMs,
          this.#outcomes(pool),
          { nowMs, seen },
        ) as [number, number]
        found.set(`errorRate ${pool.name}`, { requests, failures, latencyMs: null })
      }
      if (latency !== undefined) {
        const key = `latency ${pool.name}`
        const counts = this.#grown(key, latency.windowMs, this.#answers(key, pool), { nowMs, seen })
        const requests = counts.reduce((sum, count) => sum + count, 0)
        const latencyMs = quantileOf(counts, BOUNDS_MS, latency.quantile)
        found.set(key, { requests, failures: 0, latencyMs })
      }
    }
    for (const key of this.#windows.keys()) if (!seen.has(key)) this.#windows.delete(key)
    for (const key of this.#sums.keys()) if (!seen.has(key)) this.#sums.delete(key)
    return found
  }

  #grown(
    key: string,
    windowMs: number,
    counts: readonly number[],
    { nowMs, seen }: { readonly nowMs: number; readonly seen: Set<string> },
  ): readonly number[] {
    seen.add(key)
    let window = this.#windows.get(key)
    if (window?.windowMs !== windowMs) {
      window = new CounterWindow(windowMs)
      this.#windows.set(key, window)
    }
    return window.grown(counts, nowMs)
  }

  #outcomes({ slot }: PoolPlan): readonly number[] {
    const base = this.#table.poolBase(slot)
    return [POOL.requests, POOL.failed].map((cell) => this.#table.sum(base + cell))
  }

  #answers(key: string, { backends }: PoolPlan): readonly number[] {
    const table = this.#table
    let sum = this.#sums.get(key)
    if (sum === undefined) this.#sums.set(key, (sum = new CounterSum(LATENCY_BUCKETS)))
    const now = backends.map(({ slot }): [slot: number, counts: readonly number[]] => {
      const base = table.backendBase(slot) + BACKEND.response
      return [slot, Array.from({ length: LATENCY_BUCKETS }, (_, i) => table.sum(base + i))]
    })
    return sum.take(new Map(now))
  }
}

/** Pools that need the right to send and have it no more. */
export function lapsedPools({ pools }: Plan, table: SharedTable, nowMs: number): Set<string> {
  const lapsed = pools.filter(({ slot, failover }) => {
    if (failover?.agreement !== 'etcd') return false
    return table.control[table.controlPoolBase(slot) + CONTROL_POOL.sendUntilMs]! <= nowMs
  })
  return new Set(lapsed.map(({ name }) => name))
}

/** The certificates that Evenkeel itself was given; of a chain the first that ends. */
export function certificatesOf({ admin, cluster }: Plan): readonly CertificateFacts[] {
  const texts: (readonly [name: string, pem: string | null | undefined])[] = [
    ['admin.tls.cert', admin?.tls?.cert],
    ['admin.tls.clientCa', admin?.tls?.clientCa],
    ['cluster.etcd.tls.cert', cluster?.etcd.tls?.cert],
    ['cluster.etcd.tls.ca', cluster?.etcd.tls?.ca],
  ]
  return texts.flatMap(([name, pem]) => {
    const ends = endsOf(pem ?? '')
    const endsAt = Math.min(...ends)
    if (ends.length === 0) return []
    return [{ name, endsAt, endsOn: new Date(endsAt).toISOString().slice(0, 10) }]
  })
}

function endsOf(pem: string): number[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  return blocks.flatMap((block) => {
    try {
      const end = Date.parse(new X509Certificate(block).validTo)
      return Number.isNaN(end) ? [] : [end]
    } catch {
      // What is no certificate has been refused where it is used.
      return []
    }
  })
}
