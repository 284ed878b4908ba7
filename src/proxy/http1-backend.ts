// One HTTP/1.1 connection to a backend: connecting, idle, waiting for a head, reading a body.
//
//   connecting ─► waiting ─► body ─► idle ─► waiting …        any state ─► closed
//
// It frames and unframes; what an answer or a failure means is the exchange's business.
// A byte or an end that arrives while idle destroys the connection: whatever a backend says without
// being asked must never become the answer to somebody's request (response queue poisoning).

import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import { BACKEND } from '../core/shared-layout.ts'
import { ELIGIBILITY } from '../core/snapshot.ts'
import { CHUNK, ChunkedDecoder, encodeChunkHead } from '../http1/chunked.ts'
import { BODY, responseBody } from '../http1/framing.ts'
import { PARSE } from '../http1/head.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import { connectFault, waitFault } from './attempt.ts'
import type { BackendState, ThreadContext } from './context.ts'
import type { DeadlineEntry } from '../core/deadlines.ts'
import { resolve } from './dial.ts'
import { isWhole } from './held-answer.ts'
import type { IdleConnection } from './idle.ts'
import type { BackendStream, ResponseReceiver } from './message-view.ts'
import { latin1, noHandler } from './channel.ts'
import { mayKeepOwnBuffer } from './handle-channel.ts'
import { connect } from './socket.ts'
import type { Channel, ChannelHandler } from './channel.ts'

const STATE = { connecting: 0, idle: 1, waiting: 2, body: 3, closed: 4 } as const

/** A body at least this long is worth a read buffer of its own. */
const OWN_BUFFER_BYTES = 32 * 1024
/** Ones smaller than this are copied into the same write as what goes before them. */
const COPY_BYTES = 16 * 1024
/** How long an answer may still come after a failed write. */
const AFTER_WRITE_ERROR_MS = 500

export class Http1BackendConnection
  implements ChannelHandler, BackendStream, IdleConnection, DeadlineEntry
{
  // IdleConnection
  idleIndex = -1
  idleSinceMs = 0
  idleUntilMs = 0
  // Deadline: connecting, or reading on after a failed write
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null

  readonly backend: BackendState
  private readonly context: ThreadContext
  private channel: Channel | null = null
  private receiver: ResponseReceiver | null
  private state: number = STATE.connecting
  private readonly startedMs: number
  private requests = 0
  private head: ResponseHead | null = null
  /** Bytes of a head that did not come in one piece. */
  private partial: Buffer | null = null
  private bodyKind: number = BODY.none
  private remaining = 0
  private decoder: ChunkedDecoder | null = null
  private reusable = false
  private keepAliveMs = 0
  private requestKind: number = BODY.none
  private writes = 0
  private writePending = false
  private writeFailed = false

  constructor(context: ThreadContext, backend: BackendState, receiver: ResponseReceiver) {
    this.context = context
    this.backend = backend
    this.receiver = receiver
    this.startedMs = context.nowMs()
  }

  /** Opens the connection; `onConnected` or `onAttemptFailed` of the receiver follows. */
  open(): void {
    const context = this.context
    context.deadlines.schedule(this, this.startedMs + this.backend.pool.plan.timeouts.connectMs)
    resolve(this.backend.destination, (destination, error) => {
      if (this.state === STATE.closed) return
      if (destination === null) {
        this.fail(connectFault(error), error)
        return
      }
      context.row[this.backend.base + BACKEND.connections]!++
      this.channel = connect(destination, context.readInto, this, () => this.connected())
    })
  }

  /** Takes an idle connection for a new request. */
  reuse(receiver: ResponseReceiver): void {
    this.receiver = receiver
    this.context.row[this.backend.base + BACKEND.idleConnections]!--
    this.state = STATE.waiting
  }

  get isReused(): boolean {
    return this.requests > 1
  }

  // --- BackendStream -------------------------------------------------------------------------

  sendRequest(head: string, kind: number, body: string, done: boolean, trailers: string): boolean {
    this.requests++
    this.writes = 0
    this.requestKind = kind
    this.state = STATE.waiting
    let text = head
    if (kind === BODY.chunked) {
      if (body !== '') text += `${encodeChunkHead(body.length)}${body}\r\n`
      if (done) text += `0\r\n${trailers}\r\n`
    } else {
      text += body
    }
    return this.written(this.channel!.writeText(text), text.length)
  }

  get sendPending(): boolean {
    return this.writePending
  }

  sendBytes(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    if (this.writeFailed) return true
    const channel = this.channel!
    const length = end - start
    const chunked = this.requestKind === BODY.chunked
    if (length < COPY_BYTES) {
      const text = latin1(bytes, start, end)
      if (!chunked) return this.written(channel.writeText(text), length)
      return this.written(channel.writeText(`${encodeChunkHead(length)}${text}\r\n`), length)
    }
    if (!chunked) {
      const left = owned
        ? channel.writeBytes(bytes, start, end)
        : channel.writeCopy(bytes, start, end)
      return this.written(left, length)
    }
    channel.cork()
    channel.writeText(encodeChunkHead(length))
    if (owned) channel.writeBytes(bytes, start, end)
    else channel.writeCopy(bytes, start, end)
    channel.writeText('\r\n')
    return this.written(channel.uncork(), length)
  }

  sendEnd(trailers: string): void {
    if (this.requestKind === BODY.chunked && !this.writeFailed)
      this.written(this.channel!.writeText(`0\r\n${trailers}\r\n`), 5)
  }

  pauseResponse(): void {
    this.channel?.pause()
  }

  resumeResponse(): void {
    this.channel?.resume()
  }

  abort(): void {
    this.receiver = null
    // After a mere close the kernel would go on handing over what it still holds of the request.
    if (this.state !== STATE.connecting) this.channel?.reset()
    this.close()
  }

  /** IdleConnection: its time is over, or the backend is out. */
  discard(): void {
    this.receiver = null
    this.close()
  }

  // --- ChannelHandler ------------------------------------------------------------------------

  onBytes(bytes: Buffer, start: number, end: number): void {
    const row = this.context.row
    row[this.backend.base + BACKEND.bytesFrom]! += end - start
    row[this.backend.base + BACKEND.lastByteMs] = this.context.tickMs
    const receiver = this.receiver
    if (receiver === null || this.state === STATE.idle) {
      this.close()
      return
    }
    const nowMs = this.context.nowMs()
    if (this.writeFailed) this.context.deadlines.schedule(this, nowMs + AFTER_WRITE_ERROR_MS)
    let position = start
    if (this.state === STATE.waiting) position = this.readHead(bytes, start, end)
    if (this.state === STATE.body) this.readBody(bytes, position, end)
    receiver.onReadDone()
  }

  onEnd(): void {
    this.context.nowMs()
    if (this.state === STATE.body && this.bodyKind === BODY.close) {
      this.finish('')
      return
    }
    this.lost('')
  }

  onDrain(): void {
    this.writePending = false
    this.receiver?.onSendDrain()
  }

  onWriteError(code: string): void {
    const receiver = this.receiver
    if (receiver === null || this.state === STATE.idle) {
      this.close()
      return
    }
    // One write, refused whole by the kernel: the backend has not seen a byte of this request.
    if (this.state === STATE.waiting && this.writes === 1 && !this.writePending) {
      this.fail(fault('backend-unsent'), code)
      return
    }
    this.writeFailed = true
    this.context.deadlines.schedule(this, this.context.nowMs() + AFTER_WRITE_ERROR_MS)
  }

  onClose(code: string): void {
    this.lost(code)
  }

  onDeadline(): void {
    if (this.state === STATE.connecting) this.fail(fault('backend-connect-timeout'), '')
    else if (this.writeFailed) this.lost('EPIPE')
  }

  // --- reading -------------------------------------------------------------------------------

  /** Reads heads up to the final one. Returns the position behind it. */
  private readHead(bytes: Buffer, start: number, end: number): number {
    let position = start
    let source = bytes
    let limit = end
    if (this.partial !== null) {
      source = Buffer.concat([this.partial, bytes.subarray(start, end)])
      position = 0
      limit = source.length
    }
    while (this.state === STATE.waiting && position < limit) {
      const head = (this.head ??= this.context.takeResponseHead())
      const result = head.parse(source, position, limit)
      if (result === PARSE.incomplete) {
        this.partial = Buffer.from(source.subarray(position, limit))
        return end
      }
      this.partial = null
      if (result === PARSE.error) {
        this.fail(fault(head.fault ?? 'backend-bad-response'), head.detail)
        return end
      }
      position += head.bytes
      if (head.status === 101 && this.receiver!.upgradeWanted) {
        const early = position < limit ? Buffer.from(source.subarray(position, limit)) : null
        this.surrender(head, early)
        return end
      }
      if (head.status === 500 && this.takesServerError(head, source, position, limit)) return end
      this.takeHead(head, position < limit)
      if (this.head === head) {
        this.head = null
        this.context.returnResponseHead(head)
      }
    }
    // Positions in a joined buffer are told in those of the bytes that came last.
    return source === bytes ? position : end - (limit - position)
  }

  /** The exchange may want to ask another backend before it believes a 500. */
  private takesServerError(head: ResponseHead, bytes: Buffer, at: number, end: number): boolean {
    const receiver = this.receiver!
    if (!isWhole(head, receiver.method, bytes, at, end)) return false
    if (!receiver.onServerError(bytes, at - head.bytes, end)) return false
    this.discard()
    return true
  }

  private takeHead(head: ResponseHead, more: boolean): void {
    const receiver = this.receiver!
    if (head.status < 200) {
      if (head.status !== 101) receiver.onInformational(head)
      else this.fail(fault('backend-unasked-upgrade'), '')
      return
    }
    this.bodyKind = responseBody(head, receiver.method)
    this.remaining = this.bodyKind === BODY.length ? head.contentLength : 0
    this.reusable = head.keepAlive && this.bodyKind !== BODY.close
    this.keepAliveMs = head.keepAliveTimeoutS < 0 ? Infinity : (head.keepAliveTimeoutS - 1) * 1000
    this.state = STATE.body
    if (this.bodyKind === BODY.chunked) {
      this.decoder ??= new ChunkedDecoder()
      this.decoder.reset()
    }
    if (!receiver.onResponseHead(head, this.bodyKind)) {
      // The answer isn't wanted. Reading its body just to keep the connection is not worth it.
      this.abort()
      return
    }
    if (this.bodyKind === BODY.none || (this.bodyKind === BODY.length && this.remaining === 0)) {
      // Bytes behind a response that has no body belong to nobody's request.
      if (more) this.reusable = false
      this.finish('')
    } else if (this.bodyKind === BODY.length) {
      this.channel!.useOwnBuffer(this.remaining >= OWN_BUFFER_BYTES)
    }
  }

  private readBody(bytes: Buffer, start: number, end: number): void {
    if (start >= end) return
    const receiver = this.receiver!
    const channel = this.channel!
    if (this.bodyKind === BODY.length) {
      const take = Math.min(this.remaining, end - start)
      receiver.onResponseBytes(bytes, start, start + take, channel.ownsBytes)
      this.remaining -= take
      if (this.remaining > 0 || this.state !== STATE.body) return
      if (start + take < end) this.reusable = false
      this.finish('')
    } else if (this.bodyKind === BODY.chunked) {
      this.readChunks(bytes, start, end)
    } else {
      if (end - start >= OWN_BUFFER_BYTES) channel.useOwnBuffer(true)
      receiver.onResponseBytes(bytes, start, end, channel.ownsBytes)
    }
  }

  private readChunks(bytes: Buffer, start: number, end: number): void {
    const decoder = this.decoder!
    const channel = this.channel!
    if (end - start >= OWN_BUFFER_BYTES) channel.useOwnBuffer(true)
    let position = start
    while (this.state === STATE.body) {
      const result = decoder.next(bytes, position, end)
      position = decoder.position
      if (result === CHUNK.data) {
        this.receiver!.onResponseBytes(bytes, decoder.dataStart, decoder.dataEnd, channel.ownsBytes)
      } else if (result === CHUNK.more) {
        return
      } else if (result === CHUNK.done) {
        if (position < end) this.reusable = false
        this.finish(decoder.trailers)
      } else {
        this.fail(fault('backend-bad-body'), decoder.detail)
      }
    }
  }

  // --- ends ----------------------------------------------------------------------------------

  private connected(): void {
    if (this.state !== STATE.connecting) return
    const nowMs = this.context.nowMs()
    this.context.deadlines.cancel(this)
    const row = this.context.row
    row[this.backend.base + BACKEND.connects]!++
    row[this.backend.base + BACKEND.connectSumS]! += (nowMs - this.startedMs) / 1000
    this.channel!.start()
    this.receiver!.onConnected()
  }

  /** The response is complete: keep the connection if both sides may, then tell the exchange. */
  private finish(trailers: string): void {
    const receiver = this.receiver!
    this.receiver = null
    const channel = this.channel!
    if (this.reusable && receiver.requestSent && !this.writeFailed && !this.context.draining) {
      this.state = STATE.idle
      this.keep()
    } else {
      this.close()
    }
    const left = receiver.onResponseEnd(trailers)
    // What carried bulk once is likely to do so again: with a buffer of its own, its first read needs
    // no copy. But the next answer must not overwrite bytes that the last client hasn't taken yet.
    channel.useOwnBuffer(left && channel.ownsBytes && mayKeepOwnBuffer())
  }

  private keep(): void {
    const limits = this.backend.pool.plan.limits.connections
    const nowMs = this.context.eventMs
    this.idleSinceMs = nowMs
    this.idleUntilMs = Math.min(
      nowMs + Math.min(limits.idleMs, this.keepAliveMs),
      this.startedMs + limits.ageMs,
    )
    const row = this.context.row
    row[this.backend.base + BACKEND.idleConnections]!++
    const worn = this.requests >= limits.requestsMax || this.idleUntilMs <= nowMs
    const { eligibility } = this.backend.member
    const isOut = eligibility === ELIGIBILITY.no || eligibility === ELIGIBILITY.cut
    if (worn || isOut || !this.backend.idle.put(this)) this.close()
  }

  /** The connection ended under us. */
  private lost(code: string): void {
    const state = this.state
    if (this.receiver === null || state === STATE.idle || state === STATE.closed) {
      this.close()
    } else if (state === STATE.connecting) {
      this.fail(connectFault(code), code)
    } else if (state === STATE.body) {
      this.fail(fault('backend-truncated'), code)
    } else {
      const unread = this.partial === null
      this.fail(unread ? waitFault(code, this.isReused) : fault('backend-bad-response'), code)
    }
  }

  private fail(cause: Fault, detail: string): void {
    const receiver = this.receiver
    this.receiver = null
    this.close()
    receiver?.onAttemptFailed(cause, detail)
  }

  private close(): void {
    if (this.state === STATE.closed) return
    const row = this.context.row
    if (this.state === STATE.idle) row[this.backend.base + BACKEND.idleConnections]!--
    if (this.channel !== null) row[this.backend.base + BACKEND.connections]!--
    this.state = STATE.closed
    this.backend.idle.remove(this)
    this.context.deadlines.cancel(this)
    this.partial = null
    if (this.head !== null) {
      this.context.returnResponseHead(this.head)
      this.head = null
    }
    if (this.channel !== null) {
      this.channel.handler = noHandler
      this.channel.destroy()
    }
  }

  /** The backend has switched protocols: the bare connection goes to the exchange, for a tunnel. */
  private surrender(head: ResponseHead, early: Buffer | null): void {
    const receiver = this.receiver!
    const channel = this.channel!
    this.context.row[this.backend.base + BACKEND.connections]!--
    this.state = STATE.closed
    this.receiver = null
    this.channel = null
    this.head = null
    receiver.onUpgraded(head, { channel, early, ended: false })
    this.context.returnResponseHead(head)
  }

  private written(left: boolean, bytes: number): boolean {
    this.writes++
    if (!left) this.writePending = true
    this.context.row[this.backend.base + BACKEND.bytesTo]! += bytes
    return left
  }
}
