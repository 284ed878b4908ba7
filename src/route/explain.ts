// Why a request takes the route it takes, for people: the same matcher decides, and each route's own
// conditions are then looked at one by one. Slow and allocating: never on the way of traffic.

import type { RouteMatch, RoutePlan } from '../core/route-plan.ts'
import type { RouteTable } from './compile.ts'
import type { RouteRequest } from './match.ts'
import { hasPrefix, match, normalizeHost } from './match.ts'
import { AMBIGUOUS, normalizePath } from './path.ts'

/** What one route makes of a request. */
export interface RouteVerdict {
  readonly route: string
  /** `passed`: an earlier route took the request before this one was asked. */
  readonly verdict: 'matches' | 'differs' | 'passed'
  /** What it asks for, and where the request differs; for people. */
  readonly reason: string
}

export interface RouteExplanation {
  /** Index of the route that takes it; −1 for none. */
  readonly index: number
  /** In the order they are written. */
  readonly routes: readonly RouteVerdict[]
  /** The path and host as routing sees them. */
  readonly path: string
  readonly host: string
  /** The path means different things to different servers, so no route that looks at it may match. */
  readonly isAmbiguous: boolean
}

/** Runs the matcher and says why each route does or does not match. */
export function explainRoutes(table: RouteTable, request: RouteRequest): RouteExplanation {
  const index = match(table, request)
  const path = normalizePath(request.path)
  const host = normalizeHost(request.host)
  const isAmbiguous = path === AMBIGUOUS
  const routes = table.routes.map((route, at) => {
    if (index >= 0 && at > index) {
      return verdict(route, 'passed', `not asked: ${table.routes[index]!.name} comes before it`)
    }
    if (at === index) return verdict(route, 'matches', wishes(route.match))
    const differences = [
      ...hostDifference(route.match, host),
      ...pathDifference(route.match, path),
      ...requestDifferences(route.match, request),
    ]
    if (isAmbiguous && table.usesPath) {
      differences.push('servers disagree on what the path means, so none of these routes may match')
    }
    return verdict(route, 'differs', differences.join('; '))
  })
  return { index, routes, path, host, isAmbiguous }
}

function verdict(
  { name }: RoutePlan,
  outcome: RouteVerdict['verdict'],
  reason: string,
): RouteVerdict {
  return { route: name, verdict: outcome, reason }
}

/** What a route asks for: `host api.example.com, path /v1/`. */
function wishes({ hosts, pathPrefix, pathExact, methods, headers }: RouteMatch): string {
  const all = [
    ...(hosts === null ? [] : [`host ${hosts.join(' or ')}`]),
    ...(pathExact === null ? [] : [`path exactly ${pathExact}`]),
    ...(pathPrefix === null ? [] : [`path ${pathPrefix}`]),
    ...(methods === null ? [] : [`method ${methods.join(' or ')}`]),
    ...headers.map(({ name, value }) => (value === null ? `header ${name}` : `${name}: ${value}`)),
  ]
  return all.length === 0 ? 'takes everything' : `it asks for ${all.join(', ')}`
}

function hostDifference({ hosts }: RouteMatch, host: string): string[] {
  if (hosts === null || hosts.some((wanted) => isHost(wanted, host))) return []
  return [`host is ${quoted(host)}, not ${hosts.join(' or ')}`]
}

function isHost(wanted: string, host: string): boolean {
  if (!wanted.startsWith('*.')) return wanted === host
  return host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1
}

function pathDifference({ pathExact, pathPrefix }: RouteMatch, path: string): string[] {
  if (pathExact !== null && normalizePath(pathExact) !== path) {
    return [`path is ${quoted(path)}, not exactly ${pathExact}`]
  }
  if (pathPrefix !== null && !hasPrefix(path, normalizePath(pathPrefix))) {
    return [`path ${quoted(path)} does not begin with ${pathPrefix}`]
  }
  return []
}

function requestDifferences({ methods, headers }: RouteMatch, request: RouteRequest): string[] {
  const differences: string[] = []
  if (methods !== null && !methods.includes(request.method)) {
    differences.push(`method is ${request.method}, not ${methods.join(' or ')}`)
  }
  for (const { name, value } of headers) {
    const sent = request.header(name)
    if (sent === null) differences.push(`there is no header ${name}`)
    else if (value !== null && sent !== value) {
      differences.push(`header ${name} is ${quoted(sent)}, not ${value}`)
    }
  }
  return differences
}

/** What a client sent, fit for a terminal. */
function quoted(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}…` : text
  return JSON.stringify(short)
}
