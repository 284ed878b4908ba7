// Where the kept exchanges of all data threads meet: the ring that is asked afterwards, and the way
// to a collector.

import { randomUUID } from 'node:crypto'
import type { TraceSource } from '../admin/trace-routes.ts'
import type { OtlpPlan, TracingPlan } from '../core/plan.ts'
import { seededRandom } from '../core/random.ts'
import type { TraceRecord } from '../core/trace.ts'
import type { Log } from '../observe/log.ts'
import { OtlpExporter } from '../observe/otlp-exporter.ts'
import { TraceRing } from '../observe/trace-ring.ts'
import type { DataPlanes } from './data-planes.ts'
import { packageVersion } from './version.ts'

/** Those who send traces, and are told how many have arrived. */
type Senders = Pick<DataPlanes, 'send'>

interface Export {
  readonly key: string
  readonly exporter: OtlpExporter
}

export class Traces implements TraceSource {
  readonly #log: Log
  readonly #senders: () => Senders
  readonly #instance = randomUUID()
  #ring: TraceRing | null = null
  #export: Export | null = null
  /** Exporters of earlier plans, with what they have still to send. */
  readonly #leaving = new Set<OtlpExporter>()
  #past = { exported: 0, dropped: 0 }

  constructor(plan: TracingPlan | null, log: Log, senders: () => Senders) {
    this.#log = log
    this.#senders = senders
    this.follow(plan)
  }

  /** `null`: switched off. */
  get ring(): TraceRing | null {
    return this.#ring
  }

  /** What became of those that were to go to a collector. */
  get spans(): { readonly exported: number; readonly dropped: number } {
    const sum = { ...this.#past }
    for (const one of [
      ...this.#leaving,
      ...(this.#export === null ? [] : [this.#export.exporter]),
    ]) {
      sum.exported += one.exported
      sum.dropped += one.dropped
    }
    return sum
  }

  /** Goes on by another plan; what is kept stays as far as there is room. */
  follow(plan: TracingPlan | null): void {
    if (plan === null) this.#ring = null
    else if (this.#ring === null) this.#ring = new TraceRing(plan.ring)
    else this.#ring.resize(plan.ring)
    const otlp = plan?.otlp ?? null
    const key = JSON.stringify(otlp)
    if ((this.#export?.key ?? 'null') === key) return
    if (this.#export !== null) void this.#leave(this.#export.exporter)
    this.#export = otlp === null ? null : { key, exporter: this.#make(otlp) }
  }

  /** Takes those of a data thread. */
  take(thread: number, traces: readonly TraceRecord[]): void {
    for (const trace of traces) {
      this.#ring?.add(trace)
      this.#export?.exporter.add(trace)
    }
    this.#senders().send(thread, { kind: 'traces-taken', count: traces.length })
  }

  /** Sends what is left, within a second. */
  async close(): Promise<void> {
    await this.#export?.exporter.close()
  }

  #make(plan: OtlpPlan): OtlpExporter {
    return new OtlpExporter({
      plan,
      version: packageVersion(),
      instance: this.#instance,
      random: seededRandom(Math.floor(Math.random() * 2 ** 31)),
      failed: (cause) => this.#log.warn('the collector takes no spans', { cause }),
      recovered: () => this.#log.info('the collector takes spans again'),
    })
  }

  async #leave(exporter: OtlpExporter): Promise<void> {
    this.#leaving.add(exporter)
    await exporter.close()
    this.#leaving.delete(exporter)
    this.#past.exported += exporter.exported
    this.#past.dropped += exporter.dropped
  }
}
