// The process before this one, seen from the new one: what is inherited from it, and the steps by which
// it gives way. If it dies meanwhile, everything is ours at once.

import type { PoolStatus } from '../core/status.ts'
import type { PredecessorMessage, SuccessorMessage, Estate } from './upgrade-protocol.ts'
import { SUCCESSOR_VARIABLE } from './upgrade-protocol.ts'
import type { Memory, OldSender } from './upgrade-state.ts'

/** How long the first message may take: it was sent when this process was started. */
const ESTATE_MS = 5_000
const LOOK_MS = 20
/** How long new connections may wait for an agreement between replicas. */
const GRANTED_MS = 5_000

/** The part of `process` that talks to the parent. */
export interface Channel {
  readonly connected?: boolean
  send?(message: SuccessorMessage, done: () => void): void
  on(event: 'message', listener: (message: PredecessorMessage) => void): void
  on(event: 'disconnect', listener: () => void): void
}

/**
 * The process that this one was started to follow; `null` if there is none.
 * @throws Error (rejects) when it is gone before it has said what is inherited
 */
export async function followed(env: NodeJS.ProcessEnv): Promise<Predecessor | null> {
  if (env[SUCCESSOR_VARIABLE] !== '1') return null
  // Hooks and other children of ours are nobody's successors.
  delete env[SUCCESSOR_VARIABLE]
  return meet(process)
}

function meet(channel: Channel): Promise<Predecessor> {
  return new Promise((resolve, reject) => {
    const gone = (): void => reject(new Error('the process that started this one is gone'))
    if (channel.connected !== true) return gone()
    const timer = setTimeout(gone, ESTATE_MS)
    channel.on('disconnect', gone)
    channel.on('message', (message) => {
      if (message.kind !== 'estate') return
      clearTimeout(timer)
      resolve(new Predecessor(message.estate, channel))
    })
  })
}

export class Predecessor implements OldSender {
  readonly estate: Estate
  readonly isOver: Promise<void>
  readonly #channel: Channel
  readonly #stateFree: Promise<Memory | null>
  readonly #gone: Promise<void>
  #over!: () => void
  #freed!: (memory: Memory | null) => void
  #left!: () => void
  #isReady = false
  #isAllOurs = false
  #isGone = false
  /** By pool: those who wait for its fence. Two moves of one pool may follow each other closely. */
  readonly #fences = new Map<string, (() => void)[]>()

  constructor(estate: Estate, channel: Channel) {
    this.estate = estate
    this.#channel = channel
    this.isOver = new Promise((resolve) => (this.#over = resolve))
    this.#stateFree = new Promise((resolve) => (this.#freed = resolve))
    this.#gone = new Promise((resolve) => (this.#left = resolve))
    channel.on('message', (message) => this.#hear(message))
    channel.on('disconnect', () => this.#lose())
    if (channel.connected === false) this.#lose()
  }

  /**
   * The configuration is right: waits until the state directory may be used. Resolves to what the other
   * process knows.
   */
  async loaded(version: string): Promise<Memory | null> {
    this.#say({ kind: 'loaded', version })
    return this.#stateFree
  }

  /**
   * Waits until every pool that has a backend available over there has one here, too.
   * @param except pools that can't have before the other process has left them
   */
  async untilAsGood(status: () => readonly PoolStatus[], except: readonly string[]): Promise<void> {
    const wanted = new Set(this.estate.available)
    for (const name of except) wanted.delete(name)
    const lacking = (): PoolStatus | undefined =>
      status().find(({ name, available }) => available === 0 && wanted.has(name))
    let told = ''
    for (let pool = lacking(); pool !== undefined && !this.#isGone; pool = lacking()) {
      const reason = `pool '${pool.name}' has no backend available in it: ${whyNot(pool)}`
      if (reason !== told) this.#say({ kind: 'waiting', reason })
      told = reason
      await after(LOOK_MS)
    }
  }

  /** Waits for what replicas have to agree on, but not for long: serving the rest is worth more. */
  async untilGranted(areGranted: () => boolean): Promise<void> {
    const startMs = performance.now()
    while (!areGranted() && performance.now() - startMs < GRANTED_MS) await after(LOOK_MS)
  }

  /** This process can do without the other: waits until it has given everything up. */
  async giveWay(isServing: boolean): Promise<void> {
    if (!this.#isReady) this.#say({ kind: 'ready', isServing })
    this.#isReady = true
    await this.isOver
  }

  /** Everything is here. */
  taken(): void {
    this.#say({ kind: 'taken' })
  }

  /** This process ends without having taken over. */
  failed(message: string): void {
    this.#say({ kind: 'failed', message })
  }

  /** This process is told to stop: until the other one has given everything up, that one goes on. */
  stopped(): void {
    if (!this.#isAllOurs) this.failed('it was told to stop')
  }

  async fence(pool: string): Promise<void> {
    const fenced = new Promise<void>((resolve) => {
      this.#fences.set(pool, [...(this.#fences.get(pool) ?? []), resolve])
    })
    this.#say({ kind: 'fence', pool })
    await Promise.race([fenced, this.#gone])
  }

  #hear(message: PredecessorMessage): void {
    if (message.kind === 'state-free') this.#freed(message.memory)
    else if (message.kind === 'yours') this.#own()
    else if (message.kind === 'fenced') this.#fenced(message.pool)
  }

  // What was given up stays given up, so that one answer is true for all who wait.
  #fenced(pool: string): void {
    const waiting = this.#fences.get(pool) ?? []
    this.#fences.delete(pool)
    for (const done of waiting) done()
  }

  // It can't have been told to go while it still served: then it would have ended this process first.
  #lose(): void {
    this.#isGone = true
    this.#freed(null)
    this.#own()
    this.#left()
  }

  #own(): void {
    this.#isAllOurs = true
    this.#over()
  }

  #say(message: SuccessorMessage): void {
    // An error here is its end, which is heard of anyway.
    if (this.#channel.connected !== false) this.#channel.send?.(message, () => {})
  }
}

function whyNot({ backends }: PoolStatus): string {
  const [first] = backends
  return first === undefined ? 'it has none at all' : `${first.name} is ${first.reason}`
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
