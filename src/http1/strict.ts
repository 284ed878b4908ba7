// Every reason to refuse a head or a body, one row each, and the grammar of an
// authority. On anything ambiguous the strict reading wins: refuse, never repair and forward.

import type { FaultCode } from '../core/fault.ts'
import { CR, DIGIT, HEX, HOST, KIND, LF } from './bytes.ts'

/** One reason to refuse: the fault if a client sent it, the fault if a backend did, and why. */
export interface Refusal {
  readonly request: FaultCode
  readonly response: FaultCode
  /** A short sentence for logs. */
  readonly detail: string
}

function row(
  detail: string,
  request: FaultCode = 'client-bad-request',
  response: FaultCode = 'backend-bad-response',
): Refusal {
  return { request, response, detail }
}

export const REFUSE = {
  // Start line
  method: row('the method is not a token'),
  methodRefused: row('CONNECT and TRACE are not forwarded', 'client-method-refused'),
  target: row('the request target is malformed'),
  targetByte: row('the request target contains a byte that must be percent-encoded'),
  fragment: row('the request target contains a fragment'),
  asterisk: row('only OPTIONS may ask for *'),
  targetLong: row('the request target is too long', 'client-target-too-long'),
  versionGrammar: row('the start line has no valid HTTP version'),
  version: row('the HTTP version is neither 1.0 nor 1.1', 'client-version-unsupported'),
  emptyLines: row('too many empty lines before the request'),
  status: row('the status is not three digits from 100 to 599'),
  reason: row('the reason phrase contains a control byte'),
  // Lines
  bareLf: row('a line ends in a bare LF'),
  bareCr: row('a CR is not followed by LF'),
  folded: row('a line begins with white space (obsolete folding)'),
  nameEmpty: row('a field has no name'),
  nameSpace: row('white space between a field name and its colon'),
  nameByte: row('a field name contains a byte that is not a token character'),
  noColon: row('a field line has no colon'),
  valueByte: row('a field value contains a control byte'),
  headLarge: row('the head is too large', 'client-head-too-large', 'backend-head-too-large'),
  fieldsMany: row(
    'the head has too many fields',
    'client-head-too-large',
    'backend-head-too-large',
  ),
  // Host
  hostMissing: row('an HTTP/1.1 request needs a Host'),
  hostRepeated: row('more than one Host'),
  host: row('the Host is not host[:port]'),
  // Framing
  lengthRepeated: row('more than one Content-Length'),
  length: row('Content-Length is not a plain decimal number'),
  lengthLarge: row('Content-Length is beyond 2^53 - 1'),
  lengthAndCoding: row('Content-Length together with Transfer-Encoding'),
  codingOld: row('Transfer-Encoding in an HTTP/1.0 message'),
  codingGrammar: row('Transfer-Encoding is malformed'),
  codingOrder: row('chunked is not the one and final transfer coding'),
  coding: row('an unknown transfer coding', 'client-coding-unknown'),
  connection: row('Connection is not a list of tokens'),
} as const satisfies Record<string, Refusal>

/**
 * Why a line does not end where its content does.
 * @param byte the byte found there
 * @param otherwise the reason if it is no line end at all
 */
export function lineRefusal(byte: number, otherwise: Refusal): Refusal {
  if (byte === LF) return REFUSE.bareLf
  return byte === CR ? REFUSE.bareCr : otherwise
}

/**
 * Is `bytes[start..end)` a valid `host[:port]`: a non-empty reg-name, IPv4 or bracketed IPv6 address,
 * and a port that exists (RFC 9110 §7.2, RFC 3986 §3.2.2)? No userinfo, path, list or white space.
 */
export function validAuthority(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end) return false
  if (bytes[start] === 0x5b) return validLiteral(bytes, start, end)
  let i = start
  while (i < end) {
    const byte = bytes[i]!
    if (byte === 0x3a) break
    if ((KIND[byte]! & HOST) === 0) {
      if (byte !== 0x25 || i + 2 >= end) return false
      if ((KIND[bytes[i + 1]!]! & KIND[bytes[i + 2]!]! & HEX) === 0) return false
      i += 2
    }
    i++
  }
  return i > start && validPort(bytes, i, end)
}

/** `:port` or nothing; the port may be empty (RFC 3986 §3.2.3) but not beyond 65535. */
function validPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (start === end) return true
  if (bytes[start] !== 0x3a || end - start > 6) return false
  let port = 0
  for (let i = start + 1; i < end; i++) {
    if ((KIND[bytes[i]!]! & DIGIT) === 0) return false
    port = port * 10 + bytes[i]! - 0x30
  }
  return port <= 65_535
}

function validLiteral(bytes: Uint8Array, start: number, end: number): boolean {
  let close = start + 1
  while (close < end && bytes[close] !== 0x5d) close++
  if (close >= end || close - start > 46) return false
  let text = ''
  for (let i = start + 1; i < close; i++) text += String.fromCharCode(bytes[i]!)
  return validIpv6(text) && validPort(bytes, close + 1, end)
}

const QUAD = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])'
const IPV4 = new RegExp(`^${QUAD}(?:\\.${QUAD}){3}$`)
const GROUP = /^[0-9a-f]{1,4}$/i

function validIpv6(text: string): boolean {
  const halves = text.split('::')
  if (halves.length > 2) return false
  let groups = 0
  for (const [index, half] of halves.entries()) {
    if (half === '') continue
    const parts = half.split(':')
    const tail = parts.at(-1)!
    if (tail.includes('.')) {
      if (index !== halves.length - 1 || !IPV4.test(tail)) return false
      parts.pop()
      groups += 2
    }
    if (!parts.every((part) => GROUP.test(part))) return false
    groups += parts.length
  }
  return halves.length === 2 ? groups <= 7 : groups === 8
}
