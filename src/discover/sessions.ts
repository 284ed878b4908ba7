// Sources that list and watch run in sessions: connect, list, follow, and when something breaks,
// begin anew after a pause that grows. What breaks now and then is not worth a word; what breaks off
// soon after each start is, though its lists are good: changes in between are not heard of.

import type { SourceWord } from '../core/membership-source.ts'
import type { Source, SourceHost } from './contract.ts'
import { retryMs } from './contract.ts'
import { StreamError } from './json-api.ts'

type Answer = Extract<SourceWord, { kind: 'answer' }>

/** How long a session has to last after its first answer to count as a good one. */
const STEADY_MS = 10_000
/** Sessions in a row that may break off after an answer without a word about it. */
const BREAKS_UNTOLD = 2

/** From one connection to its end. */
export class Session {
  /** Fires when the session is over, for whatever reason. */
  readonly signal: AbortSignal
  /** It has lasted for a while. */
  isSteady = false
  readonly #host: SourceHost
  readonly #abort = new AbortController()
  /** Why those before it broke off; `null` if that is over. */
  #unsteady: string | null
  #last: Answer | null = null
  #steady: unknown = null
  #timer: unknown = null
  #resume: (() => void) | null = null

  constructor(host: SourceHost, unsteady: string | null = null) {
    this.#host = host
    this.#unsteady = unsteady
    this.signal = this.#abort.signal
  }

  /** It has given a good answer. */
  get answered(): boolean {
    return this.#last !== null
  }

  answer(word: Answer): void {
    if (this.signal.aborted) return
    if (this.#last === null) {
      this.#steady = this.#host.timers.set(STEADY_MS, () => this.#settle())
    }
    this.#last = word
    this.#host.tell(this.#unsteady === null ? word : { ...word, unsteady: this.#unsteady })
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
    this.#host.timers.clear(this.#steady)
    this.wake()
  }

  #settle(): void {
    this.isSteady = true
    if (this.#unsteady === null) return
    this.#unsteady = null
    this.#host.tell(this.#last!)
  }
}

/** Runs one session after another. */
export class Sessions implements Source {
  readonly #host: SourceHost
  readonly #run: (session: Session) => Promise<void>
  #current: Session | null = null
  #isStopped = false
  /** Sessions in a row that ended without an answer. */
  #failures = 0
  /** Sessions in a row that broke off after one, since the last that was steady. */
  #breaks = 0
  #unsteady: string | null = null

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
      const session = new Session(this.#host, this.#unsteady)
      this.#current = session
      const trouble = await this.#oneSession(session)
      session.end()
      if (this.#isStopped) return
      const times = this.#count(session)
      const reason = this.#worthTelling(session, trouble)
      if (reason !== null) this.#host.tell({ kind: 'failure', reason })
      this.#unsteady = session.answered ? reason : null
      const pause = new Session(this.#host)
      this.#current = pause
      await pause.pause(retryMs(times, this.#host.random))
    }
  }

  /** How often in a row that has happened now. */
  #count({ answered, isSteady }: Session): number {
    if (!answered) return ++this.#failures
    this.#failures = 0
    this.#breaks = isSteady ? 1 : this.#breaks + 1
    return this.#breaks
  }

  /** What to say of the end of a session; `null` if it may pass. */
  #worthTelling({ answered }: Session, trouble: Error | null): string | null {
    if (!(trouble instanceof StreamError)) return trouble?.message ?? null
    if (!answered) return this.#failures > 1 ? trouble.message : null
    if (this.#breaks <= BREAKS_UNTOLD) return null
    return `it breaks off again and again: ${trouble.message}`
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
