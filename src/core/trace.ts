// What is kept of an exchange afterwards, and which exchanges are worth it. Plain data and one rule;
// who gathers it is proxy/tracer.ts, who keeps it observe/trace-ring.ts.

import type { Fault, FaultCode } from './fault.ts'
import type { Address } from './plan.ts'

/** Why an exchange is kept. The first that holds. */
export type KeptFor = 'error' | 'retried' | 'slow' | 'sampled'

/** One try of a kept exchange on one backend. */
export interface TraceAttempt {
  /** 1 is the first; numbers are missing where a long story was shortened. */
  readonly number: number
  readonly backend: string
  readonly address: Address | null
  /** ms after the start of the exchange. */
  readonly startMs: number
  /** From the pick to the end of its part in the exchange, ms. */
  readonly ms: number
  /** To get a connection; 0 for one that was open already, −1 if there was none. */
  readonly connectMs: number
  /** Request sent to response head; −1 if there was no head. */
  readonly responseMs: number
  /** The connection had carried a request before. */
  readonly reused: boolean
  /** What the backend answered with; 0 if it didn't, and for `tcp`. */
  readonly status: number
  /** `null`: it brought the answer. */
  readonly fault: FaultCode | null
}

/** A kept exchange. Texts of clients are cut and may hold any latin1 character. */
export interface TraceRecord {
  /** 32 hex digits: the client's, if it is believed, or our own. */
  readonly id: string
  /** 16 hex digits: the exchange as a span. Those of its attempts are made from it: `attemptSpan`. */
  readonly spanId: string
  /** The client's span; `null` without a believed `traceparent`. */
  readonly parentId: string | null
  /** The client's `tracestate`, at most 512 characters. */
  readonly traceState: string | null
  readonly keptFor: KeptFor
  /** Wall clock at the start, ms since 1970. */
  readonly at: number
  readonly thread: number
  readonly listener: string
  readonly protocol: 'http' | 'tcp'
  readonly client: string
  /** Empty for `tcp`, and where the head could not be read; so are the next two. */
  readonly method: string
  readonly host: string
  /** As received, at most 512 characters. */
  readonly target: string
  /** The client's `X-Request-Id`, at most 128 characters. */
  readonly requestId: string | null
  readonly route: string | null
  readonly pool: string | null
  /** What the client got; 0 for `tcp` and where nothing could be sent. */
  readonly status: number
  readonly fault: FaultCode | null
  /** Time spent waiting for a free backend; −1 if it never came to that. */
  readonly queueMs: number
  /** Start to response head, over all attempts; −1 if there was none. For `tcp` to the connection. */
  readonly headMs: number
  readonly totalMs: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly attempts: readonly TraceAttempt[]
}

/**
 * The span of an attempt: that of its exchange with other last digits, so that nothing has to be
 * remembered between sending it and telling of it.
 * @param number from 1
 */
export function attemptSpan(spanId: string, number: number): string {
  const last = ((number - 1) % 255) + 1
  return spanId.slice(0, 14) + (last < 16 ? '0' : '') + last.toString(16)
}

/**
 * An exchange that failed, and not by what the client sent or did: what a client can cause at will
 * must not push the rest out of the ring.
 */
export function isError(cause: Fault | null, status: number): boolean {
  if (status >= 500) return true
  return cause !== null && cause.side !== 'client' && (cause.status < 400 || cause.status >= 500)
}

/**
 * The tail decision, without the draw for samples. Asked for every exchange, so it takes numbers, no
 * object.
 * @param waitedMs to the response head, or to the end if there was none
 * @param slowMs `null`: nothing is slow
 */
export function notableFor(
  cause: Fault | null,
  status: number,
  attempts: number,
  waitedMs: number,
  slowMs: number | null,
): KeptFor | null {
  if (isError(cause, status)) return 'error'
  if (attempts > 1) return 'retried'
  return slowMs !== null && waitedMs >= slowMs ? 'slow' : null
}
