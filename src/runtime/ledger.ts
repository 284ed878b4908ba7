// The ledger of a running balancer: tells it what happens, looks at the counters once a second, has
// its records written, and answers what was. Its rules are core/ledger.ts, its file observe/ledger-store.ts.
// Must never hold up the control plane: it writes in the background and reads in pieces.

import { join } from 'node:path'
import { CheckpointPace } from '../core/checkpoint-pace.ts'
import type { Clock } from '../core/clock.ts'
import type { Counts, IncidentRecord, LedgerRecord, StartRecord } from '../core/ledger-contract.ts'
import { Ledger, LedgerClock } from '../core/ledger.ts'
import type { LedgerPlan, Plan } from '../core/plan.ts'
import { ReportFold, type Report } from '../core/report.ts'
import type { Stretch } from '../core/report-figures.ts'
import { BACKEND, POOL, type SharedTable } from '../core/shared-layout.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { PoolStatus } from '../core/status.ts'
import type { EventLog } from '../observe/event-log.ts'
import { inspectLedger, type Damage, type Found } from '../observe/ledger-files.ts'
import { LedgerFile, LedgerMemory, type LedgerStore } from '../observe/ledger-store.ts'
import type { Log } from '../observe/log.ts'
import { endsWithin } from './hard-end.ts'
import { packageVersion } from './version.ts'

/** How often the counters are read. */
const LOOK_MS = 1_000
/** A change is written this soon, together with what comes meanwhile. */
const WRITE_MS = 50
const HOUR_MS = 3_600_000
/** The wall clock was set if it is off by more. */
const CLOCK_MS = 2_000
/** Open incidents and windows in a checkpoint. */
const CHECKPOINT_THINGS_MAX = 200
/** How long the last lines may take. */
const CLOSE_MS = 5_000

export interface LedgerParts {
  readonly plan: Plan
  readonly table: SharedTable
  readonly clock: Clock
  readonly events: EventLog
  readonly log: Log
}

/** How everything stands, for one that begins when others have worked for a while. */
export interface Standing {
  readonly snapshot: Snapshot
  readonly pools: readonly PoolStatus[]
}

/** The ledger of a plan; `null` if there is to be none. */
export function makeLedger(parts: LedgerParts): RunningLedger | null {
  const { ledger, runtime } = parts.plan
  if (ledger === null) return null
  const { stateDir } = runtime
  const inState = stateDir === null ? null : join(stateDir, 'ledger.jsonl')
  return new RunningLedger(parts, { ...ledger, path: ledger.path ?? inState })
}

/** A report with where it is from. */
export interface ReportAnswer extends Report {
  readonly ledger: { readonly path: string | null; readonly damaged: number }
}

/** What may be asked of a ledger. */
export interface LedgerReader {
  poolNames(): Promise<readonly string[]>
  report(stretch: Stretch, pool: string | null): Promise<ReportAnswer>
  /** Latest first. */
  incidents(stretch: Stretch, pool: string | null): Promise<readonly IncidentRecord[]>
  /** With the incidents of backends that belong to it; `null`: there is none. */
  incident(id: string): Promise<IncidentAnswer | null>
}

export interface IncidentAnswer {
  readonly incident: IncidentRecord
  readonly members: readonly IncidentRecord[]
}

export class RunningLedger implements LedgerReader {
  readonly #parts: LedgerParts
  readonly #plan: LedgerPlan
  /** `null` before it has begun. */
  #life: Life | null = null
  #looking: NodeJS.Timeout | null = null
  #writing: NodeJS.Timeout | null = null
  #hour = 0
  readonly #pace = new CheckpointPace()
  #adopted = 0
  #turns = 0
  #lost = 0
  #reading: Promise<Fold> | null = null
  #closed = false

  constructor(parts: LedgerParts, plan: LedgerPlan) {
    this.#parts = parts
    this.#plan = plan
  }

  /** Why it can't be written now; `null`: it can. */
  get fault(): string | null {
    return this.#life?.store.fault ?? null
  }

  /**
   * Looks at what earlier processes left, and records from now on; once. A file that can't be read is
   * said, and not used. Nobody else may write it any more.
   * @param standing what has been published already
   */
  async begin(standing: Standing | null = null): Promise<void> {
    if (this.#life !== null || this.#closed) return
    const { found, path } = await this.#inspect()
    // It may have been told to end while it looked.
    if (this.#closed) return
    const { plan, table, clock, events } = this.#parts
    const nowMs = clock.nowMs()
    const wall = new LedgerClock(Date.now(), nowMs)
    const run = (found?.run ?? 0) + 1
    const at = wall.at(nowMs)
    const lastAt = found?.lastAt ?? null
    const before = lastAt === null ? 'first' : found!.stopped ? 'stopped' : 'killed'
    const start = { kind: 'start', run, at, version: packageVersion(), before, lastAt } as const
    const ledger = new Ledger({ run, clock: wall, read: counterReader(table) }, plan, nowMs)
    const store = path === null ? new LedgerMemory() : this.#openFile(path, run, found)
    this.#hour = Math.floor(at / HOUR_MS)
    const unsubscribe = events.subscribe((event) => {
      ledger.hear(event)
      this.#writeSoon()
    })
    this.#life = { ledger, store, wall, start, unsubscribe }
    store.append([...(found?.rescued ?? []), start])
    if (found !== null && lastAt !== null) {
      ledger.resume(found.open, { lastAt, stopped: found.stopped }, nowMs)
    }
    if (standing !== null) {
      ledger.stand(standing.pools, nowMs)
      ledger.published(standing.snapshot, nowMs)
    }
    this.#looking = setInterval(() => this.#look(), LOOK_MS)
    this.#looking.unref()
    this.#write()
    // What earlier processes left is in the file now.
    void this.#checkpoint(this.#life)
  }

  /** What the data threads get. */
  published(snapshot: Snapshot): void {
    if (this.#life === null) return
    this.#life.ledger.published(snapshot, this.#parts.clock.nowMs())
    this.#writeSoon()
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const life = this.#life
    if (life === null) return
    const { ledger, store } = life
    life.unsubscribe()
    if (this.#looking !== null) clearInterval(this.#looking)
    if (this.#writing !== null) clearTimeout(this.#writing)
    const nowMs = this.#parts.clock.nowMs()
    ledger.sample(nowMs)
    store.append(ledger.take(nowMs))
    // Should they be more than can wait, the first ones are lost: those of pools come last.
    store.append(ledger.open(nowMs).reverse())
    const span = ledger.nextSpan(nowMs)
    store.append([span, { kind: 'stop', run: span.run, at: span.toAt }])
    if (await endsWithin(CLOSE_MS, store.close())) return
    this.#parts.log.error('the end of the ledger could not be written: its disk does not answer')
  }

  // --- what is asked -------------------------------------------------------------------------------

  async poolNames(): Promise<readonly string[]> {
    return (await this.#fold()).fold.poolNames()
  }

  async report(stretch: Stretch, pool: string | null): Promise<ReportAnswer> {
    const { fold, damage } = await this.#fold()
    const ledger = { path: this.#life?.store.path ?? null, damaged: damage.lines }
    return { ...fold.report(stretch, pool), ledger }
  }

  async incidents(stretch: Stretch, pool: string | null): Promise<readonly IncidentRecord[]> {
    return (await this.#fold()).fold.incidents(stretch, pool)
  }

  async incident(id: string): Promise<IncidentAnswer | null> {
    const { fold } = await this.#fold()
    const incident = fold.incident(id)
    return incident === null ? null : { incident, members: fold.members(id) }
  }

  /** Everything that is known; who asks while it is read gets the same. */
  #fold(): Promise<Fold> {
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null
    })
    return this.#reading
  }

  async #readAll(): Promise<Fold> {
    const fold = new ReportFold()
    const damage: Damage = { lines: 0 }
    if (this.#life === null) return { fold, damage }
    const { ledger, store } = this.#life
    for await (const record of store.read(damage)) fold.add(record)
    // Now, and not when it began to read: what was written meanwhile may have been read too soon.
    const nowMs = this.#parts.clock.nowMs()
    for (const record of ledger.pools(nowMs)) fold.add(record)
    if (this.#closed) return { fold, damage }
    for (const record of ledger.open(nowMs)) fold.add(record)
    fold.add(ledger.span(nowMs))
    return { fold, damage }
  }

  // --- its time ------------------------------------------------------------------------------------

  #look(): void {
    const life = this.#life!
    const { ledger, store, wall } = life
    const nowMs = this.#parts.clock.nowMs()
    this.#followClock(life, nowMs)
    ledger.sample(nowMs)
    const hour = Math.floor(wall.at(nowMs) / HOUR_MS)
    if (hour !== this.#hour) {
      this.#hour = hour
      store.append([ledger.nextSpan(nowMs)])
    }
    this.#write()
    if (this.#pace.isDue(nowMs, { isDown: ledger.isDown, turned: false })) {
      void this.#checkpoint(life)
    }
    this.#tellLost(store.lost)
  }

  /** Somebody may have set the wall clock, or the machine slept. */
  #followClock({ ledger, store, wall, start }: Life, nowMs: number): void {
    const wallMs = Date.now()
    const from = wall.at(nowMs)
    if (Math.abs(wallMs - from) <= CLOCK_MS) return
    const { run } = start
    store.append([ledger.nextSpan(nowMs), { kind: 'clock', run, from, at: wallMs }])
    wall.set(wallMs, nowMs)
    this.#hour = Math.floor(wallMs / HOUR_MS)
  }

  async #checkpoint({ ledger, store }: Life): Promise<void> {
    const nowMs = this.#parts.clock.nowMs()
    this.#pace.begun(nowMs)
    this.#turns = ledger.turns
    if (ledger.adopted !== this.#adopted) {
      this.#adopted = ledger.adopted
      store.append(ledger.pools(nowMs))
    }
    const standing = [ledger.span(nowMs), ...ledger.open(nowMs, CHECKPOINT_THINGS_MAX)]
    this.#pace.written(await store.checkpoint(standing))
  }

  #writeSoon(): void {
    if (this.#writing !== null || this.#closed) return
    this.#writing = setTimeout(() => {
      this.#writing = null
      this.#write()
    }, WRITE_MS)
    this.#writing.unref()
  }

  #write(): void {
    const life = this.#life!
    const { ledger, store } = life
    const nowMs = this.#parts.clock.nowMs()
    const records = ledger.take(nowMs)
    if (records.length > 0) store.append(records)
    const turned = ledger.turns !== this.#turns
    if (turned && this.#pace.isDue(nowMs, { isDown: ledger.isDown, turned })) {
      void this.#checkpoint(life)
    }
  }

  #tellLost(lost: number): void {
    if (lost === this.#lost) return
    this.#lost = lost
    this.#parts.log.error('records of the ledger were lost', { lost })
  }

  // --- its file ------------------------------------------------------------------------------------

  async #inspect(): Promise<{ found: Found | null; path: string | null }> {
    const { path } = this.#plan
    if (path === null) return { found: null, path }
    const { log } = this.#parts
    try {
      const found = await inspectLedger(path)
      const { lines } = found.damage
      if (lines > 0) log.warn('the ledger has damaged lines; they are skipped', { path, lines })
      return { found, path }
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      log.error('the ledger can not be read; incidents are kept in memory only', { path, cause })
      return { found: null, path: null }
    }
  }

  #openFile(path: string, run: number, found: Found | null): LedgerFile {
    const { clock, log } = this.#parts
    const { keepMs, sizeBytesMax } = this.#plan
    const message = 'the ledger can not be written; what happens is kept until it can'
    const options = {
      path,
      run,
      keepMs,
      bytesMax: sizeBytesMax,
      wallMs: () => Date.now(),
      failed: (cause: string) => log.error(message, { path, cause }),
      recovered: () => log.info('the ledger can be written again', { path }),
      head: (): LedgerRecord[] => {
        if (this.#life === null) return []
        const { ledger, start } = this.#life
        const nowMs = clock.nowMs()
        return [start, ...ledger.pools(nowMs), ...ledger.open(nowMs)]
      },
    }
    return new LedgerFile(options, found?.begunAt ?? Date.now(), found?.checkpoints ?? [])
  }
}

/** What a ledger that has begun works with. */
interface Life {
  readonly ledger: Ledger
  readonly store: LedgerStore
  readonly wall: LedgerClock
  readonly start: StartRecord
  unsubscribe(): void
}

interface Fold {
  readonly fold: ReportFold
  readonly damage: Damage
}

function counterReader(table: SharedTable) {
  return {
    pool: (slot: number): Counts => {
      const base = table.poolBase(slot)
      return {
        requests: table.sum(base + POOL.requests),
        failed: table.sum(base + POOL.failed),
        retried: table.sum(base + POOL.retries),
        rescued: table.sum(base + POOL.rescues),
        unknown: table.sum(base + POOL.unknownOutcomes),
      }
    },
    backend: (slot: number): Counts => {
      const base = table.backendBase(slot)
      const requests = table.sum(base + BACKEND.attempts)
      const failed = table.sum(base + BACKEND.failures)
      return { requests, failed, retried: 0, rescued: 0, unknown: 0 }
    },
  }
}
