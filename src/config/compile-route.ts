// One route of the tree to its plan, and routes that an earlier one leaves nothing for.

import type { PathRewrite, RouteAction, RouteMatch, RoutePlan } from '../core/route-plan.ts'
import { hasPrefix } from '../route/match.ts'
import { compileChanges, compileHeaders } from './headers.ts'
import { namePattern } from './leaf.ts'
import type { RouteTree } from './schema-route.ts'
import { findPool, type PoolScope } from './scope.ts'
import { quote } from './units.ts'

/** Compiles one route; `scope.path` is the route's. */
export function compileRoute(tree: RouteTree, index: number, scope: PoolScope): RoutePlan {
  const { path, findings } = scope
  const match = compileMatch(tree, scope)
  const action = compileAction(tree, scope)
  if (tree.name !== undefined && !namePattern.test(tree.name)) {
    findings.error(
      [...path, 'name'],
      `${quote(tree.name)} cannot be a name`,
      'use letters, digits, dots, - and _; begin with a letter or digit; at most 64',
    )
  }
  if (action.kind !== 'pool') checkReply(action, match, scope)
  return {
    name: tree.name ?? `#${index + 1}`,
    match,
    action,
    rewrite: compileRewrite(tree, match, scope),
    requestHeaders: compileChanges(
      [...path, 'requestHeaders'],
      tree.requestHeaders,
      'request',
      scope,
    ),
    responseHeaders: compileChanges(
      [...path, 'responseHeaders'],
      tree.responseHeaders,
      'response',
      scope,
    ),
  }
}

function compileMatch(tree: RouteTree, scope: PoolScope): RouteMatch {
  const { host, path, pathExact, method, header } = tree.match
  const at = [...scope.path, 'match']
  if (path !== undefined && pathExact !== undefined) {
    scope.findings.error(
      [...at, 'pathExact'],
      'path and pathExact are both given',
      'keep one of the two',
      { on: 'key' },
    )
  }
  return {
    hosts: host === undefined ? null : [...new Set(host)],
    pathPrefix: path ?? null,
    pathExact: pathExact ?? null,
    methods: method === undefined ? null : [...new Set(method)],
    headers: compileHeaders([...at, 'header'], header ?? {}, scope),
  }
}

function compileAction(tree: RouteTree, scope: PoolScope): RouteAction {
  const { path, findings } = scope
  const given = (['pool', 'redirect', 'respond'] as const).filter((key) => tree[key] !== undefined)
  if (given.length === 0) {
    findings.error(path, 'says nothing to do', 'add one of pool, redirect or respond')
  }
  if (given.length > 1) {
    findings.error(
      [...path, given[1]!],
      `${given.join(' and ')} are given together`,
      'a route does one thing: keep one of them',
      { on: 'key' },
    )
  }
  if (tree.pool === undefined && scope.source.has([...path, 'role'])) {
    findings.error([...path, 'role'], 'has no effect without pool', 'remove it', { on: 'key' })
  }
  if (tree.redirect !== undefined) return { kind: 'redirect', ...tree.redirect }
  if (tree.respond !== undefined) return { kind: 'respond', ...tree.respond }
  if (tree.pool === undefined) return { kind: 'pool', pool: -1 }
  return { kind: 'pool', pool: findPool({ pool: tree.pool, role: tree.role }, scope) }
}

// Replies of our own have no backend, so nothing that changes what goes there has a meaning.
function checkReply(
  action: Exclude<RouteAction, { kind: 'pool' }>,
  match: RouteMatch,
  { path, source, findings }: PoolScope,
): void {
  for (const key of ['stripPrefix', 'replacePrefix', 'requestHeaders']) {
    if (!source.has([...path, key])) continue
    findings.error(
      [...path, key],
      `has no effect with ${action.kind}, because nothing goes to a backend`,
      'remove it',
      { on: 'key' },
    )
  }
  if (action.kind === 'respond') {
    if ((action.status === 204 || action.status === 304) && action.body !== '') {
      findings.error(
        [...path, 'respond', 'body'],
        `a ${action.status} has no body`,
        'remove body, or use another status',
      )
    }
    return
  }
  const target = action.location.replace(/\*$/, '')
  if (target.startsWith('/') && !target.startsWith('//') && matchesPath(match, target)) {
    findings.warning(
      source.has([...path, 'redirect', 'location'])
        ? [...path, 'redirect', 'location']
        : [...path, 'redirect'],
      'leads back to this same route, so clients would go in a circle',
      'redirect to a path that the route does not match',
    )
  }
}

function matchesPath(match: RouteMatch, path: string): boolean {
  const bare = path.replace(/[?#].*$/, '')
  if (match.pathExact !== null) return bare === match.pathExact
  return match.pathPrefix === null || hasPrefix(bare, match.pathPrefix)
}

function compileRewrite(tree: RouteTree, match: RouteMatch, scope: PoolScope): PathRewrite | null {
  const { path, findings } = scope
  const { stripPrefix, replacePrefix } = tree
  if (stripPrefix !== undefined && replacePrefix !== undefined) {
    findings.error(
      [...path, 'replacePrefix'],
      'stripPrefix and replacePrefix are both given',
      'keep one of the two',
      { on: 'key' },
    )
  }
  const key = stripPrefix !== undefined ? 'stripPrefix' : 'replacePrefix'
  const written = stripPrefix === true ? undefined : (stripPrefix ?? replacePrefix?.from)
  if (stripPrefix === undefined && replacePrefix === undefined) return null
  const prefix = written ?? match.pathPrefix
  if (prefix === null) {
    findings.error(
      [...path, key],
      'does not say which prefix, and the route has no match.path',
      key === 'stripPrefix'
        ? 'write stripPrefix: /v1'
        : 'write replacePrefix: { from: /a, to: /b }',
    )
    return null
  }
  if (written !== undefined) checkPrefix(written, key, match, scope)
  if (replacePrefix !== undefined) {
    return { kind: 'replace-prefix', prefix, replacement: replacePrefix.to }
  }
  return { kind: 'strip-prefix', prefix }
}

function checkPrefix(
  prefix: string,
  key: 'stripPrefix' | 'replacePrefix',
  match: RouteMatch,
  { path, source, findings }: PoolScope,
): void {
  const from = [...path, key, 'from']
  const place = source.has(from) ? from : [...path, key]
  if (key === 'stripPrefix' && prefix === '/') {
    findings.error(place, '/ alone cannot be taken off a path', 'remove stripPrefix')
    return
  }
  const matched = match.pathExact ?? match.pathPrefix ?? '/'
  // /v1 with stripPrefix /v1/ is meant well: compare without the closing slash.
  if (hasPrefix(matched, prefix) || hasPrefix(matched, prefix.replace(/\/$/, '') || '/')) return
  findings.warning(
    place,
    `${prefix} is not at the beginning of every path this route matches (${matched})`,
    `other paths go unchanged; match.path: ${prefix} would leave them out`,
  )
}

/** Warns of each route that can never match because one before it takes all it could. */
export function checkShadowing(routes: readonly RoutePlan[], { path, findings }: PoolScope): void {
  for (const [index, route] of routes.entries()) {
    const taker = routes.findIndex((earlier) => covers(earlier.match, route.match))
    if (taker >= index) continue
    findings.warning(
      [...path, 'routes', index],
      `can never match: route ${routes[taker]!.name} before it takes every such request`,
      'put the narrower route first',
      { other: [...path, 'routes', taker] },
    )
  }
}

// Whether every request that `inner` matches is matched by `outer` too.
function covers(outer: RouteMatch, inner: RouteMatch): boolean {
  return (
    coversHosts(outer.hosts, inner.hosts) &&
    coversPath(outer, inner) &&
    (outer.methods === null ||
      (inner.methods?.every((method) => outer.methods!.includes(method)) ?? false)) &&
    outer.headers.every(({ name, value }) =>
      inner.headers.some((own) => own.name === name && (value === null || own.value === value)),
    )
  )
}

function coversHosts(outer: readonly string[] | null, inner: readonly string[] | null): boolean {
  if (outer === null) return true
  if (inner === null) return false
  return inner.every((host) =>
    outer.some(
      (pattern) =>
        pattern === host || (pattern.startsWith('*.') && host.endsWith(pattern.slice(1))),
    ),
  )
}

function coversPath(outer: RouteMatch, inner: RouteMatch): boolean {
  if (outer.pathExact !== null) return inner.pathExact === outer.pathExact
  if (outer.pathPrefix === null) return true
  const path = inner.pathExact ?? inner.pathPrefix
  if (path === null) return outer.pathPrefix === '/'
  return hasPrefix(path, outer.pathPrefix)
}
