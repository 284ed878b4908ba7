// The validated tree to the plan: names become indexes, shorthand is spelled out, and what the
// settings say together is checked. Pure; finds everything it can before it gives up.

import type { Address, ClusterPlan, ListenerPlan, Plan, PoolPlan } from '../core/plan.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { formatAddress } from '../core/address-text.ts'
import { isLocal, overlap } from './address.ts'
import { checkObjectives } from './check-objective.ts'
import { checkMemory, checkReading } from './check-standby.ts'
import { compileAdmin } from './compile-admin.ts'
import { compileAlerts } from './compile-alerts.ts'
import { compileCluster } from './compile-cluster.ts'
import { compileLedger } from './compile-ledger.ts'
import { compileKeepalived } from './compile-keepalived.ts'
import { compileListener } from './compile-listener.ts'
import { compilePool } from './compile-pool.ts'
import { compileTracing } from './compile-tracing.ts'
import type { Path, Problem, Source } from './diagnostics.ts'
import { Findings } from './findings.ts'
import { orderedNames } from './names.ts'
import { compileReadSide, hasTcpListener, ReadSides } from './read-side.ts'
import type { ConfigTree } from './schema.ts'

export interface Compiled {
  /** Only to be used when no problem is an error. */
  readonly plan: Plan
  readonly problems: readonly Problem[]
}

/** Compiles a tree that the schema accepted. */
export function compile(tree: ConfigTree, source: Source): Compiled {
  const findings = new Findings()
  const pools = compilePools(tree, source, findings)
  const readSides = new ReadSides(pools.length)
  const listeners = orderedNames(['listeners'], tree.listeners, source, findings).map(
    (name, index) => {
      const place = { name, index, pools, readSides }
      return compileListener(place, tree.listeners[name]!, source, findings)
    },
  )
  if (listeners.length === 0) {
    findings.error(['listeners'], 'is empty', 'add a listener, such as web: { bind: ":8080" }')
  }
  const admin = compileAdmin(tree.admin, source, findings)
  const { threads, drain: drainMs, stateDir = null, watch } = tree.runtime
  const runtime = { threads, drainMs, stateDir, watch }
  const cluster = compileAgreement(tree, pools, source, findings)
  checkAddresses({ listeners, admin, cluster }, source, findings)
  checkUse(listeners, pools, readSides, source, findings)
  checkMemory(pools, runtime, source, findings)
  const plan: Plan = {
    runtime,
    cluster,
    keepalived: compileKeepalived(tree, listeners, findings),
    admin,
    log: {
      level: tree.log.level,
      access: { format: tree.log.access.format, path: tree.log.access.path ?? null },
    },
    ledger: compileLedger(tree),
    tracing: compileTracing(tree, source, findings),
    ...compileAlerts(tree, source, findings),
    listeners,
    pools: [...pools, ...compileReadSides(pools, readSides)],
  }
  checkObjectives(plan, findings)
  return { plan, problems: findings.problems }
}

function compilePools(tree: ConfigTree, source: Source, findings: Findings): PoolPlan[] {
  let slot = 0
  return orderedNames(['pools'], tree.pools, source, findings).map((name, index) => {
    const tcp = hasTcpListener(name, tree.listeners)
    const place = { name, index, slot, tcp, cluster: tree.cluster !== undefined }
    const pool = compilePool(place, tree.pools[name]!, source, findings)
    slot += pool.backends.length
    return pool
  })
}

function compileReadSides(pools: readonly PoolPlan[], readSides: ReadSides): PoolPlan[] {
  let slot = pools.reduce((sum, pool) => sum + pool.backends.length, 0)
  return readSides.pools.map((of, place) => {
    const side = compileReadSide(pools[of]!, { index: pools.length + place, slot })
    slot += side.backends.length
    return side
  })
}

function compileAgreement(
  tree: ConfigTree,
  pools: readonly PoolPlan[],
  source: Source,
  findings: Findings,
): ClusterPlan | null {
  if (tree.cluster === undefined) return null
  const plan = compileCluster(tree.cluster, { path: ['cluster'], source, findings })
  if (pools.some(({ failover }) => failover?.agreement === 'etcd')) return plan
  findings.warning(
    ['cluster'],
    'no pool agrees with other replicas on its active',
    'add failover: { agreement: etcd } to an active-standby pool, or remove cluster',
    { on: 'key' },
  )
  return null
}

// Two sockets on one address: the second one would fail, or worse, share the port.
function checkAddresses(
  { listeners, admin: adminPlan, cluster }: Pick<Plan, 'listeners' | 'admin' | 'cluster'>,
  source: Source,
  findings: Findings,
): void {
  const admin = adminPlan?.address ?? null
  const bound: { path: Path; address: Address; owner: string }[] = []
  const adminPath: Path = ['admin', 'bind']
  const isAdminWritten = source.has(adminPath)
  // One that nobody wrote cannot be pointed at, so the other one gets the blame.
  if (admin !== null && !isAdminWritten) {
    bound.push({ path: adminPath, address: admin, owner: 'the admin API' })
  }
  const claim = (path: Path, address: Address, owner: string) => {
    const other = bound.find((earlier) => overlap(earlier.address, address))
    if (other === undefined) {
      bound.push({ path, address, owner })
      return
    }
    const same = formatAddress(other.address) === formatAddress(address)
    findings.error(
      path,
      same
        ? `${formatAddress(address)} is already taken by ${other.owner}`
        : `${formatAddress(address)} overlaps ${formatAddress(other.address)} of ${other.owner}`,
      other.path === adminPath && !isAdminWritten
        ? 'choose another port, or give admin another one: admin: { bind: 127.0.0.1:9901 }'
        : 'give each listener a port or address of its own',
      other.path === adminPath && !isAdminWritten ? {} : { other: other.path },
    )
  }
  for (const { name, address } of listeners) {
    claim(['listeners', name, 'bind'], address, `listener ${name}`)
  }
  const self = cluster?.replicas.find(({ name }) => name === cluster.replica)
  if (self !== undefined) claim(['cluster', 'replicas', self.name], self.peer, 'the peer port')
  const metrics = adminPlan?.metrics ?? null
  if (metrics !== null) claim(['admin', 'metrics'], metrics, 'the metrics')
  if (admin === null || !isAdminWritten) return
  claim(adminPath, admin, 'the admin API')
}

function checkUse(
  listeners: readonly ListenerPlan[],
  pools: readonly PoolPlan[],
  readSides: ReadSides,
  source: Source,
  findings: Findings,
): void {
  const usersOf = pools.map((): Set<ListenerPlan> => new Set())
  for (const listener of listeners) {
    for (const index of poolsOf(listener)) {
      usersOf[index < pools.length ? index : readSides.pools[index - pools.length]!]?.add(listener)
    }
  }
  for (const pool of pools) {
    const users = [...usersOf[pool.index]!]
    if (users.length === 0) {
      findings.warning(['pools', pool.name], 'no listener uses this pool', 'remove it, or use it', {
        on: 'key',
      })
    } else if (users.every((listener) => listener.protocol === 'tcp')) {
      checkTcpPool(pool, source, findings)
    }
    for (const listener of users) checkLoop(listener, pool, source, findings)
    if (pool.mode === 'active-standby') {
      checkReading(pool, readSides.pools.includes(pool.index), source, findings)
    }
  }
}

function poolsOf(listener: ListenerPlan): number[] {
  if (listener.protocol === 'tcp') return [listener.pool]
  return listener.routes.flatMap(({ action }: RoutePlan) =>
    action.kind === 'pool' ? [action.pool] : [],
  )
}

const httpOnly: readonly Path[] = [
  ['timeouts', 'response'],
  ['timeouts', 'total'],
  ['timeouts', 'idle'],
  ['retry', 'bodyMax'],
  ['retry', 'idempotencyKey'],
  ['limits', 'idleConnections'],
]

function checkTcpPool(pool: PoolPlan, source: Source, findings: Findings): void {
  for (const key of httpOnly) {
    const path = ['pools', pool.name, ...key]
    if (!source.has(path)) continue
    findings.warning(
      path,
      'has no effect: only tcp listeners use this pool',
      key[1] === 'idle' ? 'for tcp the timeout is tunnelIdle' : 'it applies to http',
      { on: 'key' },
    )
  }
}

// A listener whose backend is itself would send every request round until the sockets run out.
function checkLoop(
  listener: ListenerPlan,
  pool: PoolPlan,
  source: Source,
  findings: Findings,
): void {
  const path: Path = ['pools', pool.name, 'backends']
  for (const [index, backend] of pool.backends.entries()) {
    const { address } = backend
    const mayBeOurs = isLocal(address) || formatAddress(address) === formatAddress(listener.address)
    if (!mayBeOurs || !overlap(listener.address, address)) continue
    const named = source.has([...path, backend.name])
    findings.warning(
      [...path, named ? backend.name : index],
      `${formatAddress(address)} is listener ${listener.name} itself, so requests would go in a circle`,
      'give the address of the server behind Evenkeel',
      { other: ['listeners', listener.name, 'bind'] },
    )
  }
}
