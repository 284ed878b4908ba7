// One listener of the tree to its plan: protocol, pool or routes, and what contradicts the protocol.

import type { ListenerPlan } from '../core/plan.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { compileRoute, checkShadowing } from './compile-route.ts'
import type { Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import type { ListenerTree } from './schema.ts'
import type { ReadSides } from './read-side.ts'
import { findPool, type NamedPool, type PoolScope } from './scope.ts'
import { formatSize } from './units.ts'

interface Place {
  readonly name: string
  readonly index: number
  /** All pools, in order. */
  readonly pools: readonly NamedPool[]
  readonly readSides: ReadSides
}

/** Compiles one listener. */
export function compileListener(
  place: Place,
  tree: ListenerTree,
  source: Source,
  findings: Findings,
): ListenerPlan {
  const path = ['listeners', place.name]
  const { pools, readSides } = place
  const scope = { path, pools, readSides, source, findings }
  const isTcp = tree.protocol === 'tcp'
  if (tree.limits.target > tree.limits.head) {
    findings.error(
      [...path, 'limits', source.has([...path, 'limits', 'target']) ? 'target' : 'head'],
      `a target of ${formatSize(tree.limits.target)} does not fit into a head of ${formatSize(tree.limits.head)}`,
      'make head larger than target',
    )
  }
  checkTrust(tree, scope)
  return {
    name: place.name,
    index: place.index,
    slot: place.index,
    address: tree.bind,
    protocol: tree.protocol,
    routes: isTcp ? [] : compileRoutes(tree, scope),
    pool: isTcp ? compileTcp(tree, scope) : -1,
    trustForwarded: tree.trustForwarded,
    forwarded: tree.forwarded,
    connectionsMax: tree.maxConnections,
    headBytesMax: tree.limits.head,
    targetBytesMax: tree.limits.target,
    timeouts: {
      requestHeadMs: tree.timeouts.requestHead,
      keepAliveMs: tree.timeouts.keepAlive,
    },
  }
}

function compileTcp(tree: ListenerTree, scope: PoolScope): number {
  const { path, source, findings } = scope
  for (const key of ['routes', 'trustForwarded', 'forwarded', 'limits', 'timeouts']) {
    if (!source.has([...path, key])) continue
    findings.error(
      [...path, key],
      'is for protocol: http only, and this listener is tcp',
      key === 'routes' ? 'a tcp listener has one pool: write pool: NAME' : 'remove it',
      { on: 'key' },
    )
  }
  if (tree.pool !== undefined) return findPool({ pool: tree.pool, role: tree.role }, scope)
  if (tree.routes === undefined) {
    findings.error([...path, 'pool'], 'is missing', 'a tcp listener needs a pool: pool: NAME')
  }
  return -1
}

function compileRoutes(tree: ListenerTree, scope: PoolScope): RoutePlan[] {
  const { path, findings } = scope
  if (tree.routes !== undefined) {
    if (scope.source.has([...path, 'role'])) {
      findings.error([...path, 'role'], 'has no effect beside routes', 'write it on the route', {
        on: 'key',
      })
    }
    if (tree.pool !== undefined) {
      findings.error(
        [...path, 'pool'],
        'pool and routes are both given',
        'remove pool, and end routes with - pool: NAME for everything else',
        { on: 'key' },
      )
    }
    if (tree.routes.length === 0) {
      findings.error([...path, 'routes'], 'is empty', 'add a route, such as - pool: NAME')
    }
    const routes = tree.routes.map((route, index) =>
      compileRoute(route, index, { ...scope, path: [...path, 'routes', index] }),
    )
    checkShadowing(routes, scope)
    return routes
  }
  if (tree.pool === undefined) {
    findings.error(path, 'leads nowhere', 'add pool: NAME, or routes', { on: 'key' })
    return []
  }
  const none = { set: [], remove: [] }
  return [
    {
      name: '#1',
      match: { hosts: null, pathPrefix: null, pathExact: null, methods: null, headers: [] },
      action: { kind: 'pool', pool: findPool({ pool: tree.pool, role: tree.role }, scope) },
      rewrite: null,
      requestHeaders: none,
      responseHeaders: none,
    },
  ]
}

function checkTrust(tree: ListenerTree, { path, source, findings }: PoolScope): void {
  for (const [index, block] of tree.trustForwarded.entries()) {
    if (!block.endsWith('/0')) continue
    const isList = source.has([...path, 'trustForwarded', 0])
    findings.warning(
      isList ? [...path, 'trustForwarded', index] : [...path, 'trustForwarded'],
      `${block} is everybody, so any client could pretend to have another address`,
      'name the proxies in front of Evenkeel only',
    )
  }
}
