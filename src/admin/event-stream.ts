// Hands events to clients as they happen (server-sent events, WHATWG HTML §9.2), and those of late to
// a client that was away. What one client can cost is bounded: a slow reader is cut, not buffered for.

import type { ServerResponse } from 'node:http'
import type { BalancerEvent, EventKind } from '../core/events.ts'
import type { PoolStatus } from '../core/status.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Stream } from './answer.ts'

export interface EventStreamOptions {
  readonly events: Pick<EventLog, 'subscribe' | 'since' | 'kept'>
  pools(): readonly PoolStatus[]
  /** Wall clock, ms since 1970. */
  wallMs(): number
  /** Tells this process from the one before it, whose numbers began at 1, too; letters and digits. */
  readonly run: string
  readonly heartbeatMs?: number
  readonly statusMs?: number
}

/** What a client wants to hear. */
export interface Wish {
  /** `null`: every kind. */
  readonly kinds: ReadonlySet<EventKind> | null
  /** The pools as they are, once a second when something changed. */
  readonly status: boolean
  /** Latest event that the client has, as `idOf` wrote it, or a number; `null`: only new ones. */
  readonly after: string | null
}

export const CLIENTS_MAX = 32
/** Bytes that may wait for a client, besides one `status`. */
const BEHIND_BYTES_MAX = 1_048_576
const HEARTBEAT_MS = 15_000
const STATUS_MS = 1_000
/** How soon a client should come back, ms. */
const RETRY_MS = 2_000

interface Client {
  readonly response: ServerResponse
  readonly wish: Wish
  /** Of the latest `status` written. */
  statusBytes: number
  /** The latest `status` it was sent. */
  statusVersion: number
  /** It had not read everything at the last heartbeat. */
  wasBehind: boolean
}

export class EventStream {
  readonly #options: EventStreamOptions
  readonly #clients = new Set<Client>()
  #unsubscribe: (() => void) | null = null
  #heartbeat: NodeJS.Timeout | undefined
  #statusTimer: NodeJS.Timeout | undefined
  /** The latest `status` as it is written, and what of it counts as a change. */
  #status = { version: 0, frame: '', essence: '' }

  constructor(options: EventStreamOptions) {
    this.#options = options
  }

  get isFull(): boolean {
    return this.#clients.size >= CLIENTS_MAX
  }

  /** The number of an event for clients that come back. */
  idOf(id: number): string {
    return `${this.#options.run}-${id}`
  }

  /**
   * The kept events after one, oldest first. `isWhole` is false if some are not kept any more.
   * What another process numbered is no help: everything here came later.
   */
  since(after: string): { readonly events: readonly BalancerEvent[]; readonly isWhole: boolean } {
    const { events, run } = this.#options
    const [, from, text] = /^(?:(\w+)-)?(\d{1,15})$/.exec(after) ?? []
    const isOurs = text !== undefined && (from === undefined || from === run)
    const kept = isOurs ? events.since(Number(text)) : null
    return { events: kept ?? events.kept(), isWhole: kept !== null }
  }

  /** Follows the events for one client, until it leaves, or is too slow. */
  follow(wish: Wish): Stream {
    return (response) => {
      if (this.isFull) {
        response.destroy()
        return
      }
      const client = { response, wish, statusBytes: 0, statusVersion: 0, wasBehind: false }
      response.on('close', () => this.#remove(client))
      response.on('error', () => this.#remove(client))
      response.write(`retry: ${RETRY_MS}\n\n`)
      if (wish.after !== null) {
        const { events, isWhole } = this.since(wish.after)
        if (!isWhole) response.write(gap())
        for (const event of events) this.#tell(client, event)
      }
      if (!response.destroyed) this.#add(client)
    }
  }

  #add(client: Client): void {
    this.#clients.add(client)
    const { events, heartbeatMs = HEARTBEAT_MS, statusMs = STATUS_MS } = this.#options
    if (this.#clients.size === 1) {
      this.#unsubscribe = events.subscribe((event) => {
        for (const client of this.#clients) this.#tell(client, event)
      })
      this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs)
    }
    if (!client.wish.status) return
    this.#statusTimer ??= setInterval(() => this.#tellStatus(), statusMs)
    this.#tellStatus()
  }

  #remove(client: Client): void {
    if (!this.#clients.delete(client)) return
    if (![...this.#clients].some(({ wish }) => wish.status)) {
      clearInterval(this.#statusTimer)
      this.#statusTimer = undefined
    }
    if (this.#clients.size > 0) return
    clearInterval(this.#heartbeat)
    this.#unsubscribe?.()
  }

  #tell(client: Client, event: BalancerEvent): void {
    const { kinds } = client.wish
    if (kinds !== null && !kinds.has(event.kind)) return
    const { response, statusBytes } = client
    response.write(frame(event.kind, event, this.idOf(event.id)))
    if (response.writableLength > BEHIND_BYTES_MAX + statusBytes) this.#cut(client)
  }

  /** Whoever has not read everything between two heartbeats does not read. */
  #beat(): void {
    for (const client of this.#clients) {
      const isBehind = client.response.writableLength > 0
      if (isBehind && client.wasBehind) this.#cut(client)
      else client.response.write(': here\n\n')
      client.wasBehind = isBehind
    }
  }

  #cut(client: Client): void {
    this.#remove(client)
    client.response.destroy()
  }

  #tellStatus(): void {
    const pools = this.#options.pools()
    const essence = JSON.stringify(pools, withoutAges)
    if (essence !== this.#status.essence) {
      const data = { at: this.#options.wallMs(), pools }
      const version = this.#status.version + 1
      this.#status = { version, frame: frame('status', data), essence }
    }
    const { version, frame: text } = this.#status
    for (const client of this.#clients) {
      const { response, wish, statusVersion } = client
      // Each one is complete, so whoever is behind may miss some.
      if (!wish.status || statusVersion === version || response.writableLength > 0) continue
      client.statusVersion = version
      client.statusBytes = text.length
      response.write(text)
    }
  }
}

const AGES: ReadonlySet<string> = new Set(['sinceMs', 'forMs', 'ejectedForMs', 'answeredMs'])

/** Durations that only grow are no news. */
function withoutAges(key: string, value: unknown): unknown {
  return AGES.has(key) ? undefined : value
}

function frame(kind: string, data: unknown, id?: string): string {
  const number = id === undefined ? '' : `id: ${id}\n`
  return `${number}event: ${kind}\ndata: ${JSON.stringify(data)}\n\n`
}

function gap(): string {
  const message = 'Events from before these are not kept any more; read the status anew.'
  return frame('gap', { message })
}
