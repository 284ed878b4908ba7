// Which route a request takes. First match in order wins; the tables of compile.ts make the cost
// depend on the depth of host and path, not on the number of routes. Allocates only where a host or
// path is not in normal form, or to cut keys for lookups among many prefixes.

import type { RoutePlan } from '../core/route-plan.ts'
import type { RouteGroup, RouteTable } from './compile.ts'
import { AMBIGUOUS, normalizePath } from './path.ts'

/** What routing may look at. */
export interface RouteRequest {
  readonly method: string
  /** As sent: any case, maybe with a port; empty if the request had none. */
  readonly host: string
  /** Origin form with query, or `*`. */
  readonly path: string
  /** Value of a field by lower-case name; null if absent. */
  header(name: string): string | null
}

/** No route matches. */
export const NO_ROUTE = -1

/** DNS names end at 253 characters; what is longer is no name a wildcard could mean. */
const HOST_LENGTH_MAX = 255

/** The index of the first route that matches, NO_ROUTE if none does. */
export function match(table: RouteTable, request: RouteRequest): number {
  if (table.catchAll) return 0
  const path = table.usesPath ? normalizePath(request.path) : request.path
  if (table.usesPath && path === AMBIGUOUS) return NO_ROUTE
  let best = Infinity
  if (table.anyHost !== null) best = matchGroup(table, table.anyHost, request, path, best)
  if (table.usesHost) {
    const host = normalizeHost(request.host)
    const exact = table.byHost.get(host)
    if (exact !== undefined) best = matchGroup(table, exact, request, path, best)
    if (table.bySuffix !== null && host.length <= HOST_LENGTH_MAX) {
      for (let dot = host.indexOf('.'); dot >= 0; dot = host.indexOf('.', dot + 1)) {
        // `*` stands for at least one character, so a leading dot is no subdomain.
        const wild = dot > 0 ? table.bySuffix.get(host.slice(dot + 1)) : undefined
        if (wild !== undefined) best = matchGroup(table, wild, request, path, best)
      }
    }
  }
  return best === Infinity ? NO_ROUTE : best
}

/** A Host value as names are compared: lower case, without port and trailing dot. */
export function normalizeHost(host: string): string {
  let end = host.length
  let clean = true
  for (let i = 0; i < end; i++) {
    const code = host.charCodeAt(i)
    if (code >= 65 && code <= 90) clean = false
    else if (code === 58 && host.charCodeAt(0) !== 91) end = i
    else if (code === 93) end = i + 1
  }
  if (end > 1 && host.charCodeAt(end - 1) === 46) end--
  if (clean) return end === host.length ? host : host.slice(0, end)
  return host.slice(0, end).toLowerCase()
}

/** The lowest index below `best` in the group that matches, else `best`. */
function matchGroup(
  table: RouteTable,
  group: RouteGroup,
  request: RouteRequest,
  path: string,
  best: number,
): number {
  if (group.first >= best) return best
  let found = firstOf(table.routes, group.anyPath, request, best)
  if (group.byExactPath !== null) {
    const list = group.byExactPath.get(path)
    if (list !== undefined) found = firstOf(table.routes, list, request, found)
  }
  for (const { prefix, index } of group.prefixes) {
    if (index >= found) break
    if (hasPrefix(path, prefix) && fits(table.routes[index]!, request)) {
      found = index
      break
    }
  }
  if (group.byPrefix === null) return found
  // Borders: before each slash, after each slash, and the end.
  for (let at = 0; ;) {
    const slash = path.indexOf('/', at)
    const end = slash < 0 ? path.length : slash
    if (end > group.prefixLengthMax) break
    const bare = group.byPrefix.get(path.slice(0, end))
    if (bare !== undefined) found = firstOf(table.routes, bare, request, found)
    if (slash < 0) break
    at = slash + 1
    const slashed = group.byPrefix.get(path.slice(0, at))
    if (slashed !== undefined) found = firstOf(table.routes, slashed, request, found)
  }
  return found
}

/**
 * Does `path` begin with `prefix` at a segment border, or literally if `prefix` ends in a slash?
 */
export function hasPrefix(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return (
    path.length === prefix.length ||
    prefix.charCodeAt(prefix.length - 1) === 47 ||
    path.charCodeAt(prefix.length) === 47
  )
}

function firstOf(
  routes: readonly RoutePlan[],
  list: readonly number[],
  request: RouteRequest,
  best: number,
): number {
  for (let i = 0; i < list.length; i++) {
    const index = list[i]!
    if (index >= best) return best
    if (fits(routes[index]!, request)) return index
  }
  return best
}

/** Method and headers; host and path have been matched by the tables. */
function fits({ match }: RoutePlan, request: RouteRequest): boolean {
  if (match.methods !== null && !match.methods.includes(request.method)) return false
  for (let i = 0; i < match.headers.length; i++) {
    const { name, value } = match.headers[i]!
    const sent = request.header(name)
    if (sent === null || (value !== null && sent !== value)) return false
  }
  return true
}
