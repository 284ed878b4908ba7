// The one door between sockets and the data plane. A `Channel` reads into borrowed memory and tells
// at once whether a write has left; HTTP/1, TCP tunnels and (later) TLS and HTTP/2 know nothing else.
//
// Three makers of channels: `adoptHandle` and `connect` with `readInto: 'shared'` read into one
// buffer per thread through `onread` (no allocation per read); with `'fresh'` they use ordinary
// 'data' events (TLS sockets ignore `onread`; also the fall-back); `memory-channel.ts` joins two
// ends in memory for tests.
//
// The rule about memory: bytes from the shared buffer are good until `onBytes` returns; who keeps or
// writes them must copy (`writeText` of a latin1 slice is such a copy). A channel with
// `useOwnBuffer(true)` gets its bytes in a buffer of its own (`ownsBytes`): those may be written
// without a copy, and if the write stays pending the source must be paused until `onDrain`.
// Taking the handle of an accepted connection is not documented API of Node; it happens here alone.

import net from 'node:net'
import { getSystemErrorName } from 'node:util'

/** Who listens to a channel. Called synchronously. */
export interface ChannelHandler {
  /** `bytes[start..end)` has arrived; see the rule about memory above. */
  onBytes(bytes: Buffer, start: number, end: number): void
  /** The peer has ended its direction (FIN). */
  onEnd(): void
  /** Everything written has left, after a write that answered false. */
  onDrain(): void
  /** A write failed. What the peer had sent before may still arrive; the handler must end the channel. */
  onWriteError(code: string): void
  /** The channel is gone; the last call. `code` is the system's error name, '' for a clean end. */
  onClose(code: string): void
}

/** One connection, in both directions. */
export interface Channel {
  handler: ChannelHandler
  /** The bytes of the running `onBytes` are in memory nobody else uses. */
  readonly ownsBytes: boolean
  readonly closed: boolean
  /** Something written has not left yet. */
  readonly pending: boolean
  /** Address of the peer, '' where there is none. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** Begins to deliver bytes. Apart from the making, so that the handler is in place first. */
  start(): void
  /** Writes a latin1 string (it is copied). True: it has left; false: `onDrain` will follow. */
  writeText(text: string): boolean
  /** Writes bytes that stay unchanged until they have left. Same answer as `writeText`. */
  writeBytes(bytes: Buffer, start: number, end: number): boolean
  /** Writes bytes that may change once this returns (they are copied). Same answer as `writeText`. */
  writeCopy(bytes: Buffer, start: number, end: number): boolean
  /** Collects the writes up to `uncork` into one system call. */
  cork(): void
  /** Same answer as `writeText`, for all that was collected. */
  uncork(): boolean
  pause(): void
  resume(): void
  /**
   * Read into a buffer of its own (`true`) or the shared one, from the next read on. Going back lets
   * go of the own buffer: what was written from it and is pending stays intact.
   */
  useOwnBuffer(own: boolean): void
  /** Ends our direction after what is pending. The channel closes itself once the peer has ended too. */
  end(): void
  /** Breaks the connection visibly (RST). */
  reset(): void
  /** Closes both directions at once and drops what is pending. */
  destroy(): void
}

/** How a channel reads: into the thread's shared buffer, or fresh buffers from 'data' events. */
export type ReadInto = 'shared' | 'fresh'

/** Size of a read buffer: one system call brings at most this much. */
export const READ_BYTES = 64 * 1024

interface Latin1Slicer {
  latin1Slice(start: number, end: number): string
}

/** Copies bytes into a string, one character each. `toString` would only come to this the long way. */
export function latin1(bytes: Buffer, start: number, end: number): string {
  return (bytes as unknown as Latin1Slicer).latin1Slice(start, end)
}

/** A raw TCP or pipe handle of Node, as a server's `onconnection` gets it. */
export interface RawHandle {
  close(): void
  setNoDelay?(on: boolean): number
  setKeepAlive?(on: boolean, seconds: number): number
}

/** A handler that ignores everything: what a channel has before and after its owner. */
export const noHandler: ChannelHandler = {
  onBytes() {},
  onEnd() {},
  onDrain() {},
  onWriteError() {},
  onClose() {},
}

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

interface ChannelSocket extends net.Socket {
  evenkeelChannel?: SocketChannel
}

/** The ends and pauses of a socket; how it reads and writes is the business of its two kinds. */
abstract class SocketChannel implements Channel {
  handler: ChannelHandler = noHandler
  closed = false
  protected readonly socket: ChannelSocket
  protected ended = false
  protected paused = false
  protected drainAwaited = false
  /** Our direction has ended and all of it has left. */
  private finished = false
  private peerEnded = false
  private errorCode = ''

  constructor(socket: ChannelSocket) {
    this.socket = socket
    socket.evenkeelChannel = this
    socket.on('error', onError)
    socket.on('close', onClose)
    socket.on('end', onEnd)
  }

  abstract get ownsBytes(): boolean
  abstract get pending(): boolean
  abstract start(): void
  abstract writeText(text: string): boolean
  abstract writeBytes(bytes: Buffer, start: number, end: number): boolean
  abstract writeCopy(bytes: Buffer, start: number, end: number): boolean
  abstract cork(): void
  abstract uncork(): boolean
  abstract useOwnBuffer(own: boolean): void

  get remoteAddress(): string {
    return this.socket.remoteAddress ?? ''
  }

  get remotePort(): number {
    return this.socket.remotePort ?? 0
  }

  pause(): void {
    if (this.paused) return
    this.paused = true
    if (!this.isReading()) this.socket.pause()
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    if (!this.isReading() && !this.closed) this.socket.resume()
  }

  end(): void {
    if (this.ended || this.closed) return
    this.ended = true
    this.socket.once('finish', onFinish)
    this.socket.end()
  }

  reset(): void {
    if (this.closed) return
    // A unix socket knows no reset; Node throws where it is asked for one.
    const handle = (this.socket as unknown as { _handle: { reset?: unknown } | null })._handle
    if (typeof handle?.reset === 'function') this.socket.resetAndDestroy()
    else this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Its `onread` callback runs: what it returns says whether reading goes on. */
  private isReading(): boolean {
    return (readingChannel as SocketChannel | null) === this
  }

  /** @internal */
  failed(error: NodeJS.ErrnoException): void {
    if (error.syscall === 'write') this.writeFailed(error.code ?? 'EUNKNOWN')
    else {
      if (this.errorCode === '') this.errorCode = error.code ?? 'EUNKNOWN'
      this.socket.destroy()
    }
  }

  /** @internal */
  finish(): void {
    this.finished = true
    if (this.peerEnded) this.socket.destroy()
  }

  /** @internal */
  peerEnd(): void {
    if (this.closed) return
    this.peerEnded = true
    this.handler.onEnd()
    if (this.finished) this.socket.destroy()
  }

  /** @internal */
  gone(): void {
    if (this.closed) return
    this.closed = true
    const handler = this.handler
    this.handler = noHandler
    handler.onClose(this.errorCode)
  }

  /**
   * Node would destroy the socket and lose an answer that is already in its receive queue (an early
   * response, then a reset). The handler decides how long to go on reading.
   */
  protected writeFailed(code: string): void {
    if (this.errorCode !== '' || this.closed) return
    this.errorCode = code
    this.handler.onWriteError(code)
  }
}

/** Reads fresh buffers from 'data' events and writes through the stream: all documented API. */
class StreamChannel extends SocketChannel {
  constructor(socket: ChannelSocket) {
    super(socket)
    // A listener for 'data' would start the flow before `start`.
    socket.pause()
    socket.on('data', onData)
  }

  get ownsBytes(): boolean {
    return true
  }

  get pending(): boolean {
    return this.socket.writableLength > 0
  }

  start(): void {
    this.socket.resume()
  }

  writeText(text: string): boolean {
    this.socket.write(text, 'latin1')
    return this.socket.writableLength === 0 || this.awaitDrain()
  }

  writeBytes(bytes: Buffer, start: number, end: number): boolean {
    this.socket.write(bytes.subarray(start, end))
    return this.socket.writableLength === 0 || this.awaitDrain()
  }

  writeCopy(bytes: Buffer, start: number, end: number): boolean {
    return this.writeBytes(Buffer.from(bytes.subarray(start, end)), 0, end - start)
  }

  cork(): void {
    this.socket.cork()
  }

  uncork(): boolean {
    this.socket.uncork()
    return this.socket.writableLength === 0 || this.awaitDrain()
  }

  useOwnBuffer(): void {}

  /** @internal */
  data(bytes: Buffer): void {
    this.handler.onBytes(bytes, 0, bytes.length)
  }

  /** @internal */
  drained(): void {
    this.drainAwaited = false
    if (this.closed) return
    if (this.socket.writableLength > 0) this.awaitDrain()
    else this.handler.onDrain()
  }

  private awaitDrain(): false {
    if (!this.drainAwaited && !this.closed && !this.socket.destroyed) {
      this.drainAwaited = true
      // 'drain' comes only after a write beyond the high-water mark; an empty write tells it always.
      if (this.ended) this.socket.once('finish', () => this.drained())
      else this.socket.write('', 'latin1', () => this.drained())
    }
    return false
  }
}

/**
 * Reads through `onread` and writes straight to the handle. Half of the cost of `socket.write` of a
 * small string is the stream's bookkeeping for a write that the kernel takes at once anyway.
 */
class HandleChannel extends SocketChannel {
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
    writeLatin1String(request: WriteRequest): number {
      makeRequest = request.constructor as new () => WriteRequest
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

function onData(this: ChannelSocket, bytes: Buffer): void {
  ;(this.evenkeelChannel as StreamChannel).data(bytes)
}

function onEnd(this: ChannelSocket): void {
  this.evenkeelChannel!.peerEnd()
}

function onFinish(this: ChannelSocket): void {
  this.evenkeelChannel!.finish()
}

function onError(this: ChannelSocket, error: NodeJS.ErrnoException): void {
  this.evenkeelChannel!.failed(error)
}

function onClose(this: ChannelSocket): void {
  this.evenkeelChannel!.gone()
}

const onread = { buffer: nextBuffer, callback: onRead }

/** Can channels be made of bare handles on this version of Node? */
function usesHandles(readInto: ReadInto): boolean {
  return readInto === 'shared' && makeRequest !== null
}

/** Makes a channel of a handle that a listener accepted. Call `start` once its handler is set. */
export function adoptHandle(handle: RawHandle, readInto: ReadInto): Channel {
  handle.setNoDelay?.(true)
  const direct = usesHandles(readInto)
  const options = { handle, allowHalfOpen: true, manualStart: true, ...(direct ? { onread } : {}) }
  const reading = suspendReading()
  const socket = new net.Socket(options)
  readingChannel = reading
  keepOpenOnWriteError(socket)
  return direct ? new HandleChannel(socket) : new StreamChannel(socket)
}

/** Where to connect. */
export type Destination =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }

/**
 * Opens a connection. `onConnect` is called once it stands; a failure arrives as `onClose(code)` of
 * the handler.
 */
export function connect(
  destination: Destination,
  readInto: ReadInto,
  handler: ChannelHandler,
  onConnect: () => void,
): Channel {
  const direct = usesHandles(readInto)
  const options = {
    ...destination,
    allowHalfOpen: true,
    noDelay: true,
    autoSelectFamily: false,
    ...(direct ? { onread } : {}),
  }
  const socket = new net.Socket(options)
  keepOpenOnWriteError(socket)
  const channel = direct ? new HandleChannel(socket) : new StreamChannel(socket)
  channel.handler = handler
  const reading = suspendReading()
  socket.connect(options as unknown as net.NetConnectOpts, onConnect)
  readingChannel = reading
  return channel
}

/**
 * Node asks for a first buffer when it takes a handle in use. That may happen within a read of
 * another channel, whose own question for its next buffer is still to come.
 */
function suspendReading(): HandleChannel | null {
  const reading = readingChannel
  readingChannel = null
  return reading
}

/** Leaves the end of a socket whose write failed to us; see `SocketChannel.failed`. */
function keepOpenOnWriteError(socket: net.Socket): void {
  const states = socket as unknown as {
    _readableState: { autoDestroy: boolean }
    _writableState: { autoDestroy: boolean }
  }
  states._readableState.autoDestroy = false
  states._writableState.autoDestroy = false
}
