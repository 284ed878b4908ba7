// The paths that show kept exchanges.

import { z } from 'zod'
import type { FaultCode } from '../core/fault.ts'
import { fault } from '../core/fault.ts'
import type { TraceAttempt, TraceRecord } from '../core/trace.ts'
import type { Answer } from './answer.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { addressSchema } from './schemas.ts'

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

const faultCode = z
  .string()
  .describe('A code of docs/faults.md.') as unknown as z.ZodType<FaultCode>
const ms = z.number().describe('Milliseconds.')

const attempt: z.ZodType<TraceAttempt> = z.strictObject({
  number: z.int().describe('1 is the first; some are missing where a long story was shortened.'),
  backend: z.string(),
  address: addressSchema.nullable(),
  startMs: ms.describe('Milliseconds after the start of the exchange.'),
  ms,
  connectMs: ms.describe('0: the connection was open already; −1: there was none.'),
  responseMs: ms.describe('Request sent to response head; −1: there was no head.'),
  reused: z.boolean(),
  status: z.int().describe('What the backend answered with; 0 if it did not, and over TCP.'),
  fault: faultCode.nullable().describe('`null`: it brought the answer.'),
})

const traceSchema: z.ZodType<ToldTrace> = z
  .strictObject({
    id: z.string().describe('32 hex digits.'),
    spanId: z.string(),
    parentId: z.string().nullable(),
    traceState: z.string().nullable(),
    keptFor: z.enum(['error', 'retried', 'slow', 'sampled']),
    at: z.number().describe('Wall clock at the start, ms since 1970.'),
    thread: z.int(),
    listener: z.string(),
    protocol: z.enum(['http', 'tcp']),
    client: z.string().describe('Empty for a unix socket.'),
    method: z.string(),
    host: z.string(),
    target: z.string().describe('As received, at most 512 characters.'),
    requestId: z.string().nullable().describe('`X-Request-Id` of the client.'),
    route: z.string().nullable(),
    pool: z.string().nullable(),
    status: z.int().describe('What the client got; 0 over TCP and where nothing could be sent.'),
    fault: faultCode.nullable(),
    sentence: z.string().nullable().describe('Of the fault.'),
    queueMs: ms.describe('Waiting for a free backend; −1: it never came to that.'),
    headMs: ms.describe('To the response head, over TCP to the connection; −1: there was none.'),
    totalMs: ms,
    bytesIn: z.number(),
    bytesOut: z.number(),
    attempts: z.array(attempt),
  })
  .meta({ id: 'Trace' })

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

/** @param pools names of those there are now */
export function traceRoutes(
  source: () => TraceSource,
  pools: () => readonly string[],
): readonly Route[] {
  return [latestRoute(source, pools), traceRoute(source)]
}

function latestRoute(source: () => TraceSource, pools: () => readonly string[]): Route {
  return readRoute({
    path: '/v1/traces',
    tag: 'events',
    summary: 'the latest kept exchanges, with their attempts',
    description:
      'Kept are those that failed, were retried, were slow, or were drawn by `tracing.sample`. All lengths are milliseconds; −1 where something did not happen.',
    query,
    result: {
      says: 'The exchanges, the latest first.',
      schema: z.strictObject({
        kept: z.int().describe('How many are kept now.'),
        total: z.int().describe('How many have ever been kept.'),
        traces: z.array(traceSchema),
      }),
    },
    problems: ['bad-request', 'no-pool', 'no-trace'],
    answer: ({ query: { last = String(LAST), errors, pool } }) => {
      const { ring } = source()
      if (ring === null) return switchedOff()
      const count = Number(last)
      if (count < 1 || count > LAST_MAX) {
        return problem('bad-request', `'last' has to be a number from 1 to ${LAST_MAX}.`)
      }
      const wish = { last: count, errors: errors === 'true' }
      const found = ring.latest(pool === undefined ? wish : { ...wish, pool })
      // Exchanges of a pool that was removed since are still told.
      if (pool !== undefined && found.length === 0 && !pools().includes(pool)) {
        return problem('no-pool', `There is no pool '${pool}'.`, { pools: pools() })
      }
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
      'The id is that of `Evenkeel-Trace` or `traceparent` (six digits of it are enough), or the `X-Request-Id` of the client. `found` is how many there are, of which the latest 1,000 are told.',
    result: {
      says: 'The exchanges, the latest first.',
      schema: z.strictObject({ found: z.int(), traces: z.array(traceSchema) }),
    },
    problems: ['no-trace'],
    answer: ({ params: { id } }) => {
      const { ring } = source()
      if (ring === null) return switchedOff()
      const found = ring.find(id)
      if (found.length > 0) {
        return json(200, { found: found.length, traces: found.slice(0, LAST_MAX).map(told) })
      }
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
