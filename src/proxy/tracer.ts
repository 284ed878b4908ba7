// Decides at the end of each exchange whether it is kept, and carries those that are to the control
// plane, a batch each tick. For an exchange that is not kept it makes nothing: no object, no text.
// Bounded in what it makes per tick and in what is on its way; beyond, exchanges are dropped and
// counted. Must never wait.

import { randomFillSync } from 'node:crypto'
import type { TracingPlan } from '../core/plan.ts'
import type { HeaderChanges } from '../core/route-plan.ts'
import { THREAD } from '../core/shared-layout.ts'
import type { DataMessage } from '../core/snapshot.ts'
import { attemptSpan, isError, notableFor } from '../core/trace.ts'
import type { KeptFor, TraceAttempt, TraceRecord } from '../core/trace.ts'
import { readTraceParent, readTraceState } from '../core/trace-context.ts'
import type { AttemptRecord, ExchangeRecord } from './exchange-record.ts'

/** Exchanges kept per tick (50 ms) of one thread. */
export const KEPT_PER_TICK = 128
/** Of these, what others leave for errors: a high sample must not hide them. */
const KEPT_FOR_ERRORS = 64
/** Exchanges that may be on their way to the control plane. */
export const UNDERWAY_MAX = 1_024
/** Attempts told of one exchange: the first and the last of them. */
const ATTEMPTS_EACH_END = 8

const TARGET_MAX = 512
const HOST_MAX = 256
const METHOD_MAX = 32
const REQUEST_ID_MAX = 128

/** The thread that it works for. */
export interface TracerHost {
  readonly thread: number
  readonly row: Float64Array
  readonly random: { next(): number }
  wallMs(atMs: number): number
  post(message: DataMessage): void
}

/** The times of the last attempt. */
export interface LastAttempt {
  readonly startedMs: number
  /** 0 until the response head; of a tunnel, until it is connected. */
  readonly headMs: number
  readonly reused: boolean
}

/** Gives the fields of a request head. */
export interface Fields {
  header(name: string): string | null
}

/** What is told of an exchange besides its record. */
export interface Circumstances {
  readonly listener: string
  readonly protocol: 'http' | 'tcp'
  readonly client: string
  readonly method: string
  readonly host: string
  readonly target: string
  readonly route: string | null
  readonly bytesIn: number
  readonly totalMs: number
}

export class Tracer {
  readonly #host: TracerHost
  #plan: TracingPlan | null = null
  #batch: TraceRecord[] = []
  #underway = 0
  readonly #ids = new RandomIds()
  /** Spans go to a collector, so those behind us have to know ours. */
  #passes = false
  readonly #replaced = new WeakMap<HeaderChanges, Replaced>()

  constructor(host: TracerHost) {
    this.#host = host
  }

  /** Goes on by the plan from here on. */
  adopt(plan: TracingPlan | null): void {
    this.#plan = plan
    this.#passes = plan !== null && plan.otlp !== null
  }

  /** Why an exchange that has just ended is kept; `null`: it is not. */
  why(record: ExchangeRecord, last: LastAttempt, totalMs: number): KeptFor | null {
    const plan = this.#plan
    if (plan === null) return null
    const { fault, status, attempts } = record
    const headMs = headMsOf(record, last)
    const waitedMs = headMs < 0 ? totalMs : headMs
    const notable = notableFor(fault, status, attempts.length, waitedMs, plan.slowMs)
    if (notable !== null) return notable
    return this.#isSampled(plan, record) ? 'sampled' : null
  }

  /** Keeps an exchange, if there is room. */
  keep(
    keptFor: KeptFor,
    record: ExchangeRecord,
    last: LastAttempt,
    around: Circumstances,
    fields: Fields | null,
  ): void {
    const host = this.#host
    const max = keptFor === 'error' ? KEPT_PER_TICK : KEPT_PER_TICK - KEPT_FOR_ERRORS
    if (this.#batch.length >= max || this.#underway + this.#batch.length >= UNDERWAY_MAX) {
      host.row[THREAD.tracesDropped]!++
      return
    }
    const requestId = fields?.header('x-request-id') ?? null
    const id = this.idOf(record, fields)
    const { spanId, parentId } = record
    const traceState = parentId === '' ? null : (fields?.header('tracestate') ?? null)
    this.#batch.push({
      id,
      spanId,
      parentId: parentId === '' ? null : parentId,
      traceState: readTraceState(traceState),
      keptFor,
      at: host.wallMs(record.startMs),
      thread: host.thread,
      listener: around.listener,
      protocol: around.protocol,
      client: around.client,
      method: around.method.slice(0, METHOD_MAX),
      host: around.host.slice(0, HOST_MAX),
      target: around.target.slice(0, TARGET_MAX),
      requestId: requestId === null ? null : requestId.slice(0, REQUEST_ID_MAX),
      route: around.route,
      pool: record.pool,
      status: record.status,
      fault: record.fault?.code ?? null,
      queueMs: record.queueMs,
      headMs: headMsOf(record, last),
      totalMs: around.totalMs,
      bytesIn: around.bytesIn,
      bytesOut: record.bytesOut,
      attempts: attemptsOf(record, last, around.totalMs),
    })
  }

  /** The line of an answer that says under which id its exchange is found; '' for none. */
  replyLine(record: ExchangeRecord, fields: Fields): string {
    const plan = this.#plan
    if (plan === null) return ''
    if (!plan.responseHeader && !isError(record.fault, 0)) return ''
    return `Evenkeel-Trace: ${this.idOf(record, fields)}\r\n`
  }

  /** The same for an answer of a backend. */
  headLine(record: ExchangeRecord, fields: Fields): string {
    if (this.#plan === null || !this.#plan.responseHeader) return ''
    return `Evenkeel-Trace: ${this.idOf(record, fields)}\r\n`
  }

  /** The exchange's id; made when it is first asked for. */
  idOf(record: ExchangeRecord, fields: Fields | null): string {
    if (record.traceId === '') this.#begin(record, fields)
    return record.traceId
  }

  // --- trace context -------------------------------------------------------------------------

  /**
   * Begins the span of an exchange that goes on to a backend. Returns the changes of its head, with
   * which the context that came in does not go on beside ours; `attemptHead` writes that.
   */
  pass(record: ExchangeRecord, fields: Fields, changes: HeaderChanges): HeaderChanges {
    if (!this.#passes) return changes
    this.#begin(record, fields)
    let replaced = this.#replaced.get(changes)
    if (replaced === undefined) {
      replaced = replace(changes)
      this.#replaced.set(changes, replaced)
    }
    const came = fields.header('traceparent') !== null || fields.header('tracestate') !== null
    if (!came && !replaced.sets) return changes
    // §3.3: the state of a parent that is not taken over means nothing any more.
    return record.parentId === '' ? replaced.without : replaced.withState
  }

  /** The head of a request for one attempt, which is the parent of what the backend does. */
  attemptHead(record: ExchangeRecord, attempt: number, head: string): string {
    if (!this.#passes || record.traceId === '') return head
    const { traceId, spanId, sampled } = record
    const parent = `00-${traceId}-${attemptSpan(spanId, attempt)}-${sampled ? '01' : '00'}`
    return `${head.slice(0, -2)}traceparent: ${parent}\r\n\r\n`
  }

  #begin(record: ExchangeRecord, fields: Fields | null): void {
    const plan = this.#plan
    const text = plan?.trustParent === true ? (fields?.header('traceparent') ?? null) : null
    const parent = readTraceParent(text)
    record.traceId = parent?.traceId ?? this.#ids.next(16)
    record.parentId = parent?.spanId ?? ''
    record.spanId = `${this.#ids.next(7)}00`
    record.sampled = parent?.sampled ?? this.#draw(plan)
  }

  /** Whoever began the trace has decided for all of it, if it is known who. */
  #isSampled(plan: TracingPlan, record: ExchangeRecord): boolean {
    return this.#passes && record.traceId !== '' ? record.sampled : this.#draw(plan)
  }

  #draw(plan: TracingPlan | null): boolean {
    return plan !== null && plan.sample > 0 && this.#host.random.next() < plan.sample
  }

  /** Sends what has gathered; for the tick, and before the thread ends. */
  flush(): void {
    if (this.#batch.length === 0) return
    const traces = this.#batch
    this.#batch = []
    this.#underway += traces.length
    this.#host.post({ kind: 'traces', traces })
  }

  /** The control plane has taken this many. */
  taken(count: number): void {
    this.#underway = Math.max(0, this.#underway - count)
  }
}

/** Changes of a head, and the same without the trace context that came in. */
interface Replaced {
  /** They write it themselves. */
  readonly sets: boolean
  readonly withState: HeaderChanges
  readonly without: HeaderChanges
}

function replace({ set, remove }: HeaderChanges): Replaced {
  const own = set.filter(({ name }) => name !== 'traceparent' && name !== 'tracestate')
  return {
    sets: own.length < set.length,
    withState: { set: own, remove: [...remove, 'traceparent'] },
    without: { set: own, remove: [...remove, 'traceparent', 'tracestate'] },
  }
}

/** Random hex, from a pool: asking the kernel for each would cost more than the rest. */
class RandomIds {
  readonly #pool = Buffer.alloc(4_096)
  #at = this.#pool.length

  /** @param bytes 7 or 16: never all zero in practice, which no id may be */
  next(bytes: number): string {
    if (this.#at + bytes > this.#pool.length) {
      randomFillSync(this.#pool)
      this.#at = 0
    }
    const text = this.#pool.toString('hex', this.#at, this.#at + bytes)
    this.#at += bytes
    return text
  }
}

function headMsOf(record: ExchangeRecord, last: LastAttempt): number {
  // Without a backend, `last` still tells of an earlier exchange.
  return record.backend === null || last.headMs === 0 ? -1 : last.headMs - record.startMs
}

function attemptsOf(
  record: ExchangeRecord,
  last: LastAttempt,
  totalMs: number,
): readonly TraceAttempt[] {
  const { attempts } = record
  if (attempts.length === 0) {
    // An exchange that went well at once leaves no list where nobody else wants one.
    return record.backend === null ? [] : [onlyAttempt(record, last, totalMs)]
  }
  const told: TraceAttempt[] = []
  const restFrom = attempts.length - ATTEMPTS_EACH_END
  for (const [i, attempt] of attempts.entries()) {
    if (i >= ATTEMPTS_EACH_END && i < restFrom) continue
    told.push(tell(record, attempt, i + 1))
  }
  return told
}

function tell(record: ExchangeRecord, attempt: AttemptRecord, number: number): TraceAttempt {
  const { backend, address, startedMs, ms, connectMs, responseMs, reused, status, fault } = attempt
  const startMs = startedMs - record.startMs
  return { number, backend, address, startMs, ms, connectMs, responseMs, reused, status, fault }
}

function onlyAttempt(record: ExchangeRecord, last: LastAttempt, totalMs: number): TraceAttempt {
  const startMs = last.startedMs - record.startMs
  return {
    number: 1,
    backend: record.backend!,
    address: record.address,
    startMs,
    ms: totalMs - startMs,
    connectMs: record.connectMs,
    responseMs: record.responseMs,
    reused: last.reused,
    status: record.status,
    fault: record.fault?.code ?? null,
  }
}
