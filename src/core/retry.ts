// May a failed attempt be repeated? One function each for faults and for statuses; docs/health.md has
// the rules for people. Pure: the budget is asked by the exchange, after these said yes.

import type { Fault } from './fault.ts'
import type { RetryPlan } from './plan.ts'

/** What the rules look at in a request. */
export interface RepeatableRequest {
  readonly method: string
  /** @param name in lower case */
  header(name: string): string | null
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** The method (or its idempotency key) allows that the request arrives twice (RFC 9110 §9.2.2). */
export function isRepeatable(request: RepeatableRequest, plan: RetryPlan | null): boolean {
  if (IDEMPOTENT_METHODS.has(request.method)) return true
  return plan?.idempotencyKey === true && request.header('idempotency-key') !== null
}

/** May an attempt that failed this way, before any response went to the client, be repeated? */
export function mayRetryFault(cause: Fault, repeatable: boolean): boolean {
  return cause.retry === 'always' || (cause.retry === 'replayable' && repeatable)
}

/** Should an answer with this status be let go and another backend be asked? */
export function mayRetryStatus(status: number, repeatable: boolean): boolean {
  return repeatable && (status === 502 || status === 503 || status === 504)
}

/** Should another backend be asked, once, before a 500 passes? */
export function mayRetryServerError(method: string): boolean {
  return SAFE_METHODS.has(method)
}

/** Statuses that outlier detection counts against a backend. */
export function isFailureStatus(status: number): boolean {
  return status >= 500 && status !== 501 && status !== 505
}

/** Retries that cost no budget while half of the pool is available: nothing of them was executed. */
export function isFreeRetry(cause: Fault, rescuesBefore: number): boolean {
  if (cause.code === 'backend-rescued') return rescuesBefore === 0
  return cause.code === 'backend-refused' || cause.code === 'backend-unsent'
}
