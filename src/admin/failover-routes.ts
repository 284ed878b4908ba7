// What an operator asks of a pool with an active: from the body of a request to the machine that
// judges it, and its answer back.

import { z } from 'zod'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import { REASON_CHARS_MAX } from '../core/operator.ts'
import type { Outcome, Route } from './route.ts'
import { changeRoute } from './route.ts'
import { movedSchema } from './schemas.ts'
import { by, flag, line, reason } from './words.ts'

/** Whoever carries requests out. */
export interface Actor {
  /** Resolves once what is asked for is over. */
  act(pool: string, request: OperatorRequest): Promise<ActAnswer>
}

const signed = { reason, by: by.optional() }
const force = flag('Also where the balancer advises against it.')
const dryRun = flag('Only say what would happen.')

const result = { says: 'It is done; `report` tells of the move.', schema: movedSchema }
const frame = {
  tag: 'pools',
  result,
  problems: ['no-pool', 'not-standby', 'refused', 'failed'],
} as const

export function failoverRoutes(actor: Actor): readonly Route[] {
  const ask = async (pool: string, request: OperatorRequest): Promise<Outcome> =>
    outcomeOf(await actor.act(pool, request))
  return [
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/switchover',
      verb: 'switchover',
      summary: 'move a pool to the backend `to`',
      body: z.strictObject({ to: line(REASON_CHARS_MAX), ...signed, force, dryRun }),
      problems: [...frame.problems, 'no-backend'],
      dryRun: true,
      example: { to: 'b', reason: 'new kernel', by: 'kim' },
      change: ({ params, body: { to, force }, by, reason, dryRun }) =>
        ask(params.pool, { verb: 'switchover', to, force, dryRun, reason, by }),
    }),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/failback',
      verb: 'failback',
      summary: 'move a pool back to its preferred backend',
      body: z.strictObject({ ...signed, force, dryRun }),
      dryRun: true,
      example: { reason: 'repaired', by: 'kim' },
      change: ({ params, body: { force }, by, reason, dryRun }) =>
        ask(params.pool, { verb: 'failback', force, dryRun, reason, by }),
    }),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/freeze',
      verb: 'freeze',
      summary: 'let a pool stay as it is, whatever happens',
      body: z.strictObject(signed),
      example: { reason: 'network work', by: 'kim' },
      change: ({ params, by, reason }) => ask(params.pool, { verb: 'freeze', reason, by }),
    }),
    changeRoute({
      ...frame,
      path: '/v1/pools/{pool}/unfreeze',
      verb: 'unfreeze',
      summary: 'let a pool move again',
      body: z.strictObject(signed),
      example: { reason: 'network work is over', by: 'kim' },
      change: ({ params, by, reason }) => ask(params.pool, { verb: 'unfreeze', reason, by }),
    }),
  ]
}

/** What the machine says, as an outcome of the API. */
export function outcomeOf(answer: ActAnswer): Outcome {
  if (answer.ok) return { ok: true, message: answer.message, body: { report: answer.report } }
  const { code, message, names, report } = answer
  const body: Record<string, unknown> = {}
  if (names !== undefined) body[code === 'no-backend' ? 'backends' : 'pools'] = names
  if (report !== undefined) body['report'] = report
  return { ok: false, code, message, body }
}
