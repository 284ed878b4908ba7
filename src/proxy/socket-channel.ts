// What the two kinds of channel over a net.Socket share: how a connection pauses and ends.
// A socket never ends by itself here: both directions are ended apart, and a failed write leaves
// the reading side alone.

import type net from 'node:net'
import { noHandler } from './channel.ts'
import type { Channel, ChannelHandler } from './channel.ts'

export interface ChannelSocket extends net.Socket {
  evenkeelChannel?: SocketChannel
}

/** The ends and pauses of a socket; how it reads and writes is the business of its two kinds. */
export abstract class SocketChannel implements Channel {
  handler: ChannelHandler = noHandler
  closed = false
  protected readonly socket: ChannelSocket
  protected ended = false
  protected paused = false
  protected drainAwaited = false
  /** The FIN has been asked for, and all before it has left. */
  private shutting = false
  private finished = false
  private peerEnded = false
  private errorCode = ''

  constructor(socket: ChannelSocket) {
    this.socket = socket
    socket.evenkeelChannel = this
    keepOpenOnWriteError(socket)
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
    // A listener on `::` sees IPv4 peers as mapped addresses (RFC 4291 §2.5.5.2).
    const address = this.socket.remoteAddress ?? ''
    return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
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
    this.shutDown()
  }

  /** Asks for the FIN. */
  protected shutDown(): void {
    this.shutting = true
    this.socket.once('finish', onFinish)
    this.socket.end()
  }

  reset(): void {
    if (this.closed) return
    // While a FIN is on its way libuv refuses a reset, and Node takes the handle for closed that
    // stays open: the descriptor leaks, and the thread can never end (Node 20 to 24).
    const isShutting = this.shutting && !this.finished && !this.pending
    // A unix socket knows no reset; Node throws where it is asked for one.
    const handle = (this.socket as unknown as { _handle: { reset?: unknown } | null })._handle
    if (!isShutting && typeof handle?.reset === 'function') this.socket.resetAndDestroy()
    else this.socket.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Its `onread` callback runs: what it returns says whether reading goes on. */
  protected isReading(): boolean {
    return false
  }

  /** @internal */
  failed(error: NodeJS.ErrnoException): void {
    if (error.syscall === 'write') {
      // Or the stream would drop an answer that is still to be read.
      ;(this.socket as unknown as StreamStates)._readableState.errored = null
      this.writeFailed(error.code ?? 'EUNKNOWN')
    } else {
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

interface StreamStates {
  readonly _readableState: { autoDestroy: boolean; errored: Error | null }
  readonly _writableState: { autoDestroy: boolean }
}

/** Leaves the end of a socket whose write failed to us; see `SocketChannel.failed`. */
function keepOpenOnWriteError(socket: net.Socket): void {
  const states = socket as unknown as StreamStates
  states._readableState.autoDestroy = false
  states._writableState.autoDestroy = false
}
