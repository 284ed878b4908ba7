// The paths that show kept exchanges.

import { z } from 'zod'
import { fault } from '../core/fault.ts'
import type { TraceRecord } from '../core/trace.ts'
import type { Answer } from './answer.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'

/** The ring, as far as it is asked. */
interface Ring {
  latest(wish: {
    readonly last: number
    readonly errors?: boolean
    readonly pool?: string
  }): readonly TraceRecord[]
  find(id: string): readonly TraceRecord[]
  readonly size: number
  /** How many have ever been kept. */
  readonly total: number
}

export interface TraceSource {
  /** `null`: switched off. */
  readonly ring: Ring | null
}

/** A kept exchange, with the sentence of its fault. */
export interface ToldTrace extends TraceRecord {
  readonly sentence: string | null
}

const LAST_MAX = 1_000
const LAST = 20

const query = z.strictObject({
  last: z
    .string()
    .regex(/^\d{1,4}$/, `has to be a number from 1 to ${LAST_MAX}`)
    .optional()
    .describe(`At most this many; ${LAST} if absent.`),
  errors: z.enum(['true', 'false']).optional().describe('Only those that failed.'),
  pool: z.string().optional().describe('Only those of this pool.'),
})

export function traceRoutes(source: () => TraceSource): readonly Route[] {
  return [latestRoute(source), traceRoute(source)]
}

function latestRoute(source: () => TraceSource): Route {
  return readRoute({
    path: '/v1/traces',
    tag: 'events',
    summary: 'the latest kept exchanges, with their attempts',
    description:
      'Kept are those that failed, were retried, were slow, or were drawn by `tracing.sample`. All lengths are milliseconds; −1 where something did not happen.',
    query,
    result: { says: 'The exchanges, the latest first.', schema: z.looseObject({}) },
    problems: ['bad-request', 'no-trace'],
    answer: ({ query: { last = String(LAST), errors, pool } }) => {
      const { ring } = source()
      if (ring === null) return switchedOff()
      const count = Number(last)
      if (count < 1 || count > LAST_MAX) {
        return problem('bad-request', `'last' has to be a number from 1 to ${LAST_MAX}.`)
      }
      const wish = { last: count, errors: errors === 'true' }
      const found = ring.latest(pool === undefined ? wish : { ...wish, pool })
      return json(200, { kept: ring.size, total: ring.total, traces: found.map(told) })
    },
  })
}

function traceRoute(source: () => TraceSource): Route {
  return readRoute({
    path: '/v1/traces/{id}',
    tag: 'events',
    summary: 'the kept exchanges of one trace or request',
    description:
      'The id is that of `Evenkeel-Trace` or `traceparent` (six digits of it are enough), or the `X-Request-Id` of the client.',
    result: { says: 'The exchanges, the latest first.', schema: z.looseObject({}) },
    problems: ['no-trace'],
    answer: ({ params: { id } }) => {
      const { ring } = source()
      if (ring === null) return switchedOff()
      const found = ring.find(id)
      if (found.length > 0) return json(200, { traces: found.slice(0, LAST_MAX).map(told) })
      const why =
        ring.total > ring.size
          ? 'it went well, there was no room for it, or later ones have taken its place'
          : 'it went well, or there was no room for it'
      return problem('no-trace', `No exchange with the id '${id.slice(0, 128)}' is kept: ${why}.`)
    },
  })
}

function told(trace: TraceRecord): ToldTrace {
  return { ...trace, sentence: trace.fault === null ? null : fault(trace.fault).sentence }
}

function switchedOff(): Answer {
  return problem('no-trace', 'The configuration keeps no exchanges: tracing: false.')
}
