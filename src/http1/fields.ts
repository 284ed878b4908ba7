// The field names that a balancer itself acts on, and a classifier that costs next to nothing for
// all the others. Adding a name here does not yet drop or read it: see `forward.ts`, `head.ts`.

/** Ids of field names. At most 31, because sets of them are kept as bits of one integer. */
export const FIELD = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  te: 5,
  trailer: 6,
  upgrade: 7,
  keepAlive: 8,
  proxyConnection: 9,
  http2Settings: 10,
  expect: 11,
  xForwardedFor: 12,
  xForwardedProto: 13,
  xForwardedHost: 14,
  forwarded: 15,
  via: 16,
  maxForwards: 17,
  date: 18,
  idempotencyKey: 19,
  evenkeelFault: 20,
  evenkeelEpoch: 21,
  retryAfter: 22,
  /**
   * One of the names in `DISGUISABLE` with `_` in place of `-`. Servers that turn names into
   * variables (CGI, WSGI, PHP) take it for the real one.
   */
  disguised: 23,
} as const

/** Lower-case names by id; `''` for `other` and `disguised`. */
export const FIELD_NAMES: readonly string[] = [
  '',
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'te',
  'trailer',
  'upgrade',
  'keep-alive',
  'proxy-connection',
  'http2-settings',
  'expect',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
  'via',
  'max-forwards',
  'date',
  'idempotency-key',
  'evenkeel-fault',
  'evenkeel-epoch',
  'retry-after',
  '',
]

/** Names that say who the client is or who may write: nobody else's word must pass for them. */
const DISGUISABLE = [
  FIELD.xForwardedFor,
  FIELD.xForwardedProto,
  FIELD.xForwardedHost,
  FIELD.evenkeelEpoch,
].reduce((set, id) => set | (1 << id), 0)

const BUCKETS = 1024
const HYPHEN = 0x2d
const UNDERSCORE = 0x5f
const nameBytes = new Uint8Array(FIELD_NAMES.reduce((sum, name) => sum + name.length, 0))
const nameOffset = new Uint16Array(FIELD_NAMES.length)
const nameLength = new Uint8Array(FIELD_NAMES.length)
const firstOf = new Uint8Array(BUCKETS)
const nextOf = new Uint8Array(FIELD_NAMES.length)

// Bit 5 is what tells upper from lower case, so `& 31` of first and last byte ignores case.
function bucketOf(length: number, first: number, last: number): number {
  return ((length << 5) + (first & 31) + (last & 31) * 7) & (BUCKETS - 1)
}

function register(): void {
  let offset = 0
  for (const [id, name] of FIELD_NAMES.entries()) {
    if (name === '') continue
    nameOffset[id] = offset
    nameLength[id] = name.length
    for (let i = 0; i < name.length; i++) nameBytes[offset++] = name.charCodeAt(i)
    const bucket = bucketOf(name.length, name.charCodeAt(0), name.charCodeAt(name.length - 1))
    nextOf[id] = firstOf[bucket]!
    firstOf[bucket] = id
  }
}
register()

/**
 * The id of the field name in `bytes[start..end)`, `FIELD.other` if it is none of ours.
 * The bytes must be token bytes: among those, `| 0x20` merges nothing but the two cases of a letter
 * with each other (and `^` with `~`, which are in no name here).
 */
export function classify(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start
  let id = firstOf[bucketOf(length, bytes[start]!, bytes[end - 1]!)]!
  while (id !== FIELD.other) {
    if (nameLength[id] === length) {
      const underscores = unlike(bytes, start, id)
      if (underscores === 0) return id
      if (underscores > 0 && ((DISGUISABLE >>> id) & 1) === 1) return FIELD.disguised
    }
    id = nextOf[id]!
  }
  return FIELD.other
}

/** How many hyphens of a name are underscores in the bytes; −1 if they differ in anything else. */
function unlike(bytes: Uint8Array, start: number, id: number): number {
  const offset = nameOffset[id]!
  const length = nameLength[id]!
  let underscores = 0
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i]!
    const wanted = nameBytes[offset + i]!
    if ((byte | 0x20) === wanted) continue
    if (byte !== UNDERSCORE || wanted !== HYPHEN) return -1
    underscores++
  }
  return underscores
}
