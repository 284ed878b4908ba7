// The keys of `tracing`: which exchanges are kept to be looked at afterwards.

import { duration, either, flag, integer, map, off, ratio, text } from './leaf.ts'
import { readCollector } from './outside-values.ts'
import { headersSchema } from './schema-outgoing.ts'
import { hour } from './units.ts'

const otlp = map({
  endpoint: text('a URL such as http://127.0.0.1:4318', readCollector, {
    type: 'string',
    pattern: '^https?://|\\$\\{',
  }).describe('The collector; without a path, /v1/traces is added.'),
  headers: headersSchema.describe(
    'Further headers of each request, such as Authorization; write ${file:/path}.',
  ),
  service: text('a name').prefault('evenkeel').describe('service.name of all spans.'),
})

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
  otlp: otlp
    .optional()
    .describe('Send kept exchanges as spans to a collector, over OTLP/HTTP as JSON.'),
  responseHeader: flag()
    .prefault(false)
    .describe('Write Evenkeel-Trace on every response, not just on error replies of its own.'),
})
