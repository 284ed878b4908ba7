// A pool's health check to its plan, and what its settings say together.

import type { BackendPlan } from '../core/plan.ts'
import type {
  CheckPlan,
  HealthCheckPlan,
  HttpCheckPlan,
  TcpCheckPlan,
  TcpCheckStep,
} from '../core/check-plan.ts'
import { compileHeaders } from './headers.ts'
import { readCheckHeader } from './http-values.ts'
import type { HealthCheckTree, HttpCheckTree } from './schema-check.ts'
import type { Scope } from './scope.ts'
import { formatDuration } from './units.ts'

/** What a pool's backends are probed with; `null` for no health check. */
export function compileHealthCheck(
  check: HealthCheckTree | null,
  backends: readonly BackendPlan[],
  scope: Scope,
): HealthCheckPlan | null {
  if (check === null) return null
  const { source, findings } = scope
  const path = [...scope.path, 'healthCheck']
  const { interval } = check
  const capped = (key: 'timeout' | 'fastInterval'): number => {
    if (!source.has([...path, key])) return Math.min(check[key], interval)
    if (check[key] > interval) {
      findings.error(
        [...path, key],
        `${formatDuration(check[key])} is longer than the interval of ${formatDuration(interval)}`,
        `make it at most ${formatDuration(interval)}, or raise interval`,
      )
    }
    return check[key]
  }
  if (check.port !== undefined && backends.some(({ address }) => address.kind === 'unix')) {
    findings.error(
      [...path, 'port'],
      'a backend of this pool is a unix socket, which has no port',
      'remove port',
    )
  }
  return {
    check: compileCheck(check, { ...scope, path }),
    port: check.port ?? null,
    intervalMs: interval,
    timeoutMs: capped('timeout'),
    fastIntervalMs: capped('fastInterval'),
    jitter: check.jitter,
    rise: check.rise,
    fall: check.fall,
  }
}

const KINDS = ['http', 'tcp', 'redis', 'postgres', 'mysql'] as const

function compileCheck(tree: HealthCheckTree, scope: Scope): CheckPlan {
  const { path, findings } = scope
  const given = KINDS.filter((kind) => tree[kind] !== undefined)
  const last = given.at(-1)
  if (last === undefined) {
    findings.error(path, 'does not say how to probe', 'add http: /health, or tcp: {}', {
      on: 'key',
    })
  } else if (given.length > 1) {
    const names = `${given.slice(0, -1).join(', ')} and ${last}`
    const [all, rest] = given.length === 2 ? ['both', 'the two'] : ['all', 'them']
    findings.error([...path, last], `${names} are ${all} given`, `keep one of ${rest}`, {
      on: 'key',
    })
  }
  const { http, tcp, redis, postgres, mysql } = tree
  if (http !== undefined) return compileHttp(http, { ...scope, path: [...path, 'http'] })
  if (redis !== undefined) return compileRedis(redis, { ...scope, path: [...path, 'redis'] })
  if (postgres !== undefined) {
    const { user, database } = postgres
    return { kind: 'postgres', user, password: postgres.password || null, database }
  }
  if (mysql !== undefined) {
    return { kind: 'mysql', user: mysql.user, password: mysql.password || null }
  }
  return compileTcp(tcp ?? [], { ...scope, path: [...path, 'tcp'] })
}

function compileHttp(http: HttpCheckTree, scope: Scope): HttpCheckPlan {
  const { path, findings } = scope
  const { primary, replica } = http
  if (primary === undefined && replica !== undefined) {
    findings.error(
      [...path, 'replica'],
      'has no meaning without primary',
      'add primary, such as primary: /primary',
      { on: 'key' },
    )
  }
  return {
    kind: 'http',
    method: http.method,
    path: http.path,
    host: http.host ?? null,
    headers: compileHeaders([...path, 'headers'], http.headers, scope, readCheckHeader),
    status: http.status,
    body: http.body ?? null,
    roles: primary === undefined ? null : { primary, replica: replica ?? null },
  }
}

function compileTcp(
  tree: NonNullable<HealthCheckTree['tcp']>,
  { path, source, findings }: Scope,
): TcpCheckPlan {
  const steps = tree.flatMap(({ send, expect }, index): TcpCheckStep[] => {
    if (send === undefined && expect === undefined && source.has([...path, index])) {
      findings.error([...path, index], 'does nothing', 'write send, expect, or both')
    }
    return [
      ...(send === undefined ? [] : [{ kind: 'send' as const, bytes: send }]),
      ...(expect === undefined ? [] : [{ kind: 'expect' as const, bytes: expect }]),
    ]
  })
  return { kind: 'tcp', steps }
}

function compileRedis(
  { user, password }: NonNullable<HealthCheckTree['redis']>,
  { path, findings }: Scope,
): CheckPlan {
  if (user !== undefined && !password) {
    findings.error([...path, 'user'], 'needs a password', 'add password', { on: 'key' })
  }
  return { kind: 'redis', user: user ?? null, password: password || null }
}
