// The page that Prometheus scrapes. Our own families are written straight from the shared memory, in
// short slices, so that a park of thousands of backends doesn't stop the control plane for the
// length of a scrape; the process's own metrics come from the client library.

import { Registry, collectDefaultMetrics } from 'prom-client'
import type { Plan } from '../core/plan.ts'
import type { PoolStatus, Transition } from '../core/status.ts'
import { alertFamilies } from './alert-families.ts'
import type { TransitionCount } from './backend-families.ts'
import { backendFamilies } from './backend-families.ts'
import { configFamilies } from './config-families.ts'
import { discoveryFamilies, sourcesOf } from './discovery-families.ts'
import { failoverFamilies } from './failover-families.ts'
import type { MetricsSource } from './metric-families.ts'
import { listenerFamilies, poolFamilies, processFamilies } from './metric-families.ts'
import type { Family } from './metric-family.ts'
import { label } from './metric-family.ts'
import type { SiteSubject } from './site-families.ts'
import { siteFamilies } from './site-families.ts'

/** How long a scrape may keep the thread before others have their turn. */
const SLICE_MS = 5
/** Subjects between two looks at the clock. */
const SLICE_SUBJECTS = 64

export class Metrics {
  readonly #registry = new Registry()
  readonly #source: MetricsSource
  #running: Promise<Buffer> | null = null

  constructor(source: MetricsSource) {
    this.#source = source
    collectDefaultMetrics({ register: this.#registry })
  }

  /** For the `content-type` of the answer. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** Everything in the text exposition format. Scrapes that overlap share one page. */
  scrape(): Promise<Buffer> {
    this.#running ??= this.#render().finally(() => {
      this.#running = null
    })
    return this.#running
  }

  async #render(): Promise<Buffer> {
    const source = this.#source
    const { table } = source
    // Of one moment: a reload may come between two slices.
    const plan = source.plan()
    const status = source.status()
    source.transitions.keep(plan)
    source.moves.keep(plan)
    const page = new Page()
    await page.add(processFamilies, [{ source }])
    await page.add(configFamilies, [source.config()])
    await page.add(alertFamilies, [source.alerts()])
    const listeners = plan.listeners.map(({ name, slot }) => ({
      table,
      labels: label('listener', name),
      base: table.listenerBase(slot),
    }))
    await page.add(listenerFamilies, listeners)
    await page.add(poolFamilies, this.#pools(plan, status))
    await page.add(failoverFamilies, this.#movable(status))
    await page.add(siteFamilies, sitesOf(status))
    await page.add(discoveryFamilies, sourcesOf(status))
    await page.add(backendFamilies, this.#backends(plan, status))
    page.write(await this.#registry.metrics())
    return page.bytes()
  }

  #pools(plan: Plan, status: readonly PoolStatus[]) {
    const { table } = this.#source
    return plan.pools.map(({ name, slot }, i) => ({
      table,
      labels: label('pool', name),
      base: table.poolBase(slot),
      status: status[i]!,
    }))
  }

  #movable(status: readonly PoolStatus[]) {
    return status.flatMap(({ name, failover }) =>
      failover === null
        ? []
        : [{ labels: label('pool', name), status: failover, moves: this.#source.moves.of(name) }],
    )
  }

  #backends(plan: Plan, status: readonly PoolStatus[]) {
    const { table } = this.#source
    return plan.pools.flatMap((pool, i) =>
      pool.backends.map(({ name, slot }, j) => ({
        table,
        labels: `${label('pool', pool.name)},${label('backend', name)}`,
        base: table.backendBase(slot),
        status: status[i]!.backends[j]!,
        transitions: this.#source.transitions.of(pool.name, name),
      })),
    )
  }
}

function sitesOf(pools: readonly PoolStatus[]): SiteSubject[] {
  return pools.flatMap(({ name: pool, sites }) =>
    sites.map((status) => {
      return { labels: `${label('pool', pool)},${label('site', status.name)}`, status }
    }),
  )
}

/** The page as it grows. */
class Page {
  readonly #chunks: Buffer[] = []
  #text = ''
  #sliceEndMs = performance.now() + SLICE_MS

  async add<S>(families: readonly Family<S>[], subjects: readonly S[]): Promise<void> {
    for (const family of families) {
      const { name, type, help } = family
      this.write(`# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`)
      const emit = (labels: string, value: number, suffix = ''): void => {
        this.#text += `${name}${suffix}${labels === '' ? '' : `{${labels}}`} ${value}\n`
      }
      for (let i = 0; i < subjects.length; i++) {
        family.read(subjects[i]!, emit)
        if (i % SLICE_SUBJECTS === SLICE_SUBJECTS - 1) await this.#breathe()
      }
      this.write('\n')
    }
  }

  write(text: string): void {
    this.#text += text
  }

  bytes(): Buffer {
    this.#cut()
    return Buffer.concat(this.#chunks)
  }

  // A long text of many pieces is put together only when it is read: piece by piece is better.
  #cut(): void {
    this.#chunks.push(Buffer.from(this.#text, 'utf8'))
    this.#text = ''
  }

  async #breathe(): Promise<void> {
    if (performance.now() < this.#sliceEndMs) return
    this.#cut()
    await new Promise((resolve) => {
      setImmediate(resolve)
    })
    this.#sliceEndMs = performance.now() + SLICE_MS
  }
}

/** Counts changes of availability for `evenkeel_backend_transitions_total`. */
export class TransitionCounter {
  readonly #counts = new Map<string, { to: string; count: number }[]>()

  add({ pool, backend, to }: Transition): void {
    const key = `${pool}\n${backend}`
    const counts = this.#counts.get(key)
    const entry = counts?.find((one) => one.to === to)
    if (entry !== undefined) entry.count++
    else if (counts === undefined) this.#counts.set(key, [{ to, count: 1 }])
    else counts.push({ to, count: 1 })
  }

  /** Forgets the backends that are not in the plan any more. */
  keep({ pools }: Plan): void {
    const present = new Set(
      pools.flatMap((pool) => pool.backends.map(({ name }) => `${pool.name}\n${name}`)),
    )
    for (const key of this.#counts.keys()) if (!present.has(key)) this.#counts.delete(key)
  }

  /** Those of one backend. */
  of(pool: string, backend: string): readonly TransitionCount[] {
    return this.#counts.get(`${pool}\n${backend}`) ?? []
  }
}
