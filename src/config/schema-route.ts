// The keys of a route: what a request must have, what happens to it, and which headers change.

import type { z } from 'zod'
import {
  readChangedHeader,
  readHeaderValue,
  readHostPattern,
  readLocation,
  readMethod,
  readPath,
  readRedirectStatus,
  readReplyStatus,
} from './http-values.ts'
import {
  either,
  headerNamePattern,
  integerJson,
  listOf,
  map,
  named,
  on,
  pathJson,
  text,
  word,
} from './leaf.ts'
import { headersSchema } from './schema-outgoing.ts'

const path = text('a path', readPath, pathJson)

const headerChanges = map({
  set: headersSchema.describe('Headers to write, in place of any of the same name.'),
  remove: listOf(text('a header name', readChangedHeader), 'a header name, or a list of them')
    .prefault([])
    .describe('Headers to take out, before set runs.'),
})

const match = map({
  host: listOf(text('a host', readHostPattern), 'a host, or a list of hosts')
    .optional()
    .describe('Host of the request, without its port. "*.example.com" is every subdomain.'),
  path: path
    .optional()
    .describe(
      'Beginning of the path. /v1 matches /v1 and /v1/x but not /v12; /v1/ matches what begins with /v1/.',
    ),
  pathExact: path.optional().describe('The whole path.'),
  method: listOf(text('a method', readMethod), 'a method, or a list of methods')
    .optional()
    .describe('Method of the request.'),
  header: named(
    either('a value, or true', [on(null), text('a value', readHeaderValue)]),
    'a map from header names to values',
    headerNamePattern,
  )
    .optional()
    .describe('Headers the request must have: the exact value, or true for any value.'),
})

const location = text('a URL or path', readLocation)
const redirect = map({
  status: text('a status', readRedirectStatus, integerJson(301, 308))
    .prefault(302)
    .describe('301, 302, 303, 307 or 308.'),
  location: location.describe(
    'Where to. With * at its end, the path and query of the request follow.',
  ),
})

const replyStatus = text('a status', readReplyStatus, integerJson(200, 599))
const respond = map({
  status: replyStatus.prefault(200).describe('Status of the reply.'),
  body: text('text').prefault('').describe('Body of the reply.'),
  contentType: text('a content type', readHeaderValue)
    .prefault('text/plain; charset=utf-8')
    .describe('Content-Type of the reply.'),
})

const replacement = map({
  from: path.optional().describe('The prefix to replace; match.path if absent.'),
  to: path.describe('What to put in its place.'),
})

/** `role` beside a `pool`, of routes and listeners. */
export const roleSchema = word(['primary', 'replica'])
  .prefault('primary')
  .describe(
    'Of an active-standby pool: primary is its active, replica its other backends (for reads), and the active when none is fit.',
  )

export const routeSchema = map(
  {
    name: text('a name').optional().describe('What messages and logs call the route.'),
    match: match.prefault({}).describe('What a request must have. Absent: every request.'),
    pool: text('the name of a pool').optional().describe('Forward to this pool.'),
    role: roleSchema,
    redirect: either('a URL, or a map with status and location', [
      location.transform((location) => redirect.parse({ location })),
      redirect,
    ])
      .optional()
      .describe('Answer with a redirect. A URL alone is a 302.'),
    respond: either('a status, or a map with status, body and contentType', [
      replyStatus.transform((status) => respond.parse({ status })),
      respond,
    ])
      .optional()
      .describe('Answer at once, without a backend. A status alone has no body.'),
    stripPrefix: either('a path, or true', [on(true as const), path])
      .optional()
      .describe('Take this prefix off the path; true is the one in match.path.'),
    replacePrefix: either('a path, or a map with from and to', [
      path.transform((to) => ({ from: undefined, to })),
      replacement,
    ])
      .optional()
      .describe('Put another prefix in place of one. A path alone replaces match.path.'),
    requestHeaders: headerChanges.prefault({}).describe('Changes to the request headers.'),
    responseHeaders: headerChanges.prefault({}).describe('Changes to the response headers.'),
  },
  'a route: a map with match and pool',
)

export type RouteTree = z.output<typeof routeSchema>
