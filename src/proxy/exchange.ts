// The story of one request: route, pick, send, and carry the answer back; on a failure decide
// whether another backend may be asked. The only file that knows the whole story.
//
//   idle ─► routing ─► (queued) ─► trying ─► responding ─► idle
//                         ▲           │ failed, may be retried
//                         └─ delayed ◄┘
//
// A backend that is cut (the active has moved) ends `trying` or `responding` at any moment.
// The client's half, and the rules for both, are in `request-side.ts`.

import { fault, isWithdrawal } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { POOL } from '../core/shared-layout.ts'
import { BODY } from '../http1/framing.ts'
import { rewritePath } from '../route/rewrite.ts'
import { countUnknownOutcome } from './attempt.ts'
import type { ListenerState, PoolState } from './context.ts'
import { Http1BackendConnection } from './http1-backend.ts'
import type { ClientStream, ResponseReceiver, ResponseView, TunnelEnd } from './message-view.ts'
import { passHeld } from './held-answer.ts'
import { EXCHANGE, HOLD_BYTES, RequestSide } from './request-side.ts'
import {
  isFailureStatus,
  isFreeRetry,
  isRepeatable,
  mayRetryFault,
  mayRetryServerError,
  mayRetryStatus,
} from '../core/retry.ts'
import { Tunnel } from './tunnel.ts'

export class Exchange extends RequestSide implements ResponseReceiver {
  /** A 500 of an earlier attempt, whole: the answer if nothing better comes. */
  private heldAnswer: Buffer | null = null
  private failingStatus = false

  override begin(client: ClientStream, listener: ListenerState, nowMs: number): void {
    super.begin(client, listener, nowMs)
    this.heldAnswer = null
  }

  // --- forwarding ----------------------------------------------------------------------------

  protected override forward(pool: PoolState, route: RoutePlan): void {
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
    const changes = this.context.tracer.pass(this.record, request, route.requestHeaders)
    this.head = request.writeHttp1(path, changes)
    this.tryNext(nowMs)
  }

  protected override attempt(index: number, probation: boolean, nowMs: number): void {
    const pool = this.pool!
    const backend = pool.backends[index]!
    this.state = EXCHANGE.trying
    this.context.deadlines.disarm(this)
    this.tried.add(index)
    const fresh = this.attempts > 0
    this.attempts++
    this.beginAttempt(backend, probation, nowMs)
    this.record.backend = backend.plan.name
    this.record.address = backend.plan.address
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
    const pool = this.pool!
    if (this.context.hasLapsed(this.backend!.rightCell)) {
      this.lapse()
      return
    }
    this.markSent(nowMs)
    if (this.requestDone) this.awaitResponse(nowMs)
    else this.touch(nowMs)
    const body = replay.text
    const kind = request.bodyKind
    // The epoch is that of this attempt, not of the request: a later one goes under a later epoch.
    const own = pool.epochEnd === '' ? this.head : this.head.slice(0, -2) + pool.epochEnd
    const head = this.context.tracer.attemptHead(this.record, this.attempts, own)
    const left = this.stream!.sendRequest(head, kind, body, this.requestDone, this.trailers)
    const max = pool.plan.retry?.bodyBytesMax ?? 0
    if (replay.seen > max) replay.drop()
    if (!this.requestDone) {
      if (left) this.client!.resumeRequest()
      else this.client!.pauseRequest()
    }
  }

  protected override awaitResponse(nowMs: number): void {
    const { responseMs } = this.pool!.plan.timeouts
    this.markWaiting(nowMs)
    this.context.deadlines.schedule(this, Math.min(nowMs + responseMs, this.totalDeadlineMs))
  }

  onSendDrain(): void {
    // Read on even when the request is complete: how else would we learn that the client has gone?
    this.client?.resumeRequest()
  }

  protected override markQueued(): void {
    this.state = EXCHANGE.queued
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
    this.state = EXCHANGE.responding
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
    this.state = EXCHANGE.responding
    this.context.deadlines.cancel(this)
    const client = this.client!
    const clientEnd = client.becomeTunnel(head)
    const tunnel = new Tunnel(this.context, this.backend!, (cause) => {
      this.tunnel = null
      this.record.endAttempt(this, cause, 101, this.context.nowMs())
      if (cause === null) this.endWell()
      else this.endNeutral()
      if (cause !== null) this.context.countFault(cause)
      this.finish(cause)
      client.endTunnel(tunnel.bytesUp, tunnel.bytesDown)
    })
    this.tunnel = tunnel
    tunnel.join(clientEnd, end)
  }

  onAttemptFailed(cause: Fault, detail: string): void {
    const nowMs = this.context.nowMs()
    const pool = this.pool!
    this.record.endAttempt(this, cause, 0, nowMs)
    const responding = this.state === EXCHANGE.responding
    const wasSent = this.sentMs > 0
    this.endBadly(cause)
    if (responding) {
      this.cutClient(cause)
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

  protected override severAttempt(): void {
    this.stream!.abort()
  }

  protected override onAttemptCut(cause: Fault): void {
    const nowMs = this.context.nowMs()
    const pool = this.pool!
    const wasSent = this.sentMs > 0
    const responding = this.state === EXCHANGE.responding
    this.record.endAttempt(this, cause, responding ? this.record.status : 0, nowMs)
    this.endNeutral()
    if (!responding && isWithdrawal(cause) && this.mayMove(wasSent, nowMs)) {
      this.move(nowMs)
      return
    }
    this.countCut(cause)
    if (responding) this.cutClient(cause)
    else {
      if (wasSent && !this.repeatable) countUnknownOutcome(this.context, pool.base)
      this.refuse(cause)
    }
  }

  /** A request that no backend has got goes to the new active whatever it is. */
  private mayMove(wasSent: boolean, nowMs: number): boolean {
    if (this.replay.lost || nowMs >= this.totalDeadlineMs) return false
    return !wasSent || (this.repeatable && this.pool!.plan.retry !== null)
  }

  /** The backend went down while this attempt waits for a first byte: rescue (docs/health.md). */
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
    if (this.state === EXCHANGE.delayed) {
      this.tryNext(nowMs)
    } else if (
      this.state === EXCHANGE.responding ||
      (this.state === EXCHANGE.trying && !this.requestDone)
    ) {
      this.onStreamDeadline(nowMs)
    } else if (this.state === EXCHANGE.trying) {
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
    else if (this.state === EXCHANGE.trying) cause = fault('backend-response-timeout')
    stream.abort()
    this.onAttemptFailed(cause, '')
  }

  // --- retries -------------------------------------------------------------------------------

  /** Starts another attempt after a fault if the table, the budget and the time allow it. */
  private retries(cause: Fault, nowMs: number, wasSent: boolean): boolean {
    // What no backend has got yet may go to another one whatever its method.
    this.awaitMove(cause, nowMs)
    if (!mayRetryFault(cause, this.repeatable || !wasSent) || !this.canRepeat(nowMs)) return false
    if (!this.charge(isFreeRetry(cause, this.rescues), nowMs)) return false
    this.retryAfter(this.delayAfterMs(cause), nowMs)
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

  protected override canRepeat(nowMs: number): boolean {
    return !this.replay.lost && super.canRepeat(nowMs)
  }

  private retryAfter(waitMs: number, nowMs: number): void {
    if (waitMs <= 0) {
      this.tryNext(nowMs)
      return
    }
    this.state = EXCHANGE.delayed
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
    super.refuse(cause)
  }

  protected override finish(cause: Fault | null): void {
    super.finish(cause)
    this.heldAnswer = null
  }
}
