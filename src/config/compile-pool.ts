// One pool of the tree to its plan, and what its settings say together.

import type {
  Address,
  BackendPlan,
  FailoverPlan,
  OutlierPlan,
  PoolPlan,
  PoolTimeouts,
  RetryPlan,
  SitePlan,
} from '../core/plan.ts'
import { formatAddress } from '../core/address-text.ts'
import { canonicalAddress } from './address.ts'
import { checkStandby } from './check-standby.ts'
import { compileHealthCheck } from './compile-check.ts'
import { compileDiscovery } from './compile-discovery.ts'
import { compileFailover } from './compile-failover.ts'
import { checkSites, compileSites, siteOf } from './compile-sites.ts'
import { missing } from './issues.ts'
import { orderedNames } from './names.ts'
import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import type { PoolTree } from './schema-pool.ts'
import type { Scope } from './scope.ts'
import { formatDuration } from './units.ts'

interface Place {
  readonly name: string
  readonly index: number
  /** Slot of its first backend. */
  readonly slot: number
  /** A tcp listener sends to its active. */
  readonly tcp: boolean
  /** `cluster` is configured. */
  readonly cluster: boolean
}

/** Compiles one pool. */
export function compilePool(
  place: Place,
  tree: PoolTree,
  source: Source,
  findings: Findings,
): PoolPlan {
  const scope = { path: ['pools', place.name], source, findings }
  const sites = compileSites(tree.sites, scope)
  const backends = compileBackends(tree, sites, place.slot, scope)
  const discovery = compileDiscovery(tree, scope)
  const retry = compileRetry(tree, scope)
  const healthCheck = compileHealthCheck(tree.healthCheck, backends, scope)
  const { tcp, cluster } = place
  const context = { mode: tree.mode, sites, healthCheck, tcp, cluster }
  const failover = compileFailover(tree.failover, context, scope)
  const { slowStart, limits, objective } = tree
  const plan: PoolPlan = {
    name: place.name,
    index: place.index,
    slot: place.index,
    mode: tree.mode,
    balance: tree.balance === 'weighted' ? 'round-robin' : tree.balance,
    backends,
    ...(discovery === null ? {} : { discovery }),
    sites,
    failover,
    replicasOf: -1,
    healthCheck,
    outlierDetection: compileOutlierDetection(tree, scope),
    minAvailable: tree.minAvailable,
    slowStart: { durationMs: slowStart.duration, from: slowStart.from },
    panic: tree.panic,
    retry,
    timeouts: compileTimeouts(tree, retry, failover, scope),
    limits: {
      perBackend: limits.perBackend,
      queue: limits.queue,
      connections: {
        idleMax: limits.idleConnections.max,
        idleMs: limits.idleConnections.timeout,
        ageMs: limits.idleConnections.maxAge,
        requestsMax: limits.idleConnections.maxRequests,
      },
    },
    objective: { rtoMs: objective.rto ?? null, availability: objective.availability ?? null },
  }
  checkSites(sites, backends, tree, scope)
  checkPool(plan, scope)
  if (plan.mode === 'active-standby') checkStandby(plan, scope)
  return plan
}

function compileBackends(
  tree: PoolTree,
  sites: readonly SitePlan[],
  slot: number,
  scope: Scope,
): BackendPlan[] {
  const path = [...scope.path, 'backends']
  if (tree.backends === undefined) {
    if (tree.discovery === undefined) {
      const hint = 'expected a map from names to addresses, or a list of addresses'
      scope.findings.error(path, missing, hint)
    }
    return []
  }
  const written = namedBackends(tree.backends, path, scope)
  checkTwice(written, tree.mode, scope)
  const placed = written.map((backend) => ({
    backend,
    site: siteOf(backend.site, sites, backend.place, scope),
  }))
  // Where one alone serves, the order of sites goes before the order within them.
  if (tree.mode === 'active-standby') placed.sort((one, two) => one.site - two.site)
  return placed.map(({ backend: { name, address, weight, zone }, site }, index) => {
    return { name, slot: slot + index, address, weight, zone: zone ?? null, site }
  })
}

function checkTwice(
  backends: readonly NamedBackend[],
  mode: PoolTree['mode'],
  { findings }: Scope,
): void {
  const first = new Map<string, Path>()
  for (const { place, address } of backends) {
    const key = canonicalAddress(address)
    const other = first.get(key)
    const what = `${formatAddress(address)} is in this pool twice`
    if (other === undefined) first.set(key, place)
    else if (mode === 'active-standby') {
      findings.warning(
        place,
        `${what}, and no server can stand by for itself`,
        'give the address of another server, or remove it',
        { other },
      )
    } else {
      findings.warning(
        place,
        what,
        'one server under two names counts double and hides its failures; raise its weight instead',
        { other },
      )
    }
  }
}

interface NamedBackend {
  readonly name: string
  readonly place: Path
  readonly address: Address
  readonly weight: number
  readonly zone: string | undefined
  readonly site: string | undefined
}

function namedBackends(
  tree: NonNullable<PoolTree['backends']>,
  path: Path,
  scope: Scope,
): NamedBackend[] {
  if (!Array.isArray(tree)) {
    return orderedNames(path, tree, scope.source, scope.findings).map((name) => {
      const { address, weight, zone, site } = tree[name]!
      return { name, place: [...path, name], address, weight, zone, site }
    })
  }
  const taken = new Set<string>()
  return tree.map((address, index) => {
    const plain = formatAddress(address)
    let name = plain
    for (let copy = 2; taken.has(name); copy++) name = `${plain}#${copy}`
    taken.add(name)
    return { name, place: [...path, index], address, weight: 1, zone: undefined, site: undefined }
  })
}

function compileOutlierDetection(tree: PoolTree, scope: Scope): OutlierPlan | null {
  const outlier = tree.outlierDetection
  if (outlier === null) return null
  const { slow, silent } = outlier
  if (outlier.ejectTime > outlier.maxEjectTime) {
    const path = [...scope.path, 'outlierDetection']
    const most = formatDuration(outlier.maxEjectTime)
    scope.findings.error(
      [...path, scope.source.has([...path, 'ejectTime']) ? 'ejectTime' : 'maxEjectTime'],
      `ejectTime ${formatDuration(outlier.ejectTime)} is longer than maxEjectTime ${most}`,
      'raise maxEjectTime, or lower ejectTime',
    )
  }
  return {
    consecutiveFailures: outlier.consecutiveFailures,
    failureRate: outlier.failureRate,
    attemptsMin: outlier.minAttempts,
    windowMs: outlier.window,
    slow: slow === null ? null : { thresholdMs: slow.threshold, factor: slow.factor },
    silent:
      silent === null
        ? null
        : { thresholdMs: silent.threshold, factor: silent.factor, attempts: silent.attempts },
    ejectMs: outlier.ejectTime,
    ejectMaxMs: outlier.maxEjectTime,
    ejectedMax: outlier.maxEjected,
    probationSuccesses: outlier.probation,
  }
}

function compileRetry(tree: PoolTree, scope: Scope): RetryPlan | null {
  const { retry } = tree
  if (retry === null) return null
  const { min, max } = retry.backoff
  if (min > max) {
    const path = [...scope.path, 'retry', 'backoff']
    scope.findings.error(
      [...path, scope.source.has([...path, 'min']) ? 'min' : 'max'],
      `min ${formatDuration(min)} is longer than max ${formatDuration(max)}`,
      'raise max, or lower min',
    )
  }
  return {
    attempts: retry.attempts,
    budget: {
      ratio: retry.budget.ratio,
      perSecondMin: retry.budget.minPerSecond,
      burst: retry.budget.burst,
    },
    idempotencyKey: retry.idempotencyKey,
    bodyBytesMax: retry.bodyMax,
    backoffMinMs: min,
    backoffMaxMs: max,
  }
}

function compileTimeouts(
  tree: PoolTree,
  retry: RetryPlan | null,
  failover: FailoverPlan | null,
  scope: Scope,
): PoolTimeouts {
  const { source, findings } = scope
  const path = [...scope.path, 'timeouts']
  const { total, idle, tunnelIdle } = tree.timeouts
  const capped = (key: 'connect' | 'response' | 'queue'): number => {
    // What is held during a move waits in the queue, which must not give up before the move does.
    const isFree = key === 'queue' && !source.has([...path, key])
    const value = Math.max(tree.timeouts[key], isFree ? (failover?.pauseMaxMs ?? 0) : 0)
    if (total === undefined || value <= total) return value
    if (!source.has([...path, key])) return total
    findings.error(
      [...path, key],
      `${formatDuration(value)} is longer than the total timeout of ${formatDuration(total)}`,
      `make it at most ${formatDuration(total)}, or raise total`,
      { other: [...path, 'total'] },
    )
    return value
  }
  const connect = capped('connect')
  const response = capped('response')
  const queue = capped('queue')
  const attempts = 1 + (retry?.attempts ?? 0)
  // Only where somebody asked for both: a short total alone is a fair way to say "fail fast".
  const asked = source.has([...scope.path, 'retry']) || source.has([...path, 'response'])
  if (retry !== null && total !== undefined && asked && total <= connect + response) {
    findings.warning(
      [...path, 'total'],
      `${formatDuration(total)} leaves no time for a retry after an attempt that timed out ` +
        `(connect ${formatDuration(connect)} + response ${formatDuration(response)})`,
      `raise total above ${formatDuration(connect + response)}, or lower response`,
    )
  }
  return {
    connectMs: connect,
    responseMs: response,
    totalMs: total ?? attempts * (connect + response) + queue,
    idleMs: idle,
    tunnelIdleMs: tunnelIdle,
    queueMs: queue,
  }
}

function checkPool(pool: PoolPlan, { path, source, findings }: Scope): void {
  const count = pool.backends.length
  const at = (...keys: string[]): Path => [...path, ...keys]
  // How many there will be, somebody else says.
  if (pool.discovery === undefined) {
    if (count > 0) checkCount(pool, at, findings)
    else {
      const isWritten = source.has(at('backends'))
      const hint = 'add a backend, such as a: 127.0.0.1:9000'
      if (isWritten) findings.error(at('backends'), 'is empty', hint)
      return
    }
  }
  const isQueueIdle = pool.limits.perBackend === 0 && pool.failover === null
  if (source.has(at('limits', 'queue')) && pool.limits.queue > 0 && isQueueIdle) {
    findings.warning(
      at('limits', 'queue'),
      'has no effect, because without perBackend nothing ever waits',
      'set limits.perBackend, or remove queue',
    )
  }
  const isStandby = pool.mode === 'active-standby'
  if (pool.healthCheck === null && pool.outlierDetection === null && !isStandby) {
    findings.warning(
      at('outlierDetection'),
      'is off, and there is no healthCheck: nothing would notice a dead backend',
      'add a healthCheck, such as healthCheck: { tcp: {} }',
    )
  }
  if (count === 1 && !isStandby && pool.discovery === undefined) {
    findings.note(
      at('backends'),
      'there is one backend only: when it fails, nothing takes over',
      'add a second one',
      { on: 'key' },
    )
  }
}

function checkCount(
  { backends, minAvailable }: PoolPlan,
  at: (...keys: string[]) => Path,
  findings: Findings,
): void {
  const count = backends.length
  if (backends.every(({ weight }) => weight === 0)) {
    findings.error(
      at('backends'),
      'every backend has weight 0, so none would get traffic',
      'give at least one of them a weight above 0',
      { on: 'key' },
    )
  }
  if (minAvailable > count) {
    findings.error(
      at('minAvailable'),
      `${minAvailable} is more than the ${count} backend${count === 1 ? '' : 's'} of this pool`,
      `make it at most ${Math.max(count - 1, 1)}`,
    )
  } else if (minAvailable === count && count > 1) {
    findings.warning(
      at('minAvailable'),
      `${minAvailable} is every backend of this pool, so none could ever be ejected or drained`,
      `make it at most ${count - 1}`,
    )
  }
}
