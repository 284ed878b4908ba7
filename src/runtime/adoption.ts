// Who goes by the last plan already, and who could not open its listeners. Only counts; that threads
// get the plan, and what becomes of one that fails, is the business of whoever runs them.

/** How long all threads together may take to adopt a plan. */
const ADOPT_MS = 5_000

interface Waiting {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: Error) => void
  readonly timer: NodeJS.Timeout
}

export class Adoption {
  readonly #withinMs: number
  /** Snapshot version of the last plan. */
  #version = 0
  /** By thread: the last plan it goes by. */
  readonly #adopted: number[]
  /** By thread: the listeners it could not open, with the reason. */
  readonly #failures: Map<string, string>[]
  #waiting: Waiting | null = null

  constructor(threads: number, withinMs: number = ADOPT_MS) {
    this.#withinMs = withinMs
    this.#adopted = Array.from<number>({ length: threads }).fill(0)
    this.#failures = Array.from({ length: threads }, () => new Map<string, string>())
  }

  /** Snapshot version of the last plan; 0 is the one everything began with. */
  get version(): number {
    return this.#version
  }

  /** A plan goes out with this snapshot. */
  expect(version: number): void {
    this.#version = version
    for (const failures of this.#failures) failures.clear()
  }

  /** A thread could not open a listener. */
  fail(thread: number, listener: string, message: string): void {
    this.#failures[thread]!.set(listener, message)
  }

  /** A thread goes by the plan of this version; a thread that isn't there may be taken to do so. */
  note(thread: number, version: number): void {
    if (version < this.#version) this.#failures[thread]!.clear()
    this.#adopted[thread] = Math.max(this.#adopted[thread]!, version)
    if (this.#missing().length === 0) this.#settle(this.#failure())
  }

  /**
   * Resolves when every thread goes by the last plan.
   * @throws Error naming the listeners that can't be opened, or the threads that take too long
   */
  async settled(): Promise<void> {
    if (this.#missing().length > 0) {
      await (this.#waiting ??= this.#wait()).promise
      return
    }
    const failure = this.#failure()
    if (failure !== null) throw failure
  }

  /** Nobody will adopt anything any more. */
  stop(): void {
    this.#settle(new Error('the balancer is being stopped'))
  }

  #missing(): readonly number[] {
    return [...this.#adopted.keys()].filter((thread) => this.#adopted[thread]! < this.#version)
  }

  #failure(): Error | null {
    const all = new Map(this.#failures.flatMap((failures) => [...failures]))
    if (all.size === 0) return null
    const sentences = [...all].map(
      ([listener, message]) => `listener '${listener}' can't be opened: ${message}`,
    )
    return new Error(sentences.join('; '))
  }

  #wait(): Waiting {
    let resolve!: () => void
    let reject!: (error: Error) => void
    const promise = new Promise<void>((yes, no) => {
      resolve = yes
      reject = no
    })
    const timer = setTimeout(() => {
      const names = this.#missing().map((thread) => `data thread ${thread}`)
      const have = names.length === 1 ? 'has' : 'have'
      const withinS = this.#withinMs / 1000
      this.#settle(
        new Error(`${names.join(', ')} ${have} not adopted the new plan within ${withinS} s`),
      )
    }, this.#withinMs)
    return { promise, resolve, reject, timer }
  }

  #settle(error: Error | null): void {
    const waiting = this.#waiting
    if (waiting === null) return
    this.#waiting = null
    clearTimeout(waiting.timer)
    if (error === null) waiting.resolve()
    else waiting.reject(error)
  }
}
