// The way of access-log lines out of a data thread: gathered into batches, sent as one message each
// tick or when a batch is full, and dropped (counted) when the sink has fallen behind.
// Must never wait and never grow without bound: a slow disk costs lines, not requests.

/** Where a batch goes: `postMessage` to the main thread, in practice. */
export type SendLines = (lines: string) => void

/** Characters after which a batch goes out without waiting for the tick. */
export const BATCH_CHARACTERS = 16_384
/** Characters that may be on their way or unsent before lines are dropped, per thread. */
const WINDOW_CHARACTERS = 1_048_576

export class AccessOutbox {
  readonly #send: SendLines
  readonly #window: number
  #batch = ''
  /** Sent, and not yet said to be taken by the sink. */
  #underway = 0

  /** @param window characters that may wait for the sink before lines are dropped */
  constructor(send: SendLines, window: number = WINDOW_CHARACTERS) {
    this.#send = send
    this.#window = window
  }

  /**
   * Takes a line that ends in a newline. `false`: the sink is behind and the line is dropped; the
   * caller counts it in `THREAD.logDropped`.
   */
  write(line: string): boolean {
    if (this.#underway + this.#batch.length + line.length > this.#window) return false
    this.#batch += line
    if (this.#batch.length >= BATCH_CHARACTERS) this.flush()
    return true
  }

  /** Sends what has gathered; for the tick, and before the thread ends. */
  flush(): void {
    if (this.#batch === '') return
    const lines = this.#batch
    this.#batch = ''
    this.#underway += lines.length
    this.#send(lines)
  }

  /** The sink has taken this many characters (`access-taken`). */
  taken(characters: number): void {
    this.#underway = Math.max(0, this.#underway - characters)
  }
}
