// The path that shows the evidence behind a backend's state.

import { z } from 'zod'
import type { BackendEvidence } from '../core/evidence.ts'
import type { Availability, BackendStatus, PoolStatus } from '../core/status.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { availabilitySchema, backendSchema } from './schemas.ts'

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

const ms = z.number().describe('Milliseconds.')
const count = z.int().min(0)

const caseSchema: z.ZodType<BackendCase> = z.strictObject({
  status: backendSchema,
  probes: z
    .array(
      z.strictObject({
        agoMs: ms.describe('Milliseconds since it ended.'),
        verdict: z.enum(['pass', 'fail', 'void']),
        text: z.string().describe('What it saw.'),
        tookMs: ms,
        suspicion: z.boolean().describe('Asked for by doubt in live traffic.'),
      }),
    )
    .describe('Latest first, at most 10.'),
  traffic: z
    .strictObject({
      streak: z.number().describe('Weighted failures in a row.'),
      attempts: count,
      failures: count,
      windowMs: ms.describe('What `attempts` and `failures` are counted over.'),
      waiting: count,
      oldestWaitMs: ms.nullable(),
      slowMs: ms.nullable().describe('An attempt that waits longer counts as slow.'),
      silentMs: ms.nullable().describe('An attempt that waits longer counts as silent.'),
    })
    .nullable()
    .describe('`null` until it has seen traffic.'),
  next: z.array(z.string()).describe('What has to happen for its state to change.'),
  transitions: z
    .array(
      z.strictObject({
        at: z.number().describe('Wall clock, ms since 1970.'),
        from: availabilitySchema,
        to: availabilitySchema,
        reason: z.string(),
      }),
    )
    .describe('Latest first, at most 10.'),
})

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
        schema: caseSchema,
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
