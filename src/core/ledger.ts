// The ledger: events, snapshots and counters in, records out. Keeps what is going on; what is over is
// in the file. Who writes it, and when to look, is runtime/ledger.ts.
// Pure: no clock, no file. Must never be told less than the data threads: it judges a pool by what is
// published to them.

import type { BalancerEvent } from './events.ts'
import { Incident } from './ledger-incident.ts'
import type {
  ActionRecord,
  IncidentRecord,
  LedgerRecord,
  PoolRecord,
  SpanRecord,
  WindowRecord,
} from './ledger-contract.ts'
import { NO_COUNTS } from './ledger-contract.ts'
import { Outbox, Pace } from './ledger-pace.ts'
import { LedgerPool, type CounterReader, type PoolPorts } from './ledger-pool.ts'
import type { MaintenanceWindow } from './ledger-window.ts'
import type { Plan } from './plan.ts'
import type { Snapshot } from './snapshot.ts'
import type { PoolStatus } from './status.ts'

/** Wall clock that follows the monotonic one, until somebody sets it. */
export class LedgerClock {
  #wallMs: number
  #ms: number

  constructor(wallMs: number, nowMs: number) {
    this.#wallMs = wallMs
    this.#ms = nowMs
  }

  /** Wall clock of a monotonic time. */
  at(ms: number): number {
    return Math.round(this.#wallMs + ms - this.#ms)
  }

  /** Goes by the wall clock as it is now. */
  set(wallMs: number, nowMs: number): void {
    this.#wallMs = wallMs
    this.#ms = nowMs
  }
}

export interface LedgerOptions {
  /** Number of this process's life. */
  readonly run: number
  readonly clock: LedgerClock
  readonly read: CounterReader
}

/** Actions and moves that wait to be written. */
const NOTES_MAX = 1_000

export class Ledger {
  readonly #options: LedgerOptions
  readonly #pools = new Map<string, LedgerPool>()
  /** In the order of the plan. */
  #order: LedgerPool[] = []
  readonly #outbox = new Outbox()
  readonly #pace = new Pace()
  readonly #notes: LedgerRecord[] = []
  readonly #ports: PoolPorts
  #lastNumber = 0
  #spans = 0
  #spanMs: number
  #leftOut = 0
  #adopted = 0

  constructor(options: LedgerOptions, plan: Plan, nowMs: number) {
    this.#options = options
    this.#spanMs = nowMs
    this.#ports = {
      read: options.read,
      wallOf: (ms) => options.clock.at(ms),
      nextId: () => `${options.run}-${++this.#lastNumber}`,
      touched: (thing) => this.#outbox.touch(thing),
    }
    this.adopt(plan, nowMs)
  }

  /** Grows when pools may have changed their members or aims. */
  get adopted(): number {
    return this.#adopted
  }

  /** Grows when a pool goes down, comes back, or begins or ends to be maintained. */
  get turns(): number {
    return this.#order.reduce((sum, pool) => sum + pool.turns, 0)
  }

  /** A pool is down. */
  get isDown(): boolean {
    return this.#order.some(({ condition }) => condition === 'down')
  }

  // --- what it is told -----------------------------------------------------------------------------

  /** A reload, and the plan at the start. */
  adopt(plan: Plan, nowMs: number): void {
    this.#adopted++
    const names = new Set(plan.pools.map(({ name }) => name))
    for (const [name, pool] of this.#pools) {
      if (names.has(name)) continue
      pool.end(nowMs)
      this.#pools.delete(name)
    }
    this.#order = plan.pools.map((poolPlan) => {
      const known = this.#pools.get(poolPlan.name)
      if (known !== undefined) {
        known.adopt(poolPlan, nowMs)
        return known
      }
      const pool = new LedgerPool(poolPlan, this.#ports, nowMs)
      this.#pools.set(poolPlan.name, pool)
      return pool
    })
  }

  /**
   * What an earlier process left open: incidents go on, windows ended with it.
   * @param open as long as they had lasted when it was last seen
   * @param past when that process was last seen, wall clock, and whether it ended as told
   */
  resume(
    open: readonly (IncidentRecord | WindowRecord)[],
    { lastAt, stopped }: { lastAt: number; stopped: boolean },
    nowMs: number,
  ): void {
    const gapMs = Math.max(0, this.#options.clock.at(nowMs) - lastAt)
    for (const record of open) {
      if (record.kind === 'window') {
        this.#note({ ...record, rev: record.rev + 1, open: false })
        continue
      }
      const pool = this.#pools.get(record.pool)
      const resumed = { nowMs, gapMs, counts: this.#countsOf(record), stopped }
      const incident = Incident.resume(record, resumed, this.#ports.wallOf)
      if (pool?.resume(incident) !== true) {
        const now = { ms: nowMs, counts: NO_COUNTS, exact: true }
        incident.close('removed', now, 'no longer in the configuration')
      }
      this.#outbox.touch(incident)
    }
  }

  /** How the pools stand when others have judged them for a while. */
  stand(pools: readonly PoolStatus[], nowMs: number): void {
    for (const { name: pool, available, backends, failover } of pools) {
      const known = this.#pools.get(pool)
      if (failover !== null) known?.turn(failover.state, failover.reason, nowMs)
      for (const { name: backend, availability: to, reason } of backends) {
        known?.transition({ pool, backend, from: to, to, reason, atMs: nowMs, available }, nowMs)
      }
    }
  }

  /** What the data threads get. */
  published(snapshot: Snapshot, nowMs: number): void {
    if (snapshot.plan !== undefined) this.adopt(snapshot.plan, nowMs)
    for (const { pool, eligibility } of snapshot.pools) {
      this.#order[pool]?.published(eligibility, nowMs)
    }
  }

  hear(event: BalancerEvent): void {
    const { atMs } = event
    switch (event.kind) {
      case 'transition':
        this.#pools.get(event.transition.pool)?.transition(event.transition, atMs)
        break
      case 'turn':
        this.#pools.get(event.pool)?.turn(event.to, event.reason, atMs)
        break
      case 'move': {
        const { pool, report } = event
        this.#pools.get(pool)?.moved(report, atMs)
        this.#note({ kind: 'move', at: this.#at(atMs), pool, report })
        break
      }
      case 'operator': {
        const { pool, backend, verb, by, reason, outcome, tookMs, wishes } = event.news
        // Somebody only asked what would happen.
        if (wishes['dryRun'] === true) break
        const at = this.#at(atMs - tookMs)
        this.#act({ kind: 'action', at, pool, backend, verb, by, reason, outcome }, tookMs, atMs)
        break
      }
      case 'config': {
        const { outcome, source, by, message } = event.news
        if (outcome === 'unchanged') break
        const verb = `configuration from ${source}`
        const about = { at: this.#at(atMs), pool: null, backend: null }
        this.#act({ kind: 'action', ...about, verb, by, reason: message, outcome }, 0, atMs)
        break
      }
      case 'thread': {
        const { state, message: reason, thread } = event
        const about = { at: this.#at(atMs), pool: null, backend: null, by: 'evenkeel' }
        const verb = `data thread ${thread}`
        this.#act({ kind: 'action', ...about, verb, reason, outcome: state }, 0, atMs)
        break
      }
      case 'site':
      case 'discovery':
      case 'drained':
      case 'warning':
      case 'process':
        break
    }
  }

  /** Looks at the counters: once a second. */
  sample(nowMs: number): void {
    for (const pool of this.#order) pool.sample(nowMs)
  }

  // --- what it tells -------------------------------------------------------------------------------

  /** What is to be written now. */
  take(nowMs: number): LedgerRecord[] {
    const records: LedgerRecord[] = []
    while (this.#notes.length > 0 && this.#pace.take(true, nowMs)) {
      records.push(this.#notes.shift()!)
    }
    for (const thing of this.#outbox.take(this.#pace, nowMs)) {
      thing.rev++
      thing.dirty = false
      records.push(thing.record(nowMs))
    }
    return records
  }

  /** The span up to now, as it would be if it ended. */
  span(nowMs: number): SpanRecord {
    const { run } = this.#options
    const pools = Object.fromEntries(this.#order.map((pool) => [pool.plan.name, pool.span(nowMs)]))
    const ms = Math.round(nowMs - this.#spanMs)
    const times = { at: this.#at(this.#spanMs), toAt: this.#at(nowMs), ms }
    const leftOut = this.#leftOut + this.#outbox.leftOut
    return { kind: 'span', run, n: this.#spans + 1, ...times, pools, leftOut }
  }

  /** Ends the span and begins the next one. */
  nextSpan(nowMs: number): SpanRecord {
    const span = this.span(nowMs)
    this.#spans++
    this.#spanMs = nowMs
    this.#leftOut = 0
    this.#outbox.leftOut = 0
    for (const pool of this.#order) pool.nextSpan(nowMs)
    return span
  }

  /**
   * Drafts of what goes on at this moment, and of what has ended and waits to be written; those of
   * pools first, at most `max`.
   */
  open(nowMs: number, max = Infinity): (IncidentRecord | WindowRecord)[] {
    const things: (Incident | MaintenanceWindow)[] = []
    for (const pool of this.#order) things.push(...pool.openThings())
    things.push(...this.#outbox.ended)
    const ranked = things.sort((a, b) => Number(a.backend !== null) - Number(b.backend !== null))
    // Above what was written, and below what will be.
    return ranked.slice(0, max).map((thing) => {
      const record = thing.record(nowMs)
      return Object.assign(record, { rev: record.rev + 0.5 })
    })
  }

  /** Pools as they are configured. */
  pools(nowMs: number): PoolRecord[] {
    return this.#order.map((pool) => pool.describe(this.#at(nowMs)))
  }

  #act(action: ActionRecord, tookMs: number, nowMs: number): void {
    const concerned =
      action.pool === null ? this.#order.filter(isInTrouble) : [this.#pools.get(action.pool)]
    for (const pool of concerned) pool?.action(action, tookMs, nowMs)
    this.#note(action)
  }

  #note(record: LedgerRecord): void {
    if (this.#notes.length < NOTES_MAX) this.#notes.push(record)
    else this.#leftOut++
  }

  #at(ms: number): number {
    return this.#options.clock.at(ms)
  }

  #countsOf({ pool: name, backend }: IncidentRecord) {
    const pool = this.#pools.get(name)
    if (pool === undefined) return NO_COUNTS
    const { read } = this.#options
    if (backend === null) return read.pool(pool.plan.slot)
    const plan = pool.plan.backends.find((one) => one.name === backend)
    return plan === undefined ? NO_COUNTS : read.backend(plan.slot)
  }
}

function isInTrouble(pool: LedgerPool): boolean {
  return pool.incident?.open === true
}
