// Writes the heads that go out, each as one latin1 string: text ranges of the head that came in,
// copied around what is dropped, and the lines a balancer must write itself.
// Framing is never copied: Content-Length, Transfer-Encoding and Connection are written from the
// caller's decision alone (RFC 9112 §6, RFC 9110 §7.6.1).

import type { HeaderChanges } from '../core/route-plan.ts'
import { listElements, sameWord } from './bytes.ts'
import { FIELD_STRIDE } from './field-lines.ts'
import type { FieldLines } from './field-lines.ts'
import { FIELD } from './fields.ts'
import { BODY } from './framing.ts'
import type { RequestHead, ResponseHead } from './head.ts'
import { compileChanges } from './header-changes.ts'
import type { CompiledChanges } from './header-changes.ts'

/** How a request goes to its backend. */
export interface RequestForward {
  /** Path and query to ask for: `head.path`, or rewritten. */
  target: string
  /** The Host to send, as a rule `head.host`. */
  host: string
  /**
   * `connectionLines(…)` of this client connection, made once: written whenever no inbound
   * X-Forwarded-* is to be kept.
   */
  added: string
  /** Is the peer one whose X-Forwarded-* and Forwarded we believe? */
  trusted: boolean
  /** The peer's IP address; `''` for a unix socket. */
  clientAddress: string
  /** `http` or `https`. */
  scheme: string
  /** Also write RFC 7239 `Forwarded`. */
  forwarded: boolean
  /** Our Via value, e.g. `1.1 evenkeel`; `''` writes none. */
  via: string
  changes: HeaderChanges | null
  /** A `BODY`: how the body is framed on its way out. `none` or `length` or `chunked`. */
  body: number
  /** For `BODY.length`. */
  contentLength: number
  /** Ask the backend for the upgrade the client asked for. */
  upgrade: boolean
}

/** How a response goes to its client. */
export interface ResponseForward {
  /** A `BODY`: how the body is framed on its way out. */
  body: number
  /** For `BODY.length`. */
  contentLength: number
  /** `close`, `keep-alive` (to HTTP/1.0 clients) or `''`. */
  connection: string
  /** The client's minor version. */
  minor: 0 | 1
  /** IMF-fixdate, used only if the response has no Date. */
  date: string
  changes: HeaderChanges | null
  /** Pass on the switch of protocols (101). */
  upgrade: boolean
  /** The method of the request. */
  method: string
  /** Lines of ours, each ending in CRLF. */
  added: string
}

function bits(...ids: number[]): number {
  return ids.reduce((set, id) => set | (1 << id), 0)
}

const CONNECTION_FIELDS = bits(
  FIELD.connection,
  FIELD.contentLength,
  FIELD.transferEncoding,
  FIELD.te,
  FIELD.upgrade,
  FIELD.keepAlive,
  FIELD.proxyConnection,
  FIELD.http2Settings,
)
const FORWARDED_FIELDS = bits(
  FIELD.xForwardedFor,
  FIELD.xForwardedProto,
  FIELD.xForwardedHost,
  FIELD.forwarded,
)
const REQUEST_DROPPED =
  CONNECTION_FIELDS | FORWARDED_FIELDS | bits(FIELD.host, FIELD.evenkeelEpoch, FIELD.disguised)

/** `Host: ` */
const HOST_PREFIX_BYTES = 6

/** What a request may carry that takes it off the fast path. */
const REQUEST_SPECIAL = bits(FIELD.te, FIELD.maxForwards)

/**
 * The lines that tell the backend about an untrusted client, the same for all requests of its
 * connection: X-Forwarded-For, X-Forwarded-Proto, Via.
 */
export function connectionLines(clientAddress: string, scheme: string, via: string): string {
  const address = clientAddress === '' ? '' : `X-Forwarded-For: ${clientAddress}\r\n`
  return `${address}X-Forwarded-Proto: ${scheme}\r\n${via === '' ? '' : `Via: ${via}\r\n`}`
}

/** The head of a request on its way to a backend, blank line included. */
export function forwardRequest(head: RequestHead, options: RequestForward): string {
  const present = head.present
  if (
    changesAnything(options.changes) ||
    options.forwarded ||
    head.listed !== null ||
    (present & REQUEST_SPECIAL) !== 0 ||
    (options.trusted && (present & FORWARDED_FIELDS) !== 0) ||
    (head.minor === 0 && (present & (1 << FIELD.expect)) !== 0)
  ) {
    return forwardRequestSlowly(head, options)
  }
  let text = requestStart(head, options.target, options.host)
  text += keptLines(head, REQUEST_DROPPED, null) + options.added
  if (head.host !== '') text += `X-Forwarded-Host: ${head.host}\r\n`
  if (options.upgrade) text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  if (options.body === BODY.none) return `${text}\r\n`
  return `${text + framing(options.body, options.contentLength)}\r\n`
}

/** The head of a final response, or of a 101, on its way to the client, blank line included. */
export function forwardResponse(head: ResponseHead, options: ResponseForward): string {
  let text = statusLine(head)
  let dated = head.has(FIELD.date)
  if (head.listed === null && !changesAnything(options.changes)) {
    text += keptLines(head, CONNECTION_FIELDS, null)
  } else {
    const changes = compileChanges(options.changes)
    text += keptLines(head, CONNECTION_FIELDS, namesToDrop(head, changes)) + changes.lines
    dated ||= changes.names.includes('date')
  }
  if (!dated) text += `Date: ${options.date}\r\n`
  text += options.added
  if (options.upgrade) text += `Connection: Upgrade\r\nUpgrade: ${head.upgrade}\r\n`
  else if (options.connection !== '') text += `Connection: ${options.connection}\r\n`
  if (options.body === BODY.none) return `${text + describedLength(head, options.method)}\r\n`
  return `${text + framing(options.body, options.contentLength)}\r\n`
}

/** The head of a 100, 103 or other 1xx (not 101) on its way to the client, blank line included. */
export function forwardInformational(head: ResponseHead): string {
  return `${statusLine(head) + keptLines(head, CONNECTION_FIELDS, head.listed)}\r\n`
}

function changesAnything(changes: HeaderChanges | null): boolean {
  return changes !== null && changes.set.length + changes.remove.length > 0
}

/** Request line and Host; copied in one piece if they came just so. */
function requestStart(head: RequestHead, target: string, host: string): string {
  const fields = head.fields
  if (
    head.minor === 1 &&
    target === head.target &&
    host === head.host &&
    fields[0] === FIELD.host &&
    fields[3] === fields[1]! + HOST_PREFIX_BYTES &&
    fields[4] === fields[6]! - 2
  ) {
    return head.text.substring(0, fields[6])
  }
  return `${head.method} ${target} HTTP/1.1\r\nHost: ${host}\r\n`
}

/** RFC 9112 §2.3: our version, not the backend's, and never lower for an older client. */
function statusLine(head: ResponseHead): string {
  if (head.minor === 1 && head.statusLineEnd > 14) return head.text.substring(0, head.statusLineEnd)
  return `HTTP/1.1 ${head.status} ${head.reason}\r\n`
}

function framing(body: number, contentLength: number): string {
  if (body === BODY.length) return `Content-Length: ${contentLength}\r\n`
  return body === BODY.chunked ? 'Transfer-Encoding: chunked\r\n' : ''
}

/** The length a HEAD or 304 answer tells of, though no body follows (RFC 9110 §8.6). */
function describedLength(head: ResponseHead, method: string): string {
  if (head.contentLength < 0 || head.status < 200 || head.status === 204) return ''
  if (method !== 'HEAD' && head.status !== 304) return ''
  return `Content-Length: ${head.contentLength}\r\n`
}

/**
 * All field lines but those whose id is in the set `dropped` and those with one of the lower-case
 * `names`; neighbours go in one piece.
 */
function keptLines(head: FieldLines, dropped: number, names: readonly string[] | null): string {
  const fields = head.fields
  const cells = head.fieldCount * FIELD_STRIDE
  let kept = ''
  let from = -1
  for (let cell = 0; cell < cells; cell += FIELD_STRIDE) {
    if (((dropped >>> fields[cell]!) & 1) === 0 && (names === null || !named(head, cell, names))) {
      if (from < 0) from = fields[cell + 5]!
    } else if (from >= 0) {
      kept += head.text.substring(from, fields[cell + 5])
      from = -1
    }
  }
  if (from < 0) return kept
  return kept + head.text.substring(from, fields[cells - 1])
}

/** Has the field at `cell` one of the names? */
function named(head: FieldLines, cell: number, names: readonly string[]): boolean {
  const start = head.fields[cell + 1]!
  const end = head.fields[cell + 2]!
  for (const name of names) if (sameWord(head.text, start, end, name)) return true
  return false
}

/** What Connection lists together with what the changes take over. */
function namesToDrop(head: FieldLines, changes: CompiledChanges): readonly string[] {
  return head.listed === null ? changes.names : [...changes.names, ...head.listed]
}

/** Every case that the fast path leaves out: changes, trusted peers, Forwarded, TE, Max-Forwards. */
function forwardRequestSlowly(head: RequestHead, options: RequestForward): string {
  const changes = compileChanges(options.changes)
  let dropped = REQUEST_DROPPED
  let lines = ''
  if (head.method === 'OPTIONS' && head.maxForwards > 0) {
    dropped |= 1 << FIELD.maxForwards
    lines = generated('Max-Forwards', String(head.maxForwards - 1), changes)
  }
  // RFC 9110 §10.1.1: an expectation of HTTP/1.0 counts for nothing, so nobody waits for a 100.
  if (head.minor === 0) dropped |= 1 << FIELD.expect
  lines += originLines(head, options, changes)
  const trailers = wantsTrailers(head)
  if (options.upgrade) {
    lines += `Connection: Upgrade${trailers ? ', TE' : ''}\r\nUpgrade: ${head.upgrade}\r\n`
  } else if (trailers) lines += 'Connection: TE\r\n'
  if (trailers) lines += 'TE: trailers\r\n'
  const start = requestStart(head, options.target, changes.host ?? options.host)
  const kept = keptLines(head, dropped, namesToDrop(head, changes))
  const body = framing(options.body, options.contentLength)
  return `${start + kept + lines + changes.lines + body}\r\n`
}

/** What tells the backend who asked for what and by which way. */
function originLines(head: RequestHead, options: RequestForward, changes: CompiledChanges): string {
  const { trusted, clientAddress, scheme } = options
  const from = trusted ? head.header('x-forwarded-for') : null
  const proto = (trusted ? head.header('x-forwarded-proto') : null) ?? scheme
  const host = (trusted ? head.header('x-forwarded-host') : null) ?? head.host
  let forwarded = (trusted ? head.header('forwarded') : null) ?? ''
  if (options.forwarded) forwarded = appended(forwarded, forwardedElement(head, options))
  return (
    generated('X-Forwarded-For', appended(from ?? '', clientAddress), changes) +
    generated('X-Forwarded-Proto', proto, changes) +
    generated('Via', options.via, changes) +
    generated('X-Forwarded-Host', host, changes) +
    generated('Forwarded', forwarded, changes)
  )
}

/** A line of our own, unless it would be empty or the changes take its name over. */
function generated(name: string, value: string, changes: CompiledChanges): string {
  if (value === '' || changes.names.includes(name.toLowerCase())) return ''
  return `${name}: ${value}\r\n`
}

function appended(list: string, element: string): string {
  if (list === '') return element
  return element === '' ? list : `${list}, ${element}`
}

/** RFC 7239 §4: an IPv6 address stands in brackets, and what is no token stands in quotes. */
function forwardedElement(head: RequestHead, options: RequestForward): string {
  const { clientAddress, scheme } = options
  let node = clientAddress === '' ? 'unknown' : clientAddress
  if (node.includes(':')) node = `"[${node}]"`
  const host = head.host === '' ? '' : `;host="${head.host}"`
  return `for=${node}${host};proto=${scheme}`
}

/** TE is hop-by-hop, but the wish for trailers goes on (RFC 9110 §10.1.4): gRPC needs it. */
function wantsTrailers(head: RequestHead): boolean {
  return listElements(head.header('te')?.toLowerCase() ?? '').includes('trailers')
}
