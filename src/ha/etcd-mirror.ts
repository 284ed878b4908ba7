// All keys under a prefix, kept as they are in etcd: by a watch for speed, and by ranges whenever
// its owner wants to know for sure. Whoever listens hears each change once and in order; of several
// changes to one key that were missed together only the last.
// A watch that dies is begun anew after a while, from where it was; one that hangs is found out by
// the next two ranges; where etcd has forgotten what is missing, a range fills the gap.
// Must never report a change older than one it has reported, unless etcd itself went back: then
// everything is reported again, after saying so.

import { backoffMs } from '../core/backoff.ts'
import type { Random } from '../core/random.ts'
import type { EtcdClient, Sent } from './etcd.ts'
import {
  encode,
  parseWatchLine,
  rangeEnd,
  type Change,
  type Entry,
  type Range,
  type WatchLine,
} from './etcd-wire.ts'

const RETRY_MIN_MS = 100
const RETRY_MAX_MS = 2_000

type WatchEnd = Extract<WatchLine, { kind: 'ended' }>

export interface MirrorListener {
  /**
   * Called with each change, oldest first. `isAnew`: etcd holds an older state than it once did, or
   * is another one, and this is all there is.
   */
  changed(changes: readonly Change[], isAnew: boolean): void
  /** The watch is up (`null`), or why it isn't: for the log. */
  watching(trouble: string | null): void
}

export class EtcdMirror {
  readonly #client: EtcdClient
  readonly #prefix: string
  readonly #listener: MirrorListener
  readonly #random: Random
  readonly #entries = new Map<string, Entry>()
  /** Every change up to this revision has been reported. 0: nothing is known yet. */
  #revision = 0
  #cluster = ''
  /** A range found what the watch has not told. */
  #watchIsBehind = false
  #watch: AbortController | null = null
  #closed = false
  #wake: (() => void) | null = null

  constructor(client: EtcdClient, prefix: string, listener: MirrorListener, random: Random) {
    this.#client = client
    this.#prefix = prefix
    this.#listener = listener
    this.#random = random
  }

  /** Everything known, by key. */
  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries
  }

  /**
   * Asks for everything, reports what is new, and says when it was asked. The first one also begins
   * the watch.
   * @throws EtcdError
   */
  async refresh(): Promise<{ readonly sentMs: number }> {
    const known = this.#revision
    const sent: Sent<Range> = await this.#client.range(this.#prefix)
    if (this.#closed) return { sentMs: sent.sentMs }
    this.#merge(sent.value, known)
    if (this.#watch === null) {
      this.#watch = new AbortController()
      void this.#watchForever()
    }
    return { sentMs: sent.sentMs }
  }

  close(): void {
    this.#closed = true
    this.#watch?.abort()
    this.#wake?.()
  }

  /** `known`: what was known when the range was asked for; no member may answer from before. */
  #merge(range: Range, known: number): void {
    const back = this.#cluster !== '' && (range.revision < known || range.cluster !== this.#cluster)
    if (!back && range.revision < this.#revision) return
    const changes = this.#difference(range, back)
    this.#cluster = range.cluster
    this.#revision = range.revision
    if (back) this.#restartWatch()
    else if (changes.length > 0 && known > 0) {
      if (this.#watchIsBehind) this.#restartWatch()
      this.#watchIsBehind = !this.#watchIsBehind
    }
    this.#report(changes, back)
  }

  /** `back`: all there is, also what has not changed. */
  #difference(range: Range, back: boolean): Change[] {
    const present = new Set(range.entries.map((entry) => entry.key))
    const changes: Change[] = []
    for (const key of this.#entries.keys()) {
      if (!present.has(key)) changes.push({ key, entry: null, modRevision: range.revision })
    }
    for (const entry of range.entries) {
      const old = this.#entries.get(entry.key)
      if (back || old?.modRevision !== entry.modRevision) {
        changes.push({ key: entry.key, entry, modRevision: entry.modRevision })
      }
    }
    return changes.sort((a, b) => a.modRevision - b.modRevision)
  }

  #report(changes: readonly Change[], isAnew = false): void {
    if (changes.length === 0 && !isAnew) return
    for (const { key, entry } of changes) {
      if (entry === null) this.#entries.delete(key)
      else this.#entries.set(key, entry)
    }
    this.#listener.changed(changes, isAnew)
  }

  #restartWatch(): void {
    this.#watchIsBehind = false
    this.#watch?.abort()
  }

  async #watchForever(): Promise<void> {
    let failures = 0
    while (!this.#closed) {
      const watch = new AbortController()
      this.#watch = watch
      const startedMs = performance.now()
      const end = await this.#watchOnce(watch)
      if (this.#closed) return
      if (end === null) continue
      this.#listener.watching(end.reason)
      if (end.compacted && (await this.#fillGap())) continue
      if (performance.now() - startedMs > RETRY_MAX_MS) failures = 0
      await this.#pause(backoffMs(++failures, RETRY_MIN_MS, RETRY_MAX_MS, this.#random))
    }
  }

  /** Watches until it ends; `null` if it was ended from here. */
  async #watchOnce(watch: AbortController): Promise<WatchEnd | null> {
    const body = {
      create_request: {
        key: encode(this.#prefix),
        range_end: rangeEnd(this.#prefix),
        start_revision: String(this.#revision + 1),
        progress_notify: true,
      },
    }
    let end: WatchEnd | null = null
    const onLine = (text: string): void => {
      if (watch.signal.aborted) return
      const line = parseWatchLine(text)
      if (line.kind === 'created') this.#listener.watching(null)
      else if (line.kind === 'changes') this.#takeChanges(line.changes)
      else if (line.kind === 'progress') this.#revision = Math.max(this.#revision, line.revision)
      else {
        // A watch that is refused for a login that has aged says it here and nowhere else.
        if (!line.compacted) this.#client.forgetLogin()
        end = line
        watch.abort()
      }
    }
    try {
      return await this.#client.stream('/v3/watch', body, onLine, watch.signal)
    } catch (error) {
      if (end !== null || watch.signal.aborted) return end
      return { kind: 'ended', compacted: false, reason: (error as Error).message }
    }
  }

  #takeChanges(changes: readonly Change[]): void {
    this.#watchIsBehind = false
    const fresh = changes.filter(({ modRevision }) => modRevision > this.#revision)
    if (fresh.length === 0) return
    this.#revision = fresh.at(-1)!.modRevision
    this.#report(fresh)
  }

  async #fillGap(): Promise<boolean> {
    try {
      await this.refresh()
      return true
    } catch {
      return false
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }
}
