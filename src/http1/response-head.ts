// The head of a response: status line, fields, and what they mean for framing and the connection.
// As strict as that of a request: what a backend sends malformed is never forwarded.

import type { FaultCode } from '../core/fault.ts'
import { allOf, CONTENT, CR, DIGIT, KIND, LF, listElements, SPACE } from './bytes.ts'
import { FieldLines, PARSE } from './field-lines.ts'
import { FIELD } from './fields.ts'
import { OPTION } from './framing.ts'
import { parseVersion, VERSION } from './start-line.ts'
import { lineRefusal, REFUSE } from './strict.ts'
import type { Refusal } from './strict.ts'

/** Bytes of `HTTP/1.1 200`. */
const STATUS_BYTES = 12

/** The head of a response; one object serves all responses of a connection. */
export class ResponseHead extends FieldLines {
  status = 0
  reason = ''
  /** Seconds of `Keep-Alive: timeout=`; −1: none. */
  keepAliveTimeoutS = -1
  /** Length of the status line with its CRLF. */
  statusLineEnd = 0

  #reasonEnd = 0

  override reset(): void {
    super.reset()
    this.status = 0
    this.reason = ''
    this.keepAliveTimeoutS = -1
    this.statusLineEnd = 0
  }

  /**
   * Reads `bytes[start..end)`, which always begins at the head's first byte and may have grown since
   * the last call, perhaps in another buffer. Returns a `PARSE`.
   */
  parse(bytes: Buffer, start: number, end: number): number {
    const full = end - start >= this.limits.headBytesMax
    const stop = full ? start + this.limits.headBytesMax : end
    if (this.taken === 0) {
      const code = this.#takeStatusLine(bytes, start, stop, full)
      if (code !== PARSE.done) return code
    }
    const code = this.takeFields(bytes, start, stop, full)
    if (code !== PARSE.done) return code
    this.bytes = this.taken
    this.text = bytes.toString('latin1', start, start + this.taken)
    const refusal = this.#conclude()
    return refusal === null ? PARSE.done : this.refuse(refusal)
  }

  protected override faultOf(refusal: Refusal): FaultCode {
    return refusal.response
  }

  #takeStatusLine(bytes: Buffer, base: number, stop: number, full: boolean): number {
    if (this.searched > 0 && !this.lineEnds(bytes, base, stop)) {
      return this.unfinished(base, stop, full)
    }
    // A line that ends too early goes on to be refused below, not to wait for a timeout.
    if (stop - base <= STATUS_BYTES && !this.lineEnds(bytes, base, stop)) {
      return this.unfinished(base, stop, full)
    }
    const minor = parseVersion(bytes, base)
    if (minor === VERSION.unsupported) return this.refuse(REFUSE.version)
    if (minor === VERSION.malformed) return this.refuse(REFUSE.versionGrammar)
    this.minor = minor === 0 ? 0 : 1
    if (!this.#takeStatus(bytes, base + 8)) return this.refuse(REFUSE.status)
    let i = base + STATUS_BYTES
    // The space is due even before an empty reason (RFC 9112 §4), but some servers leave both out.
    if (bytes[i] === SPACE) {
      while (i < stop && (KIND[bytes[i]!]! & CONTENT) !== 0) i++
    }
    if (i === stop || (bytes[i] === CR && i + 1 === stop)) return this.unfinished(base, stop, full)
    if (bytes[i] !== CR || bytes[i + 1] !== LF) {
      return this.refuse(lineRefusal(bytes[i]!, REFUSE.reason))
    }
    this.#reasonEnd = i - base
    this.statusLineEnd = this.taken = this.searched = i + 2 - base
    return PARSE.done
  }

  #takeStatus(bytes: Buffer, position: number): boolean {
    if (bytes[position] !== SPACE) return false
    const hundreds = bytes[position + 1]!
    const tens = bytes[position + 2]!
    const ones = bytes[position + 3]!
    if (hundreds < 0x31 || hundreds > 0x35) return false
    if ((KIND[tens]! & KIND[ones]! & DIGIT) === 0) return false
    this.status = hundreds * 100 + tens * 10 + ones - 0x30 * 111
    return true
  }

  #conclude(): Refusal | null {
    if (this.#reasonEnd > STATUS_BYTES) {
      this.reason = this.text.substring(STATUS_BYTES + 1, this.#reasonEnd)
    }
    const refusal = this.concludeFraming()
    if (refusal !== null) return refusal
    if (this.has(FIELD.keepAlive)) this.#readKeepAlive()
    if (this.has(FIELD.upgrade) && (this.options & OPTION.upgrade) !== 0) {
      this.upgrade = this.joined(FIELD.upgrade).toLowerCase()
    }
    return null
  }

  #readKeepAlive(): void {
    for (const element of listElements(this.joined(FIELD.keepAlive).toLowerCase())) {
      const digits = element.startsWith('timeout=') ? element.slice(8) : ''
      if (digits.length < 10 && allOf(digits, DIGIT)) this.keepAliveTimeoutS = Number(digits)
    }
  }
}
