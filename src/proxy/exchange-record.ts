// What is remembered of an exchange for the access log and the timers: numbers and names, filled as
// the story goes on. Reused with its exchange; costs nothing but stores while the log is off.

import type { Fault, FaultCode } from '../core/fault.ts'
import type { Address } from '../core/plan.ts'

/** One try, as the log tells it. */
export interface AttemptRecord {
  readonly backend: string
  readonly address: Address | null
  readonly fault: FaultCode | null
  readonly status: number
  readonly ms: number
  readonly startedMs: number
  readonly connectMs: number
  readonly responseMs: number
  readonly reused: boolean
}

interface EndedAttempt {
  readonly startedMs: number
  readonly sentMs: number
  readonly headMs: number
  readonly reused: boolean
  readonly backend: { readonly plan: { readonly name: string } } | null
}

export class ExchangeRecord {
  startMs = 0
  pool: string | null = null
  backend: string | null = null
  status = 0
  fault: Fault | null = null
  /** Began to wait in the queue; 0 if not waiting. */
  queuedMs = 0
  queueMs = -1
  connectMs = -1
  responseMs = -1
  bytesIn = 0
  bytesOut = 0
  /** Monotonic ms of the last body byte in either direction, to within a tick. */
  movedMs = 0
  /** Of the backend that was tried last. */
  address: Address | null = null
  /** Trace id; '' until somebody asks for it. The next three hold only with it. */
  traceId = ''
  spanId = ''
  /** '' for none. */
  parentId = ''
  /** Spans are wanted whatever becomes of it. */
  sampled = false
  /** Empty while none has failed: an exchange that goes well at once leaves no list. */
  attempts: AttemptRecord[] = []
  /** How long the only attempt took, if it went well; −1. */
  onlyMs = -1
  private readonly wanted: boolean

  /** @param wanted the log or a trace tells of its attempts */
  constructor(wanted: boolean) {
    this.wanted = wanted
  }

  begin(nowMs: number): void {
    this.startMs = nowMs
    this.pool = null
    this.backend = null
    this.status = 0
    this.fault = null
    this.queuedMs = 0
    this.queueMs = -1
    this.connectMs = -1
    this.responseMs = -1
    this.bytesIn = 0
    this.bytesOut = 0
    this.movedMs = nowMs
    this.traceId = ''
    this.onlyMs = -1
    if (this.attempts.length > 0) this.attempts = []
  }

  endQueue(nowMs: number): void {
    this.queueMs = Math.max(0, this.queueMs) + nowMs - this.queuedMs
    this.queuedMs = 0
  }

  endAttempt(attempt: EndedAttempt, cause: Fault | null, status: number, nowMs: number): void {
    if (!this.wanted) return
    if (cause === null && this.attempts.length === 0) {
      this.onlyMs = nowMs - attempt.startedMs
      return
    }
    const { startedMs, sentMs, headMs, reused } = attempt
    this.attempts.push({
      backend: attempt.backend?.plan.name ?? '',
      address: this.address,
      fault: cause?.code ?? null,
      status,
      ms: nowMs - startedMs,
      startedMs,
      // A tunnel sends nothing of its own; its connection is all there is to wait for.
      connectMs: sentMs > 0 || headMs > 0 ? this.connectMs : -1,
      responseMs: headMs > 0 && sentMs > 0 ? headMs - sentMs : -1,
      reused,
    })
  }
}
