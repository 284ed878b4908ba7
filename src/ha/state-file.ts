// What pools with an active must remember over a restart and a crash: who is active, the epoch, a move
// in progress, freezes. One small file, replaced as a whole; a save is over when it is on the disk.
// Must never forget an epoch: a file that can't be read is never taken for an empty one.

import type { Timers } from '../core/clock.ts'
import type { SafeFile } from './state-dir.ts'
import { StateFileError } from './state-dir.ts'
import type { PoolRecords } from './state-record.ts'
import { readState, writeState } from './state-record.ts'

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
  /**
   * The same for records that hold whether or not they are kept: while they can't be, it is tried again
   * with each save and every 5 s. @param failed hears of it, once for each reason
   */
  keep(pools: PoolRecords, failed: (error: Error) => void): void
  /** Waits for what is being saved. @returns why the last of it was not, or `null` */
  settled(): Promise<string | null>
  /** Waits for the last save, and takes no more. */
  close(): Promise<void>
}

const NAME = 'failover'
/** How soon it is tried again to keep what could not be kept. */
const RETRY_MS = 5_000

/**
 * Reads the state of a directory that is open, and stays so. `null` keeps nothing.
 * @throws StateFileError when it can't be read
 */
export async function openStateIn(
  dir: { file(name: string): SafeFile } | null,
  timers: Timers,
): Promise<StateStore> {
  if (dir === null) return new Memory()
  const file = dir.file(NAME)
  const { value, isOlder, warnings } = await file.read(readState, {
    advice: `It holds which backend is active and under which epoch, so nothing is assumed in its place: restore it, or, if you know that no other backend than the preferred one was ever active, remove it and ${NAME}.json.old`,
    older: ', with epochs raised by one',
  })
  // A damaged one was at most one step of each pool ahead, and a step raises an epoch by one.
  const ahead = isOlder ? 1 : 0
  const pools = Object.fromEntries(
    Object.entries(value ?? {}).map(([name, pool]) => {
      return [name, { ...pool, epoch: pool.epoch + ahead }]
    }),
  )
  return new StateFile(file, { pools, warnings }, timers)
}

class Memory implements StateStore {
  readonly loaded = { pools: {}, warnings: [] }

  save(): Promise<void> {
    return Promise.resolve()
  }

  keep(): void {}

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

class StateFile implements StateStore {
  readonly loaded: StateStore['loaded']
  readonly #file: SafeFile
  readonly #timers: Timers
  /** As it is on the disk. */
  #kept: PoolRecords
  /** What waits to be written; what could not be written is forgotten, since its caller knows. */
  #changes: PoolRecords = {}
  /** What holds anyway and is not on the disk yet; never newer than the changes to the same pools. */
  #unkept: PoolRecords = {}
  #failed: (error: Error) => void = () => {}
  /** Why, as `#failed` heard last. */
  #told: string | null = null
  #retry: unknown = null
  /** Something has come since the last writing began, or it is to be tried again. */
  #isDue = false
  #waiters: Waiter[] = []
  #writing: Promise<void> | null = null
  #failure: string | null = null
  #isClosed = false

  constructor(file: SafeFile, loaded: StateStore['loaded'], timers: Timers) {
    this.#file = file
    this.#timers = timers
    this.loaded = loaded
    this.#kept = loaded.pools
  }

  save(pools: PoolRecords): Promise<void> {
    if (this.#isClosed) return Promise.reject(this.#closedError())
    this.#changes = { ...this.#changes, ...pools }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject })
      this.#write()
    })
  }

  keep(pools: PoolRecords, failed: (error: Error) => void): void {
    if (this.#isClosed) {
      failed(this.#closedError())
      return
    }
    this.#unkept = { ...this.#unkept, ...pools }
    this.#failed = failed
    const isChanging = ([pool]: [string, unknown]): boolean => Object.hasOwn(this.#changes, pool)
    const newer = Object.entries(pools).filter(isChanging)
    this.#changes = { ...this.#changes, ...Object.fromEntries(newer) }
    this.#write()
  }

  async settled(): Promise<string | null> {
    await this.#writing
    return this.#failure
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    if (this.#retry !== null) this.#write()
    this.#isClosed = true
    await this.#writing
  }

  #closedError(): StateFileError {
    const { path } = this.#file
    return new StateFileError(path, `the state file ${path} is closed`)
  }

  #write(): void {
    if (this.#retry !== null) this.#timers.clear(this.#retry)
    this.#retry = null
    this.#isDue = true
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    while (this.#isDue) await this.#writeOnce()
    this.#writing = null
    if (this.#isClosed || Object.keys(this.#unkept).length === 0) return
    this.#retry = this.#timers.set(RETRY_MS, () => this.#write())
  }

  async #writeOnce(): Promise<void> {
    const waiters = this.#waiters
    const unkept = this.#unkept
    const next = { ...this.#kept, ...unkept, ...this.#changes }
    this.#isDue = false
    this.#waiters = []
    this.#changes = {}
    try {
      await this.#file.write(writeState(next))
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error)
      for (const waiter of waiters) waiter.reject(error)
      if (Object.keys(this.#unkept).length > 0 && this.#told !== this.#failure) {
        this.#told = this.#failure
        this.#failed(error instanceof Error ? error : new Error(this.#failure))
      }
      return
    }
    this.#kept = next
    this.#failure = null
    this.#told = null
    const isUnkept = ([pool, record]: [string, unknown]): boolean => unkept[pool] !== record
    this.#unkept = Object.fromEntries(Object.entries(this.#unkept).filter(isUnkept))
    for (const waiter of waiters) waiter.resolve()
  }
}
