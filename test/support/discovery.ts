// Time that stands still until it is told to move, and a source whose words a test says itself.

import assert from 'node:assert/strict'
import { formatAddress } from '../../src/core/address-text.ts'
import { ManualClock, type Timers } from '../../src/core/clock.ts'
import type { Found } from '../../src/core/membership.ts'
import type { SourceWord } from '../../src/core/membership-source.ts'
import type { DnsSourcePlan, SourcePlan } from '../../src/core/source-plan.ts'
import { seededRandom } from '../../src/core/random.ts'
import type { Source, SourceHost } from '../../src/discover/contract.ts'
import { waitFor } from './wait.ts'

/** A name with addresses. */
export const DNS_SOURCE: DnsSourcePlan = {
  kind: 'dns',
  name: 'api.internal',
  type: 'address',
  port: 80,
  servers: [],
  ttlMinMs: 1_000,
  ttlMaxMs: 60_000,
}

/** Timers on a clock of their own. */
export class ManualTime implements Timers {
  readonly clock = new ManualClock()
  readonly random = seededRandom(7)
  #due: { atMs: number; fire: () => void; id: number }[] = []
  #lastId = 0

  set(ms: number, fire: () => void): unknown {
    const id = ++this.#lastId
    this.#due.push({ atMs: this.clock.nowMs() + ms, fire, id })
    return id
  }

  clear(handle: unknown): void {
    this.#due = this.#due.filter(({ id }) => id !== handle)
  }

  /** How many timers wait. */
  get waiting(): number {
    return this.#due.length
  }

  /** Milliseconds until the next timer; Infinity without any. */
  get nextMs(): number {
    return Math.min(...this.#due.map(({ atMs }) => atMs)) - this.clock.nowMs()
  }

  /** Lets `ms` pass, timer by timer, and lets what they begin go on in between. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.clock.nowMs() + ms
    await turn()
    for (;;) {
      const next = this.#due
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((one, other) => one.atMs - other.atMs || one.id - other.id)[0]
      if (next === undefined) break
      this.clear(next.id)
      this.clock.advance(Math.max(0, next.atMs - this.clock.nowMs()))
      next.fire()
      await turn()
    }
    this.clock.advance(untilMs - this.clock.nowMs())
  }
}

/** A turn of the event loop: promises that can go on have done so. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve)
  })
}

/** A host that keeps what it is told. */
export function listeningHost(time: ManualTime, answer: () => { unsure: boolean } = sure) {
  const words: SourceWord[] = []
  const host: SourceHost = {
    clock: time.clock,
    timers: time,
    random: time.random,
    tell: (word) => {
      words.push(word)
      return answer()
    },
  }
  return { host, words }
}

function sure() {
  return { unsure: false }
}

/** A source that says what the test says. */
export class SpokenSource implements Source {
  readonly plan: SourcePlan
  readonly #host: SourceHost
  state: 'new' | 'running' | 'stopped' = 'new'

  constructor(plan: SourcePlan, host: SourceHost) {
    this.plan = plan
    this.#host = host
  }

  start(): void {
    this.state = 'running'
  }

  stop(): void {
    this.state = 'stopped'
  }

  says(...addresses: readonly string[]): { unsure: boolean } {
    const found = addresses.map((text) => foundAt(text))
    return this.tells({ kind: 'answer', found, incomplete: null, refused: [] })
  }

  fails(reason: string): void {
    this.tells({ kind: 'failure', reason })
  }

  tells(word: SourceWord): { unsure: boolean } {
    return this.#host.tell(word)
  }
}

/** `10.0.0.1:80` or `name=10.0.0.1:80`, with weight 1. */
export function foundAt(text: string, changes: Partial<Found> = {}): Found {
  const [name, plain] = text.includes('=') ? text.split('=') : [null, text]
  const cut = plain.lastIndexOf(':')
  const host = plain.slice(0, cut).replace(/^\[|\]$/g, '')
  const address = { kind: 'tcp', host, port: Number(plain.slice(cut + 1)) } as const
  return { name: name ?? null, address, weight: 1, zone: null, ...changes }
}

/** A host in real time that keeps what it is told; pauses are as short as `mostMs` wants them. */
export function hastyHost(mostMs: number) {
  const words: SourceWord[] = []
  const host: SourceHost = {
    clock: { nowMs: () => performance.now() },
    random: seededRandom(7),
    timers: {
      set: (ms, fire) => setTimeout(fire, Math.min(ms, mostMs)),
      clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
    },
    tell: (word) => {
      words.push(word)
      return { unsure: false }
    },
  }
  /** What was said last: `name address weight`, or why it was nothing. */
  const last = (): string => {
    const word = words.at(-1)
    if (word === undefined) return ''
    if (word.kind === 'failure') return `failure: ${word.reason}`
    const list = word.found.map(({ name, address, weight }) => {
      return `${name ?? '-'} ${formatAddress(address)} ${weight}`
    })
    return list.length > 0 ? list.sort().join(', ') : `empty: ${word.empty}`
  }
  /** Resolves once that is what was said last. */
  const until = async (expected: string | RegExp): Promise<void> => {
    const isThere = (): boolean =>
      typeof expected === 'string' ? last() === expected : expected.test(last())
    await waitFor(isThere, { timeoutMs: 5_000 }).catch(() => {})
    if (!isThere()) assert.fail(`waited for '${String(expected)}', there is '${last()}'`)
  }
  return { host, words, last, until }
}
