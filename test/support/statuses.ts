// Pools as the status tells of them, made up for tests of those who show them.

import type { BackendStatus, PoolStatus } from '../../src/core/status.ts'

/** A backend that serves, but for what is said otherwise. */
export function backendStatus(name: string, more: Partial<BackendStatus> = {}): BackendStatus {
  return {
    name,
    address: '10.0.0.1:80',
    weight: 1,
    effectiveWeight: 1,
    availability: 'available',
    reason: 'checks pass',
    sinceMs: 5_000,
    health: 'up',
    lastProbe: '200 in 1 ms',
    role: null,
    lag: null,
    admin: 'ready',
    drained: false,
    override: null,
    traffic: 'ok',
    ejectedForMs: null,
    inFlight: 0,
    attempts: 0,
    failures: 0,
    ...more,
  }
}

/** A pool of these backends. */
export function poolStatusOf(
  name: string,
  backends: readonly BackendStatus[],
  more: Partial<PoolStatus> = {},
): PoolStatus {
  return {
    name,
    mode: 'active-active',
    balance: 'round-robin',
    available: backends.filter(({ availability }) => availability === 'available').length,
    total: backends.length,
    minAvailable: 1,
    queued: 0,
    traffic: { requests: 0, failures: 0, retries: 0, latency: Array.from({ length: 15 }, () => 0) },
    failover: null,
    sites: [],
    backends,
    removed: [],
    ...more,
  }
}
