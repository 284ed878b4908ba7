// One client connection of a TCP listener: pick a backend, connect (another one if that fails, for
// not a byte has been sent), then join both in a tunnel. A client that has to wait for a backend is
// read a little meanwhile, or nobody would notice that it leaves; those bytes go ahead of the rest.

import { fault, isWithdrawal } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import { BACKEND, LISTENER, POOL, THREAD } from '../core/shared-layout.ts'
import { connectFault, countFailed, countLatency } from './attempt.ts'
import type { ListenerState } from './context.ts'
import { resolve } from './dial.ts'
import { PlacedAttempt } from './placed-attempt.ts'
import { NOTHING_ASKED } from './recorder.ts'
import { isFreeRetry } from '../core/retry.ts'
import type { TcpListener } from './tcp-listener.ts'
import { noHandler } from './channel.ts'
import { connect } from './socket.ts'
import type { Channel, ChannelHandler } from './channel.ts'
import { Tunnel } from './tunnel.ts'

const STATE = { picking: 0, queued: 1, delayed: 2, connecting: 3, joined: 4, over: 5 } as const

/** How much a client that waits for a backend may say beforehand. */
const EARLY_BYTES_MAX = 16 * 1024

export class TcpConnection extends PlacedAttempt implements ChannelHandler {
  readonly address: string
  readonly port: number
  /** A connection takes none. */
  readonly routeName = null
  private readonly owner: TcpListener
  private readonly listener: ListenerState
  private readonly client: Channel
  private target: Channel | null = null
  private early: Buffer | null = null
  private clientEnded = false
  private state: number = STATE.picking

  constructor(owner: TcpListener, client: Channel) {
    super(owner.context)
    this.owner = owner
    this.listener = owner.state
    this.pool = owner.context.pools[owner.state.plan.pool]!
    this.client = client
    this.address = client.remoteAddress
    this.port = client.remotePort
  }

  open(): void {
    const row = this.context.row
    const nowMs = this.context.nowMs()
    row[this.listener.base + LISTENER.connections]!++
    row[this.listener.base + LISTENER.requests]!++
    row[this.pool!.base + POOL.requests]!++
    row[THREAD.connections]!++
    row[THREAD.exchanges]!++
    this.owner.connections.add(this)
    this.record.begin(nowMs)
    this.record.pool = this.pool!.plan.name
    this.pool!.budget.deposit(nowMs)
    this.client.handler = this
    this.tryNext(nowMs)
  }

  // --- the client before the tunnel ------------------------------------------------------------

  onBytes(bytes: Buffer, start: number, end: number): void {
    const fresh = bytes.subarray(start, end)
    this.early = this.early === null ? Buffer.from(fresh) : Buffer.concat([this.early, fresh])
    if (this.early.length >= EARLY_BYTES_MAX) this.client.pause()
  }

  onEnd(): void {
    this.clientEnded = true
    // Who has said nothing and will say nothing more has given up waiting.
    if (this.early === null && this.state === STATE.queued) this.clientGone()
  }

  onDrain(): void {}

  onWriteError(): void {
    this.clientGone()
  }

  onClose(): void {
    this.clientGone()
  }

  private clientGone(): void {
    this.quit(fault('client-closed'))
  }

  // --- picking -------------------------------------------------------------------------------

  protected override markQueued(): void {
    this.state = STATE.queued
    this.context.deadlines.disarm(this)
    this.client.start()
  }

  protected override attempt(index: number, probation: boolean, nowMs: number): void {
    const backend = this.pool!.backends[index]!
    this.state = STATE.connecting
    this.attempts++
    this.tried.add(index)
    this.beginAttempt(backend, probation, nowMs)
    this.record.backend = backend.plan.name
    this.record.address = backend.plan.address
    this.context.deadlines.schedule(this, nowMs + this.pool!.plan.timeouts.connectMs)
    const attempt = this.attempts
    resolve(backend.destination, (destination, error) => {
      if (this.state !== STATE.connecting || attempt !== this.attempts) return
      if (destination === null) {
        this.failed(connectFault(error))
        return
      }
      this.context.row[backend.base + BACKEND.connections]!++
      const handler: ChannelHandler = {
        ...noHandler,
        onClose: (code) => {
          this.failed(connectFault(code))
        },
      }
      this.target = connect(destination, this.context.readInto, handler, () => this.connected())
    })
  }

  private connected(): void {
    if (this.state !== STATE.connecting) return
    const nowMs = this.context.nowMs()
    const backend = this.backend!
    const target = this.target!
    const row = this.context.row
    row[backend.base + BACKEND.connects]!++
    row[backend.base + BACKEND.connectSumS]! += (nowMs - this.startedMs) / 1000
    this.record.connectMs = nowMs - this.startedMs
    this.headMs = nowMs
    this.context.deadlines.cancel(this)
    this.state = STATE.joined
    this.markConnected()
    const tunnel = new Tunnel(this.context, backend, (cause) => {
      this.endTunnel(tunnel, cause)
    })
    this.tunnel = tunnel
    const { early, clientEnded } = this
    this.early = null
    tunnel.join(
      { channel: this.client, early, ended: clientEnded },
      { channel: target, early: null, ended: false },
    )
    target.start()
    this.client.start()
  }

  private endTunnel(tunnel: Tunnel, cause: Fault | null): void {
    const row = this.context.row
    const base = this.backend!.base
    row[base + BACKEND.connections]!--
    row[base + BACKEND.bytesTo]! += tunnel.bytesUp
    row[base + BACKEND.bytesFrom]! += tunnel.bytesDown
    row[this.listener.base + LISTENER.bytesIn]! += tunnel.bytesUp
    row[this.listener.base + LISTENER.bytesOut]! += tunnel.bytesDown
    this.record.bytesIn = tunnel.bytesUp
    this.record.bytesOut = tunnel.bytesDown
    this.record.endAttempt(this, cause, 0, this.context.nowMs())
    // A backend that accepts and then breaks without a byte is failing; later breaks say nothing.
    if (cause?.code === 'backend-truncated' && tunnel.bytesDown === 0) this.endBadly(cause)
    else if (cause === null || tunnel.bytesDown > 0) this.endWell()
    else this.endNeutral()
    this.end(cause)
  }

  // --- failures ------------------------------------------------------------------------------

  onDeadline(nowMs: number): void {
    if (this.state === STATE.delayed) this.tryNext(nowMs)
    else if (this.state === STATE.connecting) this.failed(fault('backend-connect-timeout'))
  }

  onBackendLost(): void {
    if (this.state !== STATE.connecting || !this.canRepeat(this.context.nowMs())) return
    this.context.row[this.pool!.base + POOL.rescues]!++
    this.failed(fault('backend-rescued'))
  }

  protected override severAttempt(): void {
    this.dropTarget()
  }

  protected override onAttemptCut(cause: Fault): void {
    const nowMs = this.context.nowMs()
    this.record.endAttempt(this, cause, 0, nowMs)
    this.endNeutral()
    if (isWithdrawal(cause)) this.move(nowMs)
    else this.refuse(cause)
  }

  private failed(cause: Fault): void {
    if (this.state !== STATE.connecting) return
    const nowMs = this.context.nowMs()
    this.dropTarget()
    this.record.endAttempt(this, cause, 0, nowMs)
    this.endBadly(cause)
    this.awaitMove(cause, nowMs)
    if (!this.canRepeat(nowMs)) {
      this.refuse(cause)
      return
    }
    const rescued = cause.code === 'backend-rescued'
    const free = isFreeRetry(cause, this.rescues)
    if (rescued) this.rescues++
    if (!this.charge(free, nowMs)) {
      this.refuse(cause)
      return
    }
    const waitMs = this.delayAfterMs(cause)
    if (waitMs <= 0) {
      this.tryNext(nowMs)
      return
    }
    this.state = STATE.delayed
    this.context.deadlines.schedule(this, nowMs + waitMs)
  }

  private dropTarget(): void {
    const target = this.target
    if (target === null) return
    this.target = null
    if (this.backend !== null) this.context.row[this.backend.base + BACKEND.connections]!--
    target.handler = noHandler
    target.destroy()
  }

  protected override refuse(cause: Fault): void {
    this.end(cause)
  }

  /** Ends it unless it is a tunnel already, e.g. because the drain time is over. */
  quit(cause: Fault): void {
    if (this.state === STATE.joined || this.state === STATE.over) return
    this.dropTarget()
    if (this.backend !== null) this.endNeutral()
    this.end(cause)
  }

  private end(cause: Fault | null): void {
    if (this.state === STATE.over) return
    const joined = this.state === STATE.joined
    this.state = STATE.over
    const row = this.context.row
    const nowMs = this.context.nowMs()
    this.pool!.queue.remove(this)
    this.context.deadlines.cancel(this)
    row[this.listener.base + LISTENER.connections]!--
    row[THREAD.connections]!--
    row[THREAD.exchanges]!--
    const totalMs = nowMs - this.record.startMs
    countLatency(row, this.listener.base + LISTENER.duration, totalMs / 1000)
    row[this.listener.base + LISTENER.durationSumS]! += totalMs / 1000
    if (cause !== null) {
      this.context.countFault(cause)
      countFailed(this.context, this.pool!.base, cause)
    }
    this.record.fault = cause
    this.owner.connections.delete(this)
    this.owner.recorder.tell(this, this, NOTHING_ASKED, totalMs)
    if (joined) return
    this.client.handler = noHandler
    // No byte can tell a TCP client why: a reset at least can't be taken for an empty answer.
    this.client.reset()
  }
}
