// `failover` of a pool to its plan: defaults that depend on other keys, hooks, and what the settings
// say together. What is left over of a pool's other keys is judged in check-standby.ts.

import type { FailoverPlan, HookPlan, PoolMode, SitePlan } from '../core/plan.ts'
import type { HealthCheckPlan } from '../core/check-plan.ts'
import { asksRole } from '../core/roles.ts'
import type { Path } from './diagnostics.ts'
import { compileHeaders } from './headers.ts'
import { readCheckHeader } from './http-values.ts'
import { readProgram } from './outside-values.ts'
import type { FailoverTree, HookTree } from './schema-failover.ts'
import type { Scope } from './scope.ts'
import { formatDuration } from './units.ts'

/** What beside `failover` itself decides how a pool moves. */
export interface FailoverContext {
  readonly mode: PoolMode
  readonly sites: readonly SitePlan[]
  readonly healthCheck: HealthCheckPlan | null
  /** A tcp listener leads to the pool (to its active, not to its replicas). */
  readonly tcp: boolean
  /** `cluster` is configured. */
  readonly cluster: boolean
}

const pauseDefaultMs = 1000
const pauseDefaultMaxMs = 30_000

/** How the pool moves; `null` for one that has nothing to move between. */
export function compileFailover(
  tree: FailoverTree,
  context: FailoverContext,
  scope: Scope,
): FailoverPlan | null {
  const path = [...scope.path, 'failover']
  const inner = { ...scope, path }
  const isStandby = context.mode === 'active-standby'
  if (!isStandby && context.sites.length === 0) {
    if (scope.source.has(path)) {
      scope.findings.error(
        path,
        'has no effect in an active-active pool without sites: all of its backends serve',
        'add mode: active-standby to the pool, or remove failover',
        { on: 'key' },
      )
    }
    return null
  }
  const promote = compileHook(tree.promote, [...path, 'promote'], inner)
  const fence = compileHook(tree.fence, [...path, 'fence'], inner)
  const hooksMs = (promote?.timeoutMs ?? 0) + (fence?.timeoutMs ?? 0)
  const pauseMaxMs = tree.pauseMax ?? Math.min(pauseDefaultMs + hooksMs, pauseDefaultMaxMs)
  const plan: FailoverPlan = {
    failback: tree.failback ?? (isStandby ? 'manual' : 'auto'),
    stableForMs: tree.stableFor,
    holdDownMs: tree.holdDown,
    holdDownMaxMs: tree.maxHoldDown,
    readyForMs: tree.readyFor,
    sessions: tree.sessions ?? (isStandby && context.tcp ? 'destroy' : 'drain'),
    drainMs: tree.drain ?? pauseMaxMs,
    pauseMaxMs,
    proveMs: tree.proveWithin,
    elect: tree.elect,
    // Where all serve side by side, who comes up first has missed nothing.
    allDown: tree.allDown ?? (isStandby ? 'stay' : 'any'),
    promote,
    fence,
    agreement: tree.agreement,
    replicaLag: tree.replicaLag ?? { ms: null, bytes: null },
    overflow: tree.overflow ?? !isStandby,
  }
  checkAlone(plan, isStandby, inner)
  checkContext(plan, context, inner)
  checkFailback(plan, context, inner)
  return plan
}

/** A command or a webhook; `null` if there is none. `scope.path` is not looked at. */
export function compileHook(hook: HookTree | undefined, path: Path, scope: Scope): HookPlan | null {
  if (hook === undefined) return null
  const { findings, source } = scope
  const { exec, webhook, timeout: timeoutMs } = hook
  if (exec !== undefined && webhook !== undefined) {
    findings.error([...path, 'webhook'], 'exec and webhook are both given', 'keep one of the two', {
      on: 'key',
    })
  }
  const headers = compileHeaders([...path, 'headers'], hook.headers, scope, readCheckHeader)
  if (exec !== undefined) {
    checkCommand(exec, [...path, 'exec'], scope)
    if (source.has([...path, 'headers'])) {
      findings.error([...path, 'headers'], 'is for webhook only', 'remove it', { on: 'key' })
    }
    return { kind: 'exec', command: exec, timeoutMs }
  }
  if (webhook === undefined) {
    findings.error(
      path,
      'does not say what to do',
      'add exec: [/path/to/command], or webhook: https://...',
      { on: 'key' },
    )
  }
  return { kind: 'webhook', url: webhook ?? '', headers, timeoutMs }
}

function checkCommand(command: readonly string[], path: Path, { findings, source }: Scope): void {
  const [program] = command
  if (program === undefined) {
    findings.error(path, 'is empty', 'write the command and its arguments: [/path/to/command]')
    return
  }
  const read = readProgram(program)
  const place = source.has([...path, 0]) ? [...path, 0] : path
  if (!read.ok) findings.error(place, read.message, read.hint)
  const bad = command.findIndex((word, index) => index > 0 && word.includes('\0'))
  if (bad > 0) findings.error([...path, bad], 'holds a NUL', null)
}

// Keys of `failover` against each other.
function checkAlone(
  plan: FailoverPlan,
  isStandby: boolean,
  { path, source, findings }: Scope,
): void {
  const given = (key: string) => source.has([...path, key])
  if (plan.holdDownMs > plan.holdDownMaxMs) {
    const most = formatDuration(plan.holdDownMaxMs)
    findings.error(
      [...path, given('holdDown') ? 'holdDown' : 'maxHoldDown'],
      `holdDown ${formatDuration(plan.holdDownMs)} is longer than maxHoldDown ${most}`,
      'raise maxHoldDown, or lower holdDown',
    )
  }
  if (given('stableFor') && plan.failback !== 'auto') {
    findings.warning(
      [...path, 'stableFor'],
      `has no effect with failback: ${plan.failback}`,
      'write failback: auto, or remove it',
      { on: 'key' },
    )
  }
  if (given('drain') && plan.sessions === 'destroy') {
    const why = given('sessions') ? '' : ', the default behind a tcp listener'
    findings.warning(
      [...path, 'drain'],
      `has no effect with sessions: destroy${why}`,
      'write sessions: drain, or remove it',
      { on: 'key' },
    )
  } else if (given('drain') && !isStandby && plan.promote === null && plan.fence === null) {
    findings.warning(
      [...path, 'drain'],
      'has no effect between sites without hooks: what runs in a site that is left may finish',
      'remove it, or write sessions: destroy',
      { on: 'key' },
    )
  } else if (given('drain') && plan.pauseMaxMs > 0 && plan.drainMs > plan.pauseMaxMs) {
    findings.warning(
      [...path, 'drain'],
      `${formatDuration(plan.drainMs)} is longer than new requests are held (pauseMax ${formatDuration(plan.pauseMaxMs)}), so a move may refuse some`,
      `raise pauseMax above ${formatDuration(plan.drainMs)}, or lower drain`,
    )
  }
}

// Keys of `failover` against the rest of the pool.
function checkContext(
  plan: FailoverPlan,
  { mode, healthCheck, cluster }: FailoverContext,
  { path, source, findings }: Scope,
): void {
  const check = [...path.slice(0, -1), 'healthCheck']
  const roles = healthCheck !== null && asksRole(healthCheck.check)
  if (plan.elect === 'role' && healthCheck !== null && !roles) {
    findings.error(
      [...path, 'elect'],
      `a ${healthCheck.check.kind} check${healthCheck.check.kind === 'http' ? ' without primary' : ''} does not ask a backend for its role`,
      'use a check that does: redis, postgres, mysql, or http with primary',
      { other: check },
    )
  }
  if (plan.promote !== null && healthCheck !== null && !roles) {
    findings.note(
      [...path, 'promote'],
      `whether it worked is not seen: a ${healthCheck.check.kind} check does not ask for the role`,
      'use a check that does, if the server has roles: redis, postgres, mysql, or http with primary',
      { on: 'key' },
    )
  }
  if (mode === 'active-active') {
    if (plan.elect === 'role') {
      findings.error(
        [...path, 'elect'],
        'role picks one backend, and in an active-active pool sites are picked',
        'remove it, or write mode: active-standby',
      )
    }
    if (plan.agreement === 'etcd') {
      findings.error(
        [...path, 'agreement'],
        'etcd is for mode: active-standby, where two active ones would do harm',
        'remove it, or write mode: active-standby',
      )
    }
    return
  }
  if (source.has([...path, 'overflow'])) {
    findings.error(
      [...path, 'overflow'],
      'is for the sites of an active-active pool: in an active-standby pool one backend serves',
      'remove it, or write mode: active-active',
      { on: 'key' },
    )
  }
  // A cluster that is written but not compiled has its own errors.
  if (plan.agreement === 'etcd' && !cluster && !source.has(['cluster'])) {
    findings.error(
      [...path, 'agreement'],
      'etcd needs to know the replicas and the etcd servers, and there is no cluster',
      'add cluster: { replica: a, replicas: { a: ..., b: ..., c: ... }, etcd: { endpoints: [...] } }',
    )
  }
}

// Who is preferred comes back as a replica, and somebody has to make it the primary.
function checkFailback(
  { failback, elect, promote }: FailoverPlan,
  { mode, healthCheck }: FailoverContext,
  { path, findings }: Scope,
): void {
  if (mode !== 'active-standby' || healthCheck === null || !asksRole(healthCheck.check)) return
  if (failback !== 'auto' || elect === 'role' || promote !== null) return
  findings.warning(
    [...path, 'failback'],
    'auto has no effect: the preferred backend comes back as a replica, and without a promote hook nobody here makes it the primary',
    'add promote, or write failback: manual',
  )
}
