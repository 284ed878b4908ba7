// Having a new process take over from the running one. What is started is settled by the running
// process alone: a program that the request could name would be run with its rights.

import { z } from 'zod'
import type { UpgradeAnswer, UpgradeReport, UpgradeRequest } from '../core/upgrade.ts'
import { UPGRADE_TIMEOUT_MAX_MS, UPGRADE_TIMEOUT_MS } from '../core/upgrade.ts'
import type { Route } from './route.ts'
import { changeRoute } from './route.ts'
import { by, reason, wholeNumber } from './words.ts'

/** Resolves once the new process has taken over, or has failed. */
export type Upgrade = (request: UpgradeRequest) => Promise<UpgradeAnswer>

const body = z.strictObject({
  timeoutMs: wholeNumber(100, UPGRADE_TIMEOUT_MAX_MS)
    .default(UPGRADE_TIMEOUT_MS)
    .describe('How long the new process may take to be ready.'),
  reason: reason.optional(),
  by: by.optional(),
})

const report: z.ZodType<UpgradeReport> = z.strictObject({
  fromPid: z.int(),
  toPid: z.int(),
  fromVersion: z.string(),
  toVersion: z.string(),
  tookMs: z.int(),
  running: z.int().describe('Exchanges and tunnels that the old process still had to finish.'),
})

export function upgradeRoutes(upgrade: Upgrade): readonly Route[] {
  return [
    changeRoute({
      path: '/v1/upgrade',
      tag: 'process',
      verb: 'upgrade',
      summary: 'start a new process from the program on the disk, and give way to it',
      body,
      example: { timeoutMs: UPGRADE_TIMEOUT_MS, reason: 'version 1.1' },
      waitMs: Infinity,
      result: {
        says: 'The new process has everything; this one finishes what runs and ends.',
        schema: z.strictObject({ message: z.string(), report }),
      },
      problems: ['refused', 'failed'],
      change: async ({ body: { timeoutMs } }) => {
        const answer = await upgrade({ timeoutMs })
        if (!answer.ok) return answer
        return { ok: true, message: answer.message, body: { report: answer.report } }
      },
    }),
  ]
}
