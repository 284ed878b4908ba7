// What each byte may be in HTTP/1.1, as one table, and comparisons that ignore case.
// Must never allocate: everything here runs per byte or per field.

/** Bits of `KIND[byte]`. */
export const TOKEN = 1
/** Field content: visible, space, tab and obs-text (RFC 9110 §5.5). */
export const CONTENT = 2
/** Request target: visible ASCII without `#`, for a fragment is never sent (RFC 9112 §3.2). */
export const TARGET = 4
/** reg-name and port of an authority (RFC 3986 §3.2.2) without `%` and without the list comma. */
export const HOST = 8
export const DIGIT = 16
/** Also any of them in lower or upper case. */
export const HEX = 32

/** From how many readable bytes on a run is worth a view. */
const WORDS_WORTH_IT = 64

export const TAB = 0x09
export const LF = 0x0a
export const CR = 0x0d
export const SPACE = 0x20
export const COLON = 0x3a

const PUNCTUATION_OF_TOKEN = "!#$%&'*+-.^_`|~"
const PUNCTUATION_OF_HOST = "-._~!$&'()*+;=:"

function kindOf(byte: number): number {
  const text = String.fromCharCode(byte)
  const digit = byte >= 0x30 && byte <= 0x39
  const letter = (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a)
  const visible = byte > 0x20 && byte < 0x7f
  let kind = 0
  if (digit || letter || PUNCTUATION_OF_TOKEN.includes(text)) kind |= TOKEN
  if (visible || byte === SPACE || byte === TAB || byte >= 0x80) kind |= CONTENT
  if (visible && text !== '#') kind |= TARGET
  if (digit || letter || PUNCTUATION_OF_HOST.includes(text)) kind |= HOST
  if (digit) kind |= DIGIT
  if (digit || (letter && (byte | 0x20) <= 0x66)) kind |= HEX
  return kind
}

/** What a byte may be used as: a set of the bits above. */
export const KIND = Uint8Array.from({ length: 256 }, (_, byte) => kindOf(byte))

let viewed: Uint8Array | null = null
let view: DataView = new DataView(new ArrayBuffer(0))

/**
 * Where the run of content bytes that begins at `start` ends, at most `end`. Long runs go by four
 * bytes at a time: the two differences below set the top bit of a byte that is below space or is
 * DEL, and `& ~word` keeps that from obs-text. A tab looks like an end to them, so each stop is
 * looked at byte by byte. One view is kept, because a reader passes the same buffer again and again.
 */
export function contentEnd(bytes: Uint8Array, start: number, end: number): number {
  let i = start
  if (end - start >= WORDS_WORTH_IT) {
    if (bytes !== viewed) {
      view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      viewed = bytes
    }
    const last = end - 4
    while (i <= last) {
      const word = view.getInt32(i, true)
      const del = word ^ 0x7f7f7f7f
      if (((((word - 0x20202020) & ~word) | ((del - 0x01010101) & ~del)) & 0x80808080) !== 0) {
        break
      }
      i += 4
    }
  }
  while (i < end && (KIND[bytes[i]!]! & CONTENT) !== 0) i++
  return i
}

/** Is `text[start..end)` the given lower-case ASCII word, whatever its case? */
export function sameWord(text: string, start: number, end: number, word: string): boolean {
  if (end - start !== word.length) return false
  for (let i = 0; i < word.length; i++) {
    const code = text.charCodeAt(start + i)
    const wanted = word.charCodeAt(i)
    if (code !== wanted && (code < 0x41 || code > 0x5a || (code | 0x20) !== wanted)) return false
  }
  return true
}

/** Is `text` one or more characters of `kind` only? */
export function allOf(text: string, kind: number): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 0xff || (KIND[code]! & kind) === 0) return false
  }
  return text.length > 0
}

/** The elements of a comma list, without the spaces and tabs around them; empty ones included. */
export function listElements(value: string): string[] {
  return value.split(',').map(trimSpace)
}

/** Without leading and trailing spaces and tabs. (`trim()` would also take the obs-text byte A0.) */
function trimSpace(text: string): string {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB
}
