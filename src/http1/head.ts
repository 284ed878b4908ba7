// The head of a request: start line, fields, and what they mean for routing, framing and the
// connection. Strict (RFC 9112): whatever could be read in two ways is refused.
// Works on borrowed bytes and keeps none of them; reads `bytes[start..end)` and nothing else.

import { CR, KIND, LF, SPACE, TARGET, TOKEN, allOf, DIGIT } from './bytes.ts'
import { FIELD_STRIDE, FieldLines, PARSE } from './field-lines.ts'
import { FIELD } from './fields.ts'
import { OPTION } from './framing.ts'
import {
  authorityOffset,
  commonMethod,
  parseVersion,
  refusedMethod,
  VERSION,
} from './start-line.ts'
import { lineRefusal, REFUSE, validAuthority } from './strict.ts'
import type { Refusal } from './strict.ts'

export { CELL, FIELD_STRIDE, PARSE } from './field-lines.ts'
export type { HeadLimits } from './field-lines.ts'
export { ResponseHead } from './response-head.ts'

/** Empty lines skipped before a request (RFC 9112 §2.2). */
const EMPTY_LINES_MAX = 8

/** Bytes of ` HTTP/1.1`. */
const VERSION_BYTES = 9

const SLASH = 0x2f
const ASTERISK = 0x2a
const QUESTION = 0x3f
const NUMBER_SIGN = 0x23

/** Fields that say nothing in most requests, so that one test skips them all. */
const RARE_BITS = (1 << FIELD.expect) | (1 << FIELD.upgrade) | (1 << FIELD.maxForwards)

/** The head of a request; one object serves all requests of a connection. */
export class RequestHead extends FieldLines {
  method = ''
  /** As it was sent. */
  target = ''
  /**
   * The authority the request is for: that of an absolute-form target, else Host. `''` only for
   * HTTP/1.0 without Host.
   */
  host = ''
  /** The target in origin form, query included: `/x?y`; or `*` for a server-wide OPTIONS. */
  path = ''
  /** `Expect: 100-continue` of an HTTP/1.1 client (RFC 9110 §10.1.1). */
  expectContinue = false
  /** −1: none. */
  maxForwards = -1

  // Offsets relative to the start line; the authority is that of an absolute-form target.
  #methodEnd = 0
  #targetEnd = 0
  #authorityStart = 0
  #authorityEnd = 0

  override reset(): void {
    super.reset()
    this.method = ''
    this.target = ''
    this.host = ''
    this.path = ''
    this.expectContinue = false
    this.maxForwards = -1
    this.#authorityEnd = 0
  }

  /**
   * Reads `bytes[start..end)`, which always begins at the head's first byte and may have grown since
   * the last call, perhaps in another buffer. Returns a `PARSE`.
   */
  parse(bytes: Buffer, start: number, end: number): number {
    const full = end - start >= this.limits.headBytesMax
    const stop = full ? start + this.limits.headBytesMax : end
    if (this.taken === 0) {
      const code = this.#takeRequestLine(bytes, start, stop, full)
      if (code !== PARSE.done) return code
    }
    const base = start + this.skipped
    const code = this.takeFields(bytes, base, stop, full)
    if (code !== PARSE.done) return code
    this.bytes = this.skipped + this.taken
    this.text = bytes.toString('latin1', base, base + this.taken)
    const refusal = this.#conclude(bytes, base)
    return refusal === null ? PARSE.done : this.refuse(refusal)
  }

  #takeRequestLine(bytes: Buffer, start: number, stop: number, full: boolean): number {
    if (this.searched === 0) {
      const code = this.#skipEmptyLines(bytes, start, stop)
      if (code !== PARSE.done) return code
    }
    const base = start + this.skipped
    if (this.searched > 0 && !this.lineEnds(bytes, base, stop)) {
      return this.#unfinishedLine(base, stop, full)
    }
    let i = base
    while (i < stop && (KIND[bytes[i]!]! & TOKEN) !== 0) i++
    if (i < stop) {
      if (bytes[i] !== SPACE || i === base) {
        return this.refuse(bytes[i] === LF ? REFUSE.bareLf : REFUSE.method)
      }
      this.#methodEnd = i - base
      if (refusedMethod(bytes, base, i)) return this.refuse(REFUSE.methodRefused)
      const target = ++i
      while (i < stop && (KIND[bytes[i]!]! & TARGET) !== 0) i++
      if (i < stop && bytes[i] !== SPACE) return this.refuse(targetRefusal(bytes[i]!))
      if (i < stop && i === target) return this.refuse(REFUSE.target)
    }
    // A line that ends too early goes on to be refused below, not to wait for a timeout.
    if (i + VERSION_BYTES >= stop && !this.lineEnds(bytes, base, stop)) {
      return this.#unfinishedLine(base, stop, full)
    }
    const minor = parseVersion(bytes, i + 1)
    if (minor === VERSION.malformed) return this.refuse(REFUSE.versionGrammar)
    if (minor === VERSION.unsupported) return this.refuse(REFUSE.version)
    this.minor = minor === 0 ? 0 : 1
    this.#targetEnd = i - base
    i += VERSION_BYTES
    if (bytes[i] === CR && i + 1 === stop) {
      return this.#unfinishedLine(base, stop, full)
    }
    if (bytes[i] !== CR || bytes[i + 1] !== LF) {
      return this.refuse(lineRefusal(bytes[i]!, REFUSE.versionGrammar))
    }
    this.taken = this.searched = i + 2 - base
    const refusal = this.#judgeTarget(bytes, base)
    return refusal === null ? PARSE.done : this.refuse(refusal)
  }

  /** A request line that does not fit the head can only be so long because of its target. */
  #unfinishedLine(base: number, stop: number, full: boolean): number {
    return full ? this.refuse(REFUSE.targetLong) : this.unfinished(base, stop, false)
  }

  #skipEmptyLines(bytes: Buffer, start: number, stop: number): number {
    for (;;) {
      const position = start + this.skipped
      if (position >= stop) return PARSE.incomplete
      if (bytes[position] === LF) return this.refuse(REFUSE.bareLf)
      if (bytes[position] !== CR) return PARSE.done
      if (position + 1 >= stop) return PARSE.incomplete
      if (bytes[position + 1] !== LF) return this.refuse(REFUSE.bareCr)
      this.skipped += 2
      if (this.skipped > EMPTY_LINES_MAX * 2) return this.refuse(REFUSE.emptyLines)
    }
  }

  /** Which of the three forms is it (RFC 9112 §3.2)? The fourth, authority-form, is CONNECT's. */
  #judgeTarget(bytes: Buffer, base: number): Refusal | null {
    const start = base + this.#methodEnd + 1
    const end = base + this.#targetEnd
    if (end - start > this.limits.targetBytesMax) return REFUSE.targetLong
    const first = bytes[start]!
    if (first === SLASH) return null
    if (first === ASTERISK && end - start === 1) {
      return commonMethod(bytes, base, start - 1) === 'OPTIONS' ? null : REFUSE.asterisk
    }
    const authority = authorityOffset(bytes, start, end)
    if (authority < 0) return REFUSE.target
    let i = authority
    while (i < end && bytes[i] !== SLASH && bytes[i] !== QUESTION) i++
    if (!validAuthority(bytes, authority, i)) return REFUSE.target
    this.#authorityStart = authority - base
    this.#authorityEnd = i - base
    return null
  }

  /** Reads the meaning of what was scanned; `null` if nothing of it is to be refused. */
  #conclude(bytes: Buffer, base: number): Refusal | null {
    const text = this.text
    const method = commonMethod(bytes, base, base + this.#methodEnd)
    this.method = method === '' ? text.substring(0, this.#methodEnd) : method
    this.target = text.substring(this.#methodEnd + 1, this.#targetEnd)
    this.path = this.#authorityEnd === 0 ? this.target : this.#originForm()
    const refusal = this.#concludeHost(bytes, base) ?? this.concludeFraming()
    if (refusal !== null) return refusal
    if ((this.present & RARE_BITS) !== 0) this.#concludeRare()
    return null
  }

  #originForm(): string {
    const rest = this.target.substring(this.#authorityEnd - this.#methodEnd - 1)
    if (rest.startsWith('/')) return rest
    // RFC 9112 §3.2.4: an absolute OPTIONS without path and query is for the server as a whole.
    if (rest === '' && this.method === 'OPTIONS') return '*'
    return `/${rest}`
  }

  #concludeHost(bytes: Buffer, base: number): Refusal | null {
    const index = this.indexOf(FIELD.host)
    if (index < 0) {
      if (this.minor === 1) return REFUSE.hostMissing
    } else {
      if ((this.repeated >>> FIELD.host) & 1) return REFUSE.hostRepeated
      const cell = index * FIELD_STRIDE
      const start = this.fields[cell + 3]!
      const end = this.fields[cell + 4]!
      if (!validAuthority(bytes, base + start, base + end)) return REFUSE.host
      this.host = this.text.substring(start, end)
    }
    // RFC 9112 §3.2.2: the authority of an absolute-form target replaces Host.
    if (this.#authorityEnd > 0) {
      this.host = this.text.substring(this.#authorityStart, this.#authorityEnd)
    }
    return null
  }

  #concludeRare(): void {
    if (this.minor === 1) {
      if (this.has(FIELD.expect)) {
        this.expectContinue = this.joined(FIELD.expect).toLowerCase() === '100-continue'
      }
      if (this.has(FIELD.upgrade) && (this.options & OPTION.upgrade) !== 0) {
        this.upgrade = this.joined(FIELD.upgrade).toLowerCase()
      }
    }
    const forwards = this.field(FIELD.maxForwards)
    if (forwards !== null && forwards.length < 10 && allOf(forwards, DIGIT)) {
      this.maxForwards = Number(forwards)
    }
  }
}

/** Why a byte that is neither of a target nor the space after it ended one. */
function targetRefusal(byte: number): Refusal {
  if (byte === NUMBER_SIGN) return REFUSE.fragment
  if (byte === LF) return REFUSE.bareLf
  return byte === CR ? REFUSE.versionGrammar : REFUSE.targetByte
}
