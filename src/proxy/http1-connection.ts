// One HTTP/1.x connection of a client: reads requests, feeds their bodies to an exchange, writes
// the answers in order. An exchange is borrowed for the time of a request, so an idle connection
// holds no parser and no buffer.
//
//   idle ─► head ─► body ─► answering ─► idle …        any state ─► closing (lingers) ─► closed
//
// Bytes that come while an answer is outstanding (pipelining, early tunnel bytes) are stashed and
// the client is paused: there is one exchange at a time, so answers can't be mixed up.

import type { DeadlineEntry } from '../core/deadlines.ts'
import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { HeaderChanges } from '../core/route-plan.ts'
import { LISTENER, THREAD } from '../core/shared-layout.ts'
import { CHUNK } from '../http1/chunked.ts'
import { connectionLines } from '../http1/forward.ts'
import { BODY } from '../http1/framing.ts'
import { PARSE } from '../http1/head.ts'
import { countLatency } from './attempt.ts'
import type { ListenerState, PositionMoves, ThreadContext } from './context.ts'
import type { Http1Responder } from './http1-responder.ts'
import type { HttpListener, HttpExchange } from './http-listener.ts'
import type { ClientStream, RequestView, ResponseView, TunnelEnd } from './message-view.ts'
import { faultBody, faultHeaders } from './replies.ts'
import { noHandler } from './channel.ts'
import type { Channel, ChannelHandler } from './channel.ts'

const STATE = { idle: 0, head: 1, body: 2, answering: 3, closing: 4, closed: 5 } as const

/** How long a closing connection is read on, so that our last answer isn't lost to a reset. */
const LINGER_MS = 2_000
/** How much such a connection may still send. */
const LINGER_BYTES = 1024 * 1024
/** A body at least this long is worth a read buffer of its own. */
const OWN_BUFFER_BYTES = 32 * 1024

export class Http1Connection implements ChannelHandler, ClientStream, DeadlineEntry {
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null
  readonly address: string
  readonly port: number
  private readonly owner: HttpListener
  private readonly context: ThreadContext
  private readonly listener: ListenerState
  private readonly channel: Channel
  private readonly added: string
  private trusted: boolean
  private state: number = STATE.idle
  private held: HttpExchange | null = null
  private stash: Buffer | null = null
  private remaining = 0
  private lingered = 0
  private processing = false
  private responder: Http1Responder | null = null
  /** The client has ended its direction: answer what is running, then close. */
  private halfClosed = false

  constructor(owner: HttpListener, listener: ListenerState, channel: Channel) {
    this.owner = owner
    this.context = owner.context
    this.listener = listener
    this.channel = channel
    this.address = channel.remoteAddress
    this.port = channel.remotePort
    this.trusted = listener.isTrusted(this.address)
    this.added = connectionLines(this.address, 'http', '1.1 evenkeel')
  }

  /** Begins to read. */
  open(): void {
    const { channel, listener } = this
    channel.handler = this
    const row = this.context.row
    row[listener.base + LISTENER.connections]!++
    row[THREAD.connections]!++
    this.owner.connections.add(this)
    this.context.deadlines.schedule(this, this.context.tickMs + listener.plan.timeouts.keepAliveMs)
    channel.start()
  }

  get request(): RequestView {
    return this.held!.view
  }

  get pending(): boolean {
    return this.channel.pending
  }

  /** Whom the listener trusts has changed. */
  judgeTrust(): void {
    this.trusted = this.listener.isTrusted(this.address)
  }

  movePositions(moves: PositionMoves): void {
    this.held?.exchange.movePositions(moves)
  }

  cutTunnel(cause: Fault): void {
    this.held?.exchange.cutTunnel(cause)
  }

  /** No request is being read or answered. */
  get isIdle(): boolean {
    return this.state === STATE.idle
  }

  // --- reading -------------------------------------------------------------------------------

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.context.row[this.listener.base + LISTENER.bytesIn]! += end - start
    if (this.stash !== null) {
      this.stash = Buffer.concat([this.stash, bytes.subarray(start, end)])
      if (this.state === STATE.head) this.processStash()
      else this.channel.pause()
      return
    }
    this.process(bytes, start, end)
  }

  private processStash(): void {
    const bytes = this.stash
    if (bytes === null || this.processing) return
    this.stash = null
    this.process(bytes, 0, bytes.length)
  }

  /** Goes through bytes until they are used up or must wait. */
  private process(bytes: Buffer, start: number, end: number): void {
    let position = start
    this.processing = true
    while (position < end) {
      const state = this.state
      if (state <= STATE.head) {
        // Who does not take its answers gets no further ones made: they would pile up here.
        if (this.channel.pending) break
        const next = this.readHead(bytes, position, end)
        if (next === position) break
        position = next
      } else if (state === STATE.body) {
        position = this.readBody(bytes, position, end)
      } else if (state === STATE.answering) {
        break
      } else {
        this.discard(end - position)
        position = end
      }
    }
    this.processing = false
    if (position < end && this.state !== STATE.closed) {
      this.stash = Buffer.from(bytes.subarray(position, end))
      if (this.state === STATE.answering || this.channel.pending) this.channel.pause()
    }
    if (this.halfClosed && this.state !== STATE.answering) this.endHalfClosed()
  }

  /** A client that has ended its direction has nothing more to ask. */
  private endHalfClosed(): void {
    if (this.state === STATE.body) this.quit(fault('client-closed'))
    else if (this.state === STATE.idle && this.stash !== null) return
    else if (this.state <= STATE.head) this.startClosing()
  }

  /** Returns `position` itself while the head is incomplete. */
  private readHead(bytes: Buffer, position: number, end: number): number {
    const held = (this.held ??= this.owner.takeExchange())
    const head = held.view.head
    const result = head.parse(bytes, position, end)
    if (result === PARSE.incomplete) {
      if (this.state === STATE.idle) {
        this.state = STATE.head
        const timeouts = this.listener.plan.timeouts
        this.context.deadlines.schedule(this, this.context.nowMs() + timeouts.requestHeadMs)
      }
      return position
    }
    if (result === PARSE.error) {
      this.refuse(fault(head.fault ?? 'client-bad-request'))
      return end
    }
    this.beginRequest(held, bytes, position + head.bytes, end)
    return this.bodyPosition
  }

  private bodyPosition = 0

  private beginRequest(held: HttpExchange, bytes: Buffer, position: number, end: number): void {
    const nowMs = this.context.nowMs()
    const row = this.context.row
    const { view, exchange } = held
    view.attach(this.added, this.trusted, this.address, this.listener.plan.forwarded)
    row[this.listener.base + LISTENER.requests]!++
    row[THREAD.exchanges]!++
    this.responder = held.responder
    exchange.begin(this, this.listener, nowMs)
    this.bodyPosition = position
    if (view.bodyKind === BODY.none) {
      this.state = STATE.answering
    } else {
      this.state = STATE.body
      this.remaining = view.contentLength
      if (view.bodyKind === BODY.chunked) held.decoder.reset()
      if (this.remaining === 0) this.endBody('')
      else if (position < end) this.bodyPosition = this.readBody(bytes, position, end)
      const long = view.bodyKind === BODY.chunked || this.remaining >= OWN_BUFFER_BYTES
      if (this.state === STATE.body && long) this.channel.useOwnBuffer(true)
    }
    // A broken body may have ended the exchange already.
    if (this.held === held && exchange.isNew) exchange.start()
  }

  private readBody(bytes: Buffer, position: number, end: number): number {
    const held = this.held!
    const owned = this.channel.ownsBytes
    held.exchange.record.movedMs = this.context.tickMs
    if (held.view.bodyKind === BODY.length) {
      const take = Math.min(this.remaining, end - position)
      this.remaining -= take
      held.exchange.onRequestBytes(bytes, position, position + take, owned)
      if (this.remaining === 0 && this.state === STATE.body) this.endBody('')
      return position + take
    }
    return this.readChunks(held, bytes, position, end)
  }

  private readChunks(held: HttpExchange, bytes: Buffer, start: number, end: number): number {
    const { decoder } = held
    const owned = this.channel.ownsBytes
    let position = start
    while (this.state === STATE.body) {
      const result = decoder.next(bytes, position, end)
      position = decoder.position
      if (result === CHUNK.data) {
        held.exchange.onRequestBytes(bytes, decoder.dataStart, decoder.dataEnd, owned)
      } else if (result === CHUNK.more) {
        return end
      } else if (result === CHUNK.done) {
        this.endBody(decoder.trailers)
      } else {
        this.breakRequest(fault('client-bad-body'))
        return end
      }
    }
    return position
  }

  private endBody(trailers: string): void {
    this.state = STATE.answering
    this.channel.useOwnBuffer(false)
    this.held!.exchange.onRequestEnd(trailers)
  }

  private discard(count: number): void {
    this.lingered += count
    if (this.lingered <= LINGER_BYTES) return
    if (this.channel.pending) this.channel.pause()
    else this.destroy()
  }

  // --- ChannelHandler ------------------------------------------------------------------------

  onEnd(): void {
    if (this.state === STATE.answering) {
      this.halfClosed = true
    } else if (this.state === STATE.body || this.state === STATE.head) {
      this.quit(fault('client-closed'))
    } else if (this.state === STATE.idle) {
      this.startClosing()
    }
    // While closing, the channel closes itself once both directions have ended.
  }

  onDrain(): void {
    if (this.state === STATE.closing) {
      this.channel.resume()
      this.context.deadlines.schedule(this, this.context.nowMs() + LINGER_MS)
    } else {
      this.held?.exchange.onClientDrain()
      if (this.state <= STATE.head) this.readOn()
    }
  }

  /** Goes on with what came while an answer was outstanding, then with the client itself. */
  private readOn(): void {
    if (this.stash !== null) this.processStash()
    // What is left in the stash may be the beginning of a head, or wait until answers are taken.
    if (this.state === STATE.head || (this.state === STATE.idle && this.stash === null)) {
      this.channel.resume()
    }
  }

  onWriteError(): void {
    this.quit(fault('client-closed'))
  }

  onClose(): void {
    this.quit(fault('client-closed'))
  }

  onDeadline(): void {
    if (this.state === STATE.head) this.refuse(fault('client-head-timeout'))
    else if (this.state === STATE.idle) this.startClosing()
    else if (this.state === STATE.closing) this.endLinger()
  }

  /** A client that did not take the end of its answer must not take what it has for the whole. */
  private endLinger(): void {
    if (this.channel.pending) this.channel.reset()
    this.destroy()
  }

  // --- ClientStream --------------------------------------------------------------------------

  sendInformational(head: ResponseView): void {
    this.responder!.informational(this.channel, head)
    this.flush()
  }

  sendHead(head: ResponseView, body: number, changes: HeaderChanges | null): void {
    // A response that comes before its request is complete may leave the rest of it unread.
    const keepAlive = this.keepsAlive() && this.state === STATE.answering
    const { view, exchange } = this.held!
    this.responder!.added = this.context.tracer.headLine(exchange.record, view.head)
    this.responder!.begin(this.channel, head, body, changes, keepAlive)
  }

  sendBytes(bytes: Buffer, start: number, end: number, owned: boolean): void {
    this.responder!.bytes(bytes, start, end, owned)
  }

  sendEnd(trailers: string): boolean {
    this.responder!.end(trailers)
    const left = this.flush()
    this.endExchange(!this.responder!.keepAlive)
    return left
  }

  sendReply(status: number, headers: string, body: string, close: boolean): void {
    const keepAlive = !close && this.keepsAlive()
    const { view, exchange } = this.held!
    const added = this.context.tracer.replyLine(exchange.record, view.head)
    this.responder!.reply(this.channel, status, headers + added, body, keepAlive)
    this.endExchange(!keepAlive)
  }

  flush(): boolean {
    const responder = this.responder
    return responder === null ? !this.channel.pending : responder.flush()
  }

  cut(): void {
    this.responder!.flush()
    this.recordExchange()
    this.channel.reset()
    this.destroy()
  }

  pauseRequest(): void {
    this.channel.pause()
  }

  resumeRequest(): void {
    if (this.stash === null) this.channel.resume()
  }

  becomeTunnel(head: ResponseView): TunnelEnd {
    this.responder!.upgrade(this.channel, head)
    const early = this.stash
    this.stash = null
    this.context.deadlines.cancel(this)
    return { channel: this.channel, early, ended: this.halfClosed }
  }

  endTunnel(bytesUp: number, bytesDown: number): void {
    const held = this.held!
    held.exchange.record.bytesIn += bytesUp
    held.responder.bytesOut += bytesDown
    this.context.row[this.listener.base + LISTENER.bytesIn]! += bytesUp
    this.recordExchange()
    this.state = STATE.closed
    this.gone()
    this.releaseExchange()
  }

  // --- ends ----------------------------------------------------------------------------------

  private keepsAlive(): boolean {
    const isLast = this.halfClosed && this.stash === null && !this.processing
    return this.held!.view.head.keepAlive && !this.owner.closing && !isLast
  }

  /** An answer is complete and flushed into the channel. */
  private endExchange(close: boolean): void {
    this.flush()
    this.recordExchange()
    this.releaseExchange()
    if (this.state === STATE.closed) return
    const isLast = this.halfClosed && this.stash === null && !this.processing
    if (close || isLast || this.owner.closing) {
      this.startClosing()
      return
    }
    this.state = STATE.idle
    this.context.deadlines.schedule(
      this,
      this.context.tickMs + this.listener.plan.timeouts.keepAliveMs,
    )
    if (!this.processing) this.readOn()
  }

  private recordExchange(): void {
    const held = this.held!
    const row = this.context.row
    const { record } = held.exchange
    const base = this.listener.base
    row[THREAD.exchanges]!--
    if (record.status >= 100) row[base + LISTENER.status + ((record.status / 100) | 0) - 1]!++
    const totalMs = this.context.eventMs - record.startMs
    countLatency(row, base + LISTENER.duration, totalMs / 1000)
    row[base + LISTENER.durationSumS]! += totalMs / 1000
    record.bytesOut = held.responder.bytesOut
    row[base + LISTENER.bytesOut]! += record.bytesOut
    this.owner.recorder.tell(this, held.exchange, held.view, totalMs)
  }

  private releaseExchange(): void {
    const held = this.held!
    this.held = null
    this.responder = null
    this.owner.returnExchange(held)
  }

  /** A request that could not be read is answered and the connection closed. */
  private refuse(cause: Fault): void {
    const held = this.held!
    const nowMs = this.context.nowMs()
    held.view.attach('', false, this.address, false)
    this.responder = held.responder
    this.context.row[THREAD.exchanges]!++
    this.context.row[this.listener.base + LISTENER.requests]!++
    held.exchange.record.begin(nowMs)
    held.exchange.record.status = cause.status
    held.exchange.record.fault = cause
    this.context.countFault(cause)
    this.stash = null
    this.sendReply(cause.status, faultHeaders(cause), faultBody(cause), true)
  }

  /** The body of a request broke its framing. */
  private breakRequest(cause: Fault): void {
    const held = this.held!
    const begun = held.responder.begun
    held.exchange.abandon(cause)
    held.exchange.record.status = begun ? held.exchange.record.status : cause.status
    if (begun) this.cut()
    else this.sendReply(cause.status, faultHeaders(cause), faultBody(cause), true)
  }

  /** The client is gone: whatever runs for it ends. */
  quit(cause: Fault): void {
    if (this.state === STATE.closed) return
    const held = this.held
    if (held !== null && (this.state === STATE.body || this.state === STATE.answering)) {
      held.exchange.abandon(cause)
      this.recordExchange()
    }
    this.destroy()
  }

  private startClosing(): void {
    this.state = STATE.closing
    this.stash = null
    if (this.held !== null) this.releaseExchange()
    this.channel.end()
    this.channel.resume()
    // The time for lingering begins when our last byte has left.
    const waitMs = this.channel.pending ? this.listener.plan.timeouts.keepAliveMs : LINGER_MS
    this.context.deadlines.schedule(this, this.context.nowMs() + waitMs)
  }

  /** Ends an idle connection in order (drain). */
  close(): void {
    if (this.state === STATE.idle) this.startClosing()
  }

  /** Closes at once; also the end of every other way to close. */
  destroy(): void {
    if (this.state === STATE.closed) return
    this.state = STATE.closed
    this.gone()
    this.stash = null
    this.channel.handler = noHandler
    this.channel.destroy()
    if (this.held !== null) this.releaseExchange()
  }

  /** Leaves the gauges. Also called by the end of a tunnel. */
  private gone(): void {
    const row = this.context.row
    row[this.listener.base + LISTENER.connections]!--
    row[THREAD.connections]!--
    this.context.deadlines.cancel(this)
    this.owner.connections.delete(this)
  }
}
