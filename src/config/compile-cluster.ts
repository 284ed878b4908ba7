// `cluster` to its plan, and what its settings say together.

import type { ClusterPlan, EtcdPlan, ReplicaPlan } from '../core/plan.ts'
import { formatAddress } from '../core/address-text.ts'
import { canonicalAddress, isEvery, isLocal } from './address.ts'
import type { Path } from './diagnostics.ts'
import { namePattern } from './leaf.ts'
import { orderedNames } from './names.ts'
import type { ClusterTree } from './schema-cluster.ts'
import type { Scope } from './scope.ts'
import { quote } from './units.ts'

/** Compiles the cluster; `scope.path` is `cluster`. */
export function compileCluster(tree: ClusterTree, scope: Scope): ClusterPlan {
  const { path, findings } = scope
  if (!namePattern.test(tree.name)) {
    findings.error(
      [...path, 'name'],
      `${quote(tree.name)} cannot be a name`,
      'use letters, digits, dots, - and _; begin with a letter or digit; at most 64',
    )
  }
  const replicas = compileReplicas(tree, scope)
  checkReplica(tree.replica, replicas, scope)
  return {
    name: tree.name,
    replica: tree.replica,
    replicas,
    etcd: compileEtcd(tree.etcd, { ...scope, path: [...path, 'etcd'] }),
    ttlMs: tree.ttl,
  }
}

function compileReplicas(tree: ClusterTree, { path, source, findings }: Scope): ReplicaPlan[] {
  const place = [...path, 'replicas']
  const first = new Map<string, Path>()
  const names = orderedNames(place, tree.replicas, source, findings)
  for (const name of names) {
    const address = tree.replicas[name]!
    const own = [...place, name]
    if (address.kind === 'unix') {
      findings.error(own, 'the other replicas cannot reach a unix socket', 'write host:port')
    } else if (isEvery(address.host)) {
      findings.error(
        own,
        `the other replicas cannot reach ${address.host}, which is every address of a host`,
        'write the one where they reach this replica',
      )
    }
    const other = first.get(canonicalAddress(address))
    if (other === undefined) first.set(canonicalAddress(address), own)
    else {
      findings.error(
        own,
        `${formatAddress(address)} is another replica's address`,
        'give each replica its own',
        { other },
      )
    }
  }
  if (names.length === 0) {
    findings.error(place, 'is empty', 'add the replicas, such as a: 10.0.0.1:9910')
  } else if (names.length === 1) {
    findings.note(
      place,
      'there is one replica only: nobody takes over from it, and nobody has to be agreed with',
      'add two more, or remove cluster',
      { on: 'key' },
    )
  } else if (names.length % 2 === 0) {
    findings.note(
      place,
      `${names.length} replicas bear the loss of no more than ${names.length - 1} would`,
      'an odd number is better',
      { on: 'key' },
    )
  }
  return names.map((name) => ({ name, peer: tree.replicas[name]! }))
}

function checkReplica(
  name: string,
  replicas: readonly ReplicaPlan[],
  { path, findings }: Scope,
): void {
  const names = replicas.map((replica) => replica.name)
  if (names.length === 0 || names.includes(name)) return
  findings.error(
    [...path, 'replica'],
    `there is no replica ${quote(name)}`,
    `replicas: ${names.join(', ')}; with one file for all of them, write replica: \${HOSTNAME}`,
  )
}

function compileEtcd(tree: ClusterTree['etcd'], scope: Scope): EtcdPlan {
  const { path, source, findings } = scope
  const { user, password, ca, cert, key } = tree
  const endpoints = [...new Set(tree.endpoints)]
  const place = [...path, 'endpoints']
  if (endpoints.length === 0) {
    findings.error(place, 'is empty', 'add an endpoint, such as https://10.0.0.1:2379')
  } else if (endpoints.length < 3) {
    findings.note(
      place,
      `with ${endpoints.length === 1 ? 'one server' : 'two servers'} etcd survives the loss of none`,
      'name three, unless one address stands for all of them',
      { on: 'key' },
    )
  }
  const plain = endpoints.find((endpoint) => endpoint.startsWith('http:'))
  pair('user', 'password', user, password, scope)
  pair('cert', 'key', cert, key, scope)
  const shown = (['ca', 'cert', 'key'] as const).find((name) => tree[name] !== undefined)
  if (shown !== undefined && plain !== undefined) {
    findings.error([...path, shown], `has no meaning for ${plain}`, 'write https in endpoints', {
      on: 'key',
    })
  }
  if (password !== undefined && plain !== undefined && !isNear(plain)) {
    findings.warning(
      source.has([...path, 'password']) ? [...path, 'password'] : place,
      `goes to ${plain} in clear text`,
      'write https in endpoints',
      { on: 'key' },
    )
  }
  return {
    endpoints,
    login: user === undefined ? null : { user, password: password ?? '' },
    tls: shown === undefined ? null : { ca: ca ?? null, cert: cert ?? null, key: key ?? null },
  }
}

function isNear(endpoint: string): boolean {
  return isLocal({ kind: 'tcp', host: new URL(endpoint).hostname, port: 0 })
}

// Two keys that mean nothing one without the other.
function pair(
  one: string,
  two: string,
  first: string | undefined,
  second: string | undefined,
  { path, findings }: Scope,
): void {
  if ((first === undefined) === (second === undefined)) return
  const [given, absent] = first === undefined ? [two, one] : [one, two]
  findings.error([...path, given], `is given without ${absent}`, `add ${absent}, or remove it`, {
    on: 'key',
  })
}
