// The field lines of a head, scanned once from bytes into offsets: what requests and responses have
// in common. Resumable at every byte; a byte is looked at no more than twice however the head is
// cut into reads. Knows no start line and no meaning of a field: see `head.ts`.

import type { FaultCode } from '../core/fault.ts'
import { COLON, contentEnd, CR, KIND, LF, SPACE, TAB, TOKEN, sameWord } from './bytes.ts'
import { classify, FIELD } from './fields.ts'
import { codingRefusal, OPTION, parseConnection, parseLength, plainConnection } from './framing.ts'
import { lineRefusal, REFUSE } from './strict.ts'
import type { Refusal } from './strict.ts'

/** What a call of `parse` found. */
export const PARSE = { incomplete: 0, done: 1, error: 2 } as const

/** Bounds of a head. */
export interface HeadLimits {
  /** Bytes of the whole head, blank line included. */
  readonly headBytesMax: number
  /** Bytes of the request target; not looked at in responses. */
  readonly targetBytesMax: number
  readonly fieldsMax: number
}

/** Cells per field in `fields`. */
export const FIELD_STRIDE = 7
/** Cells of one field: its `FIELD` id, and offsets into `text`. */
export const CELL = {
  id: 0,
  nameStart: 1,
  nameEnd: 2,
  /** The value without white space around it. */
  valueStart: 3,
  valueEnd: 4,
  lineStart: 5,
  /** After the line's CRLF. */
  lineEnd: 6,
} as const

const CONNECTION_BIT = 1 << FIELD.connection
const FRAMING_BITS = (1 << FIELD.contentLength) | (1 << FIELD.transferEncoding)
const FIELDS_AT_FIRST = 24
const NO_FIELDS = new Int32Array(0)

/** What the two kinds of head share: their field lines and how they are looked up. */
export class FieldLines {
  /** Set after `PARSE.error`. */
  fault: FaultCode | null = null
  /** After `PARSE.error`: a short sentence for logs. */
  detail = ''
  /** Length of the whole head in bytes, with its blank line and anything skipped before it. */
  bytes = 0
  /** The digit after `HTTP/1.`. */
  minor: 0 | 1 = 1
  /** The value of Content-Length; −1: none. */
  contentLength = -1
  /** Is the body in chunks? */
  chunked = false
  /** May the connection go on after this exchange, by version and Connection? */
  keepAlive = true
  /** The Upgrade value in lower case if Connection lists it, else `''`. */
  upgrade = ''
  /** The head as latin1 from its start line to its blank line; all offsets index into it. */
  text = ''
  fieldCount = 0
  /** `FIELD_STRIDE` cells for each field, in order of arrival; see `CELL`. */
  fields: Int32Array = NO_FIELDS
  /** A bit for each `FIELD` id that occurs, and for each that occurs more than once. */
  present = 0
  repeated = 0
  /** Names that `Connection` wants dropped beyond those that always go; `null` for none. */
  listed: readonly string[] | null = null

  protected readonly limits: HeadLimits
  /** What Connection says: a set of `OPTION`. */
  protected options = 0
  /** Bytes skipped before the start line. */
  protected skipped = 0
  /** End of the last line that was taken, relative to the start line. */
  protected taken = 0
  /** How far the line after it was already searched for its end. */
  protected searched = 0
  /** Index of the first field of each id; valid where `present` has its bit. */
  readonly #first = new Uint16Array(32)

  constructor(limits: HeadLimits) {
    this.limits = limits
  }

  /** Forgets everything, for the next head on the same connection. */
  reset(): void {
    this.fault = null
    this.detail = ''
    this.bytes = 0
    this.minor = 1
    this.contentLength = -1
    this.chunked = false
    this.keepAlive = true
    this.upgrade = ''
    this.text = ''
    this.fieldCount = 0
    this.present = 0
    this.repeated = 0
    this.listed = null
    this.options = 0
    this.skipped = 0
    this.taken = 0
    this.searched = 0
  }

  /** Is there a field of this id? */
  has(id: number): boolean {
    return ((this.present >>> id) & 1) === 1
  }

  /** Index of the first field of this id, −1 if there is none. */
  indexOf(id: number): number {
    return this.has(id) ? this.#first[id]! : -1
  }

  /** The first value with this id (not `FIELD.other`), `null` if there is none. */
  field(id: number): string | null {
    return this.has(id) ? this.valueAt(this.#first[id]!) : null
  }

  /** The name of a field by its index, as it was sent. */
  nameAt(index: number): string {
    const cell = index * FIELD_STRIDE
    return this.text.substring(this.fields[cell + 1]!, this.fields[cell + 2])
  }

  /** The value of a field by its index. */
  valueAt(index: number): string {
    const cell = index * FIELD_STRIDE
    return this.text.substring(this.fields[cell + 3]!, this.fields[cell + 4])
  }

  /** Has the field at this index the given lower-case name? */
  isNamed(index: number, name: string): boolean {
    const cell = index * FIELD_STRIDE
    return sameWord(this.text, this.fields[cell + 1]!, this.fields[cell + 2]!, name)
  }

  /**
   * The value of a field by its lower-case name, `null` if there is none. Repeated fields are joined
   * by `, ` (RFC 9110 §5.3), cookies by `; ` (RFC 9113 §8.2.3).
   */
  header(name: string): string | null {
    let value: string | null = null
    for (let index = 0; index < this.fieldCount; index++) {
      if (!this.isNamed(index, name)) continue
      if (value === null) value = this.valueAt(index)
      else value += (name === 'cookie' ? '; ' : ', ') + this.valueAt(index)
    }
    return value
  }

  /** All values of an id joined by commas; `''` if there is none. */
  protected joined(id: number): string {
    if ((this.repeated >>> id) & 1) return this.header(this.nameAt(this.#first[id]!).toLowerCase())!
    return this.field(id) ?? ''
  }

  /** Notes why the head is refused; the return value of `parse`. */
  protected refuse(refusal: Refusal): number {
    this.fault = this.faultOf(refusal)
    this.detail = refusal.detail
    return PARSE.error
  }

  /** Which of a refusal's two faults applies. */
  protected faultOf(refusal: Refusal): FaultCode {
    return refusal.request
  }

  /** The head goes on beyond `stop`: note how far it was read, unless it is already too long. */
  protected unfinished(base: number, stop: number, full: boolean): number {
    if (full) return this.refuse(REFUSE.headLarge)
    this.searched = stop - base
    return PARSE.incomplete
  }

  /** After a resumption: is the end of the line that was cut off here now? */
  protected lineEnds(bytes: Buffer, base: number, stop: number): boolean {
    for (let i = base + this.searched; i < stop; i++) if (bytes[i] === LF) return true
    return false
  }

  /**
   * Takes field lines from where the last call left off.
   * @param base where the start line begins in `bytes`
   * @param stop where the readable bytes end
   * @param full whether the head may not go on beyond `stop`
   */
  protected takeFields(bytes: Buffer, base: number, stop: number, full: boolean): number {
    if (this.searched > this.taken && !this.lineEnds(bytes, base, stop)) {
      return this.unfinished(base, stop, full)
    }
    let position = base + this.taken
    while (position < stop) {
      const line = position
      let i = line
      while (i < stop && (KIND[bytes[i]!]! & TOKEN) !== 0) i++
      if (i === stop) break
      if (bytes[i] !== COLON || i === line) {
        if (bytes[i] === CR && i === line) {
          if (i + 1 === stop) break
          if (bytes[i + 1] !== LF) return this.refuse(REFUSE.bareCr)
          this.taken = i + 2 - base
          return PARSE.done
        }
        return this.refuse(nameRefusal(bytes[i]!, i === line))
      }
      const nameEnd = i
      i++
      while (i < stop && (bytes[i] === SPACE || bytes[i] === TAB)) i++
      const valueStart = i
      i = contentEnd(bytes, i, stop)
      if (i === stop || (bytes[i] === CR && i + 1 === stop)) break
      if (bytes[i] !== CR || bytes[i + 1] !== LF) {
        return this.refuse(lineRefusal(bytes[i]!, REFUSE.valueByte))
      }
      position = i + 2
      while (i > valueStart && (bytes[i - 1] === SPACE || bytes[i - 1] === TAB)) i--
      const cell = this.#add(classify(bytes, line, nameEnd))
      if (cell < 0) return this.refuse(REFUSE.fieldsMany)
      const fields = this.fields
      fields[cell + 1] = line - base
      fields[cell + 2] = nameEnd - base
      fields[cell + 3] = valueStart - base
      fields[cell + 4] = i - base
      fields[cell + 5] = line - base
      fields[cell + 6] = this.taken = position - base
    }
    return this.unfinished(base, stop, full)
  }

  /** Makes room for one more field; returns its first cell, −1 if there are too many. */
  #add(id: number): number {
    const index = this.fieldCount
    const cell = index * FIELD_STRIDE
    if (cell === this.fields.length) {
      if (index >= this.limits.fieldsMax) return -1
      this.#grow()
    }
    this.fieldCount = index + 1
    this.fields[cell] = id
    if (id !== FIELD.other) {
      const bit = 1 << id
      if ((this.present & bit) === 0) this.#first[id] = index
      else this.repeated |= bit
      this.present |= bit
    }
    return cell
  }

  /** Reads what says how the body is framed and whether the connection goes on. */
  protected concludeFraming(): Refusal | null {
    const present = this.present
    if ((present & FRAMING_BITS) !== 0) {
      const refusal = this.#judgeFraming()
      if (refusal !== null) return refusal
    }
    if ((present & CONNECTION_BIT) !== 0) {
      const cell = this.#first[FIELD.connection]! * FIELD_STRIDE
      const connection =
        (this.repeated & CONNECTION_BIT) === 0
          ? (plainConnection(this.text, this.fields[cell + 3]!, this.fields[cell + 4]!) ??
            parseConnection(this.joined(FIELD.connection)))
          : parseConnection(this.joined(FIELD.connection))
      if (connection === null) return REFUSE.connection
      this.options = connection.flags
      this.listed = connection.names
    }
    // RFC 9112 §9.3: `close` beats everything; 1.0 goes on only if it says so.
    this.keepAlive =
      (this.options & OPTION.close) === 0 &&
      (this.minor === 1 || (this.options & OPTION.keepAlive) !== 0)
    return null
  }

  #judgeFraming(): Refusal | null {
    if (this.has(FIELD.transferEncoding)) {
      if (this.has(FIELD.contentLength)) return REFUSE.lengthAndCoding
      if (this.minor === 0) return REFUSE.codingOld
      this.chunked = true
      return codingRefusal(this.joined(FIELD.transferEncoding))
    }
    if ((this.repeated >>> FIELD.contentLength) & 1) return REFUSE.lengthRepeated
    const cell = this.#first[FIELD.contentLength]! * FIELD_STRIDE
    const length = parseLength(this.text, this.fields[cell + 3]!, this.fields[cell + 4]!)
    if (length === -2) return REFUSE.lengthLarge
    if (length < 0) return REFUSE.length
    this.contentLength = length
    return null
  }

  #grow(): void {
    const count = Math.min(Math.max(FIELDS_AT_FIRST, this.fieldCount * 2), this.limits.fieldsMax)
    const larger = new Int32Array(count * FIELD_STRIDE)
    larger.set(this.fields)
    this.fields = larger
  }
}

/** Why a line cannot be a field line, from the first byte that is not of its name. */
function nameRefusal(byte: number, atStart: boolean): Refusal {
  if (byte === LF) return REFUSE.bareLf
  if (byte === CR) return REFUSE.noColon
  if (byte === COLON) return REFUSE.nameEmpty
  if (byte === SPACE || byte === TAB) return atStart ? REFUSE.folded : REFUSE.nameSpace
  return REFUSE.nameByte
}
