// The paths that tell how pools and backends are.

import type { PoolStatus } from '../core/status.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { poolSchema, poolsSchema } from './schemas.ts'

export function poolRoutes(pools: () => readonly PoolStatus[]): readonly Route[] {
  return [
    readRoute({
      path: '/v1/pools',
      tag: 'pools',
      summary: 'all pools and their backends',
      result: { says: 'The pools in the order of the plan.', schema: poolsSchema },
      answer: () => json(200, { pools: pools() }),
    }),
    readRoute({
      path: '/v1/pools/{pool}',
      tag: 'pools',
      summary: 'one pool',
      result: { says: 'The pool.', schema: poolSchema },
      problems: ['no-pool'],
      answer: ({ params }) => {
        const all = pools()
        const pool = all.find(({ name }) => name === params.pool)
        if (pool !== undefined) return json(200, pool)
        const names = all.map(({ name }) => name)
        return problem('no-pool', `There is no pool '${params.pool}'.`, { pools: names })
      },
    }),
  ]
}
