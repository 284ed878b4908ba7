// What is told of an exchange or a tunnel once it is over: an access line each, and a trace of those
// that are notable. One for each listener and thread. Must never wait.

import { THREAD } from '../core/shared-layout.ts'
import { accessFormatter } from '../observe/access-log.ts'
import type { AccessFormatter } from '../observe/access-log.ts'
import type { AccessOutbox } from '../observe/access-outbox.ts'
import type { ListenerState, ThreadContext } from './context.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import type { Fields, LastAttempt } from './tracer.ts'

/** The client that it was for. */
interface Client {
  readonly address: string
  readonly port: number
}

/** What is over. */
interface Ended extends LastAttempt {
  readonly record: ExchangeRecord
  readonly routeName: string | null
}

/** What was asked for. */
interface Asked {
  readonly head: Fields & {
    readonly method: string
    readonly target: string
    readonly host: string
    readonly bytes: number
  }
  readonly version: string
}

/** A TCP connection asks for nothing. */
export const NOTHING_ASKED: Asked = {
  head: { method: '', target: '', host: '', bytes: 0, header: () => null },
  version: '',
}

/** Of one listener on one thread. */
export class Recorder {
  private readonly context: ThreadContext
  private readonly listener: ListenerState
  private readonly outbox: AccessOutbox
  private format: AccessFormatter | null = null

  constructor(context: ThreadContext, listener: ListenerState, outbox: AccessOutbox) {
    this.context = context
    this.listener = listener
    this.outbox = outbox
    this.adopt()
  }

  /** The plan has changed. */
  adopt(): void {
    this.format = accessFormatter(this.context.plan.log.access.format)
  }

  /** Keeps what has ended, if it is notable, and writes its access line. */
  tell(client: Client, ended: Ended, asked: Asked, totalMs: number): void {
    const { tracer } = this.context
    const { record } = ended
    const keptFor = tracer.why(record, ended, totalMs)
    if (keptFor !== null) {
      const { head } = asked
      const around = {
        listener: this.listener.plan.name,
        protocol: this.listener.plan.protocol,
        client: client.address,
        method: head.method,
        host: head.host,
        target: head.target,
        route: ended.routeName,
        bytesIn: head.bytes + record.bytesIn,
        totalMs,
      }
      tracer.keep(keptFor, record, ended, around, head)
    }
    this.log(client, record, asked, totalMs)
  }

  private log(client: Client, record: ExchangeRecord, asked: Asked, totalMs: number): void {
    const format = this.format
    if (format === null) return
    const { head } = asked
    const line = format({
      timeMs: this.context.wallMs(record.startMs),
      listener: this.listener.plan.name,
      protocol: this.listener.plan.protocol,
      clientAddress: client.address,
      clientPort: client.port,
      method: head.method,
      target: head.target,
      host: head.host,
      version: asked.version,
      status: record.status,
      bytesIn: head.bytes + record.bytesIn,
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
      userAgent: head.header('user-agent'),
      referrer: head.header('referer'),
      requestId: head.header('x-request-id') ?? (record.traceId || null),
    })
    if (!this.outbox.write(line)) this.context.row[THREAD.logDropped]!++
  }
}
