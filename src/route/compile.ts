// Builds the lookup tables that `match` uses, once per listener and plan.
// Routes are indexed by host (exact, or suffix of `*.suffix`), then by path (exact, prefix, any). The
// order among routes is never encoded in the tables: `match` takes the lowest index that fits.

import type { RoutePlan } from '../core/route-plan.ts'
import { normalizePath } from './path.ts'

/** Below so many routes with a prefix, comparing is cheaper than cutting keys out of the path. */
const PREFIX_SCAN_MAX = 16

/** The routes for one host, wildcard or "any host". All lists ascend. */
export interface RouteGroup {
  /** Lowest index in the group. */
  readonly first: number
  /** Without a condition on the path. */
  readonly anyPath: readonly number[]
  readonly byExactPath: ReadonlyMap<string, readonly number[]> | null
  /** Few prefixes: compared one by one. */
  readonly prefixes: readonly { readonly prefix: string; readonly index: number }[]
  /** Many prefixes: looked up at each segment border. */
  readonly byPrefix: ReadonlyMap<string, readonly number[]> | null
  readonly prefixLengthMax: number
}

export interface RouteTable {
  readonly routes: readonly RoutePlan[]
  /** The first route has no condition, so nothing has to be looked at. */
  readonly catchAll: boolean
  readonly usesHost: boolean
  readonly usesPath: boolean
  readonly byHost: ReadonlyMap<string, RouteGroup>
  /** By what follows `*.`; null if no route has a wildcard. */
  readonly bySuffix: ReadonlyMap<string, RouteGroup> | null
  readonly anyHost: RouteGroup | null
}

/** Compiles the routes of one listener; earlier ones win. */
export function compileRoutes(routes: readonly RoutePlan[]): RouteTable {
  const hosts = new Map<string, number[]>()
  const suffixes = new Map<string, number[]>()
  const anyHost: number[] = []
  for (const [index, { match }] of routes.entries()) {
    if (match.hosts === null) anyHost.push(index)
    for (const host of new Set(match.hosts ?? [])) {
      if (host.startsWith('*.')) append(suffixes, host.slice(2), index)
      else append(hosts, host, index)
    }
  }
  return {
    routes,
    catchAll: routes.length > 0 && isCatchAll(routes[0]!),
    usesHost: hosts.size + suffixes.size > 0,
    usesPath: routes.some(({ match }) => match.pathExact !== null || match.pathPrefix !== null),
    byHost: groups(hosts, routes),
    bySuffix: suffixes.size > 0 ? groups(suffixes, routes) : null,
    anyHost: anyHost.length > 0 ? group(anyHost, routes) : null,
  }
}

function isCatchAll({ match }: RoutePlan): boolean {
  return (
    match.hosts === null &&
    match.pathExact === null &&
    match.pathPrefix === null &&
    match.methods === null &&
    match.headers.length === 0
  )
}

function groups(
  indexes: ReadonlyMap<string, readonly number[]>,
  routes: readonly RoutePlan[],
): ReadonlyMap<string, RouteGroup> {
  return new Map([...indexes].map(([key, list]) => [key, group(list, routes)]))
}

function group(indexes: readonly number[], routes: readonly RoutePlan[]): RouteGroup {
  const anyPath: number[] = []
  const exact = new Map<string, number[]>()
  const prefixes: { prefix: string; index: number }[] = []
  for (const index of indexes) {
    const { pathExact, pathPrefix } = routes[index]!.match
    if (pathExact !== null) append(exact, normalizePath(pathExact), index)
    else if (pathPrefix !== null) prefixes.push({ prefix: normalizePath(pathPrefix), index })
    else anyPath.push(index)
  }
  const byPrefix = new Map<string, number[]>()
  if (prefixes.length > PREFIX_SCAN_MAX) {
    for (const { prefix, index } of prefixes) append(byPrefix, prefix, index)
  }
  return {
    first: indexes[0]!,
    anyPath,
    byExactPath: exact.size > 0 ? exact : null,
    prefixes: byPrefix.size > 0 ? [] : prefixes,
    byPrefix: byPrefix.size > 0 ? byPrefix : null,
    prefixLengthMax: Math.max(0, ...prefixes.map(({ prefix }) => prefix.length)),
  }
}

function append(lists: Map<string, number[]>, key: string, index: number): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [index])
  else list.push(index)
}
