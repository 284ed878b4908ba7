// The files of a ledger, and reading them: `ledger.jsonl`, archives `ledger-N.jsonl` beside it, and the
// checkpoints of processes that did not end as told. Reads in pieces, so that a long ledger holds
// nobody up; what is damaged is skipped and counted.

import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname, extname, join } from 'node:path'
import type {
  IncidentRecord,
  LedgerRecord,
  PoolRecord,
  WindowRecord,
} from '../core/ledger-contract.ts'
import { isNewer } from '../core/report.ts'
import { readLine } from './ledger-lines.ts'

/** What could not be read. */
export interface Damage {
  /** Lines whose checksum is wrong, or that end too soon. */
  lines: number
}

export interface LedgerFiles {
  /** Oldest first. */
  readonly archives: string[]
  readonly checkpoints: string[]
}

/** A longer line is none of ours. */
const LINE_CHARS_MAX = 16_777_216
const PIECE_BYTES = 65_536

/** Path of the checkpoint of a run. */
export function checkpointPath(path: string, run: number): string {
  return `${stemOf(path)}-open-${run}${extname(path)}`
}

/** What there is beside the file itself. */
export async function listFiles(path: string): Promise<LedgerFiles> {
  const stem = basename(stemOf(path))
  const end = extname(path)
  const names = await readdir(dirname(path)).catch(() => [])
  const numbered = (start: string) =>
    names
      .flatMap((name) => {
        if (!name.startsWith(start) || !name.endsWith(end)) return []
        const number = name.slice(start.length, name.length - end.length)
        return /^\d+$/.test(number) ? [{ path: join(dirname(path), name), n: Number(number) }] : []
      })
      .sort((a, b) => a.n - b.n)
      .map((one) => one.path)
  return { archives: numbered(`${stem}-`), checkpoints: numbered(`${stem}-open-`) }
}

/** Where the file goes when it is full. */
export async function nextArchive(path: string): Promise<string> {
  const last = (await listFiles(path)).archives.at(-1)
  const number = last === undefined ? 0 : Number(/(\d+)\.?[^.]*$/.exec(basename(last))?.[1] ?? 0)
  return `${stemOf(path)}-${String(number + 1).padStart(6, '0')}${extname(path)}`
}

function stemOf(path: string): string {
  return path.slice(0, path.length - extname(path).length)
}

/** All records of a ledger, the oldest first; of a file that was closed meanwhile, last, and perhaps twice. */
export async function* readLedger(path: string, damage: Damage): AsyncGenerator<LedgerRecord> {
  const { archives, checkpoints } = await listFiles(path)
  for (const file of [...archives, path, ...checkpoints]) yield* readFile(file, damage)
  // The file may have become an archive meanwhile.
  const read = new Set(archives)
  for (const file of (await listFiles(path)).archives) {
    if (!read.has(file)) yield* readFile(file, damage)
  }
}

/** The records of one file; one that is not there has none. @throws Error when it can't be read */
export async function* readFile(path: string, damage: Damage): AsyncGenerator<LedgerRecord> {
  let rest = ''
  try {
    const stream = createReadStream(path, { encoding: 'utf8', highWaterMark: PIECE_BYTES })
    for await (const piece of stream as AsyncIterable<string>) {
      const lines = (rest + piece).split('\n')
      rest = lines.pop()!
      if (rest.length > LINE_CHARS_MAX) {
        rest = ''
        damage.lines++
      }
      for (const line of lines) {
        if (line === '') continue
        const record = readLine(line)
        if (record === null) damage.lines++
        else yield record
      }
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  if (rest === '') return
  // The last line may be whole but for its newline.
  const record = readLine(rest)
  if (record === null) damage.lines++
  else yield record
}

/** What a process finds at its start. */
export interface Found {
  /** Number of the last process; 0 if there was none. */
  readonly run: number
  /** When anything was last known, wall clock; `null`: never. */
  readonly lastAt: number | null
  /** The last process ended as told. */
  readonly stopped: boolean
  /** When the file was begun; `null` if there is none. */
  readonly begunAt: number | null
  readonly open: readonly (IncidentRecord | WindowRecord)[]
  readonly pools: ReadonlyMap<string, PoolRecord>
  /** What only a checkpoint knows: to be appended. */
  readonly rescued: readonly LedgerRecord[]
  readonly checkpoints: readonly string[]
  readonly damage: Damage
}

/** Looks at the newest file, or the newest archive if there is none, and at the checkpoints. */
export async function inspectLedger(path: string): Promise<Found> {
  const damage: Damage = { lines: 0 }
  const { archives, checkpoints } = await listFiles(path)
  const scan = new Scan()
  for await (const record of readFile(path, damage)) scan.add(record)
  if (scan.count === 0 && archives.length > 0) {
    for await (const record of readFile(archives.at(-1)!, damage)) scan.add(record)
  }
  const begunAt = scan.firstAt
  const rescued: LedgerRecord[] = []
  for (const checkpoint of checkpoints) {
    for await (const record of readFile(checkpoint, damage)) {
      if (scan.isNews(record)) rescued.push(record)
      scan.add(record)
    }
  }
  const { run, lastAt, pools } = scan
  const stopped = scan.stops.has(run)
  return { run, lastAt, stopped, begunAt, open: scan.open(), pools, rescued, checkpoints, damage }
}

class Scan {
  count = 0
  run = 0
  firstAt: number | null = null
  lastAt: number | null = null
  readonly stops = new Set<number>()
  readonly pools = new Map<string, PoolRecord>()
  readonly #spans = new Map<string, number>()
  readonly #things = new Map<string, IncidentRecord | WindowRecord>()
  /** By how much the wall clock was set so far, and had been when a thing was first told of. */
  #stepsMs = 0
  readonly #stepsBefore = new Map<string, number>()

  add(record: LedgerRecord): void {
    this.count++
    this.firstAt ??= record.at
    if (record.kind === 'start' || record.kind === 'span') {
      if (record.run > this.run) {
        this.run = record.run
        // Another process, another clock.
        this.lastAt = null
      }
    }
    if (record.kind === 'stop') this.stops.add(record.run)
    if (record.kind === 'pool') this.pools.set(record.pool, record)
    if (record.kind === 'span') this.#spans.set(`${record.run}/${record.n}`, record.ms)
    if (record.kind === 'clock') {
      this.#stepsMs += record.at - record.from
      // What was later by the clock before says nothing now.
      this.lastAt = null
    }
    let steppedMs = 0
    if (record.kind === 'incident' || record.kind === 'window') {
      const { id } = record
      if (isNewer(record, this.#things.get(id))) this.#things.set(id, record)
      if (!this.#stepsBefore.has(id)) this.#stepsBefore.set(id, this.#stepsMs)
      steppedMs = this.#steppedSince(id)
    }
    this.lastAt = Math.max(this.lastAt ?? 0, endOf(record) + steppedMs)
  }

  #steppedSince(id: string): number {
    return this.#stepsMs - this.#stepsBefore.get(id)!
  }

  /** It says more than what was read so far. */
  isNews(record: LedgerRecord): boolean {
    if (record.kind === 'span') {
      return record.ms > (this.#spans.get(`${record.run}/${record.n}`) ?? -1)
    }
    if (record.kind !== 'incident' && record.kind !== 'window') return true
    return isNewer(record, this.#things.get(record.id))
  }

  /** As long as they had lasted when anything was last known. */
  open(): (IncidentRecord | WindowRecord)[] {
    const { lastAt } = this
    const found: (IncidentRecord | WindowRecord)[] = []
    for (const thing of this.#things.values()) {
      if (!thing.open) continue
      const wallMs = (lastAt ?? 0) - thing.at - this.#steppedSince(thing.id)
      found.push({ ...thing, ms: Math.max(thing.ms, wallMs) })
    }
    return found
  }
}

function endOf(record: LedgerRecord): number {
  switch (record.kind) {
    case 'span':
      return record.toAt
    case 'incident':
    case 'window':
      return record.at + record.ms
    default:
      return record.at
  }
}
