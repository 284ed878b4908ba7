// The keys of `cluster`: several Evenkeels that agree, by way of etcd, on who is active.

import { z } from 'zod'
import { readBackendAddress } from './address.ts'
import { addressJson, either, map, named, text } from './leaf.ts'
import { readEndpoint, readPem } from './outside-values.ts'
import { accept, formatDuration, quote, type Reading, readDuration, refuse } from './units.ts'

const ttlMin = 2000
const ttlMax = 60_000

// etcd counts leases in whole seconds.
function readTtl(text: string): Reading<number> {
  const ttl = readDuration(text)
  if (!ttl.ok) return ttl
  const range = `use whole seconds from ${formatDuration(ttlMin)} to ${formatDuration(ttlMax)}`
  if (ttl.value < ttlMin) return refuse(`${text} is too small`, range)
  if (ttl.value > ttlMax) return refuse(`${text} is too large`, range)
  if (ttl.value % 1000 !== 0) return refuse(`${quote(text)} is not whole seconds`, range)
  return ttl
}

// `http://a:2379, http://b:2379`, so that one variable can hold all of them.
function readEndpoints(text: string): Reading<string[]> {
  const endpoints: string[] = []
  for (const piece of text.split(',')) {
    const found = readEndpoint(piece.trim())
    if (!found.ok) return found
    endpoints.push(found.value)
  }
  return accept(endpoints)
}

const endpointJson = { type: 'string', pattern: '^https?://|\\$\\{' }
const pem = (what: string) => text(what, readPem, { type: 'string' }).optional()

const etcd = map({
  endpoints: either('a list of endpoints', [
    text('endpoints', readEndpoints, endpointJson),
    z.array(text('an endpoint such as https://10.0.0.1:2379', readEndpoint, endpointJson)),
  ]).describe('Servers of one etcd cluster, such as https://10.0.0.1:2379; tried in turn.'),
  user: text('a name').optional().describe('Name to log in with.'),
  password: text('a password').optional().describe('Its password; write ${file:/path}.'),
  ca: pem('certificates').describe(
    "Authorities to believe, as PEM text: ${file:/path}. Absent: the system's.",
  ),
  cert: pem('a certificate').describe('Certificate to show, as PEM text.'),
  key: pem('a key').describe('Its key, as PEM text.'),
})

const peer = text('an address such as 10.0.0.1:9910', readBackendAddress, addressJson)

/** `cluster`. */
export const clusterSchema = map({
  name: text('a name')
    .prefault('evenkeel')
    .describe('The same in each replica; keys in etcd begin with /evenkeel/NAME/.'),
  replica: text('a name').describe('Which of the replicas this process is, such as ${HOSTNAME}.'),
  replicas: named(peer, 'a map from names to addresses').describe(
    'All replicas, the same in each: name, and the address where the others reach it.',
  ),
  etcd: etcd.describe('The store that the replicas agree by.'),
  ttl: text('a duration such as 5s', readTtl, {
    anyOf: [{ type: 'string', pattern: '^\\d+s$|\\$\\{|^1m$' }],
  })
    .prefault('5s')
    .describe(
      'How long after a replica was last heard of the others go on without it. Whole seconds.',
    ),
})

export type ClusterTree = z.output<typeof clusterSchema>
