// The keys of a pool's health check, with their defaults. A default that depends on another key is
// said in words here and computed in compile-check.ts.

import { z } from 'zod'
import { readBytes, readPassword, readServerName } from './byte-text.ts'
import { readHeaderValue, readMethod, readStatusRanges, readTarget } from './http-values.ts'
import { duration, either, integer, listOf, map, on, pathJson, ratio, text } from './leaf.ts'
import { headersSchema } from './schema-outgoing.ts'
import { hour } from './units.ts'

const httpCheck = map({
  path: text('a path', readTarget, pathJson)
    .prefault('/')
    .describe('Path to request; may have a query.'),
  method: text('a method', readMethod).prefault('GET').describe('Method of the request.'),
  host: text('a host', readHeaderValue)
    .optional()
    .describe("Host header; the backend's own host:port if absent."),
  headers: headersSchema.describe('Further headers of the request.'),
  status: listOf(text('a status or range', readStatusRanges), 'a status, a range, or a list')
    .transform((lists) => lists.flat())
    .prefault('200-299')
    .describe('Statuses that pass: 200, 200-299, or a list of them.'),
  body: text('text').optional().describe('Text that must occur in the first 64 KiB of the body.'),
  primary: text('a path', readTarget, pathJson)
    .optional()
    .describe('Asked after path has passed: 2xx says that the backend is the primary.'),
  replica: text('a path', readTarget, pathJson)
    .optional()
    .describe('Asked when primary is refused: 2xx says that the backend is a replica.'),
})

const bytes = text('text', readBytes)
const tcpStep = map(
  {
    send: bytes.optional().describe('Bytes to send; escapes \\r \\n \\t \\0 \\xNN \\\\.'),
    expect: bytes
      .optional()
      .describe('Bytes that must come then, within 64 KiB; escapes as in send.'),
  },
  'a map with send, expect, or both',
)
const tcpCheck = either('tcp: {}, or a map with send and expect', [
  z.null().transform(() => []),
  on([]),
  tcpStep.transform((step) => [step]),
  z.array(tcpStep),
])

/** A map of which nothing is required, so that its key alone, or `true`, is enough. */
function orNothing<T extends z.ZodType>(settings: T, expects: string) {
  return either(expects, [
    z.null().transform(() => settings.parse({})),
    on(null).transform(() => settings.parse({})),
    settings,
  ])
}

const userName = text('a name', readServerName)
const password = text('a password', readPassword)
  .optional()
  .describe('Its password; empty is none. Best ${file:/run/secrets/...}.')

const redisCheck = map({
  user: userName.optional().describe('User of an ACL; needs +info. Absent: the default user.'),
  password,
})
const postgresCheck = map({
  user: userName.prefault('postgres').describe('Who logs in; needs no further right.'),
  password,
  database: userName.prefault('postgres').describe('Any database it may connect to.'),
})
const mysqlCheck = map({
  user: userName.describe('Who logs in; needs no right, and REPLICATION CLIENT to tell the lag.'),
  password,
})

/** `healthCheck` of a pool, when it is not `false`. */
export const healthCheckSchema = map({
  http: either('a path, or a map with path, status, ...', [
    text('a path', readTarget, pathJson).transform((path) => httpCheck.parse({ path })),
    httpCheck,
  ])
    .optional()
    .describe('Request a path, and look at the answer. A path alone is short for { path }.'),
  tcp: tcpCheck
    .optional()
    .describe('Open a connection, and close it: tcp: {}. Or also send bytes, and expect some.'),
  redis: orNothing(redisCheck, 'redis: {}, or a map with user and password')
    .optional()
    .describe('Ask Redis for its role: redis: {}, with user and password if it wants them.'),
  postgres: orNothing(postgresCheck, 'postgres: {}, or a map with user, password and database')
    .optional()
    .describe('Ask PostgreSQL whether it is in recovery.'),
  mysql: mysqlCheck.optional().describe('Ask MySQL or MariaDB whether it is read-only.'),
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

export type HttpCheckTree = z.output<typeof httpCheck>
export type HealthCheckTree = z.output<typeof healthCheckSchema>
