// What pools with an active must remember over a restart and a crash: who is active, the epoch, a move
// in progress, freezes. One small file, replaced as a whole; a save is over when it is on the disk.
// Must never forget an epoch: a file that can't be read is never taken for an empty one.

import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { LockedError, takeLock } from './state-lock.ts'
import type { StateLock } from './state-lock.ts'
import type { PoolRecords, ReadState } from './state-record.ts'
import { readState, writeState } from './state-record.ts'
import { Reserve } from './state-reserve.ts'
import { writeWhole } from './whole-file.ts'

/** Where the state is kept. */
export interface StateStore {
  /** What was kept, by pool; warnings are for the log. */
  readonly loaded: { readonly pools: PoolRecords; readonly warnings: readonly string[] }
  /**
   * Keeps the records of these pools, and of all others what was kept before. Resolves when a state at
   * least as new as this one would survive a crash of the machine. Saves while one is being written
   * share the next writing.
   * @throws StateFileError (rejects); the next save may succeed again
   */
  save(pools: PoolRecords): Promise<void>
  /** Waits for what is being saved. @returns why the last of it was not, or `null` */
  settled(): Promise<string | null>
  /** Waits for the last save and gives the directory free. */
  close(): Promise<void>
}

/** Nothing could be kept or read; the message says which file, why, and what to do. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError'
  readonly path: string

  constructor(path: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.path = path
  }
}

const NEWEST = 'failover.json'
const BEFORE = 'failover.json.old'
const NEXT = 'failover.json.new'

/**
 * Opens the state of a directory, which is made if need be, and reads it. `null` keeps nothing.
 * @throws StateFileError when it is in use, or can't be read
 */
export async function openState(dir: string | null): Promise<StateStore> {
  if (dir === null) return new Memory()
  let handle: FileHandle
  try {
    await mkdir(dir, { recursive: true, mode: 0o700 })
    handle = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw fault(dir, `the state directory ${dir} can't be used`, error)
  }
  let lock: StateLock | null = null
  try {
    lock = await lockOf(dir, handle)
    const loaded = await load(dir)
    const reserve = new Reserve(dir)
    await reserve.keep()
    return new StateFile({ dir, handle, lock, reserve }, loaded)
  } catch (error) {
    await lock?.release()
    await handle.close()
    throw error
  }
}

class Memory implements StateStore {
  readonly loaded = { pools: {}, warnings: [] }

  save(): Promise<void> {
    return Promise.resolve()
  }

  settled(): Promise<null> {
    return Promise.resolve(null)
  }

  close(): Promise<void> {
    return Promise.resolve()
  }
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/** A directory that is ours alone. */
interface Place {
  readonly dir: string
  readonly handle: FileHandle
  readonly lock: StateLock
  readonly reserve: Reserve
}

interface Loaded {
  readonly pools: PoolRecords
  readonly warnings: readonly string[]
  /** The newest file is whole, so it may become the one before. */
  readonly isNewestWhole: boolean
}

class StateFile implements StateStore {
  readonly loaded: Loaded
  readonly #dir: string
  readonly #handle: FileHandle
  readonly #lock: StateLock
  readonly #reserve: Reserve
  /** As it is on the disk. */
  #kept: PoolRecords
  /** What waits to be written; what could not be written is forgotten, since its caller knows. */
  #changes: PoolRecords = {}
  #isNewestWhole: boolean
  #waiters: Waiter[] = []
  #writing: Promise<void> | null = null
  #failure: string | null = null
  #isClosed = false

  constructor(place: Place, loaded: Loaded) {
    this.#dir = place.dir
    this.#handle = place.handle
    this.#lock = place.lock
    this.#reserve = place.reserve
    this.loaded = loaded
    this.#kept = loaded.pools
    this.#isNewestWhole = loaded.isNewestWhole
  }

  save(pools: PoolRecords): Promise<void> {
    const path = join(this.#dir, NEWEST)
    if (this.#isClosed) {
      return Promise.reject(new StateFileError(path, `the state file ${path} is closed`))
    }
    this.#changes = { ...this.#changes, ...pools }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#writing ??= this.#writeAll()
    })
  }

  async settled(): Promise<string | null> {
    await this.#writing
    return this.#failure
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    await this.#writing
    await this.#lock.release()
    await this.#handle.close()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters
      const next = { ...this.#kept, ...this.#changes }
      this.#waiters = []
      this.#changes = {}
      try {
        await this.#write(writeState(next))
        this.#kept = next
        this.#failure = null
        for (const waiter of waiters) waiter.resolve()
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error)
        for (const waiter of waiters) waiter.reject(error)
        continue
      }
      await this.#reserve.keep()
    }
    this.#writing = null
  }

  /**
   * The new text is whole on the disk before anything is renamed. Between the two renamings there is no
   * newest file, and the one before is exactly what was last acknowledged.
   */
  async #write(text: string): Promise<void> {
    const [newest = '', before = '', next = ''] = [NEWEST, BEFORE, NEXT].map((name) =>
      join(this.#dir, name),
    )
    if (!this.#lock.isHeld()) {
      const message = `the lock of the state directory ${this.#dir} was removed or taken by another process, so nothing is written there any more; restart Evenkeel`
      throw new StateFileError(newest, message)
    }
    try {
      await this.#writeNext(next, text)
      if (this.#isNewestWhole) await rename(newest, before).catch(ignoreMissing)
      await rename(next, newest)
      this.#isNewestWhole = true
      await this.#handle.sync().catch(ignoreUnsupported)
    } catch (error) {
      await unlink(next).catch(() => {})
      throw fault(newest, `the state file ${newest} can't be written`, error)
    }
  }

  /** On a full disk once more, in the room that was kept for this. */
  async #writeNext(path: string, text: string): Promise<void> {
    try {
      await writeWhole(path, text)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
      if (!(await this.#reserve.giveFree())) throw error
      await writeWhole(path, text)
    }
  }
}

async function lockOf(dir: string, { fd }: FileHandle): Promise<StateLock> {
  try {
    return await takeLock(dir, fd)
  } catch (error) {
    if (!(error instanceof LockedError)) {
      throw fault(dir, `the state directory ${dir} can't be locked`, error)
    }
    const message = `the state directory ${dir} is in use: ${error.message}; each Evenkeel needs a directory of its own (runtime.stateDir)`
    throw new StateFileError(dir, message)
  }
}

type Found = ReadState | { readonly kind: 'missing' }

async function load(dir: string): Promise<Loaded> {
  const path = join(dir, NEWEST)
  const olderPath = join(dir, BEFORE)
  const newest = await look(path)
  if (newest.kind === 'state') return { pools: newest.pools, warnings: [], isNewestWhole: true }
  if (newest.kind === 'foreign') throw refusal(path, `is not a state of Evenkeel's: ${newest.why}`)
  const older = await look(olderPath)
  if (older.kind === 'foreign') {
    throw refusal(olderPath, `is not a state of Evenkeel's: ${older.why}`)
  }
  if (newest.kind === 'missing') {
    if (older.kind === 'missing') return { pools: {}, warnings: [], isNewestWhole: false }
    if (older.kind === 'torn') throw refusal(olderPath, `is damaged, and ${path} is missing`)
    const warning = `${path} is missing; going on from ${olderPath}, the state before it`
    return { pools: older.pools, warnings: [warning], isNewestWhole: false }
  }
  if (older.kind !== 'state') {
    throw refusal(path, `is damaged, and there is no whole ${olderPath} to go back to`)
  }
  // The damaged one was at most one step of each pool ahead, and a step raises an epoch by one.
  const pools = Object.fromEntries(
    Object.entries(older.pools).map(([name, pool]) => [name, { ...pool, epoch: pool.epoch + 1 }]),
  )
  const warning = `${path} is damaged; going on from ${olderPath}, the state before it, with epochs raised by one`
  return { pools, warnings: [warning], isNewestWhole: false }
}

async function look(path: string): Promise<Found> {
  try {
    return readState(await readFile(path, 'utf8'))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' }
    throw fault(path, `the state file ${path} can't be read`, error)
  }
}

function refusal(path: string, what: string): StateFileError {
  const message = `the state file ${path} ${what}. It holds which backend is active and under which epoch, so nothing is assumed in its place: restore it, or, if you know that no other backend than the preferred one was ever active, remove it and ${BEFORE}`
  return new StateFileError(path, message)
}

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on its file system',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'this user has no right to',
  EPERM: 'this user has no right to, or the file system can not do it',
  EROFS: 'its file system is read-only',
  EIO: 'the disk failed',
  ENOENT: 'its directory is gone',
  ENOTDIR: 'it is not a directory',
  EOPNOTSUPP: 'its file system can not do that; use a local one',
}

function fault(path: string, what: string, error: unknown): StateFileError {
  if (error instanceof StateFileError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const reason = reasons[code]
  const why = reason === undefined ? message : `${reason} (${code})`
  return new StateFileError(path, `${what}: ${why}`, error)
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}

// Some network file systems can't; there a rename is as durable as it gets.
function ignoreUnsupported(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EINVAL' && error.code !== 'ENOTSUP') throw error
}
