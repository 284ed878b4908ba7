// Where log lines end: a file or a standard stream, written in the background, one write at a time.
// Says which lines it has taken, so that whoever gives them knows how far behind it is and can drop
// lines: what waits here is bounded by the givers' windows.
// Must never block: a full disk or a pipe nobody reads may cost lines, and nothing else.

import { close, closeSync, constants, fstatSync, openSync, write } from 'node:fs'

export interface LineSinkOptions {
  /** File to append to, or the descriptor of standard output or standard error. */
  readonly to: string | StandardStream
  /** Lines of `source` with this many characters are done with, written or lost. */
  readonly taken: (source: number, characters: number) => void
  /** Writing fails; said once until it works again. */
  readonly failed: (message: string) => void
}

export type StandardStream = 1 | 2

interface Batch {
  readonly source: number
  readonly lines: string
}

/** How long to wait when the other end of a pipe has no room. */
const RETRY_MS = 20
/** Bytes given to one write. */
const WRITE_BYTES_MAX = 262_144

export class LineSink {
  readonly #options: LineSinkOptions
  #descriptor: number
  #queue: Batch[] = []
  #isWriting = false
  #hasFailed = false
  #isClosed = false
  #lost = 0
  #idle: (() => void)[] = []

  /** Opens the file. @throws Error when it can't be opened */
  constructor(options: LineSinkOptions) {
    this.#options = options
    this.#descriptor = openSink(options.to)
  }

  /** Lines lost because a write failed. */
  get lostLines(): number {
    return this.#lost
  }

  /** Takes lines, each ending in a newline, from a data thread. */
  write(source: number, lines: string): void {
    if (this.#isClosed) return
    this.#queue.push({ source, lines })
    if (!this.#isWriting) this.#writeNext()
  }

  /** Goes on in a new file at the same path, after a rotation. @throws Error if that fails */
  reopen(): void {
    if (typeof this.#options.to !== 'string') return
    const old = this.#descriptor
    this.#descriptor = openSink(this.#options.to)
    this.#whenIdle(() => close(old, () => {}))
  }

  /** Writes what is left, for at most `graceMs`, and closes. */
  async close(graceMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, graceMs)
      this.#whenIdle(() => {
        clearTimeout(timer)
        resolve()
      })
    })
    this.#isClosed = true
    if (this.#descriptor > 2 && !this.#isWriting) closeSync(this.#descriptor)
  }

  #whenIdle(act: () => void): void {
    if (this.#isWriting) this.#idle.push(act)
    else act()
  }

  #writeNext(): void {
    const batches: Batch[] = []
    let characters = 0
    while (this.#queue.length > 0 && characters < WRITE_BYTES_MAX) {
      const batch = this.#queue.shift()!
      batches.push(batch)
      characters += batch.lines.length
    }
    this.#isWriting = batches.length > 0
    if (this.#isWriting) {
      const bytes = Buffer.from(batches.map((batch) => batch.lines).join(''), 'utf8')
      this.#writeBytes(bytes, batches)
    } else {
      for (const act of this.#idle.splice(0)) act()
    }
  }

  #writeBytes(bytes: Buffer, batches: readonly Batch[]): void {
    write(this.#descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (this.#isClosed) return
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writeBytes(bytes, batches), RETRY_MS)
      } else if (error === null && written < bytes.length) {
        this.#writeBytes(bytes.subarray(written), batches)
      } else {
        this.#settle(error, batches)
      }
    })
  }

  #settle(error: NodeJS.ErrnoException | null, batches: readonly Batch[]): void {
    if (error !== null) {
      for (const { lines } of batches) this.#lost += lines.split('\n').length - 1
      if (!this.#hasFailed) this.#options.failed(error.message)
    }
    this.#hasFailed = error !== null
    for (const { source, lines } of batches) this.#options.taken(source, lines.length)
    this.#writeNext()
  }
}

function openSink(to: string | StandardStream): number {
  return typeof to === 'string' ? openSync(to, 'a', 0o640) : openStandard(to)
}

// A pipe is opened once more for ourselves, non-blocking: setting that on the inherited descriptor
// would change it for every process that shares it, and a blocked write would hold up our exit.
function openStandard(descriptor: StandardStream): number {
  try {
    if (!fstatSync(descriptor).isFIFO()) return descriptor
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    return descriptor
  }
}
