// A pool's health check to its plan, and what its settings say together.

import type { BackendPlan, HealthCheckPlan } from '../core/plan.ts'
import { compileHeaders } from './headers.ts'
import { readCheckHeader } from './http-values.ts'
import type { HealthCheckTree } from './schema-check.ts'
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
  const { http, tcp, interval } = check
  if (http !== undefined && tcp !== undefined) {
    findings.error([...path, 'tcp'], 'http and tcp are both given', 'keep one of the two', {
      on: 'key',
    })
  } else if (http === undefined && tcp === undefined) {
    findings.error(path, 'does not say how to probe', 'add http: /health, or tcp: {}', {
      on: 'key',
    })
  }
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
    check:
      http === undefined
        ? { kind: 'tcp', steps: [] }
        : {
            kind: 'http',
            method: http.method,
            path: http.path,
            host: http.host ?? null,
            headers: compileHeaders(
              [...path, 'http', 'headers'],
              http.headers,
              scope,
              readCheckHeader,
            ),
            status: http.status,
            body: http.body ?? null,
            roles: null,
          },
    port: check.port ?? null,
    intervalMs: interval,
    timeoutMs: capped('timeout'),
    fastIntervalMs: capped('fastInterval'),
    jitter: check.jitter,
    rise: check.rise,
    fall: check.fall,
  }
}
