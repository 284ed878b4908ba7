// The closed table of what can go wrong with traffic: who, in which phase, may it be retried, which
// status the client gets, and a sentence a person can act on. Logs, metrics, API, docs and the
// `Evenkeel-Fault` header take their words from here and from nowhere else.
// Shape after Pingora's error value: kind, side and retryability travel together.

export type FaultSide = 'client' | 'backend' | 'balancer'
export type FaultPhase =
  | 'accept'
  | 'parse'
  | 'route'
  | 'queue'
  | 'connect'
  | 'send'
  | 'wait'
  | 'body'

/**
 * May the attempt be repeated on another backend?
 * `always`: nothing of the request reached the backend, any method. `replayable`: if the method and
 * body allow it. `never`: the client is the cause, or the response has begun.
 */
export type FaultRetry = 'always' | 'replayable' | 'never'

export interface Fault {
  readonly code: FaultCode
  /** Position in `FAULTS`: the column of its counter in shared memory. */
  readonly index: number
  readonly side: FaultSide
  readonly phase: FaultPhase
  readonly retry: FaultRetry
  /** Status of our own reply; 0 where none can be sent any more. */
  readonly status: number
  readonly sentence: string
}

type Row = readonly [FaultSide, FaultPhase, FaultRetry, number, string]

const rows = {
  'client-head-timeout': [
    'client',
    'parse',
    'never',
    408,
    'The client did not finish its request head in time.',
  ],
  'client-bad-request': [
    'client',
    'parse',
    'never',
    400,
    'The request breaks the HTTP/1.1 grammar or its framing is ambiguous, so it is refused unread.',
  ],
  'client-target-too-long': [
    'client',
    'parse',
    'never',
    414,
    'The request target is longer than the listener accepts.',
  ],
  'client-head-too-large': [
    'client',
    'parse',
    'never',
    431,
    'The request head is larger than the listener accepts.',
  ],
  'client-method-refused': [
    'client',
    'parse',
    'never',
    405,
    'CONNECT and TRACE are not forwarded.',
  ],
  'client-coding-unknown': [
    'client',
    'parse',
    'never',
    501,
    'The request uses a transfer coding other than chunked.',
  ],
  'client-version-unsupported': [
    'client',
    'parse',
    'never',
    505,
    'Only HTTP/1.0 and HTTP/1.1 are spoken here.',
  ],
  'client-bad-body': [
    'client',
    'body',
    'never',
    400,
    'The request body breaks the chunked framing.',
  ],
  'client-body-timeout': [
    'client',
    'body',
    'never',
    408,
    'The client stopped sending its request body.',
  ],
  'client-closed': [
    'client',
    'wait',
    'never',
    0,
    'The client went away before the response was complete.',
  ],
  'client-stalled': ['client', 'body', 'never', 0, 'The client stopped reading the response.'],
  'listener-full': [
    'balancer',
    'accept',
    'never',
    0,
    'The listener has as many connections as it is allowed.',
  ],
  'no-route': ['balancer', 'route', 'never', 404, 'No route of this listener matches the request.'],
  'no-backend': ['balancer', 'route', 'never', 503, 'No backend of the pool is available.'],
  'no-active': [
    'balancer',
    'route',
    'never',
    503,
    'The active-standby pool has no active backend.',
  ],
  'no-agreement': [
    'balancer',
    'route',
    'never',
    503,
    'This replica may not send to the pool at present, because it has no agreement with the others.',
  ],
  'pause-timeout': [
    'balancer',
    'queue',
    'never',
    503,
    'The request waited for a new active backend for the whole pause, and there was none.',
  ],
  'active-moved': [
    'balancer',
    'wait',
    'replayable',
    503,
    'The active changed while the request was on the old one, so it was cut off there.',
  ],
  'taken-out': [
    'balancer',
    'wait',
    'replayable',
    503,
    'An operator took the backend out, and what still ran there was cut when its time was over.',
  ],
  'queue-full': [
    'balancer',
    'queue',
    'never',
    503,
    'All backends are at their limit and the queue is full.',
  ],
  'queue-timeout': [
    'balancer',
    'queue',
    'never',
    503,
    'All backends stayed at their limit for the whole queue timeout.',
  ],
  'total-timeout': [
    'balancer',
    'wait',
    'never',
    504,
    'No attempt got a response within the total timeout.',
  ],
  'backend-refused': ['backend', 'connect', 'always', 502, 'The backend refused the connection.'],
  'backend-unreachable': [
    'backend',
    'connect',
    'always',
    502,
    'There is no way to the backend (host or network unreachable).',
  ],
  'backend-connect-timeout': [
    'backend',
    'connect',
    'always',
    504,
    'The backend did not accept the connection in time.',
  ],
  'backend-connect-reset': [
    'backend',
    'connect',
    'always',
    502,
    'The connection was reset while it was being opened.',
  ],
  'local-exhausted': [
    'balancer',
    'connect',
    'always',
    503,
    'Evenkeel has run out of file descriptors, ports or memory for a new connection.',
  ],
  'backend-unsent': [
    'backend',
    'send',
    'always',
    502,
    'The connection died before a byte of the request was sent.',
  ],
  'backend-reused-closed': [
    'backend',
    'wait',
    'replayable',
    502,
    'A kept connection was closed by the backend just as the request was sent.',
  ],
  'backend-reset': [
    'backend',
    'wait',
    'replayable',
    502,
    'The backend reset the connection before it answered.',
  ],
  'backend-closed': [
    'backend',
    'wait',
    'replayable',
    502,
    'The backend closed the connection before it answered.',
  ],
  'backend-response-timeout': [
    'backend',
    'wait',
    'replayable',
    504,
    'The backend sent no response head in time.',
  ],
  'backend-rescued': [
    'backend',
    'wait',
    'replayable',
    503,
    'The backend went down or was ejected while the request waited on it.',
  ],
  'backend-status': [
    'backend',
    'wait',
    'replayable',
    502,
    'The backend answered with a status that counts as a failure.',
  ],
  'backend-bad-response': [
    'backend',
    'wait',
    'replayable',
    502,
    'The response breaks the HTTP/1.1 grammar or its framing is ambiguous, so it is not forwarded.',
  ],
  'backend-head-too-large': [
    'backend',
    'wait',
    'never',
    502,
    'The response head is larger than 64 KiB.',
  ],
  'backend-unasked-upgrade': [
    'backend',
    'wait',
    'never',
    502,
    'The backend switched protocols though the client had not asked for it.',
  ],
  'backend-truncated': [
    'backend',
    'body',
    'never',
    0,
    'The backend ended the response before it was complete, so the client connection was cut too.',
  ],
  'backend-bad-body': [
    'backend',
    'body',
    'never',
    0,
    'The chunked framing of the response broke, so the client connection was cut.',
  ],
  'backend-stalled': [
    'backend',
    'body',
    'never',
    0,
    'The stream moved no byte for the idle timeout.',
  ],
  'tunnel-idle': ['balancer', 'body', 'never', 0, 'The tunnel moved no byte for its idle timeout.'],
  draining: [
    'balancer',
    'body',
    'never',
    503,
    'Evenkeel is stopping, or a reload has removed what it went through, and its drain time was over.',
  ],
  internal: [
    'balancer',
    'wait',
    'never',
    500,
    'Evenkeel met an error of its own; the log has its stack.',
  ],
} as const satisfies Record<string, Row>

export type FaultCode = keyof typeof rows

/** The table in its fixed order: `FAULTS[fault.index] === fault`. */
export const FAULTS: readonly Fault[] = Object.entries(rows).map(
  ([code, [side, phase, retry, status, sentence]], index) =>
    Object.freeze({ code: code as FaultCode, index, side, phase, retry, status, sentence }),
)

const byCode = new Map(FAULTS.map((fault) => [fault.code, fault]))

/** The row of a code. */
export function fault(code: FaultCode): Fault {
  return byCode.get(code)!
}

/** What was cut off for good reason, not by its own fault: it goes elsewhere if it can. */
export function isWithdrawal({ code }: Fault): boolean {
  return code === 'active-moved' || code === 'taken-out'
}
