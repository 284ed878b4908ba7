// The paths of alerts: what fires, and a message that tries a target out.

import { z } from 'zod'
import type { AlertFormat, AlertRule, AlertSeverity } from '../core/alert-contract.ts'
import { ALERT_RULE_NAMES } from '../core/alert-contract.ts'
import { json } from './answer.ts'
import type { Route } from './route.ts'
import { changeRoute, readRoute } from './route.ts'
import { by, reason } from './words.ts'

export interface AlertsAnswer {
  readonly alerts: readonly {
    readonly rule: AlertRule
    readonly subject: string
    readonly state: 'pending' | 'firing'
    readonly severity: AlertSeverity
    readonly labels: Readonly<Record<string, string>>
    readonly message: string
    readonly value: number | null
    readonly times: number
    readonly notify: readonly string[]
    /** Wall clock, ms since 1970. */
    readonly since: number
    readonly firedAt: number | null
    /** It is gone, but not for long enough yet. */
    readonly clearing: boolean
    readonly silenced: string | null
  }[]
  readonly targets: readonly {
    readonly name: string
    readonly kind: 'exec' | 'webhook'
    readonly format: AlertFormat
    readonly waiting: number
    readonly delivered: number
    readonly failed: number
    readonly dropped: number
    /** What went wrong last; `null` once it works again. */
    readonly trouble: string | null
  }[]
  /** Those that are on. */
  readonly rules: readonly AlertRule[]
}

export type AlertTestAnswer =
  | { readonly kind: 'delivered' | 'failed'; readonly message: string }
  | { readonly kind: 'no-target'; readonly targets: readonly string[] }

/** What these paths ask. */
export interface AlertActor {
  answer(): AlertsAnswer
  /** Sends a message at once, tried once. */
  test(target: string, by: string): Promise<AlertTestAnswer>
}

const rule = z.enum(ALERT_RULE_NAMES as [AlertRule, ...AlertRule[]])
const count = z.int().min(0)
const answerSchema: z.ZodType<AlertsAnswer> = z.strictObject({
  alerts: z.array(
    z.strictObject({
      rule,
      subject: z.string().describe('Tells it from others of its rule; empty: the process.'),
      state: z.enum(['pending', 'firing']),
      severity: z.enum(['critical', 'warning', 'info']),
      labels: z.record(z.string(), z.string()),
      message: z.string(),
      value: z.number().nullable(),
      times: count.describe('Of what happens and is over: how often it happened.'),
      notify: z.array(z.string()),
      since: z.number().describe('Since when it holds: wall clock, ms since 1970.'),
      firedAt: z.number().nullable().describe('Wall clock, ms since 1970.'),
      clearing: z.boolean().describe('It is gone, but not for long enough yet.'),
      silenced: z.string().nullable().describe('Why nobody would be told now.'),
    }),
  ),
  targets: z.array(
    z.strictObject({
      name: z.string(),
      kind: z.enum(['exec', 'webhook']),
      format: z.enum(['evenkeel', 'slack', 'alertmanager']),
      waiting: count,
      delivered: count,
      failed: count,
      dropped: count,
      trouble: z.string().nullable().describe('What went wrong last.'),
    }),
  ),
  rules: z.array(rule).describe('Those that are on.'),
})

const body = z.strictObject({ reason: reason.optional(), by: by.optional() })

export function alertRoutes(actor: AlertActor): readonly Route[] {
  return [
    readRoute({
      path: '/v1/alerts',
      tag: 'alerts',
      summary: 'alerts that fire or may, and how their targets are reached',
      result: { says: 'All of them; empty without `alerts`.', schema: answerSchema },
      answer: () => json(200, actor.answer()),
    }),
    changeRoute({
      path: '/v1/alerts/targets/{target}/test',
      tag: 'alerts',
      verb: 'test-alert',
      summary: 'send a test message to a target',
      body,
      example: { by: 'kim' },
      result: { says: 'It was taken.', schema: z.strictObject({ message: z.string() }) },
      problems: ['no-target', 'failed'],
      wishes: ({ params: { target } }) => ({ target }),
      change: async ({ params: { target }, by: who }) => {
        const answer = await actor.test(target, who)
        if (answer.kind === 'no-target') {
          const message = `No target of alerts is called '${target}'.`
          return { ok: false, code: 'no-target', message, body: { targets: answer.targets } }
        }
        const { kind, message } = answer
        return kind === 'delivered' ? { ok: true, message } : { ok: false, code: 'failed', message }
      },
    }),
  ]
}
