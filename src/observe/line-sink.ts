// Where log lines end: a file or a standard stream, written in the background, one write at a time.
// Says which lines it has taken, so that whoever gives them knows how far behind it is and can drop
// lines: what waits here is bounded by the givers' windows.
// Must never block: a full disk or a pipe nobody reads may cost lines, and nothing else.

import { close, fstatSync, openSync, write } from 'node:fs'

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

/** How long to wait when a device has no room. */
const RETRY_MS = 20
/** Bytes given to one write. */
const WRITE_BYTES_MAX = 262_144
/** Room for the bytes of as many characters, and of the batch that goes over. */
const ROOM_BYTES = 1_048_576
/** Fewer characters are not worth that room. */
const ROOM_FROM = 16_384
/** Of one character, in UTF-8. */
const CHARACTER_BYTES_MAX = 3

export class LineSink {
  readonly #options: LineSinkOptions
  #output: Output
  #queue: Batch[] = []
  /**
   * One write at a time, so one room for all: memory of its own for each would, at 20 MB a second of
   * lines, have the collector go through the whole heap every second.
   */
  #room: Buffer | null = null
  #isWriting = false
  #hasFailed = false
  #isClosed = false
  #lost = 0
  #idle: (() => void)[] = []

  /** Opens the file. @throws Error when it can't be opened */
  constructor(options: LineSinkOptions) {
    this.#options = options
    this.#output = openOutput(options.to)
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
    const old = this.#output
    this.#output = openOutput(this.#options.to)
    this.#whenIdle(() => old.close())
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
    if (!this.#isWriting) this.#output.close()
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
      const text = batches.map((batch) => batch.lines).join('')
      this.#output.write(this.#bytesOf(text), (error) => {
        if (!this.#isClosed) this.#settle(error, batches)
      })
    } else {
      for (const act of this.#idle.splice(0)) act()
    }
  }

  #bytesOf(text: string): Buffer {
    const { length } = text
    if (length < ROOM_FROM || length * CHARACTER_BYTES_MAX > ROOM_BYTES) return Buffer.from(text)
    this.#room ??= Buffer.allocUnsafeSlow(ROOM_BYTES)
    return this.#room.subarray(0, this.#room.write(text))
  }

  #settle(error: Error | null, batches: readonly Batch[]): void {
    if (error !== null) {
      for (const { lines } of batches) this.#lost += lines.split('\n').length - 1
      if (!this.#hasFailed) this.#options.failed(error.message)
    }
    this.#hasFailed = error !== null
    for (const { source, lines } of batches) this.#options.taken(source, lines.length)
    this.#writeNext()
  }
}

interface Output {
  /** Writes all bytes, then calls `done` once. */
  write(bytes: Buffer, done: (error: Error | null) => void): void
  close(): void
}

function openOutput(to: string | StandardStream): Output {
  if (typeof to === 'string') return new FileOutput(openSync(to, 'a', 0o640))
  return fstatSync(to).isFile() ? new FileOutput(to) : new StreamOutput(to)
}

/** A file: written by Node's thread pool, which a disk holds up for a moment only. */
class FileOutput implements Output {
  readonly #descriptor: number

  constructor(descriptor: number) {
    this.#descriptor = descriptor
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    write(this.#descriptor, bytes, 0, bytes.length, null, (error, written) => {
      if (error?.code === 'EAGAIN') setTimeout(() => this.write(bytes, done), RETRY_MS)
      else if (error === null && written < bytes.length) this.write(bytes.subarray(written), done)
      else done(error)
    })
  }

  close(): void {
    if (this.#descriptor > 2) close(this.#descriptor, () => {})
  }
}

/**
 * A standard stream that is a pipe, a socket or a terminal. These can be held up for ever, and a
 * thread of the pool with them, which would then hold up our exit; Node's own streams don't block.
 */
class StreamOutput implements Output {
  readonly #stream: NodeJS.WriteStream

  constructor(to: StandardStream) {
    this.#stream = to === 1 ? process.stdout : process.stderr
    // The callback of `write` hears of it too; unheard, it would end the process.
    this.#stream.on('error', () => {})
  }

  write(bytes: Buffer, done: (error: Error | null) => void): void {
    this.#stream.write(bytes, (error) => done(error ?? null))
  }

  close(): void {}
}
