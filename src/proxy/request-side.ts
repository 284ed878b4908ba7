// The client's half of an exchange: takes the request in and routes it, keeps of its body what another
// attempt may need, and gives the answers that are our own. What happens on a backend is `exchange.ts`.
//
// It sees views and streams, never a socket nor HTTP/1 bytes. An exchange is reused, one after the
// other, so all of its state is reset in `begin`.

import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { BODY } from '../http1/framing.ts'
import { match } from '../route/match.ts'
import { redirectLocation } from '../route/rewrite.ts'
import { countFailed, countUnknownOutcome } from './attempt.ts'
import type { ListenerState, PoolState } from './context.ts'
import type { ClientStream, RequestView } from './message-view.ts'
import { PlacedAttempt } from './placed-attempt.ts'
import { Replay } from './replay.ts'
import { faultBody, faultHeaders } from './replies.ts'

/** Where an exchange is; the drawing is in `exchange.ts`. */
export const EXCHANGE = {
  idle: 0,
  routing: 1,
  queued: 2,
  delayed: 3,
  trying: 4,
  responding: 5,
} as const

/** How much body is held for a backend that isn't connected yet before the client is paused. */
export const HOLD_BYTES = 64 * 1024

export abstract class RequestSide extends PlacedAttempt {
  protected readonly replay = new Replay()
  protected state: number = EXCHANGE.idle
  protected client: ClientStream | null = null
  protected listener: ListenerState | null = null
  protected request!: RequestView
  protected route: RoutePlan | null = null
  protected head = ''
  protected requestDone = false
  protected trailers = ''

  /** The route leads to a pool: ask it. */
  protected abstract forward(pool: PoolState, route: RoutePlan): void
  /** The request is complete: from now on the backend is expected to answer. */
  protected abstract awaitResponse(nowMs: number): void

  get method(): string {
    return this.request.method
  }

  get requestSent(): boolean {
    return this.requestDone
  }

  get upgradeWanted(): boolean {
    return this.request.upgrade !== ''
  }

  /** Which route it took; `null` if none fits. */
  get routeName(): string | null {
    return this.route?.name ?? null
  }

  /** Begun, but not yet started. */
  get isNew(): boolean {
    return this.state === EXCHANGE.routing
  }

  /** A request head is complete. Body bytes may follow before `start`, in the same read. */
  begin(client: ClientStream, listener: ListenerState, nowMs: number): void {
    this.state = EXCHANGE.routing
    this.client = client
    this.listener = listener
    this.request = client.request
    this.route = null
    this.pool = null
    this.requestDone = this.request.bodyKind === BODY.none
    this.trailers = ''
    this.attempts = 0
    this.rescues = 0
    this.moves = 0
    this.unreachedMs = -1
    this.totalDeadlineMs = 0
    this.replay.reset()
    this.tried.clear()
    this.record.begin(nowMs)
  }

  /** Everything that came with the head has been handed over: route it and try. */
  start(): void {
    const listener = this.listener!
    const index = match(listener.routes, this.request)
    if (index < 0) {
      this.refuse(fault('no-route'))
      return
    }
    const route = listener.plan.routes[index]!
    this.route = route
    const action = route.action
    if (action.kind === 'pool') this.forward(this.context.pools[action.pool]!, route)
    else if (action.kind === 'redirect') {
      const location = redirectLocation(action.location, this.request.path)
      this.reply(action.status, `Location: ${location}\r\n`, '')
    } else {
      this.reply(action.status, `Content-Type: ${action.contentType}\r\n`, action.body)
    }
  }

  onRequestBytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    const sending = this.isSending
    const max = this.pool?.plan.retry?.bodyBytesMax ?? HOLD_BYTES
    this.replay.append(bytes, start, end, max, !sending)
    if (sending) {
      if (this.context.hasLapsed(this.backend!.rightCell)) this.lapse()
      else if (!this.stream!.sendBytes(bytes, start, end, owned)) this.client?.pauseRequest()
    } else if (this.replay.seen >= HOLD_BYTES) {
      this.client?.pauseRequest()
    }
  }

  onRequestEnd(trailers: string): void {
    this.requestDone = true
    this.trailers = trailers
    const { pool } = this
    if (pool === null) return
    this.totalDeadlineMs = this.context.eventMs + pool.plan.timeouts.totalMs
    if (!this.isSending) return
    if (this.context.hasLapsed(this.backend!.rightCell)) {
      this.lapse()
      return
    }
    this.stream!.sendEnd(trailers)
    if (this.state === EXCHANGE.trying) this.awaitResponse(this.context.eventMs)
  }

  /** The head has gone to a backend, and body goes straight after it. */
  private get isSending(): boolean {
    return this.stream !== null && this.sentMs > 0
  }

  /** The right to send is gone: not a byte more goes to the backend. */
  protected lapse(): void {
    this.sever()
    this.onCut(fault('no-agreement'))
  }

  /** The client has gone or broken its request: nobody wants the answer any more. */
  abandon(cause: Fault): void {
    if (this.state === EXCHANGE.idle) return
    const stream = this.stream
    const wasSent = this.sentMs > 0 && this.headMs === 0
    if (this.backend !== null) {
      if (wasSent && !this.repeatable) countUnknownOutcome(this.context, this.pool!.base)
      this.record.endAttempt(this, cause, 0, this.context.nowMs())
      this.endNeutral()
      stream?.abort()
    }
    this.context.countFault(cause)
    this.finish(cause)
  }

  /** Everything written to the client has left. */
  onClientDrain(): void {
    this.stream?.resumeResponse()
  }

  // --- ends ----------------------------------------------------------------------------------

  protected override refuse(cause: Fault): void {
    this.context.countFault(cause)
    this.respond(cause.status, faultHeaders(cause), faultBody(cause), cause)
  }

  protected reply(status: number, headers: string, body: string): void {
    this.respond(status, headers, body, null)
  }

  private respond(status: number, headers: string, body: string, cause: Fault | null): void {
    const client = this.client!
    this.record.status = status
    const close = !this.requestDone
    this.finish(cause)
    client.sendReply(status, headers, body, close)
  }

  /** The response has begun and can't be completed: the client must see that. */
  protected cutClient(cause: Fault): void {
    const client = this.client!
    this.context.countFault(cause)
    this.finish(cause)
    client.cut()
  }

  /** The exchange is over; the record is written by whoever owns the exchange, in `onExchangeEnd`. */
  protected finish(cause: Fault | null): void {
    if (this.queuedAtMs >= 0) this.pool!.queue.remove(this)
    if (cause !== null && this.pool !== null) countFailed(this.context, this.pool.base, cause)
    this.context.deadlines.disarm(this)
    this.state = EXCHANGE.idle
    this.record.fault = cause
    this.head = ''
    this.replay.reset()
    this.client = null
  }
}
