// From the records of a ledger to a report: what was measured in a stretch of time, per pool and
// backend. Takes records in any order, each any number of times; what is written again replaces the
// older one. Pure; the figures are in report-figures.ts, the words in report-text.ts.

import type {
  ActionRecord,
  Counts,
  IncidentRecord,
  LedgerRecord,
  MoveRecord,
  SpanRecord,
  StartRecord,
  WindowRecord,
} from './ledger-contract.ts'
import { addCounts, NO_COUNTS } from './ledger-contract.ts'
import {
  budgetOf,
  metOf,
  quantileOf,
  recoveryOf,
  shareWithin,
  type ErrorBudget,
  type Outage,
  type Stretch,
} from './report-figures.ts'
import { PoolHistory } from './report-members.ts'
import {
  figuresOf,
  NO_OUTAGES,
  scaledCounts,
  scaledTimes,
  timesOf,
  type Figures,
  type Outages,
} from './report-parts.ts'

export interface BackendReport extends Figures {
  readonly name: string
}

export interface PoolReport extends Figures {
  readonly name: string
  readonly mode: string
  readonly objective: { readonly rtoMs: number | null; readonly availability: number | null }
  readonly metAvailability: boolean | null
  readonly budget: ErrorBudget | null
  readonly rto: {
    readonly p50Ms: number | null
    readonly maxMs: number | null
    readonly met: number
    readonly missed: number
  }
  readonly moves: Readonly<Record<string, number>>
  /** Those with the lowest availability first. */
  readonly backends: readonly BackendReport[]
}

export interface Report extends Stretch {
  /** Processes that ran, and what is known of the time before each. */
  readonly runs: readonly StartRecord[]
  /** Evenkeel did not run, or left no record. */
  readonly notRunningMs: number
  /** Time from hours that lie in the stretch only in part: their figures count in proportion. */
  readonly partialMs: number
  readonly pools: readonly PoolReport[]
  /** Worst first: by time without service, then by failed requests, then by length. */
  readonly incidents: readonly IncidentRecord[]
  readonly windows: readonly WindowRecord[]
  readonly actions: readonly ActionRecord[]
  /** Records that were too many to be written. */
  readonly leftOut: number
}

/** Actions listed in a report, the latest. */
const ACTIONS_MAX = 1_000

export class ReportFold {
  readonly #incidents = new Map<string, IncidentRecord>()
  readonly #windows = new Map<string, WindowRecord>()
  readonly #spans = new Map<string, SpanRecord>()
  readonly #starts = new Map<number, StartRecord>()
  readonly #moves = new Map<string, MoveRecord>()
  readonly #actions = new Map<string, ActionRecord>()
  readonly #pools = new Map<string, PoolHistory>()
  /** When the first span that is kept of each run began. */
  readonly #firstSpans = new Map<number, number>()

  add(record: LedgerRecord): void {
    switch (record.kind) {
      case 'incident':
        keepLatest(this.#incidents, record)
        break
      case 'window':
        keepLatest(this.#windows, record)
        break
      case 'span': {
        const key = `${record.run}/${record.n}`
        // Of an hour that was cut short there may be a draft.
        if (record.ms >= (this.#spans.get(key)?.ms ?? 0)) this.#spans.set(key, record)
        this.#firstSpans.set(
          record.run,
          Math.min(this.#firstSpans.get(record.run) ?? Infinity, record.at),
        )
        break
      }
      case 'start':
        this.#starts.set(record.run, record)
        break
      case 'move':
        this.#moves.set(`${record.pool}/${record.at}/${record.report.epoch}`, record)
        break
      case 'action': {
        const { at, verb, pool, backend, outcome } = record
        this.#actions.set(`${at}/${verb}/${pool}/${backend}/${outcome}`, record)
        break
      }
      case 'pool': {
        let history = this.#pools.get(record.pool)
        if (history === undefined) this.#pools.set(record.pool, (history = new PoolHistory()))
        history.add(record)
        break
      }
      case 'stop':
      case 'clock':
        break
    }
  }

  /** Since when somebody has watched; Infinity if nobody did. */
  get firstAt(): number {
    let first = Infinity
    for (const at of this.#firstSpans.values()) first = Math.min(first, at)
    for (const { run, at } of this.#starts.values()) {
      // Each file begins with the start of its process, which may be long before what is kept of it.
      if (!this.#firstSpans.has(run)) first = Math.min(first, at)
    }
    return first
  }

  incident(id: string): IncidentRecord | null {
    return this.#incidents.get(id) ?? null
  }

  /** The incidents of backends that belong to one of a pool. */
  members(id: string): IncidentRecord[] {
    return [...this.#incidents.values()].filter(({ parent }) => parent === id).sort(byTime)
  }

  /** Incidents that touch a stretch, the latest first. */
  incidents(stretch: Stretch, pool: string | null): IncidentRecord[] {
    return [...this.#incidents.values()]
      .filter((one) => (pool === null || one.pool === pool) && touches(one, stretch))
      .sort((a, b) => byTime(b, a))
  }

  /** What goes on, as far as is known. */
  open(): (IncidentRecord | WindowRecord)[] {
    return [...this.#incidents.values(), ...this.#windows.values()].filter(({ open }) => open)
  }

  /** Names of all pools it has heard of. */
  poolNames(): string[] {
    return [...this.#pools.keys()].sort()
  }

  /** @param asked what was asked for; nothing is known of the time before the first record */
  report(asked: Stretch, pool: string | null): Report {
    const since = Math.min(asked.until, Math.max(asked.since, this.firstAt))
    const stretch = { since, until: asked.until }
    const spans = [...this.#spans.values()].flatMap((span) => {
      const share = shareWithin(span.at, span.toAt, stretch)
      return share > 0 ? [{ span, share }] : []
    })
    const names = pool === null ? this.poolNames() : [pool]
    const outages = this.#outages(stretch)
    const incidents = this.incidents(stretch, pool)
    const ranMs = spans.reduce((sum, { span, share }) => sum + span.ms * share, 0)
    // The hour that goes on may end a moment after the stretch.
    const parts = spans.filter(({ share }) => share < 0.99)
    const partialMs = parts.reduce((sum, { span, share }) => sum + span.ms * share, 0)
    const inStretch = ({ at }: { at: number }) => at >= since && at < stretch.until
    return {
      ...stretch,
      runs: [...this.#starts.values()].filter(inStretch).sort(byTime),
      notRunningMs: Math.max(0, stretch.until - since - ranMs),
      partialMs,
      pools: names.flatMap((name) => {
        const known = this.#pools.get(name)
        if (known === undefined) return []
        const own = outages.get(name) ?? NOTHING_OUT
        return [this.#pool(known, { spans, outages: own, stretch })]
      }),
      incidents: incidents.sort(byWeight),
      windows: [...this.#windows.values()]
        .filter((one) => (pool === null || one.pool === pool) && touches(one, stretch))
        .sort(byTime),
      actions: [...this.#actions.values()]
        .filter((one) => inStretch(one) && (pool === null || (one.pool ?? pool) === pool))
        .sort(byTime)
        .slice(-ACTIONS_MAX),
      leftOut: spans.reduce((sum, { span }) => sum + span.leftOut, 0),
    }
  }

  #pool(history: PoolHistory, { spans, outages: all, stretch }: Material): PoolReport {
    const known = history.latest
    const name = known.pool
    // `constructor` may be the name of a pool, and every object has one.
    const parts = spans.filter(({ span }) => Object.hasOwn(span.pools, name))
    const own = parts.map(({ span, share }) => {
      const { times, counts } = span.pools[name]!
      return { times: scaledTimes(times, share), counts: scaledCounts(counts, share) }
    })
    const { outages, leftOut } = all.get(null) ?? NO_OUTAGES
    const figures = figuresOf(own, { outages, leftOut }, stretch)
    const { rtoMs, availability } = known
    const recoveries = outages.flatMap((outage) => recoveryOf(outage) ?? [])
    const verdicts = outages.map(metOf)
    const moves: Record<string, number> = {}
    for (const { pool, at, report } of this.#moves.values()) {
      if (pool !== name || at < stretch.since || at >= stretch.until) continue
      const kind = report.outcome === 'moved' ? report.kind : `${report.kind} ${report.outcome}`
      moves[kind] = (moves[kind] ?? 0) + 1
    }
    const { availability: measured } = figures
    const isJudged = availability !== null && measured !== null
    return {
      name,
      mode: known.mode,
      ...figures,
      objective: { rtoMs, availability },
      metAvailability: isJudged ? measured >= availability : null,
      budget: budgetOf(timesOf(figures), availability),
      rto: {
        p50Ms: quantileOf(recoveries, 0.5),
        maxMs: quantileOf(recoveries, 1),
        met: verdicts.filter((met) => met === true).length,
        missed: verdicts.filter((met) => met === false).length,
      },
      moves,
      backends: backendReports(history, { spans: parts, outages: all, stretch }),
    }
  }

  /** Outages that began in the stretch. */
  #outages(stretch: Stretch): ReadonlyMap<string, PoolOutages> {
    const found = new Map<string, Map<string | null, { outages: Outage[]; leftOut: number }>>()
    for (const incident of this.#incidents.values()) {
      const { pool, backend, at } = incident
      const own = found.get(pool) ?? new Map()
      found.set(pool, own)
      const known = own.get(backend) ?? { outages: [], leftOut: 0 }
      own.set(backend, known)
      // There may be very many: nothing is copied.
      known.outages.push(...outagesOf(incident, stretch))
      const isWithin = at >= stretch.since && at < stretch.until
      if (isWithin) known.leftOut += incident.outagesLeftOut
    }
    return found
  }
}

/** By backend; the pool's own under `null`. */
type PoolOutages = ReadonlyMap<string | null, Outages>

/** What a report of a pool is made from. */
interface Material {
  readonly spans: readonly Part[]
  readonly outages: PoolOutages
  readonly stretch: Stretch
}

const NOTHING_OUT: PoolOutages = new Map()

interface Part {
  readonly span: SpanRecord
  /** Of it, within the stretch. */
  readonly share: number
}

function backendReports(
  history: PoolHistory,
  { spans: parts, outages, stretch }: Material,
): BackendReport[] {
  const known = history.latest
  const name = known.pool
  const members = new Set(known.backends)
  for (const { span } of parts) {
    for (const backend of Object.keys(span.pools[name]!.backends)) members.add(backend)
  }
  const present = parts.map(({ span }) => history.membersAt(span.toAt))
  const reports = [...members].map((backend) => {
    const own = parts.flatMap(({ span, share }, i) => {
      const rows = span.pools[name]!.backends
      if (Object.hasOwn(rows, backend)) {
        const [up, down, maintenance, unknown, requests, failed] = rows[backend]!
        const times = scaledTimes([up, down, maintenance, unknown], share)
        const counts = scaledCounts({ ...NO_COUNTS, requests, failed }, share)
        return [{ times, counts }]
      }
      // Who isn't listed was up all the time, if it was there.
      if (!present[i]!.has(backend)) return []
      return [{ times: scaledTimes([span.ms, 0, 0, 0], share), counts: NO_COUNTS }]
    })
    const figures = figuresOf(own, outages.get(backend) ?? NO_OUTAGES, stretch)
    return Object.assign({ name: backend }, figures)
  })
  return reports.sort((a, b) => (a.availability ?? 1) - (b.availability ?? 1) || order(a, b))
}

function outagesOf(incident: IncidentRecord, { since, until }: Stretch): Outage[] {
  return incident.outages
    .filter(({ at }) => at >= since && at < until)
    .map((outage) =>
      Object.assign(
        { ...outage },
        {
          incident: incident.id,
          objectiveMs: incident.rtoMs,
          knownMs: incident.ms,
        },
      ),
    )
}

/** Time without service, as far as it is known: without that in which Evenkeel did not run. */
export function downtimeOf({ outages, leftOutMs, ms }: IncidentRecord): number {
  return outages.reduce((sum, { lostMs, backMs, gapMs }) => {
    return sum + Math.max(0, (backMs ?? ms) - lostMs - gapMs)
  }, leftOutMs)
}

/** All that was counted in it. */
export function countsOf({ stages }: IncidentRecord): Counts {
  return stages.reduce((sum, { counts }) => addCounts(sum, counts), NO_COUNTS)
}

function touches(
  { at, ms, open }: { at: number; ms: number; open: boolean },
  { since, until }: Stretch,
): boolean {
  return at < until && (open || at + ms >= since)
}

interface Revised {
  readonly id: string
  readonly rev: number
  readonly ms: number
}

/** Whether a record says more than what is known: of two drafts the longer one does. */
export function isNewer(record: Revised, known: Revised | undefined): boolean {
  if (known === undefined || record.rev > known.rev) return true
  return record.rev === known.rev && record.ms > known.ms
}

function keepLatest<T extends Revised>(map: Map<string, T>, record: T): void {
  if (isNewer(record, map.get(record.id))) map.set(record.id, record)
}

function byTime(a: { at: number }, b: { at: number }): number {
  return a.at - b.at
}

/** Pools before backends; what was without service longest, then what failed most requests. */
function byWeight(a: IncidentRecord, b: IncidentRecord): number {
  return (
    Number(a.backend !== null) - Number(b.backend !== null) ||
    downtimeOf(b) - downtimeOf(a) ||
    countsOf(b).failed - countsOf(a).failed ||
    b.ms - a.ms ||
    byTime(a, b)
  )
}

function order(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : Number(a.name > b.name)
}
