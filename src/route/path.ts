// The path a request is routed by. We forward the path byte for byte, so routing must look at what
// the backend will make of it, or a prefix could be escaped: `/public/../admin`, `/public/%2e%2e/admin`
// and `//admin` all end at `/admin` in most servers. So for matching only (never for forwarding):
//   - percent-encoded unreserved characters are decoded (RFC 3986 §6.2.2.2), other triplets stay,
//     with upper-case digits (§6.2.2.1);
//   - adjacent slashes count as one, as nginx and Caddy have it;
//   - dot segments are removed (RFC 3986 §5.2.4).
// Where servers disagree there is no right answer: a segment that climbs only for those who take
// `%2F`, `\` or `%5C` for a slash, or cut `;…` off first (`..%2fadmin`, `..\admin`, `..;/admin`).
// Such a path is ambiguous and matches nothing. A harmless `%2F` (`/projects/group%2Fname`) is fine.

/** What `normalizePath` returns for a path on whose meaning servers disagree. */
export const AMBIGUOUS = ''

const HASH = 0x23
const PERCENT = 0x25
const DOT = 0x2e
const SLASH = 0x2f
const SEMICOLON = 0x3b
const QUESTION_MARK = 0x3f
const BACKSLASH = 0x5c

/**
 * The path of an origin-form target as routing sees it: without the query, normalised as above;
 * AMBIGUOUS if there is no agreed meaning. Returns a path that is normal already as it is.
 */
export function normalizePath(target: string): string {
  let end = 0
  let isNormal = true
  for (let before = 0; end < target.length; end++) {
    const code = target.charCodeAt(end)
    if (code === QUESTION_MARK || code === HASH) break
    if (code === SLASH || code === DOT) isNormal &&= before !== SLASH
    else if (code === PERCENT || code === SEMICOLON || code === BACKSLASH) isNormal = false
    before = code
  }
  const path = end === target.length ? target : target.slice(0, end)
  if (isNormal) return path
  const decoded = path.includes('%') ? path.replace(/%[0-9A-Fa-f]{2}/g, decodeUnreserved) : path
  if (isAmbiguous(decoded)) return AMBIGUOUS
  return removeDotSegments(decoded.replace(/\/{2,}/g, '/'))
}

/** The part of a target before its query (or a fragment, which no client should send). */
export function withoutQuery(target: string): string {
  const query = target.indexOf('?')
  const path = query < 0 ? target : target.slice(0, query)
  const fragment = path.indexOf('#')
  return fragment < 0 ? path : path.slice(0, fragment)
}

/** Does the path, query excluded, hold a dot segment, be it percent-encoded? */
export function hasDotSegment(path: string): boolean {
  return /(?:^|\/)(?:\.|%2[eE]){1,2}(?:\/|$)/.test(path)
}

function decodeUnreserved(triplet: string): string {
  const character = String.fromCharCode(Number.parseInt(triplet.slice(1), 16))
  return /[A-Za-z0-9._~-]/.test(character) ? character : triplet.toUpperCase()
}

function isAmbiguous(decoded: string): boolean {
  if (!/[\\;]|%2F|%5C|%3B/.test(decoded)) return false
  for (const segment of decoded.split('/')) {
    if (segment === '.' || segment === '..') continue
    for (const part of segment.split(/\\|%2F|%5C/)) {
      const name = part.replace(/(?:;|%3B).*$/, '')
      if (name === '.' || name === '..') return true
    }
  }
  return false
}

function removeDotSegments(path: string): string {
  if (!path.includes('/.')) return path
  const kept: string[] = []
  const segments = path.split('/')
  for (const segment of segments) {
    if (segment === '..') {
      if (kept.length > 1) kept.pop()
    } else if (segment !== '.') kept.push(segment)
  }
  const last = segments.at(-1)
  if (last === '.' || last === '..') kept.push('')
  return kept.length > 1 ? kept.join('/') : '/'
}
