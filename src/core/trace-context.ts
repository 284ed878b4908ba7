// W3C Trace Context (https://www.w3.org/TR/trace-context/): `traceparent` is read strictly, for what
// is let in here goes into other people's systems.

/** What a `traceparent` says. */
export interface TraceParent {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string
  /** 16 lower-case hex digits, not all zero. */
  readonly spanId: string
  readonly sampled: boolean
}

const FORM = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const LENGTH_MAX = 256

/** Reads a `traceparent`; `null` if it is none (§3.2.2), or there is none. */
export function readTraceParent(text: string | null): TraceParent | null {
  if (text === null || text.length > LENGTH_MAX) return null
  const found = FORM.exec(text)
  if (found === null) return null
  const [, version, traceId = '', spanId = '', flags = '', more] = found
  // §3.2.4: a later version may have more behind the flags, this one has not, and ff is none.
  if (version === 'ff' || (version === '00' && more !== undefined)) return null
  if (isZero(traceId) || isZero(spanId)) return null
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

function isZero(id: string): boolean {
  return /^0+$/.test(id)
}

/** Longest `tracestate` that is passed on (W3C Trace Context §3.3.1.5 asks for at least this). */
const STATE_MAX = 512

/** A `tracestate` of at most 512 characters: what does not fit goes as whole members, the last first. */
export function readTraceState(text: string | null): string | null {
  if (text === null || text.length <= STATE_MAX) return text
  const end = text.lastIndexOf(',', STATE_MAX)
  return end > 0 ? text.slice(0, end) : null
}
