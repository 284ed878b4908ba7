// What the connections of one HTTP listener share on one thread: the exchanges they borrow, and the
// set of open connections for a drain.

import { accessFormatter } from '../observe/access-log.ts'
import type { AccessFormatter } from '../observe/access-log.ts'
import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { Fault } from '../core/fault.ts'
import { THREAD } from '../core/shared-layout.ts'
import type { KeptFor } from '../core/trace.ts'
import { ChunkedDecoder } from '../http1/chunked.ts'
import type { HeadLimits } from '../http1/head.ts'
import type { ListenerState, PositionMoves, ThreadContext } from './context.ts'
import { Exchange } from './exchange.ts'
import { Http1Connection } from './http1-connection.ts'
import { Http1Request } from './http1-request.ts'
import { Http1Responder } from './http1-responder.ts'
import type { Channel } from './channel.ts'

/** What a request needs while it runs. */
export interface HttpExchange {
  readonly view: Http1Request
  readonly exchange: Exchange
  readonly responder: Http1Responder
  readonly decoder: ChunkedDecoder
  /** Those of the plan it was made for. */
  readonly limits: HeadLimits
}

const FIELDS_MAX = 128
/** Exchanges kept for reuse; more than are ever in progress at once are let go. */
const SPARE_EXCHANGES = 1_024

export class HttpListener {
  readonly context: ThreadContext
  readonly state: ListenerState
  readonly connections = new Set<Http1Connection>()
  /** Connections are closed after their next answer. */
  closing = false
  /** New with each plan: tells exchanges that were made for an earlier one. */
  private limits!: HeadLimits
  private spare: HttpExchange[] = []
  private format: AccessFormatter | null = null
  private readonly outbox: AccessOutbox

  constructor(context: ThreadContext, state: ListenerState, outbox: AccessOutbox) {
    this.context = context
    this.state = state
    this.outbox = outbox
    this.adopt(false)
  }

  /** The plan has changed: what was made of it is made anew. Requests under way keep their limits. */
  adopt(trustChanged: boolean): void {
    const { headBytesMax, targetBytesMax } = this.state.plan
    this.format = accessFormatter(this.context.plan.log.access.format)
    this.limits = { headBytesMax, targetBytesMax, fieldsMax: FIELDS_MAX }
    for (const { exchange } of this.spare) this.context.deadlines.cancel(exchange)
    this.spare = []
    if (trustChanged) for (const one of this.connections) one.judgeTrust()
  }

  /** See `PlacedAttempt.movePositions`. */
  movePositions(moves: PositionMoves): void {
    for (const one of this.connections) one.movePositions(moves)
  }

  /** Ends the connections that carry no request. */
  closeIdle(): void {
    for (const one of this.connections) one.close()
  }

  cutTunnels(cause: Fault): void {
    for (const one of this.connections) one.cutTunnel(cause)
  }

  accept(channel: Channel): void {
    const connection = new Http1Connection(this, this.state, channel)
    connection.open()
  }

  takeExchange(): HttpExchange {
    const spare = this.spare.pop()
    if (spare !== undefined) return spare
    const view = new Http1Request(this.limits)
    return {
      view,
      exchange: new Exchange(this.context),
      responder: new Http1Responder(this.context, view),
      decoder: new ChunkedDecoder(),
      limits: this.limits,
    }
  }

  returnExchange(held: HttpExchange): void {
    held.view.head.reset()
    held.responder.reset()
    if (held.limits !== this.limits) this.context.deadlines.cancel(held.exchange)
    else if (this.spare.length < SPARE_EXCHANGES) this.spare.push(held)
  }

  /** Keeps an exchange that has ended, if it is notable, and writes its access line. */
  recordExchange(connection: Http1Connection, held: HttpExchange, totalMs: number): void {
    const { tracer } = this.context
    const { exchange } = held
    const keptFor = tracer.why(exchange.record, exchange, totalMs)
    if (keptFor !== null) this.keep(keptFor, connection, held, totalMs)
    this.logExchange(connection, held, totalMs)
  }

  private keep(
    keptFor: KeptFor,
    connection: Http1Connection,
    { view: { head }, exchange }: HttpExchange,
    totalMs: number,
  ): void {
    const { record } = exchange
    const around = {
      listener: this.state.plan.name,
      protocol: 'http' as const,
      client: connection.address,
      method: head.method,
      host: head.host,
      target: head.target,
      route: exchange.routeName,
      bytesIn: head.bytes + record.bytesIn,
      totalMs,
    }
    this.context.tracer.keep(keptFor, record, exchange, around, head)
  }

  private logExchange(connection: Http1Connection, held: HttpExchange, totalMs: number): void {
    const format = this.format
    if (format === null) return
    const { head } = held.view
    const { record } = held.exchange
    const line = format({
      timeMs: this.context.wallMs(record.startMs),
      listener: this.state.plan.name,
      protocol: 'http',
      clientAddress: connection.address,
      clientPort: connection.port,
      method: head.method,
      target: head.target,
      host: head.host,
      version: held.view.version,
      status: record.status,
      bytesIn: head.bytes + record.bytesIn,
      bytesOut: record.bytesOut,
      pool: record.pool,
      backend: record.backend,
      attempts: record.attempts,
      onlyAttemptMs: record.onlyMs,
      fault: record.fault?.code ?? null,
      queueMs: record.queueMs,
      connectMs: record.connectMs,
      responseMs: record.responseMs,
      totalMs,
      userAgent: head.header('user-agent'),
      referrer: head.header('referer'),
      requestId: head.header('x-request-id') ?? (record.traceId || null),
    })
    if (!this.outbox.write(line)) this.context.row[THREAD.logDropped]!++
  }
}
