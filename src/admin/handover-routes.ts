// What an operator asks about the virtual IP address, from the body of a request to the answer.

import { z } from 'zod'
import type { HandoverAnswer, HandoverReport, HandoverRequest } from '../core/handover.ts'
import { HANDOVER_TIMEOUT_MAX_MS, HANDOVER_TIMEOUT_MS } from '../core/handover.ts'
import type { Route } from './route.ts'
import { changeRoute } from './route.ts'
import { by, flag, reason, wholeNumber } from './words.ts'

/** Resolves once what is asked for is over. `from`: address of the client. */
export type HandOver = (request: HandoverRequest, from: string) => Promise<HandoverAnswer>

const body = z.strictObject({
  stay: flag('Give the address away, but go on.'),
  back: flag('Be ready to have the address again.'),
  timeoutMs: wholeNumber(0, HANDOVER_TIMEOUT_MAX_MS)
    .default(HANDOVER_TIMEOUT_MS)
    .describe('How long the address may take to leave.'),
  reason: reason.optional(),
  by: by.optional(),
})

const report: z.ZodType<HandoverReport> = z.strictObject({
  vip: z.string(),
  wasHere: z.boolean(),
  leftMs: z.number(),
  exchanges: z.strictObject({ at: z.int(), finished: z.int(), cut: z.int() }).nullable(),
  drainMs: z.number(),
})

/** @param handOver `null` where there is no virtual IP address */
export function handoverRoutes(handOver: HandOver | null): readonly Route[] {
  return [
    changeRoute({
      path: '/v1/handover',
      tag: 'process',
      verb: 'handover',
      summary: 'give the virtual IP address to another node, then finish and stop',
      body,
      example: { timeoutMs: 60_000 },
      // It drains before it answers, which takes as long as the configuration allows.
      waitMs: Infinity,
      result: {
        says: 'The address is elsewhere; `report` tells how long that took.',
        schema: z.strictObject({ message: z.string(), report }),
      },
      problems: ['no-virtual-ip', 'refused', 'failed'],
      change: async ({ body: { stay, back, timeoutMs }, who }) => {
        if (stay && back) {
          const message = "Ask for 'stay' or for 'back', not for both."
          return { ok: false, code: 'bad-request', message }
        }
        if (handOver === null) {
          const message =
            'This Evenkeel has no virtual IP address: its configuration has no keepalived.'
          return { ok: false, code: 'no-virtual-ip', message }
        }
        const wish = back ? 'back' : stay ? 'stay' : 'stop'
        const answer = await handOver({ wish, timeoutMs }, who.from)
        if (!answer.ok) return answer
        return { ok: true, message: answer.message, body: { report: answer.report } }
      },
    }),
  ]
}
