// What operators have changed, put into the status that people and programs are shown.

import type { BackendOverride, Overrides } from '../core/overrides.ts'
import { describeAdmin, overrideStatus } from '../core/overrides.ts'
import type { BackendStatus, PoolStatus } from '../core/status.ts'

type IsDrained = (pool: string, backend: string) => boolean

/** @param wallMs wall clock */
export function showOverrides(
  pools: readonly PoolStatus[],
  overrides: Overrides,
  isDrained: IsDrained,
  wallMs: number,
): readonly PoolStatus[] {
  const byPool = new Map<string, Map<string, BackendOverride>>()
  for (const one of overrides) {
    const own = byPool.get(one.pool) ?? new Map<string, BackendOverride>()
    byPool.set(one.pool, own.set(one.backend, one))
  }
  return pools.map((pool) => {
    const own = byPool.get(pool.name)
    return own === undefined ? pool : showPool(pool, own, isDrained, wallMs)
  })
}

function showPool(
  pool: PoolStatus,
  own: ReadonlyMap<string, BackendOverride>,
  isDrained: IsDrained,
  wallMs: number,
): PoolStatus {
  const backends = pool.backends.map((backend) => {
    const one = own.get(backend.name)
    if (one === undefined) return backend
    return showBackend(backend, one, isDrained(pool.name, backend.name), wallMs)
  })
  const there = new Set(backends.map(({ name }) => name))
  const removed = [...own.values()].flatMap(({ backend: name, member }) => {
    if (member?.wish.kind !== 'removed' || there.has(name)) return []
    const { by, reason, at } = member
    return [{ name, by, reason, at }]
  })
  return { ...pool, backends, removed }
}

function showBackend(
  backend: BackendStatus,
  one: BackendOverride,
  drained: boolean,
  wallMs: number,
): BackendStatus {
  const { admin } = one
  const isOut = admin !== null && backend.admin !== 'ready'
  const reason = isOut
    ? describeAdmin(admin, drained ? null : backend.inFlight, wallMs)
    : backend.reason
  return Object.assign(
    { ...backend },
    {
      reason,
      drained: isOut && drained,
      override: overrideStatus(one),
    },
  )
}
