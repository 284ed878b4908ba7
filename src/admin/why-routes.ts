// The path that shows the evidence behind a backend's state.

import { z } from 'zod'
import type { BackendEvidence } from '../core/evidence.ts'
import type { Availability, BackendStatus, PoolStatus } from '../core/status.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'

/** A change of a backend's availability that is still remembered. */
export interface PastTransition {
  /** Wall clock, ms since 1970. */
  readonly at: number
  readonly from: Availability
  readonly to: Availability
  readonly reason: string
}

/** Everything that speaks for or against a backend. */
export interface BackendCase extends BackendEvidence {
  readonly status: BackendStatus
  /** Latest first, at most 10. */
  readonly transitions: readonly PastTransition[]
}

export interface WhySource {
  pools(): readonly PoolStatus[]
  evidence(pool: string, backend: string): BackendEvidence | null
  transitions(pool: string, backend: string): readonly PastTransition[]
}

export function whyRoutes(source: WhySource): readonly Route[] {
  return [
    readRoute({
      path: '/v1/pools/{pool}/backends/{backend}',
      tag: 'backends',
      summary: 'one backend, with the evidence behind its state',
      result: {
        says: 'Status, last probes, traffic against its thresholds, what would change its state.',
        schema: z.looseObject({}),
      },
      problems: ['no-pool', 'no-backend'],
      answer: ({ params }) => {
        const pools = source.pools()
        const pool = pools.find(({ name }) => name === params.pool)
        if (pool === undefined) {
          const names = pools.map(({ name }) => name)
          return problem('no-pool', `There is no pool '${params.pool}'.`, { pools: names })
        }
        const status = pool.backends.find(({ name }) => name === params.backend)
        const evidence = source.evidence(params.pool, params.backend)
        if (status === undefined || evidence === null) {
          const backends = pool.backends.map(({ name }) => name)
          const detail = `Pool '${params.pool}' has no backend '${params.backend}'.`
          return problem('no-backend', detail, { backends })
        }
        const transitions = source.transitions(params.pool, params.backend)
        const found: BackendCase = { status, ...evidence, transitions }
        return json(200, found)
      },
    }),
  ]
}
