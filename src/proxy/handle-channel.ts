// The fast channel: reads through `onread` into one buffer per thread, and writes straight to the
// handle. The calls are those net.Socket makes itself; docs/decisions/0001 tells how that is kept safe.

import { getSystemErrorName } from 'node:util'
import net from 'node:net'
import { SocketChannel } from './socket-channel.ts'
import type { ChannelSocket } from './socket-channel.ts'

/** Size of a read buffer: one system call brings at most this much. */
const READ_BYTES = 64 * 1024

const sharedBuffer = Buffer.allocUnsafeSlow(READ_BYTES)
const spareBuffers: Buffer[] = []
const SPARE_BUFFERS_MAX = 128

/** Own buffers in use on this thread. */
let ownBuffers = 0

/** May a connection that carried bulk keep its own buffer for the next answer? */
export function mayKeepOwnBuffer(): boolean {
  return ownBuffers < SPARE_BUFFERS_MAX
}

function takeBuffer(): Buffer {
  return spareBuffers.pop() ?? Buffer.allocUnsafeSlow(READ_BYTES)
}

function giveBuffer(buffer: Buffer): void {
  if (spareBuffers.length < SPARE_BUFFERS_MAX) spareBuffers.push(buffer)
}

/** The channel whose `onread` callback runs: Node asks for the next buffer right after it. */
let readingChannel: HandleChannel | null = null

/**
 * Reads through `onread` and writes straight to the handle. Half of the cost of `socket.write` of a
 * small string is the stream's bookkeeping for a write that the kernel takes at once anyway.
 */
export class HandleChannel extends SocketChannel {
  private buffer: Buffer = sharedBuffer
  private wantsOwn = false
  private pendingWrites = 0
  /** Buffers of `writeCopy` whose bytes have not left yet. */
  private readonly copies: Buffer[] = []
  /** Collected between `cork` and `uncork`: data and encoding by turns, as `writev` takes them. */
  private corked: (string | Buffer)[] | null = null

  get ownsBytes(): boolean {
    return this.buffer !== sharedBuffer
  }

  get pending(): boolean {
    return this.pendingWrites > 0 || this.corked !== null
  }

  start(): void {
    this.socket.read(0)
  }

  writeText(text: string): boolean {
    if (this.corked !== null) {
      this.corked.push(text, 'latin1')
      return false
    }
    const handle = this.handle()
    if (handle === null) return false
    const request = takeRequest()
    return this.written(request, handle.writeLatin1String(request, text))
  }

  writeBytes(bytes: Buffer, start: number, end: number): boolean {
    const whole = start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end)
    if (this.corked !== null) {
      this.corked.push(whole, 'buffer')
      return false
    }
    const handle = this.handle()
    if (handle === null) return false
    const request = takeRequest()
    const status = handle.writeBuffer(request, whole)
    return this.written(request, status, whole)
  }

  writeCopy(bytes: Buffer, start: number, end: number): boolean {
    const copy = takeBuffer()
    const length = bytes.copy(copy, 0, start, end)
    this.copies.push(copy)
    const left = this.writeBytes(copy, 0, length)
    if (left) this.returnCopies()
    return left
  }

  cork(): void {
    this.corked ??= []
  }

  uncork(): boolean {
    const chunks = this.corked
    this.corked = null
    const handle = this.handle()
    if (chunks === null || chunks.length === 0 || handle === null) return this.pendingWrites === 0
    const request = takeRequest()
    const left = this.written(request, handle.writev(request, chunks, false), chunks)
    if (left) this.returnCopies()
    return left
  }

  useOwnBuffer(own: boolean): void {
    this.wantsOwn = own
  }

  protected override isReading(): boolean {
    return readingChannel === this
  }

  /** While a FIN waits behind writes, libuv would refuse a reset and the handle would stay open. */
  protected override shutDown(): void {
    if (this.pendingWrites === 0) super.shutDown()
  }

  /** @internal One read has ended. False stops reading. */
  read(count: number): boolean {
    // oxlint-disable-next-line typescript/no-this-alias -- `nextBuffer` has no other way to know
    readingChannel = this
    this.handler.onBytes(this.buffer, 0, count)
    if (this.paused) {
      // The stream has to know as well, or `resume` would do nothing.
      if (!this.closed) this.socket.pause()
      return false
    }
    return true
  }

  /** @internal The buffer for the next read, or null to keep the present one. */
  nextBuffer(): Buffer | null {
    const own = this.buffer !== sharedBuffer
    if (this.wantsOwn === own) return null
    if (this.wantsOwn) {
      this.buffer = takeBuffer()
      ownBuffers++
    } else {
      // A write of its bytes may be pending still, so it is left to the garbage collector.
      ownBuffers--
      this.buffer = sharedBuffer
    }
    return this.buffer
  }

  /** @internal */
  override gone(): void {
    // A write cut short may still hold the own buffer for a moment, so it is not used again.
    if (this.buffer !== sharedBuffer) ownBuffers--
    this.buffer = sharedBuffer
    super.gone()
  }

  /** @internal A write that was left pending has ended. */
  completed(status: number): void {
    this.pendingWrites--
    if (this.closed) return
    if (status < 0) this.writeFailed(getSystemErrorName(status))
    else if (this.pendingWrites === 0) {
      this.returnCopies()
      if (this.ended) this.shutDown()
      this.handler.onDrain()
    }
  }

  private returnCopies(): void {
    let copy = this.copies.pop()
    while (copy !== undefined) {
      giveBuffer(copy)
      copy = this.copies.pop()
    }
  }

  private handle(): WritableHandle | null {
    return (this.socket as unknown as { _handle: WritableHandle | null })._handle
  }

  private written(request: WriteRequest, status: number, held: unknown = null): boolean {
    // Only a write that the kernel did not take at once makes libuv adopt the request. The length of
    // libuv's queue would not do: it may be empty again with the completion still to come.
    if (status === 0 && request.getAsyncId() === NOT_ADOPTED) {
      spareRequest = request
      return this.pendingWrites === 0
    }
    if (status < 0) {
      spareRequest = request
      queueMicrotask(() => this.writeFailed(getSystemErrorName(status)))
      return true
    }
    // The request is the kernel's now, and so are the bytes.
    request.channel = this
    request.held = held
    this.pendingWrites++
    return false
  }
}

/** What a stream handle of Node can do; the same calls net.Socket makes. 0 or a negative errno. */
interface WritableHandle {
  writeLatin1String(request: WriteRequest, text: string): number
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  writev(request: WriteRequest, chunks: readonly (string | Buffer)[], allBuffers: boolean): number
}

/** Node's WriteWrap. It is used up only by a write that stays pending. */
interface WriteRequest {
  oncomplete: (status: number) => void
  /** Of its C++ half; `NOT_ADOPTED` while there is none. */
  getAsyncId(): number
  channel?: HandleChannel
  held?: unknown
}

const NOT_ADOPTED = -1
let makeRequest: (new () => WriteRequest) | null = null
let spareRequest: WriteRequest | null = null

function takeRequest(): WriteRequest {
  const request = spareRequest ?? new makeRequest!()
  spareRequest = null
  request.oncomplete = onWriteComplete
  return request
}

function onWriteComplete(this: WriteRequest, status: number): void {
  const channel = this.channel!
  delete this.held
  channel.completed(status)
}

/**
 * Learns Node's class of write requests from one write to a handle of our own. Where that doesn't
 * work, channels are made of streams.
 */
function learnRequests(): void {
  const socket = new net.Socket()
  const handle = {
    writeLatin1String(request: WriteRequest | null): number {
      // Newer versions of Node make no request before a write is left pending.
      makeRequest = (request?.constructor ?? null) as (new () => WriteRequest) | null
      return 0
    },
    close() {},
  }
  ;(socket as unknown as { _handle: object })._handle = handle
  socket.write('-', 'latin1')
  if (makeRequest !== null && new makeRequest().getAsyncId?.() !== NOT_ADOPTED) makeRequest = null
}

learnRequests()

function onRead(this: ChannelSocket, count: number): boolean {
  return (this.evenkeelChannel as HandleChannel).read(count)
}

function nextBuffer(): Buffer {
  const channel = readingChannel
  if (channel === null) return sharedBuffer
  readingChannel = null
  // Node keeps the present buffer when it gets something that is no Uint8Array.
  return channel.nextBuffer() as Buffer
}

/** The option of net.Socket that makes it read this way. */
export const onread = { buffer: nextBuffer, callback: onRead }

/** Did this version of Node show its class of write requests? */
export function handlesWork(): boolean {
  return makeRequest !== null
}

/**
 * Node asks for a first buffer when it takes a handle in use. That may happen within a read of
 * another channel, whose own question for its next buffer is still to come: put the answer back
 * with `resumeReading`.
 */
export function suspendReading(): HandleChannel | null {
  const reading = readingChannel
  readingChannel = null
  return reading
}

export function resumeReading(reading: HandleChannel | null): void {
  readingChannel = reading
}
