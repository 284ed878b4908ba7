// The directory for what must survive a restart and a crash: locked, so that one process alone writes
// there, and its files, each replaced as a whole; a write is over when it is on the disk.
// Must never take a file that can't be read for an empty one.

import { constants } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { mkdir, open, readFile, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { LockedError, takeLock } from './state-lock.ts'
import type { StateLock } from './state-lock.ts'
import { Reserve } from './state-reserve.ts'
import { writeWhole } from './whole-file.ts'

/** Nothing could be kept or read; the message says which file, why, and what to do. */
export class StateFileError extends Error {
  override readonly name = 'StateFileError'
  readonly path: string

  constructor(path: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.path = path
  }
}

/** A directory that is ours alone. */
export interface StateDir {
  /** A file of it, by its name without `.json`. */
  file(name: string): SafeFile
  /** Gives the directory free. Whatever writes there must have ended. */
  close(): Promise<void>
}

/**
 * Opens a directory, which is made if need be.
 * @throws StateFileError when it is in use, or can't be used
 */
export async function openStateDir(path: string): Promise<StateDir> {
  let handle: FileHandle
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
    handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  } catch (error) {
    throw fault(path, `the state directory ${path} can't be used`, error)
  }
  let lock: StateLock
  try {
    lock = await lockOf(path, handle)
  } catch (error) {
    await handle.close()
    throw error
  }
  const reserve = new Reserve(path)
  await reserve.keep()
  const place = { path, handle, lock, reserve }
  let isClosed = false
  return {
    file: (name) => new SafeFile(place, name),
    close: async () => {
      if (isClosed) return
      isClosed = true
      await lock.release()
      await handle.close()
    },
  }
}

interface Place {
  readonly path: string
  readonly handle: FileHandle
  readonly lock: StateLock
  readonly reserve: Reserve
}

/** What a file holds, by the judgement of who knows its format. */
export type Content<T> =
  | { readonly kind: 'state'; readonly value: T }
  /** Cut off or scrambled: what a crash of the machine or a full disk can leave. */
  | { readonly kind: 'torn' }
  /** Whole, but not ours, or of another version. */
  | { readonly kind: 'foreign'; readonly why: string }

/** What was found of a file. */
export interface Found<T> {
  /** `null`: there never was one. */
  readonly value: T | null
  /** The newest one was damaged, and this is the one before. */
  readonly isOlder: boolean
  readonly warnings: readonly string[]
}

/** What a file is for: the end of the sentence that says that it can't be read. */
export interface Meaning {
  /** `It holds …, so nothing is assumed in its place: restore it, or …`. */
  readonly advice: string
  /** What going on from the one before means; empty if nothing. */
  readonly older: string
}

/** A file of two: the newest, and the one before it. One writer at a time. */
export class SafeFile {
  readonly path: string
  readonly #place: Place
  readonly #before: string
  readonly #next: string
  /** The newest file is whole, so it may become the one before. */
  #isNewestWhole = false

  constructor(place: Place, name: string) {
    this.#place = place
    this.path = join(place.path, `${name}.json`)
    this.#before = `${this.path}.old`
    this.#next = `${this.path}.new`
  }

  /**
   * Reads it, or the one before where the newest is missing or damaged.
   * @throws StateFileError when what there is can't be read for what it was
   */
  async read<T>(parse: (text: string) => Content<T>, meaning: Meaning): Promise<Found<T>> {
    const path = this.path
    const newest = await look(path, parse)
    if (newest.kind === 'state') {
      this.#isNewestWhole = true
      return { value: newest.value, isOlder: false, warnings: [] }
    }
    const refuse = (file: string, what: string): StateFileError =>
      new StateFileError(file, `the state file ${file} ${what}. ${meaning.advice}`)
    if (newest.kind === 'foreign') throw refuse(path, `is not a state of Evenkeel's: ${newest.why}`)
    const older = await look(this.#before, parse)
    if (older.kind === 'foreign') {
      throw refuse(this.#before, `is not a state of Evenkeel's: ${older.why}`)
    }
    if (newest.kind === 'missing') {
      if (older.kind === 'missing') return { value: null, isOlder: false, warnings: [] }
      if (older.kind === 'torn') throw refuse(this.#before, `is damaged, and ${path} is missing`)
      const warning = `${path} is missing; going on from ${this.#before}, the state before it`
      return { value: older.value, isOlder: false, warnings: [warning] }
    }
    if (older.kind !== 'state') {
      throw refuse(path, `is damaged, and there is no whole ${this.#before} to go back to`)
    }
    const warning = `${path} is damaged; going on from ${this.#before}, the state before it${meaning.older}`
    return { value: older.value, isOlder: true, warnings: [warning] }
  }

  /**
   * The new text is whole on the disk before anything is renamed. Between the two renamings there is no
   * newest file, and the one before is exactly what was last acknowledged.
   * @throws StateFileError
   */
  async write(text: string): Promise<void> {
    const { path, lock, handle, reserve } = this.#place
    if (!lock.isHeld()) {
      const message = `the lock of the state directory ${path} was removed or taken by another process, so nothing is written there any more; restart Evenkeel`
      throw new StateFileError(this.path, message)
    }
    try {
      await this.#writeNext(text)
      if (this.#isNewestWhole) await rename(this.path, this.#before).catch(ignoreMissing)
      await rename(this.#next, this.path)
      this.#isNewestWhole = true
      await handle.sync().catch(ignoreUnsupported)
    } catch (error) {
      await unlink(this.#next).catch(() => {})
      throw fault(this.path, `the state file ${this.path} can't be written`, error)
    }
    await reserve.keep()
  }

  /** On a full disk once more, in the room that was kept for this. */
  async #writeNext(text: string): Promise<void> {
    try {
      await writeWhole(this.#next, text)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error
      if (!(await this.#place.reserve.giveFree())) throw error
      await writeWhole(this.#next, text)
    }
  }
}

async function lockOf(path: string, { fd }: FileHandle): Promise<StateLock> {
  try {
    return await takeLock(path, fd)
  } catch (error) {
    if (!(error instanceof LockedError)) {
      throw fault(path, `the state directory ${path} can't be locked`, error)
    }
    const message = `the state directory ${path} is in use: ${error.message}; each Evenkeel needs a directory of its own (runtime.stateDir)`
    throw new StateFileError(path, message)
  }
}

async function look<T>(
  path: string,
  parse: (text: string) => Content<T>,
): Promise<Content<T> | { readonly kind: 'missing' }> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'missing' }
    throw fault(path, `the state file ${path} can't be read`, error)
  }
  return parse(text)
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
