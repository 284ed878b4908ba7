// The path that says what would become of a request, and why.

import { z } from 'zod'
import type { Explained, ExplainQuestion } from '../route/explain-request.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'

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
      result: { says: 'Each decision on its way, with its reason.', schema: z.looseObject({}) },
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
