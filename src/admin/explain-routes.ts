// The path that says what would become of a request, and why.

import { z } from 'zod'
import type { Candidate, PoolExplanation } from '../core/explain.ts'
import type { Explained, Explanation, ExplainQuestion } from '../route/explain-request.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { availabilitySchema } from './schemas.ts'

/** Runs the router and the balancer over a request that is not sent. */
export type Explainer = (question: ExplainQuestion) => Explained

const URL_CHARS_MAX = 8_192
const HEADERS_MAX = 64

const headers = z
  .string('must be a JSON object of texts')
  .max(URL_CHARS_MAX, 'is too long')
  .transform((text, context) => {
    try {
      const read = z.record(z.string(), z.string()).parse(JSON.parse(text))
      const entries = Object.entries(read).slice(0, HEADERS_MAX)
      return Object.fromEntries(entries.map(([name, value]) => [name.toLowerCase(), value]))
    } catch {
      context.addIssue({ code: 'custom', message: 'must be a JSON object of texts' })
      return z.NEVER
    }
  })
  .optional()
  .describe('Request headers as a JSON object.')

const candidate: z.ZodType<Candidate> = z.strictObject({
  backend: z.string(),
  address: z.string(),
  availability: availabilitySchema,
  eligible: z.boolean().describe('It could get the request now.'),
  share: z.number().describe('Of such requests, 0 to 1, by weights and turns alone.'),
  inFlight: z.int(),
  reason: z.string(),
})

const pool: z.ZodType<PoolExplanation> = z.strictObject({
  pool: z.string(),
  mode: z.enum(['active-active', 'active-standby']),
  balance: z.enum(['round-robin', 'least-connections', 'random-two']),
  outcome: z.enum(['sent', 'queued', 'refused']),
  reason: z.string(),
  backend: z.string().nullable().describe('`null` where turns or chance decide.'),
  fault: z.string().nullable() as unknown as z.ZodType<PoolExplanation['fault']>,
  candidates: z.array(candidate),
})

const explanation: z.ZodType<Explanation> = z
  .strictObject({
    listener: z.strictObject({ name: z.string(), reason: z.string() }),
    request: z
      .strictObject({ method: z.string(), host: z.string(), path: z.string() })
      .nullable()
      .describe('`null` for a TCP listener.'),
    routes: z.array(
      z.strictObject({
        route: z.string(),
        verdict: z
          .enum(['matches', 'differs', 'passed'])
          .describe('`passed`: an earlier one took the request.'),
        reason: z.string(),
      }),
    ),
    outcome: z
      .enum(['sent', 'queued', 'answered', 'refused'])
      .describe('`answered`: by a route itself. `refused`: by Evenkeel, with `fault`.'),
    status: z.int().nullable().describe('`null` where a backend says.'),
    fault: z.strictObject({ code: z.string(), sentence: z.string() }).nullable(),
    summary: z.string(),
    rewritten: z.string().nullable().describe('The path that the backend sees, if it is another.'),
    pool: pool.nullable(),
    policy: z.array(z.string()).describe('Timeouts and retries, one line each.'),
  })
  .meta({ id: 'Explanation' })

export function explainRoutes(explain: Explainer): readonly Route[] {
  return [
    readRoute({
      path: '/v1/explain',
      tag: 'pools',
      summary: 'what would become of a request, and why',
      query: z.strictObject({
        url: z
          .string()
          .max(URL_CHARS_MAX, 'is too long')
          .optional()
          .describe('The whole URL; not needed for a TCP listener.'),
        method: z
          .string()
          .regex(/^[A-Z-]{1,32}$/, 'must be a method such as GET')
          .default('GET')
          .describe('The method.'),
        listener: z.string().optional().describe('Where it comes in.'),
        headers,
      }),
      result: { says: 'Each decision on its way, with its reason.', schema: explanation },
      problems: ['bad-request'],
      answer: ({ query }) => {
        const { url = null, method, listener = null, headers = {} } = query
        const answer = explain({ method, url, headers, listener })
        if (answer.ok) return json(200, answer.explanation)
        const { message, listeners } = answer
        return problem('bad-request', `${message}.`, listeners.length > 0 ? { listeners } : {})
      },
    }),
  ]
}
