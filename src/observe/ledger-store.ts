// Where the ledger's records are kept: a file that is only appended to, older files beside it, and one
// small file with what was going on a moment ago (the checkpoint), replaced once a minute.
// Must never block, and never lose a line that was written: a line that can't be written waits, and is
// counted if it waits in vain.

import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { LedgerRecord } from '../core/ledger-contract.ts'
import { checkpointPath, listFiles, nextArchive, readLedger, type Damage } from './ledger-files.ts'
import { readLine, writeLine } from './ledger-lines.ts'

export interface LedgerStore {
  /** `null`: in memory, gone with the process. */
  readonly path: string | null
  append(records: readonly LedgerRecord[]): void
  /** What is known of what goes on, in case that this process ends without a word. Gives its bytes. */
  checkpoint(records: readonly LedgerRecord[]): Promise<number>
  /** Everything that is kept, the oldest first, some of it perhaps twice. */
  read(damage: Damage): AsyncIterable<LedgerRecord>
  /** Records that could not be written. */
  readonly lost: number
  /** Why the last thing it tried has failed; `null`: it has not. */
  readonly fault: string | null
  /** Writes what is left. */
  close(): Promise<void>
}

/** Records kept without a file. */
const MEMORY_RECORDS_MAX = 10_000

/** Keeps the latest records in memory. */
export class LedgerMemory implements LedgerStore {
  readonly path = null
  readonly lost = 0
  readonly fault = null
  #records: LedgerRecord[] = []

  append(records: readonly LedgerRecord[]): void {
    this.#records.push(...records)
    const excess = this.#records.length - MEMORY_RECORDS_MAX
    if (excess > 0) this.#records.splice(0, excess)
  }

  checkpoint(): Promise<number> {
    return Promise.resolve(0)
  }

  async *read(): AsyncIterable<LedgerRecord> {
    yield* this.#records
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

export interface LedgerFileOptions {
  readonly path: string
  readonly run: number
  /** Files whose last line is older than this go. */
  readonly keepMs: number
  /** All files together. */
  readonly bytesMax: number
  wallMs(): number
  /** Said once, until it works again. */
  failed(message: string): void
  /** Said once when it works again, with all that waited written. */
  recovered(): void
  /** What a new file begins with, so that it can be read without the older ones. */
  head(): readonly LedgerRecord[]
}

/** Text that may wait to be written, in characters. */
const WAITING_MAX = 1_048_576
/** A file is closed, and the next one begun, at this share of all. */
const FILES = 8
const FILE_BYTES_MIN = 65_536
/** Lines are on the disk at most this long after they were written. */
const SYNC_MS = 1_000

export class LedgerFile implements LedgerStore {
  readonly path: string
  lost = 0
  readonly #options: LedgerFileOptions
  #file: FileHandle | null = null
  #inode = 0n
  #bytes = 0
  /** What it began with. */
  #headBytes = 0
  /** When this file was begun, wall clock. */
  #begun: number
  #waiting: string[] = []
  #waitingChars = 0
  /** The last write may have ended within a line. */
  #torn = false
  fault: string | null = null
  #work: Promise<void> = Promise.resolve()
  #isBusy = false
  #isClosed = false
  #syncTimer: NodeJS.Timeout | null = null
  #leftovers: readonly string[]
  /** What has come since each of those who read began. */
  readonly #tails = new Set<LedgerRecord[]>()

  /**
   * @param begunAt when the file was begun, wall clock
   * @param leftovers checkpoints of earlier processes, whose records have been handed to `append`
   */
  constructor(options: LedgerFileOptions, begunAt: number, leftovers: readonly string[]) {
    this.path = options.path
    this.#options = options
    this.#begun = begunAt
    this.#leftovers = leftovers
  }

  append(records: readonly LedgerRecord[]): void {
    for (const tail of this.#tails) tail.push(...records)
    for (const record of records) {
      const line = writeLine(record)
      this.#waiting.push(line)
      this.#waitingChars += line.length
    }
    while (this.#waitingChars > WAITING_MAX && this.#waiting.length > 1) {
      this.#waitingChars -= this.#waiting.shift()!.length
      this.lost++
    }
    if (!this.#isBusy && this.#waiting.length > 0) void this.#run(() => this.#writeAll())
  }

  async checkpoint(records: readonly LedgerRecord[]): Promise<number> {
    const path = checkpointPath(this.path, this.#options.run)
    const text = records.map(writeLine).join('')
    await this.#run(async () => {
      const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
      const next = nextPath(path)
      const file = await open(next, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
      try {
        await file.writeFile(text)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(next, path)
      await this.#lookAtFile()
      // What a full disk has kept waiting.
      await this.#writeAll()
      await this.#clearLeftovers()
    })
    return Buffer.byteLength(text)
  }

  async *read(damage: Damage): AsyncIterable<LedgerRecord> {
    const tail: LedgerRecord[] = []
    this.#tails.add(tail)
    try {
      // What was handed over before may be on its way still, behind a sync that takes its time.
      if (!this.#isClosed) await this.#run(() => this.#writeAll())
      yield* readLedger(this.path, damage)
      for (const line of this.#waiting) {
        const record = readLine(line.trimEnd())
        if (record !== null) yield record
      }
      yield* tail
    } finally {
      this.#tails.delete(tail)
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#run(async () => {
      await this.#writeAll()
      await this.#file?.datasync()
      await rm(checkpointPath(this.path, this.#options.run), { force: true })
    })
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer)
    await this.#file?.close()
    this.#file = null
  }

  /** One piece of work after the other; one that fails is said, and the next one is tried. */
  async #run(work: () => Promise<void>): Promise<void> {
    this.#isBusy = true
    const done = this.#attempt(this.#work, work)
    this.#work = done
    await done
    if (this.#work !== done) return
    this.#isBusy = false
    // Lines that came meanwhile; what can't be written waits for the next checkpoint.
    const isDue = this.#waiting.length > 0 && this.fault === null
    if (isDue && !this.#isClosed) void this.#run(() => this.#writeAll())
  }

  async #attempt(before: Promise<void>, work: () => Promise<void>): Promise<void> {
    await before
    try {
      await work()
      if (this.fault === null) return
      this.fault = null
      this.#options.recovered()
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      if (this.fault === null) this.#options.failed(message)
      this.fault = message
    }
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      await this.#ready()
      const lines = this.#waiting
      const text = lines.join('')
      const bytes = Buffer.from(this.#torn ? `\n${text}` : text, 'utf8')
      this.#waiting = []
      // Until all of it is written it may end anywhere.
      this.#torn = true
      try {
        await this.#file!.writeFile(bytes)
      } catch (error) {
        this.#waiting = [...lines, ...this.#waiting]
        throw error
      }
      this.#torn = false
      this.#bytes += bytes.length
      this.#waitingChars -= text.length
      this.#syncSoon()
    }
  }

  /** A file that is open and has room. */
  async #ready(): Promise<void> {
    if (this.#file === null) await this.#open()
    const { bytesMax, keepMs } = this.#options
    // Of its own lines: with a long head each line would else begin the next file.
    const isFull = this.#bytes - this.#headBytes > Math.max(FILE_BYTES_MIN, bytesMax / FILES)
    const isOld = this.#bytes > 0 && this.#options.wallMs() - this.#begun > keepMs / FILES
    if (isFull || isOld) await this.#rotate()
  }

  async #open(): Promise<void> {
    const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    const file = await open(this.path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600)
    const { size, ino } = await file.stat({ bigint: true })
    this.#file = file
    this.#inode = ino
    this.#bytes = Number(size)
    this.#headBytes = 0
    // A crash may have left half a line.
    if (size > 0n) this.#torn = true
  }

  async #rotate(): Promise<void> {
    await this.#file!.datasync()
    await this.#file!.close()
    this.#file = null
    // Another process of ours may have done it a moment ago.
    const now = await inodeOf(this.path)
    if (now === this.#inode) await rename(this.path, await nextArchive(this.path))
    await this.#open()
    this.#begun = this.#options.wallMs()
    this.#headBytes = this.#putHead()
    await this.#drop()
  }

  /** Removes what is too old or too much. */
  async #drop(): Promise<void> {
    const { bytesMax, keepMs } = this.#options
    const archives = (await listFiles(this.path)).archives
    let bytes = this.#bytes
    for (const path of archives.reverse()) {
      const { size, mtimeMs } = await stat(path)
      bytes += size
      if (bytes > bytesMax || this.#options.wallMs() - mtimeMs > keepMs)
        await rm(path, { force: true })
    }
  }

  /** What they held is in the file, and on the disk. */
  async #clearLeftovers(): Promise<void> {
    if (this.#leftovers.length === 0) return
    await this.#file?.datasync()
    for (const path of this.#leftovers) {
      await rm(path, { force: true })
      await rm(nextPath(path), { force: true })
    }
    this.#leftovers = []
  }

  /** Somebody may have taken the file away: the next line begins a new one. */
  async #lookAtFile(): Promise<void> {
    if (this.#file === null || (await inodeOf(this.path)) === this.#inode) return
    await this.#file.close()
    this.#file = null
    this.#putHead()
  }

  /** @returns its bytes */
  #putHead(): number {
    const head = this.#options.head().map(writeLine)
    this.#waiting.unshift(...head)
    this.#waitingChars += head.reduce((sum, line) => sum + line.length, 0)
    return head.reduce((sum, line) => sum + Buffer.byteLength(line), 0)
  }

  #syncSoon(): void {
    if (this.#syncTimer !== null) return
    this.#syncTimer = setTimeout(() => {
      this.#syncTimer = null
      void this.#run(async () => {
        await this.#file?.datasync()
      })
    }, SYNC_MS)
    this.#syncTimer.unref()
  }
}

/** A checkpoint on its way; a process that is killed leaves it behind. */
function nextPath(path: string): string {
  return `${path}.new`
}

async function inodeOf(path: string): Promise<bigint | null> {
  return stat(path, { bigint: true }).then(
    ({ ino }) => ino,
    () => null,
  )
}
