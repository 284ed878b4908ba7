// The keys of a pool's health check, with their defaults. A default that depends on another key is
// said in words here and computed in compile-check.ts.

import { z } from 'zod'
import { readHeaderValue, readMethod, readStatusRanges, readTarget } from './http-values.ts'
import { duration, either, integer, listOf, map, named, on, pathJson, ratio, text } from './leaf.ts'

const hour = 3_600_000

const httpCheck = map({
  path: text('a path', readTarget, pathJson)
    .prefault('/')
    .describe('Path to request; may have a query.'),
  method: text('a method', readMethod).prefault('GET').describe('Method of the request.'),
  host: text('a host', readHeaderValue)
    .optional()
    .describe("Host header; the backend's own host:port if absent."),
  headers: named(text('a value', readHeaderValue), 'a map from header names to values', /^[^\s:]+$/)
    .prefault({})
    .describe('Further headers of the request.'),
  status: listOf(text('a status or range', readStatusRanges), 'a status, a range, or a list')
    .transform((lists) => lists.flat())
    .prefault('200-299')
    .describe('Statuses that pass: 200, 200-299, or a list of them.'),
  body: text('text').optional().describe('Text that must occur in the first 64 KiB of the body.'),
})

const tcpCheck = either('an empty map: tcp: {}', [z.null(), on(null), map({})]).transform(
  () => null,
)

/** `healthCheck` of a pool, when it is not `false`. */
export const healthCheckSchema = map({
  http: either('a path, or a map with path, status, ...', [
    text('a path', readTarget, pathJson).transform((path) => httpCheck.parse({ path })),
    httpCheck,
  ])
    .optional()
    .describe('Request a path, and look at the answer. A path alone is short for { path }.'),
  tcp: tcpCheck.optional().describe('Open a connection, and close it. Write tcp: {}.'),
  interval: duration(10, hour).prefault('2s').describe('From one probe to the next.'),
  timeout: duration(1, hour)
    .prefault('1s')
    .describe('How long a probe may take. If absent, never longer than the interval.'),
  fastInterval: duration(10, hour)
    .prefault('500ms')
    .describe(
      'The interval while a backend is between up and down. If absent, never longer than the interval.',
    ),
  rise: integer(1, 100).prefault(2).describe('Passes in a row that bring a backend up.'),
  fall: integer(1, 100).prefault(3).describe('Failures in a row that take a backend down.'),
  jitter: ratio(0, 0.5).prefault('10%').describe('How much each interval varies, up and down.'),
  port: integer(1, 65_535).optional().describe("Port to probe; the backend's own if absent."),
})

export type HealthCheckTree = z.output<typeof healthCheckSchema>
