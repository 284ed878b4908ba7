// The shapes of what the admin API tells about pools, backends and moves, for its description. Each is
// typed by what core/status.ts says, so that a new member there can't be forgotten here.

import { z } from 'zod'
import type { Address } from '../core/plan.ts'
import type {
  Availability,
  BackendStatus,
  FailoverStatus,
  MoveReport,
  PoolStatus,
} from '../core/status.ts'

const ms = z.number().describe('Milliseconds.')
const count = z.int().min(0)

/** What an error looks like (RFC 9457). */
export const problemSchema = z
  .looseObject({
    type: z.string().describe('Path of the API that tells what the code means.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What is wrong with this very request, and what to do.'),
    code: z.string().describe('One of a closed list; for programs.'),
    errors: z
      .array(
        z.strictObject({
          file: z.string(),
          path: z.string().describe('Where in the configuration: `pools.web.balance`.'),
          line: z.int().describe('From 1; 0: about the file as a whole.'),
          column: z.int(),
          message: z.string(),
          hint: z.string().nullable(),
        }),
      )
      .optional()
      .describe('The errors of a configuration.'),
  })
  .meta({ id: 'Problem' })

export const moveReportSchema: z.ZodType<MoveReport> = z
  .strictObject({
    kind: z.enum(['first', 'resume', 'failover', 'failback', 'switchover', 'election', 'follow']),
    outcome: z.enum(['moved', 'rolled-back', 'failed']),
    from: z.string().nullable(),
    to: z.string(),
    epoch: count,
    reason: z.string(),
    by: z.string().describe('An operator, or `evenkeel`.'),
    at: z.number().describe('Wall clock at its end, ms since 1970.'),
    detectionMs: ms.describe('From the first sign of the failure to the decision.'),
    moveMs: ms.describe('From the decision to the first byte the new active may get.'),
    sessions: z.strictObject({ at: count, finished: count, cut: count }),
    metObjective: z.boolean().nullable().describe('Against `objective.rto`.'),
  })
  .meta({ id: 'MoveReport' })

export const addressSchema: z.ZodType<Address> = z.union([
  z.strictObject({ kind: z.literal('tcp'), host: z.string(), port: z.int() }),
  z.strictObject({ kind: z.literal('unix'), path: z.string() }),
])

/** Who changed something, why and when: members of an object. */
export const signature = {
  by: z.string(),
  reason: z.string(),
  at: z.number().describe('Wall clock, ms.'),
}

const failover: z.ZodType<FailoverStatus> = z
  .strictObject({
    state: z.enum([
      'none',
      'steady',
      'suspect',
      'failing-over',
      'switching',
      'failback-wait',
      'frozen',
    ]),
    reason: z.string().describe('Why it is so, and what ends it.'),
    sinceMs: ms,
    active: z.string().nullable(),
    epoch: count,
    preferred: z.string(),
    frozen: z.strictObject({ by: z.string(), reason: z.string() }).nullable(),
    standbys: z.array(z.strictObject({ name: z.string(), ready: z.boolean(), reason: z.string() })),
    move: z
      .strictObject({
        kind: z.string(),
        from: z.string().nullable(),
        to: z.string(),
        step: z.string(),
        forMs: ms,
      })
      .nullable() as unknown as z.ZodType<FailoverStatus['move']>,
    lastMoves: z.array(moveReportSchema).describe('Latest first, at most 10.'),
  })
  .meta({ id: 'FailoverStatus' })

export const availabilitySchema: z.ZodType<Availability> = z.enum([
  'available',
  'starting',
  'probation',
  'checking',
  'down',
  'ejected',
  'drain',
  'maint',
  'weightless',
  'standby',
])

export const backendSchema: z.ZodType<BackendStatus> = z
  .strictObject({
    name: z.string(),
    address: z.string(),
    weight: z.number(),
    effectiveWeight: z.number().describe('Weight in force; 0 when no traffic goes there.'),
    availability: availabilitySchema,
    reason: z.string().describe('Why it is so, and when it ends if that is known.'),
    sinceMs: ms,
    health: z.enum(['none', 'checking', 'up', 'down']),
    lastProbe: z.string().nullable(),
    role: z.enum(['primary', 'replica']).nullable(),
    lag: z.strictObject({ ms: z.number().nullable(), bytes: z.number().nullable() }).nullable(),
    admin: z.enum(['ready', 'drain', 'maint']).describe('What an operator said.'),
    drained: z.boolean().describe('Taken out, and nothing runs on it any more.'),
    override: z
      .strictObject({
        admin: z.strictObject({ ...signature, state: z.enum(['drain', 'maint']) }).nullable(),
        weight: z.strictObject({ ...signature, text: z.string() }).nullable(),
        added: z.strictObject(signature).nullable(),
      })
      .nullable()
      .describe('What operators have changed while it runs.'),
    traffic: z.enum(['ok', 'ejected', 'probation']).describe('Verdict of the traffic.'),
    ejectedForMs: ms.nullable(),
    inFlight: count,
    attempts: count,
    failures: count,
  })
  .meta({ id: 'Backend' })

const traffic = z
  .strictObject({
    requests: count,
    failures: count.describe("Ended with a fault that was not the client's."),
    retries: count,
    latency: z
      .array(count)
      .describe('Answers by how long their head took, with the bounds of docs/metrics.md.'),
  })
  .describe('Counted since the start.')

export const poolSchema: z.ZodType<PoolStatus> = z
  .strictObject({
    name: z.string(),
    mode: z.string(),
    balance: z.string(),
    available: count,
    total: count,
    minAvailable: count,
    queued: count,
    traffic,
    failover: failover.nullable(),
    sites: z.array(
      z.strictObject({
        name: z.string(),
        kind: z.enum(['mirror', 'hot', 'warm', 'cold']),
        state: z.enum(['active', 'left', 'overflow', 'standby', 'down']),
        healthy: count,
        total: count,
        minHealthy: count,
        share: z.number(),
        reason: z.string(),
      }),
    ),
    backends: z.array(backendSchema),
    removed: z
      .array(z.strictObject({ ...signature, name: z.string() }))
      .describe('Backends that an operator has removed.'),
    discovery: z
      .array(
        z.strictObject({
          kind: z.enum(['dns', 'file', 'docker', 'kubernetes']),
          source: z.string(),
          state: z.enum(['waiting', 'ok', 'stale']),
          reason: z.string(),
          sinceMs: ms,
          answeredMs: ms.nullable().describe('Since the last good answer.'),
          members: count,
          refused: count,
          failures: count,
          changes: count,
        }),
      )
      .exactOptional()
      .describe('Where further backends come from.'),
  })
  .meta({ id: 'Pool' })

export const poolsSchema = z.strictObject({ pools: z.array(poolSchema) })

/** What a change that may move a pool answers. */
export const movedSchema = z.strictObject({
  message: z.string(),
  report: moveReportSchema.nullable(),
})
