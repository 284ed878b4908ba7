// The Prometheus registry. It holds no numbers: at a scrape it reads the families of
// `metric-families.ts`, and the process's own metrics come from the client library.

import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Metric } from 'prom-client'
import type { Transition } from '../core/status.ts'
import type { Family, MetricsSource, Scrape, TransitionCount } from './metric-families.ts'
import { FAMILIES } from './metric-families.ts'

export class Metrics {
  readonly #registry = new Registry()
  #scrape: Scrape | null = null
  #source: MetricsSource

  constructor(source: MetricsSource) {
    this.#source = source
    for (const family of FAMILIES) this.#registry.registerMetric(this.#adapt(family))
    collectDefaultMetrics({ register: this.#registry })
  }

  /** For the `content-type` of the answer. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** Everything in the text exposition format. */
  async scrape(): Promise<string> {
    this.#scrape = { source: this.#source, status: this.#source.status() }
    return this.#registry.metrics()
  }

  // The library takes anything with this shape; its types know only its own classes.
  #adapt(family: Family): Metric {
    const { name, type, help } = family
    const get = () => ({
      name,
      type,
      help,
      aggregator: 'sum',
      values: family.read(this.#scrape!),
    })
    return { name, type, help, get, reset() {} } as unknown as Metric
  }
}

/** Counts changes of availability for `evenkeel_backend_transitions_total`. */
export class TransitionCounter {
  readonly #counts = new Map<
    string,
    { -readonly [K in keyof TransitionCount]: TransitionCount[K] }
  >()

  add({ pool, backend, to }: Transition): void {
    const key = `${pool}\n${backend}\n${to}`
    const entry = this.#counts.get(key)
    if (entry === undefined) this.#counts.set(key, { pool, backend, to, count: 1 })
    else entry.count++
  }

  counts(): readonly TransitionCount[] {
    return [...this.#counts.values()]
  }
}
