// How a request to etcd fails: with etcd's own no, or without an answer, and then whether it may have
// been carried out all the same.

import { WireError, type Refusal } from './etcd-wire.ts'

/** gRPC's codes that speak of the moment, not of the request: another endpoint may do better. */
const PASSING_CODES: ReadonlySet<number> = new Set([4, 8, 13, 14])
const CODE_NOT_FOUND = 5
const CODE_UNAUTHENTICATED = 16
/** Sentences of etcd that a new token cures. */
const STALE_LOGIN = /invalid auth token|user name is empty|revision of auth store is old/

/** A request to etcd that failed. The message is a sentence with the endpoints. */
export class EtcdError extends Error {
  /** It may have been carried out though nobody said so. */
  readonly unknown: boolean
  /** etcd's own no; `null` if there was no answer. */
  readonly refusal: Refusal | null

  constructor(message: string, unknown: boolean, refusal: Refusal | null = null) {
    super(message)
    this.name = 'EtcdError'
    this.unknown = unknown
    this.refusal = refusal
  }
}

/** etcd's no. @param at address of the endpoint */
export function refused(at: string, refusal: Refusal): EtcdError {
  const unknown = PASSING_CODES.has(refusal.code)
  const text = `etcd at ${at} refused: ${refusal.message}`
  return new EtcdError(text, unknown, refusal)
}

/** Whether another endpoint may do better with the same request. */
export function isPassing({ refusal }: EtcdError): boolean {
  return refusal === null || PASSING_CODES.has(refusal.code)
}

/** Whether what the request names, such as a lease, is not there. */
export function isNotFound(error: unknown): boolean {
  return error instanceof EtcdError && error.refusal?.code === CODE_NOT_FOUND
}

/** Whether a new token may help. */
export function isStaleLogin(error: unknown): boolean {
  if (!(error instanceof EtcdError) || error.refusal === null) return false
  const { code, message } = error.refusal
  return code === CODE_UNAUTHENTICATED || STALE_LOGIN.test(message)
}

// What never got as far as a connection: the request was not carried out.
const UNSENT: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENETDOWN: 'network unreachable',
  ENOTFOUND: 'the name does not resolve',
  EAI_AGAIN: 'the resolver does not answer',
  EACCES: 'permission denied',
  EMFILE: 'no file descriptor left here',
  EADDRNOTAVAIL: 'no local port or address left here',
  UND_ERR_CONNECT_TIMEOUT: 'no connection in time',
}
const SENT: Readonly<Record<string, string>> = {
  ECONNRESET: 'connection reset',
  EPIPE: 'connection reset',
  UND_ERR_SOCKET: 'connection closed',
}

/** Whatever else went wrong. @param at address of the endpoint */
export function failed(at: string, cause: unknown, timeoutMs: number): EtcdError {
  if (cause instanceof EtcdError) return cause
  const where = `etcd at ${at}`
  if (cause instanceof WireError) return new EtcdError(`${where}: ${cause.message}`, true)
  const { code, message, name: kind } = cause as { code?: string; message?: string; name?: string }
  if (kind === 'AbortError' || code === 'UND_ERR_ABORTED' || code === 'UND_ERR_DESTROYED') {
    return new EtcdError(`${where}: no answer within ${Math.round(timeoutMs)} ms`, true)
  }
  const unsent = UNSENT[code ?? '']
  if (unsent !== undefined) return new EtcdError(`${where}: ${unsent}`, false)
  // Whatever TLS complains about comes before the first byte of a request.
  const tls = code?.startsWith('ERR_TLS') === true || /CERT|_SIGNATURE|ALTNAME/.test(code ?? '')
  return new EtcdError(`${where}: ${SENT[code ?? ''] ?? message ?? 'failed'}`, !tls)
}
