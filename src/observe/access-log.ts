// One line per exchange: what an `AccessRecord` holds and the three ways to write it down.
// Lines are put together from template strings, because a general JSON encoder costs twice as much
// per request. Every text that a client or backend controls is escaped, so that no request can
// forge a line or send control codes to a terminal.
// Must never touch a file or socket: `access-outbox.ts` carries the lines.

import type { FaultCode } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import type { AccessLogFormat } from '../core/plan.ts'

/** One try of an exchange on one backend. */
export interface AccessAttempt {
  readonly backend: string
  /** `null`: it brought a response that was passed on. */
  readonly fault: FaultCode | null
  /** Status the backend answered with; 0 if it didn't. */
  readonly status: number
  /** From the pick to the end of the attempt's part in the exchange. */
  readonly ms: number
}

/** What is known about an exchange (or, over a `tcp` listener, a tunnel) once it is over. */
export interface AccessRecord {
  /** Wall clock (`Date.now()`) at the first byte of the request. */
  readonly timeMs: number
  readonly listener: string
  readonly protocol: 'http' | 'tcp'
  readonly clientAddress: string
  readonly clientPort: number
  /** Empty for `tcp`, and where the head could not be read. So are the next three. */
  readonly method: string
  /** As received; may hold any byte as a latin1 character. */
  readonly target: string
  readonly host: string
  /** `1.0`, `1.1`. */
  readonly version: string
  /** What the client got; 0 for `tcp` and where nothing could be sent. */
  readonly status: number
  /** Bytes received from the client and sent to it, heads included. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** `null` where no route led to one. */
  readonly pool: string | null
  /** The backend whose response was passed on, or that was tried last. */
  readonly backend: string | null
  /** Empty if none has failed. */
  readonly attempts: readonly AccessAttempt[]
  /** How long the only attempt took that went well, and so is not in the list; −1. */
  readonly onlyAttemptMs: number
  /** `null` when all went well. */
  readonly fault: FaultCode | null
  /** Time spent waiting for a free backend; −1 if it never came to that. */
  readonly queueMs: number
  /** Time to get a connection to the last backend; −1 if there was none. */
  readonly connectMs: number
  /** Request sent to response head, last attempt; −1 if there was no response head. */
  readonly responseMs: number
  /** First byte of the request to last byte of the response. */
  readonly totalMs: number
  readonly userAgent: string | null
  readonly referrer: string | null
  /** Whatever joins this line to others: trace id or request id. */
  readonly requestId: string | null
}

/** Writes one record as one line, newline included. */
export type AccessFormatter = (record: AccessRecord) => string

/** The formatter of a format; `null` for `off`, so that the caller needs no record at all. */
export function accessFormatter(format: AccessLogFormat): AccessFormatter | null {
  return formatters[format]
}

const formatters: Readonly<Record<AccessLogFormat, AccessFormatter | null>> = {
  json: formatJson,
  haproxy: formatHaproxy,
  combined: formatCombined,
  off: null,
}

/** One JSON object with stable keys; absent parts are left out, times are in milliseconds. */
export function formatJson(r: AccessRecord): string {
  const request =
    r.protocol === 'http'
      ? `"method":"${escapeJson(r.method)}","target":"${escapeJson(r.target)}",` +
        `"host":"${escapeJson(r.host)}","version":"${r.version}","status":${r.status},`
      : ''
  return (
    `{"time":"${isoTime(r.timeMs)}","kind":"access","listener":"${r.listener}",` +
    `"client":"${escapeJson(r.clientAddress)}","clientPort":${r.clientPort},${request}` +
    `"bytesIn":${r.bytesIn},"bytesOut":${r.bytesOut},` +
    `${optional('pool', r.pool)}${optional('backend', r.backend)}${optional('fault', r.fault)}` +
    `"queueMs":${round(r.queueMs)},"connectMs":${round(r.connectMs)},` +
    `"responseMs":${round(r.responseMs)},"totalMs":${round(r.totalMs)},` +
    `${optional('userAgent', r.userAgent)}${optional('referrer', r.referrer)}` +
    `${optional('requestId', r.requestId)}"attempts":[${attemptsJson(r)}]}\n`
  )
}

function attemptsJson({ attempts, onlyAttemptMs, backend, status }: AccessRecord): string {
  if (attempts.length === 0) {
    if (onlyAttemptMs < 0) return ''
    return `{"backend":"${escapeJson(backend ?? '')}","status":${status},"ms":${round(onlyAttemptMs)}}`
  }
  let text = ''
  for (const attempt of attempts) {
    text +=
      `${text === '' ? '' : ','}{"backend":"${escapeJson(attempt.backend)}",` +
      `${optional('fault', attempt.fault)}"status":${attempt.status},"ms":${round(attempt.ms)}}`
  }
  return text
}

function optional(key: string, value: string | null): string {
  return value === null ? '' : `"${key}":"${escapeJson(value)}",`
}

/**
 * HAProxy's `httplog` and `tcplog` layout, so that parsers written for it read ours. What we have
 * no number for (its connection and queue positions) is written as 0; captured headers are left out.
 */
export function formatHaproxy(r: AccessRecord): string {
  const client = `${escapeText(r.clientAddress)}:${r.clientPort} [${haproxyTime(r.timeMs)}]`
  const path = `${r.listener} ${r.pool ?? r.listener}/${r.backend ?? '<NOSRV>'}`
  const retries = Math.max(0, r.attempts.length - 1)
  const moved = retries > 0 && r.attempts[0]!.backend !== r.backend ? '+' : ''
  const counts = `0/0/0/0/${moved}${retries} 0/0`
  const end = terminationState(r)
  const [queue, connect] = [whole(r.queueMs), whole(r.connectMs)]
  if (r.protocol === 'tcp') {
    return `${client} ${path} ${queue}/${connect}/${whole(r.totalMs)} ${r.bytesOut} ${end} ${counts}\n`
  }
  const timers = `0/${queue}/${connect}/${whole(r.responseMs)}/${whole(r.totalMs)}`
  const request = r.method === '' ? '<BADREQ>' : requestLine(r)
  const status = r.status === 0 ? -1 : r.status
  return `${client} ${path} ${timers} ${status} ${r.bytesOut} - - ${end}-- ${counts} "${request}"\n`
}

/** The `combined` layout of Apache and nginx. */
export function formatCombined(r: AccessRecord): string {
  return (
    `${escapeText(r.clientAddress)} - - [${commonTime(r.timeMs)}] ` +
    `"${r.method === '' ? '-' : requestLine(r)}" ${r.status} ${r.bytesOut} ` +
    `"${escapeText(r.referrer ?? '-')}" "${escapeText(r.userAgent ?? '-')}"\n`
  )
}

function requestLine(r: AccessRecord): string {
  return `${escapeText(r.method)} ${escapeText(r.target)} HTTP/${r.version}`
}

/** HAProxy's two letters: who ended it (client, server, proxy, resources; lower case: timeout) and when. */
function terminationState(r: AccessRecord): string {
  if (r.fault === null) return '--'
  const { code, side, phase } = fault(r.fault)
  const isTimeout = code.includes('timeout') || code.endsWith('stalled') || code.endsWith('idle')
  const who = side === 'client' ? 'C' : side === 'backend' ? 'S' : phase === 'connect' ? 'R' : 'P'
  const first = !isTimeout ? who : side === 'client' ? 'c' : 's'
  const second = {
    accept: 'R',
    parse: 'R',
    route: 'R',
    queue: 'Q',
    connect: 'C',
    send: 'C',
    wait: 'H',
    body: 'D',
  }[phase]
  // A request without any backend to go to is HAProxy's `SC`, which alerts are written for.
  return code === 'no-backend' ? 'SC' : first + second
}

/** Milliseconds with three decimals at most: enough for a LAN, short enough for a line. */
function round(ms: number): number {
  return ms < 0 ? -1 : Math.round(ms * 1000) / 1000
}

function whole(ms: number): number {
  return ms < 0 ? -1 : Math.round(ms)
}

/** Text for inside a JSON string: quotes, backslash, C0, DEL and C1 are escaped, the rest stays. */
export function escapeJson(text: string): string {
  return escapeWith(text, jsonEscape)
}

/** Text for the quoted fields of the other formats: the same characters as `\xHH`. */
export function escapeText(text: string): string {
  return escapeWith(text, hexEscape)
}

// Most texts need no escape at all, so they are scanned first and copied only from the first hit on.
function escapeWith(text: string, escape: (code: number) => string): string {
  let escaped = ''
  let start = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0x9f ? code < 0xd800 || code > 0xdfff : isPlain(code)) continue
    if (isPaired(text, i)) {
      i++
      continue
    }
    escaped += text.slice(start, i) + escape(code)
    start = i + 1
  }
  return start === 0 ? text : escaped + text.slice(start)
}

function isPlain(code: number): boolean {
  return code >= 0x20 && code < 0x7f && code !== 0x22 && code !== 0x5c
}

function isPaired(text: string, i: number): boolean {
  const low = text.charCodeAt(i + 1)
  return (text.charCodeAt(i) & 0xfc00) === 0xd800 && (low & 0xfc00) === 0xdc00
}

function jsonEscape(code: number): string {
  if (code === 0x22) return '\\"'
  if (code === 0x5c) return '\\\\'
  return `\\u${code.toString(16).padStart(4, '0')}`
}

function hexEscape(code: number): string {
  return `\\x${code.toString(16).toUpperCase().padStart(2, '0')}`
}

// Calendar arithmetic costs a microsecond; most lines share their second with the one before.
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
let cachedSecond = NaN
let cachedIso = ''
let cachedCommon = ''

function enterSecond(timeMs: number): void {
  const second = Math.floor(timeMs / 1000)
  if (second === cachedSecond) return
  const iso = new Date(second * 1000).toISOString()
  cachedSecond = second
  cachedIso = iso.slice(0, 20)
  const month = months[Number(iso.slice(5, 7)) - 1]
  cachedCommon = `${iso.slice(8, 10)}/${month}/${iso.slice(0, 4)}:${iso.slice(11, 19)}`
}

function milliseconds(timeMs: number): string {
  return String(1000 + Math.floor(((timeMs % 1000) + 1000) % 1000)).slice(1)
}

function isoTime(timeMs: number): string {
  enterSecond(timeMs)
  return `${cachedIso}${milliseconds(timeMs)}Z`
}

function haproxyTime(timeMs: number): string {
  enterSecond(timeMs)
  return `${cachedCommon}.${milliseconds(timeMs)}`
}

function commonTime(timeMs: number): string {
  enterSecond(timeMs)
  return `${cachedCommon} +0000`
}
