// The chunked coding (RFC 9112 §7.1), both ways. The decoder walks borrowed bytes and points at the
// data in them; it copies nothing but trailers. Extensions are bounded and dropped.

import { CONTENT, CR, KIND, LF, SPACE, TAB, TOKEN } from './bytes.ts'

/** What `next` found. */
export const CHUNK = { more: 0, data: 1, done: 2, error: 3 } as const

/** Bytes of extensions, in one chunk and in all chunks of a message. */
const EXTENSION_BYTES_MAX = 1024
const EXTENSIONS_BYTES_MAX = 16_384
/** Bytes of the trailer section. */
const TRAILER_BYTES_MAX = 16_384
/** Digits of a size, leading zeros included; 2^53 − 1 has 14. */
const SIZE_DIGITS_MAX = 16

const STATE = {
  size: 0,
  extension: 1,
  sizeLf: 2,
  data: 3,
  dataCr: 4,
  dataLf: 5,
  trailer: 6,
  done: 7,
  error: 8,
} as const

/** Where in `*( ";" name [ "=" value ] )` an extension stands (RFC 9112 §7.1.1). */
const PART = {
  nameStart: 0,
  name: 1,
  valueStart: 2,
  value: 3,
  quoted: 4,
  escaped: 5,
  quotedEnd: 6,
} as const

const SEMICOLON = 0x3b
const EQUALS = 0x3d
const QUOTE = 0x22
const BACKSLASH = 0x5c

/**
 * Fields that must not come after the body, for whoever acts on them has already acted
 * (RFC 9110 §6.5.1): framing, routing, authentication, request modifiers, hop-by-hop, our own.
 */
const FORBIDDEN = new Set([
  'age',
  'authentication-info',
  'authorization',
  'cache-control',
  'connection',
  'content-encoding',
  'content-length',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'forwarded',
  'host',
  'http2-settings',
  'idempotency-key',
  'keep-alive',
  'location',
  'max-forwards',
  'pragma',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'range',
  'retry-after',
  'set-cookie',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'vary',
  'via',
  'www-authenticate',
])

/** Decodes one chunked body, whatever its split into reads. */
export class ChunkedDecoder {
  /** Where to go on in the bytes given to `next`. */
  position = 0
  /** After `CHUNK.data`: the piece of body, within the bytes given to `next`. */
  dataStart = 0
  dataEnd = 0
  /** After `CHUNK.done`: the trailer fields that may pass, each a line ending in CRLF. */
  trailers = ''
  /** After `CHUNK.error`: a short sentence for logs. */
  detail = ''

  #state: number = STATE.size
  #size = 0
  #digits = 0
  #remaining = 0
  #part: number = PART.nameStart
  #extensionBytes = 0
  #extensionsBytes = 0
  #trailerBytes = 0
  #line = ''

  /** Forgets everything, for the next body. */
  reset(): void {
    this.position = this.dataStart = this.dataEnd = 0
    this.trailers = this.detail = this.#line = ''
    this.#state = STATE.size
    this.#part = PART.nameStart
    this.#size = this.#digits = this.#remaining = 0
    this.#extensionBytes = this.#extensionsBytes = this.#trailerBytes = 0
  }

  /**
   * Walks `bytes[position..end)`. Returns `CHUNK.data` for each piece of body (call again from
   * `this.position`), `CHUNK.more` when all bytes are used up, `CHUNK.done` after the last line
   * (what follows `this.position` belongs to the next message), or `CHUNK.error`. Done and error
   * stay so until `reset`.
   */
  next(bytes: Buffer, position: number, end: number): number {
    let at = position
    while (at < end) {
      switch (this.#state) {
        case STATE.size:
          at = this.#takeSize(bytes, at, end)
          break
        case STATE.extension:
          at = this.#takeExtension(bytes, at, end)
          break
        case STATE.sizeLf:
          at = this.#takeLf(bytes, at, this.#size === 0 ? STATE.trailer : STATE.data)
          this.#remaining = this.#size
          this.#size = this.#digits = this.#extensionBytes = 0
          break
        case STATE.data:
          return this.#takeData(at, end)
        case STATE.dataCr:
          at = bytes[at] === CR ? at + 1 : this.#fail('chunk data is longer than its size')
          this.#state = at < 0 ? STATE.error : STATE.dataLf
          break
        case STATE.dataLf:
          at = this.#takeLf(bytes, at, STATE.size)
          break
        case STATE.trailer:
          at = this.#takeTrailer(bytes, at, end)
          break
        case STATE.done:
          return CHUNK.done
        default:
          return CHUNK.error
      }
      if (at < 0) return CHUNK.error
      this.position = at
      if (this.#state === STATE.done) return CHUNK.done
    }
    this.position = at
    return CHUNK.more
  }

  #fail(detail: string): number {
    this.#state = STATE.error
    this.detail = detail
    return -1
  }

  #takeSize(bytes: Buffer, position: number, end: number): number {
    let at = position
    while (at < end) {
      const byte = bytes[at]!
      const digit = hexDigit(byte)
      if (digit < 0) {
        if (this.#digits === 0) return this.#fail('a chunk has no size')
        if (byte === CR) this.#state = STATE.sizeLf
        else if (byte === SEMICOLON) {
          this.#state = STATE.extension
          this.#part = PART.nameStart
        } else return this.#fail('a chunk size contains a byte that is not a hex digit')
        return at + 1
      }
      this.#size = this.#size * 16 + digit
      if (++this.#digits > SIZE_DIGITS_MAX || this.#size > Number.MAX_SAFE_INTEGER) {
        return this.#fail('a chunk size is beyond 2^53 - 1')
      }
      at++
    }
    return at
  }

  #takeExtension(bytes: Buffer, position: number, end: number): number {
    let at = position
    let part = this.#part
    while (at < end && bytes[at] !== CR) {
      part = partAfter(part, bytes[at]!)
      if (part < 0) return this.#fail('a chunk extension is malformed')
      at++
    }
    this.#part = part
    this.#extensionBytes += at - position
    this.#extensionsBytes += at - position
    if (this.#extensionBytes > EXTENSION_BYTES_MAX) {
      return this.#fail('a chunk extension is too long')
    }
    if (this.#extensionsBytes > EXTENSIONS_BYTES_MAX) {
      return this.#fail('the chunk extensions are too long together')
    }
    if (at === end) return at
    if (part !== PART.name && part !== PART.value && part !== PART.quotedEnd) {
      return this.#fail('a chunk extension is malformed')
    }
    this.#state = STATE.sizeLf
    return at + 1
  }

  #takeLf(bytes: Buffer, at: number, next: number): number {
    if (bytes[at] !== LF) return this.#fail('a CR in chunked framing is not followed by LF')
    this.#state = next
    return at + 1
  }

  #takeData(at: number, end: number): number {
    const length = Math.min(this.#remaining, end - at)
    this.dataStart = at
    this.dataEnd = this.position = at + length
    this.#remaining -= length
    if (this.#remaining === 0) this.#state = STATE.dataCr
    return CHUNK.data
  }

  /** Collects trailer lines; each is judged when its end has come. */
  #takeTrailer(bytes: Buffer, position: number, end: number): number {
    let at = position
    while (at < end && bytes[at] !== LF) at++
    const complete = at < end
    const stop = complete ? at + 1 : end
    this.#trailerBytes += stop - position
    if (this.#trailerBytes > TRAILER_BYTES_MAX) return this.#fail('the trailers are too large')
    this.#line += bytes.toString('latin1', position, stop)
    if (!complete) return stop
    if (this.#line === '\r\n') {
      this.#state = STATE.done
      this.#line = ''
      return stop
    }
    const detail = this.#judgeTrailer(this.#line)
    if (detail !== '') return this.#fail(detail)
    this.#line = ''
    return stop
  }

  #judgeTrailer(line: string): string {
    if (!line.endsWith('\r\n')) return 'a trailer line ends in a bare LF'
    const last = line.length - 2
    let nameEnd = 0
    while (nameEnd < last && (KIND[line.charCodeAt(nameEnd)]! & TOKEN) !== 0) nameEnd++
    if (nameEnd === 0 || line[nameEnd] !== ':') return 'a trailer line has no valid field name'
    let start = nameEnd + 1
    let end = last
    while (start < end && isSpace(line.charCodeAt(start))) start++
    while (end > start && isSpace(line.charCodeAt(end - 1))) end--
    for (let i = start; i < end; i++) {
      if ((KIND[line.charCodeAt(i)]! & CONTENT) === 0) return 'a trailer value has a control byte'
    }
    const name = line.slice(0, nameEnd)
    if (passes(name)) this.trailers += `${name}: ${line.slice(start, end)}\r\n`
    return ''
  }
}

/** The part of an extension after one more byte, −1 if the byte cannot stand there. */
function partAfter(part: number, byte: number): number {
  const kind = KIND[byte]!
  if (part === PART.quoted || part === PART.escaped) {
    if ((kind & CONTENT) === 0) return -1
    if (part === PART.escaped) return PART.quoted
    return byte === QUOTE ? PART.quotedEnd : byte === BACKSLASH ? PART.escaped : PART.quoted
  }
  if ((kind & TOKEN) !== 0 && part !== PART.quotedEnd) {
    return part <= PART.name ? PART.name : PART.value
  }
  if (part === PART.valueStart) return byte === QUOTE ? PART.quoted : -1
  if (part === PART.nameStart) return -1
  if (byte === SEMICOLON) return PART.nameStart
  return byte === EQUALS && part === PART.name ? PART.valueStart : -1
}

/** May a trailer of this name go on? An underscore counts as a hyphen, as it does to CGI. */
function passes(sent: string): boolean {
  const name = sent.toLowerCase().replaceAll('_', '-')
  return !FORBIDDEN.has(name) && !name.startsWith('x-forwarded-') && !name.startsWith('evenkeel-')
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** The line that begins a chunk of `length` bytes (> 0): its size in hex and CRLF. */
export function encodeChunkHead(length: number): string {
  return `${length.toString(16)}\r\n`
}

/** What ends a body without trailers; with trailers: `0`, CRLF, their lines, CRLF. */
export const LAST_CHUNK = '0\r\n\r\n'
