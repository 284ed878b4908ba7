// The words of etcd's JSON gateway: keys and values as base64, 64-bit numbers as strings, fields
// left out where they are zero. Everything that came over the wire is checked here, before anybody
// relies on it. Must never do I/O.

/** A key as etcd has it. Revisions are whole numbers far below 2^53. */
export interface Entry {
  readonly key: string
  readonly value: string
  readonly createRevision: number
  readonly modRevision: number
  /** Lease the key goes with; `null` for none. A 64-bit number, so a text. */
  readonly lease: string | null
}

/** The keys asked for as they were at one revision of the store. */
export interface Range {
  readonly cluster: string
  readonly revision: number
  readonly entries: readonly Entry[]
}

/** A put or the deletion (`entry: null`) of a key. */
export interface Change {
  readonly key: string
  readonly entry: Entry | null
  readonly modRevision: number
}

/** What must hold for a transaction to happen. A revision of 0 means that there is no such key. */
export interface Compare {
  readonly key: string
  readonly target: 'create' | 'mod' | 'value'
  readonly equals: number | string
}

export type Operation =
  | {
      readonly kind: 'put'
      readonly key: string
      readonly value: string
      readonly lease: string | null
    }
  | { readonly kind: 'delete'; readonly key: string }

/** One line of a watch. */
export type WatchLine =
  | { readonly kind: 'created' }
  | { readonly kind: 'changes'; readonly changes: readonly Change[] }
  /** Nothing up to this revision is missing. */
  | { readonly kind: 'progress'; readonly revision: number }
  /** `compacted`: what was asked for from is no longer kept. */
  | { readonly kind: 'ended'; readonly compacted: boolean; readonly reason: string }

/** How etcd itself said no: gRPC's code with its sentence. */
export interface Refusal {
  readonly code: number
  readonly message: string
}

type Fields = Readonly<Record<string, unknown>>

/** What came is not what etcd's gateway sends. */
export class WireError extends Error {}

/** The first key after all that begin with `prefix`. */
export function rangeEnd(prefix: string): string {
  const bytes = Buffer.from(prefix, 'utf8')
  // UTF-8 has no byte 0xff, so the last one can always grow.
  bytes[bytes.length - 1]!++
  return bytes.toString('base64')
}

export function encode(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

export function encodeCompare({ key, target, equals }: Compare): object {
  const base = { result: 'EQUAL', key: encode(key) }
  if (target === 'value') return { ...base, target: 'VALUE', value: encode(String(equals)) }
  return target === 'mod'
    ? { ...base, target: 'MOD', mod_revision: String(equals) }
    : { ...base, target: 'CREATE', create_revision: String(equals) }
}

export function encodeOperation(operation: Operation): object {
  const key = encode(operation.key)
  if (operation.kind === 'delete') return { request_delete_range: { key } }
  const { value, lease } = operation
  return { request_put: { key, value: encode(value), ...(lease === null ? {} : { lease }) } }
}

/** The fields of an answer. */
export function parseObject(text: string): Fields {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new WireError(`not JSON: ${JSON.stringify(text.slice(0, 60))}`)
  }
  return fields(value)
}

/** Why etcd refused, if it did. Streams wrap the refusal once more, and may say 200 before. */
export function refusalOf(answer: Fields): Refusal | null {
  const error = answer['error']
  if (error === undefined) return null
  const inner = typeof error === 'object' && error !== null ? (error as Fields) : answer
  const code = inner['code'] ?? inner['grpc_code']
  const message = inner['message'] ?? inner['error']
  return {
    code: typeof code === 'number' ? code : 2,
    message: typeof message === 'string' ? message : 'no reason given',
  }
}

export function parseRange(answer: Fields): Range {
  const header = fields(answer['header'])
  const cluster = header['cluster_id']
  if (typeof cluster !== 'string') throw new WireError('an answer without a cluster id')
  const entries = list(answer['kvs']).map(parseEntry)
  return { cluster, revision: whole(header['revision']), entries }
}

/** Seconds that are left of a lease; 0 when there is no such lease. */
export function parseKeepAlive(answer: Fields): number {
  return whole(fields(answer['result'])['TTL'])
}

export function parseGrant(answer: Fields): {
  readonly lease: string
  readonly ttlSeconds: number
} {
  const lease = answer['ID']
  if (typeof lease !== 'string') throw new WireError('a grant without a lease')
  return { lease, ttlSeconds: whole(answer['TTL']) }
}

export function parseTxn(answer: Fields): {
  readonly succeeded: boolean
  readonly revision: number
} {
  const revision = whole(fields(answer['header'])['revision'])
  return { succeeded: answer['succeeded'] === true, revision }
}

export function parseWatchLine(text: string): WatchLine {
  const line = parseObject(text)
  const refusal = refusalOf(line)
  if (refusal !== null) return { kind: 'ended', compacted: false, reason: refusal.message }
  const result = fields(line['result'])
  if (result['canceled'] === true) {
    const compacted = result['compact_revision'] !== undefined
    const reason = result['cancel_reason']
    const why = compacted ? 'the changes asked for are compacted' : 'it gave no reason'
    return { kind: 'ended', compacted, reason: typeof reason === 'string' ? reason : why }
  }
  if (result['created'] === true) return { kind: 'created' }
  const changes = list(result['events']).map(parseChange)
  if (changes.length > 0) return { kind: 'changes', changes }
  return { kind: 'progress', revision: whole(fields(result['header'])['revision']) }
}

function parseChange(event: unknown): Change {
  const entry = parseEntry(fields(event)['kv'])
  const deleted = fields(event)['type'] === 'DELETE'
  return { key: entry.key, entry: deleted ? null : entry, modRevision: entry.modRevision }
}

function parseEntry(value: unknown): Entry {
  const entry = fields(value)
  const { lease } = entry as { lease?: unknown }
  return {
    key: decode(entry['key']),
    value: decode(entry['value']),
    createRevision: whole(entry['create_revision']),
    modRevision: whole(entry['mod_revision']),
    lease: typeof lease === 'string' && lease !== '0' ? lease : null,
  }
}

function decode(value: unknown): string {
  if (value === undefined) return ''
  if (typeof value !== 'string') throw new WireError('a key or value that is no text')
  return Buffer.from(value, 'base64').toString('utf8')
}

function fields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new WireError('an object is missing')
}

function list(value: unknown): readonly unknown[] {
  if (value === undefined) return []
  if (Array.isArray(value)) return value
  throw new WireError('a list is missing')
}

function whole(value: unknown): number {
  const number = value === undefined ? 0 : Number(value)
  if (Number.isSafeInteger(number) && number >= 0) return number
  throw new WireError(`not a whole number: ${JSON.stringify(value)?.slice(0, 40)}`)
}
