// What the connections of one TCP listener share on one thread.

import type { Fault } from '../core/fault.ts'
import { THREAD } from '../core/shared-layout.ts'
import { accessFormatter } from '../observe/access-log.ts'
import type { AccessFormatter } from '../observe/access-log.ts'
import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { ListenerState, PositionMoves, ThreadContext } from './context.ts'
import type { Channel } from './channel.ts'
import { TcpConnection } from './tcp.ts'

export class TcpListener {
  readonly context: ThreadContext
  readonly state: ListenerState
  readonly connections = new Set<TcpConnection>()
  closing = false
  private readonly outbox: AccessOutbox
  private format: AccessFormatter | null = null

  constructor(context: ThreadContext, state: ListenerState, outbox: AccessOutbox) {
    this.context = context
    this.state = state
    this.outbox = outbox
    this.adopt()
  }

  /** The plan has changed. */
  adopt(): void {
    this.format = accessFormatter(this.context.plan.log.access.format)
  }

  /** See `PlacedAttempt.movePositions`. */
  movePositions(moves: PositionMoves): void {
    for (const one of this.connections) one.movePositions(moves)
  }

  /** No connection is ever idle: each is a tunnel, or about to be one. */
  closeIdle(): void {}

  cutTunnels(cause: Fault): void {
    for (const one of this.connections) one.cutTunnel(cause)
  }

  accept(channel: Channel): void {
    new TcpConnection(this, channel).open()
  }

  /** Keeps a connection that has ended, if it is notable, and writes its access line. */
  record(connection: TcpConnection, totalMs: number): void {
    const { tracer } = this.context
    const { record } = connection
    const keptFor = tracer.why(record, connection, totalMs)
    if (keptFor !== null) {
      const around = {
        listener: this.state.plan.name,
        protocol: 'tcp' as const,
        client: connection.address,
        method: '',
        host: '',
        target: '',
        route: null,
        bytesIn: record.bytesIn,
        totalMs,
      }
      tracer.keep(keptFor, record, connection, around, null)
    }
    this.log(connection, totalMs)
  }

  private log(connection: TcpConnection, totalMs: number): void {
    const format = this.format
    if (format === null) return
    const { record } = connection
    const line = format({
      timeMs: this.context.wallMs(record.startMs),
      listener: this.state.plan.name,
      protocol: 'tcp',
      clientAddress: connection.address,
      clientPort: connection.port,
      method: '',
      target: '',
      host: '',
      version: '',
      status: 0,
      bytesIn: record.bytesIn,
      bytesOut: record.bytesOut,
      pool: record.pool,
      backend: record.backend,
      attempts: record.attempts,
      onlyAttemptMs: record.onlyMs,
      fault: record.fault?.code ?? null,
      queueMs: record.queueMs,
      connectMs: record.connectMs,
      responseMs: record.responseMs,
      totalMs,
      userAgent: null,
      referrer: null,
      requestId: record.traceId || null,
    })
    if (!this.outbox.write(line)) this.context.row[THREAD.logDropped]!++
  }
}
