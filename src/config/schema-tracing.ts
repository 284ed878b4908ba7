// The keys of `tracing`: which exchanges are kept to be looked at afterwards.

import type { z } from 'zod'
import { duration, either, flag, integer, map, off, ratio } from './leaf.ts'

const hour = 3_600_000

/** `tracing`. */
export const tracingSchema = map({
  ring: integer(1, 100_000)
    .prefault('1000')
    .describe('How many exchanges are kept in memory; the oldest go.'),
  sample: ratio(0, 1)
    .prefault('0%')
    .describe('Share of exchanges that are kept though nothing is odd about them.'),
  slow: either('false, or a duration such as 1s', [off(null), duration(1, hour)])
    .prefault('1s')
    .describe(
      'Keep an exchange whose response head takes at least this long. false: none for that.',
    ),
  trustParent: flag()
    .prefault(true)
    .describe("Take over the trace id of a client's traceparent (W3C Trace Context)."),
  responseHeader: flag()
    .prefault(false)
    .describe('Write Evenkeel-Trace on every response, not just on error replies of its own.'),
})

export type TracingTree = z.output<typeof tracingSchema>
