// Two connections joined byte for byte: a TCP pool's, or an HTTP connection after its upgrade.
// Each direction ends on its own (half-close is kept), pauses its source while its sink is slow, and
// a break on one side becomes a break on the other. It knows no protocol and no backend state.

import type { DeadlineEntry } from '../core/deadlines.ts'
import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { BackendState, ThreadContext } from './context.ts'
import type { TunnelEnd } from './message-view.ts'
import { latin1, noHandler } from './channel.ts'
import type { Channel, ChannelHandler } from './channel.ts'

/** A read at least this long says that this direction carries bulk. */
const BULK_BYTES = 32 * 1024
/** Reads shorter than this are copied, longer ones are worth a view of the buffer. */
const COPY_BYTES = 16 * 1024
/** So many small reads in a row give the own buffer back. */
const SMALL_READS = 16

/** One direction: the handler of its source. */
class Half implements ChannelHandler {
  readonly source: Channel
  readonly sink: Channel
  readonly tunnel: Tunnel
  bytes = 0
  ended = false
  private smallReads = 0
  private bulk = false

  constructor(source: Channel, sink: Channel, tunnel: Tunnel) {
    this.source = source
    this.sink = sink
    this.tunnel = tunnel
  }

  onBytes(bytes: Buffer, start: number, end: number): void {
    this.take(bytes, start, end, this.source.ownsBytes)
  }

  /** @param owned nobody else uses the memory of these bytes */
  take(bytes: Buffer, start: number, end: number, owned: boolean): void {
    if (this.tunnel.lapses()) return
    const { source } = this
    const length = end - start
    this.bytes += length
    this.tunnel.moved = true
    if (length >= BULK_BYTES) {
      this.smallReads = 0
      if (!this.bulk) {
        this.bulk = true
        source.useOwnBuffer(true)
      }
    } else if (this.bulk && ++this.smallReads >= SMALL_READS) {
      this.bulk = false
      source.useOwnBuffer(false)
    }
    if (!this.pass(bytes, start, end, owned)) source.pause()
  }

  private pass(bytes: Buffer, start: number, end: number, owned: boolean): boolean {
    if (end - start < COPY_BYTES) return this.sink.writeText(latin1(bytes, start, end))
    if (owned) return this.sink.writeBytes(bytes, start, end)
    return this.sink.writeCopy(bytes, start, end)
  }

  onEnd(): void {
    if (this.tunnel.lapses()) return
    this.ended = true
    this.tunnel.moved = true
    this.sink.end()
  }

  /** What the other half wrote to this half's source has left. */
  onDrain(): void {
    this.tunnel.otherOf(this).source.resume()
  }

  onWriteError(code: string): void {
    this.tunnel.broke(this, code)
  }

  onClose(code: string): void {
    this.tunnel.closed(this, code)
  }
}

export class Tunnel implements DeadlineEntry {
  deadlineMs = Infinity
  wheelTick = -1
  wheelSlot = 0
  wheelNext: DeadlineEntry | null = null
  wheelPrevious: DeadlineEntry | null = null
  /** A byte has moved since the last look. */
  moved = false
  private readonly context: ThreadContext
  private readonly target: BackendState
  private readonly onGone: (cause: Fault | null) => void
  private client: Half | null = null
  private backend: Half | null = null
  private over = false

  /** `onGone` is called once, with `null` if both sides ended in order. */
  constructor(context: ThreadContext, target: BackendState, onGone: (cause: Fault | null) => void) {
    this.context = context
    this.target = target
    this.onGone = onGone
  }

  /** Bytes from the client to the backend. */
  get bytesUp(): number {
    return this.client?.bytes ?? 0
  }

  /** Bytes from the backend to the client. */
  get bytesDown(): number {
    return this.backend?.bytes ?? 0
  }

  /** Joins two ends. Early bytes of each go to the other first. */
  join(client: TunnelEnd, backend: TunnelEnd): void {
    this.client = new Half(client.channel, backend.channel, this)
    this.backend = new Half(backend.channel, client.channel, this)
    client.channel.handler = this.client
    backend.channel.handler = this.backend
    this.context.deadlines.schedule(this, this.context.nowMs() + this.idleMs)
    if (client.early !== null) this.client.take(client.early, 0, client.early.length, true)
    if (backend.early !== null) this.backend.take(backend.early, 0, backend.early.length, true)
    if (client.ended) this.client.onEnd()
    if (this.over) return
    if (!backend.channel.pending) client.channel.resume()
    if (!client.channel.pending) backend.channel.resume()
  }

  private get idleMs(): number {
    return this.target.pool.plan.timeouts.tunnelIdleMs
  }

  otherOf(half: Half): Half {
    return half === this.client ? this.backend! : this.client!
  }

  onDeadline(nowMs: number): void {
    if (this.moved) {
      this.moved = false
      this.context.deadlines.schedule(this, nowMs + this.idleMs)
      return
    }
    this.finish(fault('tunnel-idle'), true)
  }

  /** Breaks the backend's side at once, and tells nobody: `cut` follows. */
  sever(): void {
    const { source } = this.backend!
    source.handler = noHandler
    source.reset()
  }

  /** @internal If the right to send is gone, ends both sides. To be asked at each read. */
  lapses(): boolean {
    if (this.over || !this.context.hasLapsed(this.target.rightCell)) return this.over
    this.finish(fault('no-agreement'), true)
    return true
  }

  /** Ends both sides at once, e.g. because the drain time is over. */
  cut(cause: Fault): void {
    this.finish(cause, true)
  }

  /** @internal A write to this half's source failed. */
  broke(half: Half, _code: string): void {
    this.finish(fault(half === this.client ? 'client-closed' : 'backend-truncated'), true)
  }

  /** @internal One side is gone. In order only if both directions had ended. */
  closed(half: Half, code: string): void {
    const other = this.otherOf(half)
    if (code === '' && half.ended && other.ended) {
      // The other one closes itself once the last bytes have left, and is watched until then.
      if (other.source.closed) this.finish(null, false)
      return
    }
    this.finish(fault(half === this.client ? 'client-closed' : 'backend-truncated'), true)
  }

  private finish(cause: Fault | null, cut: boolean): void {
    if (this.over) return
    this.over = true
    this.context.deadlines.cancel(this)
    this.onGone(cause)
    for (const half of [this.client!, this.backend!]) {
      half.source.handler = noHandler
      if (cut) half.source.reset()
    }
  }
}
