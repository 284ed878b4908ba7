// Hands each event to everybody who listens, in order, and keeps the latest for those who come late.
// A listener that throws is told of once and hurts nobody else.

import type { BalancerEvent, EventBody } from '../core/events.ts'

export interface EventLogOptions {
  /** Wall clock, ms since 1970. */
  wallMs(): number
  /** Monotonic clock. */
  nowMs(): number
  /** Events kept for `since`. */
  readonly kept?: number
  failed(error: unknown): void
}

const KEPT = 1_000

export class EventLog {
  readonly #options: EventLogOptions
  readonly #listeners = new Set<(event: BalancerEvent) => void>()
  readonly #kept: BalancerEvent[] = []
  #lastId = 0

  constructor(options: EventLogOptions) {
    this.#options = options
  }

  publish(body: EventBody): void {
    const options = this.#options
    const times = { at: options.wallMs(), atMs: options.nowMs() }
    const event = { ...body, id: ++this.#lastId, ...times } as BalancerEvent
    this.#kept.push(event)
    if (this.#kept.length > (options.kept ?? KEPT)) this.#kept.shift()
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#options.failed(error)
      }
    }
  }

  /** Calls `listener` with each event from now on; returns how to stop that. */
  subscribe(listener: (event: BalancerEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** All kept events, oldest first. */
  kept(): readonly BalancerEvent[] {
    return this.#kept.slice()
  }

  /**
   * The kept events after the one with this number, oldest first; `null` if some of them are not
   * kept any more.
   */
  since(id: number): readonly BalancerEvent[] | null {
    const first = this.#kept[0]?.id ?? this.#lastId + 1
    if (id < first - 1 || id > this.#lastId) return null
    return this.#kept.slice(id - first + 1)
  }
}
