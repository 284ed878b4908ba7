// The new process, seen from the one that has started it: what it says, what is said to it, and its end.
// Must never decide what follows from any of that: upgrade.ts does.

import type { ChildProcess } from 'node:child_process'
import { within } from './clock.ts'
import type { PredecessorMessage, SuccessorMessage } from './upgrade-protocol.ts'

/** How long a killed process may take to be gone. */
const GONE_MS = 5_000

export class Successor {
  version = ''
  /** Why it is not ready yet, if it says. */
  waitsFor = ''
  /** It may have opened the state directory. */
  hasState = false
  /** It has ended, or never began. */
  isGone = false
  readonly #fence: (pool: string) => Promise<void>
  readonly #failed: Promise<never>
  readonly #heard = new Map<SuccessorMessage['kind'], SuccessorMessage>()
  #fail!: (error: Error) => void
  #child: ChildProcess | null = null
  #wake: () => void = () => {}

  constructor(fence: (pool: string) => Promise<void>) {
    this.#fence = fence
    this.#failed = new Promise<never>((_, reject) => (this.#fail = reject))
    // It may fail while nobody waits for it.
    this.#failed.catch(() => {})
  }

  get pid(): number {
    return this.#child?.pid ?? 0
  }

  adopt(child: ChildProcess): void {
    this.#child = child
    child.on('message', (message) => this.#hear(message as SuccessorMessage))
    child.on('error', (error) => {
      this.isGone = true
      this.fail(new Error(`The new process could not be started: ${error.message}`))
    })
    child.on('exit', (code, signal) => {
      this.isGone = true
      const how = signal === null ? `with code ${code ?? 0}` : `by ${signal}`
      this.fail(new Error(`The new process ended ${how} before it had taken over.`))
    })
  }

  fail(error: Error): void {
    this.#fail(error)
  }

  /** @throws Error (rejects) as soon as it has failed */
  unlessFailed<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#failed])
  }

  say(message: PredecessorMessage): void {
    // An error here is its end, which is heard of anyway.
    if (this.#child?.connected === true) this.#child.send(message, () => {})
  }

  /** The first message of a kind. @throws Error (rejects) when it fails instead */
  async hears<K extends SuccessorMessage['kind']>(
    kind: K,
  ): Promise<Extract<SuccessorMessage, { kind: K }>> {
    for (;;) {
      const message = this.#heard.get(kind)
      if (message !== undefined) return message as Extract<SuccessorMessage, { kind: K }>
      await this.unlessFailed(new Promise<void>((resolve) => (this.#wake = resolve)))
    }
  }

  /** This process need not live because of it. */
  letGo(): void {
    this.#child?.unref()
    this.#child?.channel?.unref()
  }

  tellToStop(): void {
    this.#child?.kill('SIGTERM')
  }

  async kill(): Promise<void> {
    const child = this.#child
    if (child === null || child.pid === undefined) return
    if (this.isGone) return
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
    child.kill('SIGKILL')
    await within(GONE_MS, gone)
  }

  #hear(message: SuccessorMessage): void {
    switch (message.kind) {
      case 'failed':
        this.fail(new Error(`The new process refused: ${message.message.trim()}`))
        break
      case 'fence': {
        const { pool } = message
        void this.#fence(pool).then(() => this.say({ kind: 'fenced', pool }))
        break
      }
      case 'waiting':
        this.waitsFor = message.reason
        break
      case 'loaded':
        this.version = message.version
        this.#keep(message)
        break
      case 'ready':
      case 'taken':
        this.#keep(message)
        break
    }
  }

  #keep(message: SuccessorMessage): void {
    this.#heard.set(message.kind, message)
    this.#wake()
  }
}
