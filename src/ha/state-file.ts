// What pools with an active must remember over a restart and a crash: who is active, the epoch, a move
// in progress, freezes. One small file, replaced as a whole; a save is over when it is on the disk.
// Must never forget an epoch: a file that can't be read is never taken for an empty one.

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
  /** Waits for what is being saved. @returns why the last of it was not, or `null` */
  settled(): Promise<string | null>
  /** Waits for the last save, and takes no more. */
  close(): Promise<void>
}

const NAME = 'failover'

/**
 * Reads the state of a directory that is open, and stays so. `null` keeps nothing.
 * @throws StateFileError when it can't be read
 */
export async function openStateIn(
  dir: { file(name: string): SafeFile } | null,
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
  return new StateFile(file, { pools, warnings })
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

class StateFile implements StateStore {
  readonly loaded: StateStore['loaded']
  readonly #file: SafeFile
  /** As it is on the disk. */
  #kept: PoolRecords
  /** What waits to be written; what could not be written is forgotten, since its caller knows. */
  #changes: PoolRecords = {}
  #waiters: Waiter[] = []
  #writing: Promise<void> | null = null
  #failure: string | null = null
  #isClosed = false

  constructor(file: SafeFile, loaded: StateStore['loaded']) {
    this.#file = file
    this.loaded = loaded
    this.#kept = loaded.pools
  }

  save(pools: PoolRecords): Promise<void> {
    const { path } = this.#file
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
  }

  async #writeAll(): Promise<void> {
    while (this.#waiters.length > 0) {
      const waiters = this.#waiters
      const next = { ...this.#kept, ...this.#changes }
      this.#waiters = []
      this.#changes = {}
      try {
        await this.#file.write(writeState(next))
        this.#kept = next
        this.#failure = null
        for (const waiter of waiters) waiter.resolve()
      } catch (error) {
        this.#failure = error instanceof Error ? error.message : String(error)
        for (const waiter of waiters) waiter.reject(error)
      }
    }
    this.#writing = null
  }
}
