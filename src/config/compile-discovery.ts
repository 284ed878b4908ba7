// A pool's `discovery` to its plan, and what its settings say together.

import type { DiscoveryPlan } from '../core/plan.ts'
import type { SourcePlan } from '../core/source-plan.ts'
import type { Path } from './diagnostics.ts'
import type { DiscoveryTree } from './schema-discovery.ts'
import type { PoolTree } from './schema-pool.ts'
import type { Scope } from './scope.ts'
import { formatDuration } from './units.ts'

/** Where further backends come from; `null` if the pool names all of its own. */
export function compileDiscovery(tree: PoolTree, scope: Scope): DiscoveryPlan | null {
  const { discovery } = tree
  if (discovery === undefined) return null
  const path = [...scope.path, 'discovery']
  const { findings } = scope
  const sources = compileSources(discovery, { ...scope, path })
  if (sources.length === 0) {
    findings.error(path, 'names no source', 'add dns, file, docker or kubernetes', { on: 'key' })
  }
  if (tree.mode === 'active-standby') {
    findings.error(
      path,
      'is for active-active pools: in an active-standby pool the order of the backends counts',
      'name the backends, or write mode: active-active',
      { on: 'key' },
    )
  } else if (tree.sites !== undefined) {
    findings.error(
      path,
      'cannot be used with sites, as nobody says to which site a found backend belongs',
      'remove sites, or name the backends',
      { on: 'key' },
    )
  }
  const { seed, allowEmpty, maxMembers, allow = null } = discovery
  return { sources, seed, allowEmpty, membersMax: maxMembers, allow }
}

function compileSources(tree: DiscoveryTree, scope: Scope): SourcePlan[] {
  const sources: SourcePlan[] = []
  const { dns, file, docker, kubernetes } = tree
  if (dns !== undefined) sources.push(compileDns(dns, { ...scope, path: [...scope.path, 'dns'] }))
  if (file !== undefined) sources.push({ kind: 'file', path: file.path })
  if (docker !== undefined) {
    const { socket, network = null, label = null, port = null } = docker
    sources.push({ kind: 'docker', socket, network, label, port })
  }
  if (kubernetes !== undefined) {
    const { service, namespace = null, port = null } = kubernetes
    const { server = null, tokenFile = null, caFile = null } = kubernetes
    sources.push({
      kind: 'kubernetes',
      service,
      namespace,
      port,
      server,
      tokenFile,
      caFile,
    })
  }
  return sources
}

function compileDns(
  tree: NonNullable<DiscoveryTree['dns']>,
  { path, source, findings }: Scope,
): SourcePlan {
  const { name, type, port, servers, ttlMin, ttlMax } = tree
  const at = (key: string): Path => [...path, key]
  if (type === 'SRV' && port !== undefined) {
    findings.error(at('port'), 'SRV records say the port themselves', 'remove port')
  } else if (type !== 'SRV' && port === undefined) {
    findings.error(path, 'has no port', 'add port: 8080, or type: SRV if records say the port', {
      on: 'key',
    })
  }
  if (type !== 'SRV' && /^_[^.]+\._(tcp|udp)\./i.test(name)) {
    findings.warning(at('name'), 'looks like the name of SRV records', 'add type: SRV')
  }
  if (ttlMin > ttlMax) {
    findings.error(
      at(source.has(at('ttlMin')) ? 'ttlMin' : 'ttlMax'),
      `ttlMin ${formatDuration(ttlMin)} is longer than ttlMax ${formatDuration(ttlMax)}`,
      'raise ttlMax, or lower ttlMin',
    )
  }
  return {
    kind: 'dns',
    name,
    type: type ?? 'address',
    port: port ?? 0,
    servers,
    ttlMinMs: ttlMin,
    ttlMaxMs: ttlMax,
  }
}
