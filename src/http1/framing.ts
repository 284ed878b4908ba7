// How long a message body is (RFC 9112 §6.3), and the strict reading of the fields that say so:
// Content-Length, Transfer-Encoding and Connection. What is read here is never copied to the other
// side: `forward.ts` writes framing anew.

import { allOf, listElements, sameWord, TOKEN } from './bytes.ts'
import { REFUSE } from './strict.ts'
import type { Refusal } from './strict.ts'

/** How a body is delimited. */
export const BODY = { none: 0, length: 1, chunked: 2, close: 3 } as const

/** What a head says of its body. */
export interface Framing {
  readonly contentLength: number
  readonly chunked: boolean
}

/** The framing of a request's body: a `BODY`. Without Content-Length or chunked there is none. */
export function requestBody(head: Framing): number {
  if (head.chunked) return BODY.chunked
  return head.contentLength >= 0 ? BODY.length : BODY.none
}

/**
 * The framing of a response's body: a `BODY`. 1xx, 204, 304 and answers to HEAD have none whatever
 * their fields say. After a 101 the connection is a tunnel: that is the caller's to see.
 */
export function responseBody(
  head: Framing & { readonly status: number },
  requestMethod: string,
): number {
  const status = head.status
  if (status < 200 || status === 204 || status === 304 || requestMethod === 'HEAD') return BODY.none
  if (head.chunked) return BODY.chunked
  return head.contentLength >= 0 ? BODY.length : BODY.close
}

/** Digits of 2^53 − 1. */
const LENGTH_DIGITS_MAX = 16

/**
 * Reads the Content-Length value in `text[start..end)`: the number, or −1 if it is not plain digits,
 * or −2 if it is beyond 2^53 − 1. Signs, lists, spaces and hex are refused (RFC 9112 §6.3 allows to
 * repair some of them; we don't).
 */
export function parseLength(text: string, start: number, end: number): number {
  let length = 0
  for (let i = start; i < end; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) return -1
    length = length * 10 + digit
  }
  if (start === end) return -1
  return end - start <= LENGTH_DIGITS_MAX && length <= Number.MAX_SAFE_INTEGER ? length : -2
}

/**
 * Judges the value of Transfer-Encoding (repeated lines joined by commas): `null` if it is exactly
 * one `chunked`.
 */
export function codingRefusal(value: string): Refusal | null {
  if (value.length === 7 && value.toLowerCase() === 'chunked') return null
  const codings = listElements(value.toLowerCase())
  if (!codings.every((coding) => allOf(coding, TOKEN))) return REFUSE.codingGrammar
  const first = codings.indexOf('chunked')
  // RFC 9112 §6.3: chunked but not at the end, or twice, leaves the length unknowable.
  if (first >= 0 && first !== codings.length - 1) return REFUSE.codingOrder
  return REFUSE.coding
}

/** Bits of `ConnectionOptions.flags`. */
export const OPTION = { close: 1, keepAlive: 2, upgrade: 4 } as const

/** What a Connection field says. */
export interface ConnectionOptions {
  /** A set of `OPTION`. */
  readonly flags: number
  /** Lower-case names of fields to drop beyond those that always go; `null` for none. */
  readonly names: readonly string[] | null
}

const ONLY_CLOSE: ConnectionOptions = { flags: OPTION.close, names: null }
const ONLY_KEEP_ALIVE: ConnectionOptions = { flags: OPTION.keepAlive, names: null }
const ONLY_UPGRADE: ConnectionOptions = { flags: OPTION.upgrade, names: null }

/** Fields that go or are written anew anyway, so naming them changes nothing. */
const ALWAYS_DROPPED = new Set([
  'te',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'content-length',
  'transfer-encoding',
  'host',
])

/**
 * Fields that `Connection` cannot strip: who the client is, what it may do, where the message goes
 * and how it is read (RFC 9110 §7.6.1 forbids listing end-to-end fields; stripping them anyway has
 * been used to get past the checks of proxies and backends).
 */
const PROTECTED = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'content-type',
  'content-encoding',
  'content-range',
  'date',
  'expect',
  'forwarded',
  'idempotency-key',
  'location',
  'max-forwards',
  'origin',
  'proxy-authorization',
  'range',
  'referer',
  'trailer',
  'via',
  'x-real-ip',
  'x-request-id',
])

function isProtected(name: string): boolean {
  return PROTECTED.has(name) || name.startsWith('x-forwarded-') || name.startsWith('evenkeel-')
}

/** The options of a Connection field that has the one most usual value, `null` for all others. */
export function plainConnection(
  text: string,
  start: number,
  end: number,
): ConnectionOptions | null {
  if (sameWord(text, start, end, 'keep-alive')) return ONLY_KEEP_ALIVE
  if (sameWord(text, start, end, 'close')) return ONLY_CLOSE
  return sameWord(text, start, end, 'upgrade') ? ONLY_UPGRADE : null
}

/** Reads a Connection value (repeated lines joined by commas); `null` if it is no token list. */
export function parseConnection(value: string): ConnectionOptions | null {
  const lower = value.toLowerCase()
  let flags = 0
  let names: string[] | null = null
  for (const option of listElements(lower)) {
    if (option === '') continue
    if (!allOf(option, TOKEN)) return null
    if (option === 'close') flags |= OPTION.close
    else if (option === 'keep-alive') flags |= OPTION.keepAlive
    else if (option === 'upgrade') flags |= OPTION.upgrade
    else if (!ALWAYS_DROPPED.has(option) && !isProtected(option)) (names ??= []).push(option)
  }
  return { flags, names }
}
