// A channel made of documented API alone: 'data' events and stream writes. For TLS sockets, which
// ignore `onread`, and as the fall-back where handles can't be used.

import { SocketChannel } from './socket-channel.ts'
import type { ChannelSocket } from './socket-channel.ts'

/** Reads fresh buffers from 'data' events and writes through the stream: all documented API. */
export class StreamChannel extends SocketChannel {
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

function onData(this: ChannelSocket, bytes: Buffer): void {
  ;(this.evenkeelChannel as StreamChannel).data(bytes)
}
