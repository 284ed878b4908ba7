// The read side of active-standby pools: what `role: replica` leads to. One further pool for each
// such pool, however many routes lead to it: the same servers, with slots of their own, all of which
// may serve reads as far as the pool they belong to finds them fit for it.

import type { PoolPlan } from '../core/plan.ts'

/** Name of the read side in logs, metrics and the API; no pool of the file can be called so. */
function readSideName(pool: string): string {
  return `${pool}:replicas`
}

/** Hands out the positions of read sides in the order in which they are asked for. */
export class ReadSides {
  readonly #first: number
  readonly #pools: number[] = []

  /** @param first position in `Plan.pools` of the first one */
  constructor(first: number) {
    this.#first = first
  }

  /** Position of the read side of a pool. */
  of(pool: number): number {
    const known = this.#pools.indexOf(pool)
    return this.#first + (known >= 0 ? known : this.#pools.push(pool) - 1)
  }

  /** Positions of the pools that have one, in the order of their read sides. */
  get pools(): readonly number[] {
    return this.#pools
  }
}

/**
 * The read side of a pool.
 * @param slot of its first backend
 */
export function compileReadSide(
  pool: PoolPlan,
  place: { readonly index: number; readonly slot: number },
): PoolPlan {
  return {
    ...pool,
    name: readSideName(pool.name),
    index: place.index,
    slot: place.index,
    mode: 'active-active',
    backends: pool.backends.map((backend, index) => ({
      ...backend,
      slot: place.slot + index,
      site: -1,
    })),
    sites: [],
    failover: null,
    replicasOf: pool.index,
    healthCheck: null,
    outlierDetection: null,
    panic: 'refuse',
    objective: { rtoMs: null, availability: null },
  }
}

/** Whether some tcp listener sends to the active of this pool. */
export function hasTcpListener(name: string, listeners: Readonly<Record<string, TcpUse>>): boolean {
  return Object.values(listeners).some(
    ({ protocol, pool, role }) => protocol === 'tcp' && pool === name && role !== 'replica',
  )
}

interface TcpUse {
  readonly protocol: string
  readonly pool?: string | undefined
  readonly role?: string | undefined
}
