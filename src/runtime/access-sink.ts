// Where the access-log lines of all data planes meet, also across a change of where they go. What
// was taken is credited to the sender, which drops lines when too many of them are under way; so
// each line must be credited once, whatever becomes of it.

import { describeFileError } from '../config/environment.ts'
import type { LogPlan } from '../core/plan.ts'
import { LineSink, type LineSinkOptions } from '../observe/line-sink.ts'
import type { Log } from '../observe/log.ts'

/** Lines of a data plane with this many characters are done with. */
export type LinesTaken = (thread: number, characters: number) => void

interface Open {
  readonly sink: LineSink
  readonly target: string | null
  /** By thread: characters that are not credited yet. */
  readonly underway: Map<number, number>
}

/** The file of the access log can't be opened; the message says which, and why. */
export class AccessLogError extends Error {
  override readonly name = 'AccessLogError'
}

/** How long a sink that is left may take to be written out. */
const LAST_LINES_MS = 1_000

export class AccessSink {
  readonly #log: Log
  readonly #taken: LinesTaken
  #open: Open | null = null
  #lost = 0

  /** @throws AccessLogError when it can't be opened */
  constructor(access: LogPlan['access'], log: Log, taken: LinesTaken) {
    this.#log = log
    this.#taken = taken
    this.follow(access)
  }

  /** Lines lost because a write failed. */
  get lostLines(): number {
    return this.#lost + (this.#open?.sink.lostLines ?? 0)
  }

  /** Lines go there from here on. @throws AccessLogError when it can't be opened; then all stays as it was */
  follow({ format, path }: LogPlan['access']): void {
    const before = this.#open
    if (format === 'off') this.#open = null
    else if (before === null || before.target !== path) this.#open = this.#start(path)
    if (before !== null && before !== this.#open) void this.#leave(before)
  }

  /** Takes lines from a data plane. */
  write(thread: number, lines: string): void {
    const open = this.#open
    // Written before the data plane heard that there is no access log any more.
    if (open === null) {
      this.#taken(thread, lines.length)
      return
    }
    open.underway.set(thread, (open.underway.get(thread) ?? 0) + lines.length)
    open.sink.write(thread, lines)
  }

  /** Goes on in a new file at the same path, after a rotation; in the old one if that fails. */
  reopen(): void {
    try {
      this.#open?.sink.reopen()
      this.#log.info('access log reopened')
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      this.#log.error('the access log could not be reopened; going on in the old file', { cause })
    }
  }

  /** Writes what is left, and closes. */
  async close(): Promise<void> {
    const open = this.#open
    this.#open = null
    if (open !== null) await this.#leave(open)
  }

  #start(target: string | null): Open {
    const underway = new Map<number, number>()
    const sink = opened(target, {
      taken: (thread, characters) => {
        underway.set(thread, (underway.get(thread) ?? 0) - characters)
        this.#taken(thread, characters)
      },
      failed: (cause) => this.#log.error('access-log lines are being lost', { cause }),
    })
    return { sink, target, underway }
  }

  async #leave({ sink, underway }: Open): Promise<void> {
    await sink.close(LAST_LINES_MS)
    this.#lost += sink.lostLines
    // What it could not write in time is credited all the same.
    for (const [thread, characters] of underway) {
      if (characters > 0) this.#taken(thread, characters)
    }
  }
}

function opened(target: string | null, options: Omit<LineSinkOptions, 'to'>): LineSink {
  try {
    return new LineSink({ to: target ?? 1, ...options })
  } catch (error) {
    const isFolder = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const why = isFolder ? 'its folder is not there' : describeFileError(error)
    throw new AccessLogError(`the access log ${target} can't be opened: ${why} (log.access.path)`)
  }
}
