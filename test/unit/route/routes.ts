// Short ways to write routes and requests.

import type { RouteMatch, RoutePlan } from '../../../src/core/route-plan.ts'
import { compileRoutes } from '../../../src/route/compile.ts'
import { match, type RouteRequest } from '../../../src/route/match.ts'

/** A route to a pool that matches on the given parts. */
export function route(parts: Partial<RouteMatch> = {}): RoutePlan {
  return {
    name: 'route',
    match: { hosts: null, pathPrefix: null, pathExact: null, methods: null, headers: [], ...parts },
    action: { kind: 'pool', pool: 0 },
    rewrite: null,
    requestHeaders: { set: [], remove: [] },
    responseHeaders: { set: [], remove: [] },
  }
}

export function request(
  path: string,
  host = 'a.example',
  method = 'GET',
  headers: Readonly<Record<string, string>> = {},
): RouteRequest {
  return { method, host, path, header: (name) => headers[name] ?? null }
}

/** Index of the route that the request takes. */
export function matched(routes: readonly Partial<RouteMatch>[], sent: RouteRequest): number {
  return match(compileRoutes(routes.map(route)), sent)
}
