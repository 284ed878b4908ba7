// The story of one request: route, pick, send, and carry the answer back; on a failure decide
// whether another backend may be asked. The only file that knows the whole story.
//
//   idle ─► routing ─► (queued) ─► trying ─► responding ─► idle
//                         ▲           │ failed, may be retried
//                         └─ delayed ◄┘
//
// It sees views and streams, never a socket nor HTTP/1 bytes. An exchange is reused, one after the
// other, so all of its state is reset in `begin`.

import type { DeadlineEntry } from '../core/deadlines.ts'
import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { RoutePlan } from '../core/plan.ts'
import { POOL } from '../core/shared-layout.ts'
import { BODY } from '../http1/framing.ts'
import { match } from '../route/match.ts'
import { rewritePath, redirectLocation } from '../route/rewrite.ts'
import { countUnknownOutcome } from './attempt.ts'
import type { ListenerState, PoolState } from './context.ts'
import { Http1BackendConnection } from './http1-backend.ts'
import type { ResponseReceiver } from './http1-backend.ts'
import type { ClientStream, RequestView, ResponseView, TunnelEnd } from './message-view.ts'
import { passHeld } from './held-answer.ts'
import { PlacedAttempt } from './placed-attempt.ts'
import { Replay } from './replay.ts'
import { faultBody, faultHeaders } from './replies.ts'
import {
  isFailureStatus,
  isFreeRetry,
  isRepeatable,
  mayRetryFault,
  mayRetryServerError,
  mayRetryStatus,
} from './retry.ts'
import { Tunnel } from './tunnel.ts'

const STATE = { idle: 0, routing: 1, queued: 2, delayed: 3, trying: 4, responding: 5 } as const

/** How much body is held for a backend that isn't connected yet before the client is paused. */
const HOLD_BYTES = 64 * 1024

export class Exchange extends PlacedAttempt implements ResponseReceiver, DeadlineEntry {
  // Deadline
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null
  private readonly replay = new Replay()
  private state: number = STATE.idle
  private client: ClientStream | null = null
  private listener: ListenerState | null = null
  private request!: RequestView
  private route: RoutePlan | null = null
  private head = ''
  private requestDone = false
  private trailers = ''
  /** A 500 of an earlier attempt, whole: the answer if nothing better comes. */
  private heldAnswer: Buffer | null = null
  private failingStatus = false

  get method(): string {
    return this.request.method
  }

  get requestSent(): boolean {
    return this.requestDone
  }

  get upgradeWanted(): boolean {
    return this.request.upgrade !== ''
  }

  /** Begun, but not yet started. */
  get isNew(): boolean {
    return this.state === STATE.routing
  }

  // --- from the client -----------------------------------------------------------------------

  /** A request head is complete. Body bytes may follow before `start`, in the same read. */
  begin(client: ClientStream, listener: ListenerState, nowMs: number): void {
    this.state = STATE.routing
    this.client = client
    this.listener = listener
    this.request = client.request
    this.route = null
    this.pool = null
    this.requestDone = this.request.bodyKind === BODY.none
    this.trailers = ''
    this.attempts = 0
    this.rescues = 0
    this.heldAnswer = null
    this.totalDeadlineMs = 0
    this.replay.reset()
    this.tried.clear()
    this.record.begin(nowMs)
  }

  onRequestBytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    const sending = this.stream !== null && this.sentMs > 0
    const max = this.pool?.plan.retry?.bodyBytesMax ?? HOLD_BYTES
    this.replay.append(bytes, start, end, max, !sending)
    if (sending) {
      if (!this.stream!.sendBytes(bytes, start, end, owned)) this.client?.pauseRequest()
    } else if (this.replay.seen >= HOLD_BYTES) {
      this.client?.pauseRequest()
    }
  }

  onRequestEnd(trailers: string): void {
    this.requestDone = true
    this.trailers = trailers
    if (this.pool !== null) {
      this.totalDeadlineMs = this.context.eventMs + this.pool.plan.timeouts.totalMs
    }
    if (this.stream === null || this.sentMs === 0) return
    this.stream.sendEnd(trailers)
    if (this.state === STATE.trying) this.awaitResponse(this.context.eventMs)
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

  /** The client has gone or broken its request: nobody wants the answer any more. */
  abandon(cause: Fault): void {
    if (this.state === STATE.idle) return
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

  // --- forwarding ----------------------------------------------------------------------------

  private forward(pool: PoolState, route: RoutePlan): void {
    const nowMs = this.record.startMs
    const request = this.request
    this.pool = pool
    this.record.pool = pool.plan.name
    this.context.row[pool.base + POOL.requests]!++
    if (request.maxForwards === 0 && request.method === 'OPTIONS') {
      this.reply(200, 'Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n', '')
      return
    }
    pool.budget.deposit(nowMs)
    this.repeatable = isRepeatable(request, pool.plan.retry)
    this.totalDeadlineMs = nowMs + pool.plan.timeouts.totalMs
    const path = route.rewrite === null ? request.path : rewritePath(route.rewrite, request.path)
    this.head = request.writeHttp1(path, route.requestHeaders)
    this.tryNext(nowMs)
  }

  protected override attempt(index: number, probation: boolean, nowMs: number): void {
    const pool = this.pool!
    const backend = pool.backends[index]!
    this.state = STATE.trying
    this.context.deadlines.disarm(this)
    this.tried.add(index)
    const fresh = this.attempts > 0
    this.attempts++
    this.beginAttempt(backend, probation, nowMs)
    this.record.backend = backend.plan.name
    const idle = fresh ? null : backend.idle.take(nowMs, this.repeatable)
    if (idle === null) {
      const connection = new Http1BackendConnection(this.context, backend, this)
      this.stream = connection
      connection.open()
    } else {
      const connection = idle as Http1BackendConnection
      this.stream = connection
      this.reused = true
      this.record.connectMs = 0
      connection.reuse(this)
      this.send(nowMs)
    }
  }

  onConnected(): void {
    const nowMs = this.context.nowMs()
    this.record.connectMs = nowMs - this.startedMs
    this.send(nowMs)
  }

  private send(nowMs: number): void {
    const { request, replay } = this
    this.markSent(nowMs)
    if (this.requestDone) this.awaitResponse(nowMs)
    else this.touch(nowMs)
    const body = replay.text
    const kind = request.bodyKind
    const left = this.stream!.sendRequest(this.head, kind, body, this.requestDone, this.trailers)
    const max = this.pool!.plan.retry?.bodyBytesMax ?? 0
    if (replay.seen > max) replay.drop()
    if (!this.requestDone) {
      if (left) this.client!.resumeRequest()
      else this.client!.pauseRequest()
    }
  }

  /** The request is complete: from now on the backend is expected to answer. */
  private awaitResponse(nowMs: number): void {
    const { responseMs } = this.pool!.plan.timeouts
    this.markWaiting(nowMs)
    this.context.deadlines.schedule(this, Math.min(nowMs + responseMs, this.totalDeadlineMs))
  }

  onSendDrain(): void {
    // Read on even when the request is complete: how else would we learn that the client has gone?
    this.client?.resumeRequest()
  }

  protected override markQueued(): void {
    this.state = STATE.queued
  }

  // --- from the backend ----------------------------------------------------------------------

  onInformational(head: ResponseView): void {
    this.client!.sendInformational(head)
  }

  onServerError(bytes: Buffer, start: number, end: number): boolean {
    const nowMs = this.context.eventMs
    const isSecond = this.heldAnswer !== null
    if (!isSecond && !this.mayAskAgain(nowMs)) return false
    this.markHead(500, nowMs)
    this.record.responseMs = nowMs - this.sentMs
    const cause = fault('backend-status')
    this.record.endAttempt(this, cause, 500, nowMs)
    this.endBadly(cause)
    if (isSecond) {
      this.passHeld(this.heldAnswer!)
      return true
    }
    this.heldAnswer = Buffer.from(bytes.subarray(start, end))
    this.retryAfter(this.delayMs(), nowMs)
    return true
  }

  private mayAskAgain(nowMs: number): boolean {
    return (
      mayRetryServerError(this.request.method) && this.canRepeat(nowMs) && this.charge(false, nowMs)
    )
  }

  /** Nothing better came than the answer that was put aside. */
  private passHeld(answer: Buffer): void {
    const client = this.client!
    const cause = fault('backend-status')
    this.record.status = 500
    this.context.countFault(cause)
    this.finish(cause)
    passHeld(client, answer, this.request.method, this.route!.responseHeaders)
  }

  onResponseHead(head: ResponseView, body: number): boolean {
    const nowMs = this.context.eventMs
    const status = head.status
    this.markHead(status, nowMs)
    this.record.responseMs = nowMs - this.sentMs
    this.failingStatus = isFailureStatus(status)
    if (this.failingStatus && this.retriesStatus(status, nowMs)) return false
    this.state = STATE.responding
    this.replay.drop()
    this.record.status = status
    const timeouts = this.pool!.plan.timeouts
    if (body === BODY.none || (body === BODY.length && head.contentLength < HOLD_BYTES)) {
      // Most answers are whole in this very read: their deadline is left where it is.
      if (this.deadlineMs < nowMs + timeouts.responseMs) this.touch(nowMs)
    } else this.touch(nowMs)
    this.client!.sendHead(head, body, this.route!.responseHeaders)
    return true
  }

  onResponseBytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.record.movedMs = this.context.tickMs
    this.client!.sendBytes(bytes, start, end, owned)
  }

  onReadDone(): void {
    const client = this.client
    if (client !== null && !client.flush()) this.stream?.pauseResponse()
  }

  onResponseEnd(trailers: string): boolean {
    const nowMs = this.context.eventMs
    const client = this.client!
    const failed = this.failingStatus ? fault('backend-status') : null
    this.record.endAttempt(this, failed, this.record.status, nowMs)
    if (failed === null) this.endWell()
    else this.endBadly(failed)
    if (failed !== null) this.context.countFault(failed)
    this.finish(failed)
    return client.sendEnd(trailers)
  }

  onUpgraded(head: ResponseView, end: TunnelEnd): void {
    const nowMs = this.context.eventMs
    this.markHead(head.status, nowMs)
    this.record.responseMs = nowMs - this.sentMs
    this.record.status = 101
    this.state = STATE.responding
    this.context.deadlines.cancel(this)
    const client = this.client!
    const clientEnd = client.becomeTunnel(head)
    const tunnel = new Tunnel(this.context, this.pool!.plan.timeouts.tunnelIdleMs, (cause) => {
      this.record.endAttempt(this, cause, 101, this.context.nowMs())
      if (cause === null) this.endWell()
      else this.endNeutral()
      if (cause !== null) this.context.countFault(cause)
      this.finish(cause)
      client.endTunnel(tunnel.bytesUp, tunnel.bytesDown)
    })
    tunnel.join(clientEnd, end)
  }

  onAttemptFailed(cause: Fault, detail: string): void {
    const nowMs = this.context.nowMs()
    const pool = this.pool!
    this.record.endAttempt(this, cause, 0, nowMs)
    const responding = this.state === STATE.responding
    const wasSent = this.sentMs > 0
    this.endBadly(cause)
    if (responding) {
      this.context.countFault(cause)
      const client = this.client!
      this.finish(cause)
      client.cut()
      return
    }
    if (this.retries(cause, nowMs, wasSent)) return
    const isLate = nowMs >= this.totalDeadlineMs
    if (wasSent && (cause.retry === 'replayable' || isLate) && !this.repeatable) {
      countUnknownOutcome(this.context, pool.base)
    }
    if (cause.code === 'backend-bad-response') {
      this.context.log('warn', 'bad response', { backend: this.record.backend, detail })
    }
    this.refuse(isLate && cause.retry !== 'never' ? fault('total-timeout') : cause)
  }

  /** The backend went down while this attempt waits for a first byte (DESIGN §7, rescue). */
  onBackendLost(): void {
    const cause = fault('backend-rescued')
    const nowMs = this.context.nowMs()
    const wasSent = this.sentMs > 0
    // Whoever has nowhere to go is better off where it is: the backend may answer yet.
    if ((wasSent && !this.repeatable) || !this.canRepeat(nowMs)) return
    if (!this.charge(isFreeRetry(cause, this.rescues), nowMs)) return
    this.rescues++
    this.context.row[this.pool!.base + POOL.rescues]!++
    this.stream!.abort()
    this.record.endAttempt(this, cause, 0, nowMs)
    this.endBadly(cause)
    this.tryNext(nowMs)
  }

  onDeadline(nowMs: number): void {
    if (this.state === STATE.delayed) {
      this.tryNext(nowMs)
    } else if (
      this.state === STATE.responding ||
      (this.state === STATE.trying && !this.requestDone)
    ) {
      this.onStreamDeadline(nowMs)
    } else if (this.state === STATE.trying) {
      this.stream!.abort()
      // A backend that was given less than half of its time is not to blame for the rest.
      const early = nowMs - this.sentMs < this.pool!.plan.timeouts.responseMs / 2
      this.onAttemptFailed(fault(early ? 'total-timeout' : 'backend-response-timeout'), '')
    }
  }

  private onStreamDeadline(nowMs: number): void {
    const idleMs = this.pool!.plan.timeouts.idleMs
    if (nowMs < this.record.movedMs + idleMs) {
      this.context.deadlines.schedule(this, this.record.movedMs + idleMs)
      return
    }
    const stream = this.stream!
    // Who is to blame is whoever has bytes waiting for it.
    let cause = fault('backend-stalled')
    if (this.client!.pending) cause = fault('client-stalled')
    else if (!this.requestDone && !stream.sendPending) cause = fault('client-body-timeout')
    else if (this.state === STATE.trying) cause = fault('backend-response-timeout')
    stream.abort()
    this.onAttemptFailed(cause, '')
  }

  // --- retries -------------------------------------------------------------------------------

  /** Starts another attempt after a fault if the table, the budget and the time allow it. */
  private retries(cause: Fault, nowMs: number, wasSent: boolean): boolean {
    // What no backend has got yet may go to another one whatever its method.
    if (!mayRetryFault(cause, this.repeatable || !wasSent) || !this.canRepeat(nowMs)) return false
    if (!this.charge(isFreeRetry(cause, this.rescues), nowMs)) return false
    this.retryAfter(cause.code === 'backend-refused' ? 0 : this.delayMs(), nowMs)
    return true
  }

  /** The same after a status; the attempt counts as failed and its connection is dropped. */
  private retriesStatus(status: number, nowMs: number): boolean {
    if (!mayRetryStatus(status, this.repeatable)) return false
    if (!this.canRepeat(nowMs) || !this.charge(false, nowMs)) return false
    const cause = fault('backend-status')
    this.record.endAttempt(this, cause, status, nowMs)
    this.endBadly(cause)
    this.retryAfter(this.delayMs(), nowMs)
    return true
  }

  private canRepeat(nowMs: number): boolean {
    const plan = this.pool!.plan.retry
    if (plan === null || this.attempts > plan.attempts || this.replay.lost) return false
    return nowMs < this.totalDeadlineMs && this.pool!.pool.available.length > 0
  }

  private retryAfter(waitMs: number, nowMs: number): void {
    if (waitMs <= 0) {
      this.tryNext(nowMs)
      return
    }
    this.state = STATE.delayed
    this.context.deadlines.schedule(this, nowMs + waitMs)
  }

  // --- ends ----------------------------------------------------------------------------------

  private touch(nowMs: number): void {
    this.record.movedMs = nowMs
    this.context.deadlines.schedule(this, nowMs + this.pool!.plan.timeouts.idleMs)
  }

  protected override refuse(cause: Fault): void {
    if (this.heldAnswer !== null) {
      this.passHeld(this.heldAnswer)
      return
    }
    this.context.countFault(cause)
    this.respond(cause.status, faultHeaders(cause), faultBody(cause), cause)
  }

  private reply(status: number, headers: string, body: string): void {
    this.respond(status, headers, body, null)
  }

  private respond(status: number, headers: string, body: string, cause: Fault | null): void {
    const client = this.client!
    this.record.status = status
    const close = !this.requestDone
    this.finish(cause)
    client.sendReply(status, headers, body, close)
  }

  /** The exchange is over; the record is written by whoever owns the exchange, in `onExchangeEnd`. */
  private finish(cause: Fault | null): void {
    if (this.queuedAtMs >= 0) this.pool!.queue.remove(this)
    this.context.deadlines.disarm(this)
    this.state = STATE.idle
    this.record.fault = cause
    this.head = ''
    this.replay.reset()
    this.heldAnswer = null
    this.client = null
  }
}
