// Members from a file that somebody else writes. Its directory is watched rather than the file, as a
// file that is replaced by a rename, or by Kubernetes' swap of `..data`, is another one each time;
// where watching fails (some network and overlay file systems) a look every 2 s does it.
// A file that can't be read or understood changes nothing.

import { type FSWatcher, watch } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Found } from '../core/membership.ts'
import type { SourceWord } from '../core/membership-source.ts'
import type { FileSourcePlan } from '../core/source-plan.ts'
import type { Source, SourceHost } from './contract.ts'

/** What a list of members says, or where it is wrong: `line 3, column 5: ...`. */
export type ListReading =
  | { readonly ok: true; readonly found: readonly Found[] }
  | { readonly ok: false; readonly reason: string }

/** Reads the text of a list. */
export type ReadList = (text: string, file: string) => ListReading

const LOOK_MS = 2_000
/** A file that changes goes on changing for a moment, unless it was renamed into place. */
const SETTLE_MS = 100
/** So long a file may go on changing before it is read all the same. */
const SETTLE_MAX_MS = 2_000
const FILE_BYTES_MAX = 4 << 20

export class FileSource implements Source {
  readonly #plan: FileSourcePlan
  readonly #host: SourceHost
  readonly #read: ReadList
  #watcher: FSWatcher | null = null
  #timer: unknown = null
  #isLooking = false
  /** Something happened meanwhile. */
  #again = false
  #isStopped = false
  /** Which file was read last, and in which state. */
  #readStamp = ''
  /** The state in which it was seen last, and since when it changes. */
  #seenStamp = ''
  #changingSinceMs = 0
  #trouble: string | null = null

  constructor(plan: FileSourcePlan, host: SourceHost, read: ReadList) {
    this.#plan = plan
    this.#host = host
    this.#read = read
  }

  start(): void {
    void this.#look(true)
  }

  stop(): void {
    this.#isStopped = true
    this.#host.timers.clear(this.#timer)
    this.#unwatch()
  }

  #lookIn(ms: number): void {
    this.#host.timers.clear(this.#timer)
    this.#timer = this.#host.timers.set(ms, () => void this.#look(false))
  }

  async #look(isFirst: boolean): Promise<void> {
    if (this.#isLooking) {
      this.#again = true
      return
    }
    this.#isLooking = true
    this.#again = false
    let nextMs = LOOK_MS
    try {
      this.#watch()
      nextMs = await this.#readIfChanged(isFirst)
    } catch (error) {
      // The next look is at what will be a changed file.
      this.#readStamp = ''
      this.#fail(describe(error))
    }
    this.#isLooking = false
    if (!this.#isStopped) this.#lookIn(this.#again ? Math.min(nextMs, SETTLE_MS) : nextMs)
  }

  /** Milliseconds until the next look. */
  async #readIfChanged(isFirst: boolean): Promise<number> {
    const { path } = this.#plan
    const stamp = await this.#stamp()
    if (stamp === this.#readStamp) return LOOK_MS
    const nowMs = this.#host.clock.nowMs()
    if (stamp !== this.#seenStamp && !isFirst) {
      if (this.#changingSinceMs === 0) this.#changingSinceMs = nowMs
      this.#seenStamp = stamp
      if (nowMs - this.#changingSinceMs < SETTLE_MAX_MS) return SETTLE_MS
    }
    this.#changingSinceMs = 0
    const text = new TextDecoder('utf-8', { fatal: true }).decode(await readFile(path))
    if ((await this.#stamp()) !== stamp && !isFirst) return SETTLE_MS
    this.#seenStamp = stamp
    this.#readStamp = stamp
    if (this.#isStopped) return LOOK_MS
    // The directory may have been replaced together with the file.
    this.#unwatch()
    this.#watch()
    const list = this.#read(text, path)
    if (list.ok) this.#tell({ kind: 'answer', found: list.found, incomplete: null, refused: [] })
    else this.#fail(list.reason)
    return LOOK_MS
  }

  /** Says which file there is, through all links, and in which state. */
  async #stamp(): Promise<string> {
    const found = await stat(this.#plan.path, { bigint: true })
    const { dev, ino, size, mtimeNs, ctimeNs } = found
    // A pipe would be waited on, a device read without end.
    if (!found.isFile() && !found.isDirectory()) throw new Error('it is no regular file')
    if (size > FILE_BYTES_MAX) throw new Error(`it is larger than ${FILE_BYTES_MAX >> 20} MiB`)
    return [dev, ino, size, mtimeNs, ctimeNs].join(' ')
  }

  #watch(): void {
    if (this.#watcher !== null) return
    try {
      const watcher = watch(dirname(this.#plan.path), () => {
        if (!this.#isStopped) this.#lookIn(0)
      })
      watcher.on('error', () => this.#unwatch())
      this.#watcher = watcher
    } catch {
      // There is no such directory yet, or it can't be watched: looking has to do.
    }
  }

  #unwatch(): void {
    this.#watcher?.close()
    this.#watcher = null
  }

  #fail(reason: string): void {
    // A directory that was replaced is another one: the old one tells nothing any more.
    this.#unwatch()
    if (this.#isStopped || this.#trouble === reason) return
    this.#tell({ kind: 'failure', reason })
    this.#trouble = reason
  }

  #tell(word: SourceWord): void {
    this.#trouble = null
    this.#host.tell(word)
  }
}

function describe(error: unknown): string {
  if (error instanceof TypeError) return 'it is not UTF-8 text'
  const { code, message } = error as NodeJS.ErrnoException
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file'
    case 'EACCES':
    case 'EPERM':
      return 'it may not be read'
    case 'EISDIR':
      return 'it is a directory'
    default:
      return message
  }
}
