// The ledger of a running balancer: tells it what happens, looks at the counters once a second, has
// its records written, and answers what was. Its rules are core/ledger.ts, its file observe/ledger-store.ts.
// Must never hold up the control plane: it writes in the background and reads in pieces.

import { join } from 'node:path'
import type { Clock } from '../core/clock.ts'
import type { Counts, IncidentRecord, LedgerRecord, StartRecord } from '../core/ledger-contract.ts'
import { Ledger, LedgerClock } from '../core/ledger.ts'
import type { LedgerPlan, Plan } from '../core/plan.ts'
import { ReportFold, type Report } from '../core/report.ts'
import type { Stretch } from '../core/report-figures.ts'
import { BACKEND, POOL, type SharedTable } from '../core/shared-layout.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { EventLog } from '../observe/event-log.ts'
import { inspectLedger, type Damage, type Found } from '../observe/ledger-files.ts'
import { LedgerFile, LedgerMemory, type LedgerStore } from '../observe/ledger-store.ts'
import type { Log } from '../observe/log.ts'
import { packageVersion } from './version.ts'

/** How often the counters are read. */
const LOOK_MS = 1_000
/** A change is written this soon, together with what comes meanwhile. */
const WRITE_MS = 50
const CHECKPOINT_MS = 60_000
/** The same while a pool is down: what a sudden end may cost of the time it was. */
const CHECKPOINT_DOWN_MS = 2_000
const HOUR_MS = 3_600_000
/** The wall clock was set if it is off by more. */
const CLOCK_MS = 2_000
/** Open incidents and windows in a checkpoint. */
const CHECKPOINT_THINGS_MAX = 200
/** How long the last lines may take. */
const CLOSE_MS = 1_000

/** What an earlier process left, before anything was made of it. */
export interface LedgerPast {
  readonly plan: LedgerPlan
  readonly found: Found | null
}

/** Looks at the file of a ledger at the start. One that can't be read is said, and not used. */
export async function openLedger(plan: Plan, log: Log): Promise<LedgerPast | null> {
  if (plan.ledger === null) return null
  const ledger = { ...plan.ledger, path: pathOf(plan, plan.ledger) }
  if (ledger.path === null) return { plan: ledger, found: null }
  try {
    const found = await inspectLedger(ledger.path)
    if (found.damage.lines > 0) {
      const fields = { path: ledger.path, lines: found.damage.lines }
      log.warn('the ledger has damaged lines; they are skipped', fields)
    }
    return { plan: ledger, found }
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    log.error('the ledger can not be read; incidents are kept in memory only', {
      path: ledger.path,
      cause,
    })
    return { plan: { ...ledger, path: null }, found: null }
  }
}

function pathOf({ runtime: { stateDir } }: Plan, { path }: LedgerPlan): string | null {
  return path ?? (stateDir === null ? null : join(stateDir, 'ledger.jsonl'))
}

export interface LedgerParts {
  readonly past: LedgerPast
  readonly plan: Plan
  readonly table: SharedTable
  readonly clock: Clock
  readonly events: EventLog
  readonly log: Log
}

/** A ledger that is told what happens from now on; `null` if there is to be none. */
export function runLedger(
  past: LedgerPast | null,
  parts: Omit<LedgerParts, 'past'>,
): RunningLedger | null {
  return past === null ? null : new RunningLedger({ past, ...parts })
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
  readonly #ledger: Ledger
  readonly #store: LedgerStore
  readonly #wall: LedgerClock
  readonly #start: StartRecord
  readonly #unsubscribe: () => void
  #looking: NodeJS.Timeout | null = null
  #writing: NodeJS.Timeout | null = null
  #hour: number
  #checkpointMs: number
  #adopted = 0
  #turns = 0
  #lost = 0
  #reading: Promise<Fold> | null = null
  #closed = false

  constructor(parts: LedgerParts) {
    const { past, plan, table, clock, events } = parts
    const { found } = past
    this.#parts = parts
    const nowMs = clock.nowMs()
    this.#wall = new LedgerClock(Date.now(), nowMs)
    this.#checkpointMs = nowMs
    const run = (found?.run ?? 0) + 1
    const at = this.#wall.at(nowMs)
    this.#hour = Math.floor(at / HOUR_MS)
    const lastAt = found?.lastAt ?? null
    const before = lastAt === null ? 'first' : found!.stopped ? 'stopped' : 'killed'
    this.#start = { kind: 'start', run, at, version: packageVersion(), before, lastAt }
    this.#ledger = new Ledger({ run, clock: this.#wall, read: counterReader(table) }, plan, nowMs)
    this.#store = this.#openStore(run)
    this.#store.append([...(found?.rescued ?? []), this.#start])
    this.#tellPools(nowMs)
    if (found !== null && lastAt !== null) this.#ledger.resume(found.open, lastAt, nowMs)
    this.#write()
    this.#unsubscribe = events.subscribe((event) => {
      this.#ledger.hear(event)
      this.#writeSoon()
    })
  }

  /** Begins to look at the counters. */
  start(): void {
    this.#looking = setInterval(() => this.#look(), LOOK_MS)
    this.#looking.unref()
    // What earlier processes left is in the file now.
    void this.#checkpoint()
  }

  /** What the data threads get. */
  published(snapshot: Snapshot): void {
    this.#ledger.published(snapshot, this.#parts.clock.nowMs())
    this.#writeSoon()
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#unsubscribe()
    if (this.#looking !== null) clearInterval(this.#looking)
    if (this.#writing !== null) clearTimeout(this.#writing)
    const nowMs = this.#parts.clock.nowMs()
    this.#ledger.sample(nowMs)
    this.#store.append(this.#ledger.take(nowMs))
    this.#store.append(this.#ledger.open(nowMs))
    const span = this.#ledger.nextSpan(nowMs)
    this.#store.append([span, { kind: 'stop', run: span.run, at: span.toAt }])
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, CLOSE_MS)
    })
    await Promise.race([this.#store.close(), late])
    clearTimeout(timer)
  }

  // --- what is asked -------------------------------------------------------------------------------

  async poolNames(): Promise<readonly string[]> {
    return (await this.#fold()).fold.poolNames()
  }

  async report(stretch: Stretch, pool: string | null): Promise<ReportAnswer> {
    const { fold, damage } = await this.#fold()
    const ledger = { path: this.#store.path, damaged: damage.lines }
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
    for await (const record of this.#store.read(damage)) fold.add(record)
    // Now, and not when it began to read: what was written meanwhile may have been read too soon.
    const nowMs = this.#parts.clock.nowMs()
    for (const record of this.#ledger.pools(nowMs)) fold.add(record)
    for (const record of this.#ledger.open(nowMs)) fold.add(record)
    fold.add(this.#ledger.span(nowMs))
    return { fold, damage }
  }

  // --- its time ------------------------------------------------------------------------------------

  #look(): void {
    const nowMs = this.#parts.clock.nowMs()
    this.#followClock(nowMs)
    this.#ledger.sample(nowMs)
    const hour = Math.floor(this.#wall.at(nowMs) / HOUR_MS)
    if (hour !== this.#hour) {
      this.#hour = hour
      this.#store.append([this.#ledger.nextSpan(nowMs)])
    }
    this.#write()
    const afterMs = this.#ledger.isDown ? CHECKPOINT_DOWN_MS : CHECKPOINT_MS
    if (nowMs - this.#checkpointMs >= afterMs) void this.#checkpoint()
    this.#tellLost()
  }

  /** Somebody may have set the wall clock, or the machine slept. */
  #followClock(nowMs: number): void {
    const wallMs = Date.now()
    const from = this.#wall.at(nowMs)
    if (Math.abs(wallMs - from) <= CLOCK_MS) return
    const { run } = this.#start
    this.#store.append([this.#ledger.nextSpan(nowMs), { kind: 'clock', run, from, at: wallMs }])
    this.#wall.set(wallMs, nowMs)
    this.#hour = Math.floor(wallMs / HOUR_MS)
  }

  #checkpoint(): Promise<void> {
    const nowMs = this.#parts.clock.nowMs()
    this.#checkpointMs = nowMs
    this.#tellPools(nowMs)
    const open = this.#ledger.open(nowMs, CHECKPOINT_THINGS_MAX)
    return this.#store.checkpoint([this.#ledger.span(nowMs), ...open])
  }

  #tellPools(nowMs: number): void {
    if (this.#ledger.adopted === this.#adopted) return
    this.#adopted = this.#ledger.adopted
    this.#store.append(this.#ledger.pools(nowMs))
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
    const records = this.#ledger.take(this.#parts.clock.nowMs())
    if (records.length > 0) this.#store.append(records)
    const { turns } = this.#ledger
    if (turns === this.#turns) return
    this.#turns = turns
    void this.#checkpoint()
  }

  #tellLost(): void {
    const { lost } = this.#store
    if (lost === this.#lost) return
    this.#lost = lost
    this.#parts.log.error('records of the ledger were lost', { lost })
  }

  #openStore(run: number): LedgerStore {
    const { past, clock, log } = this.#parts
    const { path, keepMs, sizeBytesMax } = past.plan
    if (path === null) return new LedgerMemory()
    const options = {
      path,
      run,
      keepMs,
      bytesMax: sizeBytesMax,
      wallMs: () => Date.now(),
      failed: (cause: string) =>
        log.error('the ledger can not be written; what happens is kept until it can', {
          path,
          cause,
        }),
      head: (): LedgerRecord[] => {
        const nowMs = clock.nowMs()
        return [this.#start, ...this.#ledger.pools(nowMs), ...this.#ledger.open(nowMs)]
      },
    }
    const { begunAt = null, checkpoints = [] } = past.found ?? {}
    return new LedgerFile(options, begunAt ?? Date.now(), checkpoints)
  }
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
