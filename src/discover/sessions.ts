// Sources that list and watch run in sessions: connect, list, follow, and when something breaks,
// begin anew after a pause that grows. What breaks once after it was well is not worth a word.

import type { SourceWord } from '../core/membership-source.ts'
import type { Source, SourceHost } from './contract.ts'
import { retryMs } from './contract.ts'
import { StreamError } from './json-api.ts'

/** From one connection to its end. */
export class Session {
  /** Fires when the session is over, for whatever reason. */
  readonly signal: AbortSignal
  readonly #host: SourceHost
  readonly #abort = new AbortController()
  #timer: unknown = null
  #resume: (() => void) | null = null
  /** It has given a good answer. */
  answered = false

  constructor(host: SourceHost) {
    this.#host = host
    this.signal = this.#abort.signal
  }

  answer(word: SourceWord): void {
    if (this.signal.aborted) return
    this.answered = true
    this.#host.tell(word)
  }

  /** Resolves after `ms`, or when it is woken, or at the end of the session. */
  pause(ms: number): Promise<void> {
    if (this.signal.aborted) return Promise.resolve()
    return new Promise((resolve) => {
      this.#resume = resolve
      this.#timer = this.#host.timers.set(ms, () => this.wake())
    })
  }

  /** Ends a pause. */
  wake(): void {
    this.#host.timers.clear(this.#timer)
    this.#resume?.()
    this.#resume = null
  }

  end(): void {
    this.#abort.abort()
    this.wake()
  }
}

/** Runs one session after another. */
export class Sessions implements Source {
  readonly #host: SourceHost
  readonly #run: (session: Session) => Promise<void>
  #current: Session | null = null
  #isStopped = false
  #failures = 0

  /** @param run one session; it resolves or throws when a new one should begin */
  constructor(host: SourceHost, run: (session: Session) => Promise<void>) {
    this.#host = host
    this.#run = run
  }

  start(): void {
    void this.#loop()
  }

  stop(): void {
    this.#isStopped = true
    this.#current?.end()
  }

  async #loop(): Promise<void> {
    while (!this.#isStopped) {
      const session = new Session(this.#host)
      this.#current = session
      const trouble = await this.#oneSession(session)
      session.end()
      if (this.#isStopped) return
      if (session.answered) this.#failures = 0
      this.#failures++
      const isPassing = trouble instanceof StreamError && this.#failures === 1
      if (trouble !== null && !isPassing) {
        this.#host.tell({ kind: 'failure', reason: trouble.message })
      }
      const pause = new Session(this.#host)
      this.#current = pause
      await pause.pause(retryMs(this.#failures, this.#host.random))
    }
  }

  async #oneSession(session: Session): Promise<Error | null> {
    try {
      await this.#run(session)
      return null
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error))
    }
  }
}
