// What the connections of one HTTP listener share on one thread: the exchanges they borrow, and the
// set of open connections for a drain.

import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { Fault } from '../core/fault.ts'
import { ChunkedDecoder } from '../http1/chunked.ts'
import type { HeadLimits } from '../http1/head.ts'
import type { ListenerState, PositionMoves, ThreadContext } from './context.ts'
import { Exchange } from './exchange.ts'
import { Http1Connection } from './http1-connection.ts'
import { Http1Request } from './http1-request.ts'
import { Http1Responder } from './http1-responder.ts'
import type { Channel } from './channel.ts'
import { Recorder } from './recorder.ts'

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
  readonly recorder: Recorder
  /** Connections are closed after their next answer. */
  closing = false
  /** New with each plan: tells exchanges that were made for an earlier one. */
  private limits!: HeadLimits
  private spare: HttpExchange[] = []

  constructor(context: ThreadContext, state: ListenerState, outbox: AccessOutbox) {
    this.context = context
    this.state = state
    this.recorder = new Recorder(context, state, outbox)
    this.adopt(false)
  }

  /** The plan has changed: what was made of it is made anew. Requests under way keep their limits. */
  adopt(trustChanged: boolean): void {
    const { headBytesMax, targetBytesMax } = this.state.plan
    this.recorder.adopt()
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
}
