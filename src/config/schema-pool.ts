// The keys of a pool, with their defaults. A default that depends on another key is said in words
// here and computed in compile-pool.ts.

import { z } from 'zod'
import type { Address } from '../core/plan.ts'
import { readBackendAddress } from './address.ts'
import {
  addressJson,
  duration,
  either,
  flag,
  integer,
  map,
  named,
  off,
  ratio,
  size,
  text,
  word,
} from './leaf.ts'
import { healthCheckSchema } from './schema-check.ts'
import { discoverySchema } from './schema-discovery.ts'
import { failoverSchema, sitesSchema } from './schema-failover.ts'
import { accept, day, hour, minute, type Reading, second } from './units.ts'

const mebibyte = 1024 * 1024

const address = text('an address such as 10.0.0.1:8080', readBackendAddress, addressJson)

const backend = map(
  {
    address: address.describe('host:port, [ipv6]:port or unix:/path.'),
    weight: integer(0, 65_535)
      .prefault(1)
      .describe('Share of the traffic, relative to the others. 0 takes no new traffic.'),
    zone: text('a name')
      .optional()
      .describe('Where it stands; shown with the configuration, and nothing is decided by it.'),
    site: text('a name').optional().describe('Which of the sites of the pool it belongs to.'),
  },
  'an address, or a map with address, weight, ...',
)

// `a:80, b:80`, so that one variable can hold all of them.
function readAddresses(text: string): Reading<Address[]> {
  const addresses: Address[] = []
  for (const piece of text.split(',')) {
    const found = readBackendAddress(piece.trim())
    if (!found.ok) return found
    addresses.push(found.value)
  }
  return accept(addresses)
}

// Stands in where only the other defaults of a backend are asked for.
const anyAddress = 'localhost:1'

const backends = either('a map from names to addresses, or a list of addresses', [
  text('addresses', readAddresses, addressJson),
  z.array(address),
  named(
    either('an address, or a map with address, weight, ...', [
      address.transform((address) => ({ ...backend.parse({ address: anyAddress }), address })),
      backend,
    ]),
    'a map from names to addresses',
  ),
])

const outlierDetection = map({
  consecutiveFailures: integer(1, 10_000)
    .prefault(5)
    .describe('Failures in a row that eject a backend.'),
  failureRate: ratio(0.01, 1)
    .prefault('50%')
    .describe('Share of failures within the window that ejects a backend.'),
  minAttempts: integer(1, 1_000_000)
    .prefault(20)
    .describe('Attempts within the window before the rate is looked at.'),
  window: duration(second, 10 * minute)
    .prefault('10s')
    .describe('How far back the rate looks.'),
  slow: either('false, or a map with threshold and factor', [
    off(null),
    map({
      threshold: duration(1, hour).prefault('200ms').describe('Faster than this is never slow.'),
      factor: integer(2, 1000)
        .prefault(5)
        .describe("How many times the other backends' median is slow."),
    }),
  ])
    .prefault({})
    .describe('Eject a backend that answers far slower than the others. false: never.'),
  silent: either('false, or a map with threshold, factor and attempts', [
    off(null),
    map({
      threshold: duration(1, hour).prefault('300ms').describe('Waiting less is never silence.'),
      factor: integer(2, 1000)
        .prefault(5)
        .describe("How many times the backend's own usual time is silence."),
      attempts: integer(1, 10_000).prefault(5).describe('Attempts that must wait so long.'),
    }),
  ])
    .prefault({})
    .describe('Eject a backend that stopped answering while attempts wait. false: never.'),
  ejectTime: duration(100, hour)
    .prefault('10s')
    .describe('How long the first ejection lasts; doubled by each further one.'),
  maxEjectTime: duration(100, day).prefault('5m').describe('The longest ejection.'),
  maxEjected: ratio(0, 1).prefault('50%').describe('Share of the pool ejected at once, at most.'),
  probation: integer(1, 1000)
    .prefault(3)
    .describe('Successes, one request at a time, that end an ejection.'),
})

const budget = map({
  ratio: ratio(0, 1)
    .prefault('20%')
    .describe('Retries as a share of the requests of the last 10s.'),
  minPerSecond: integer(0, 100_000)
    .prefault(10)
    .describe('Retries per second allowed however few the requests.'),
  burst: integer(1, 1_000_000).prefault(100).describe('Retries allowed at once.'),
})

const retry = map({
  attempts: integer(1, 10).prefault(2).describe('Further attempts after the first.'),
  budget: either('a percentage, or a map with ratio, minPerSecond and burst', [
    ratio(0, 1).transform((ratio) => ({ ...budget.parse({}), ratio })),
    budget,
  ])
    .prefault({})
    .describe('Limit of retries as a whole. A percentage alone is short for { ratio }.'),
  bodyMax: size(0, 16 * mebibyte)
    .prefault('64KiB')
    .describe('Largest request body kept for a retry.'),
  idempotencyKey: flag()
    .prefault(false)
    .describe('Also retry POST and PATCH that carry an Idempotency-Key header.'),
  backoff: map({
    min: duration(0, minute).prefault('25ms').describe('Longest wait before the first retry.'),
    max: duration(0, minute).prefault('250ms').describe('Longest wait before any retry.'),
  })
    .prefault({})
    .describe('Random waits before a retry; none after a refused connection.'),
})

const slowStartMap = map({
  duration: duration(0, hour).prefault('10s').describe('How long it takes to reach full weight.'),
  from: ratio(0.01, 1).prefault('10%').describe('Share of the weight at the beginning.'),
})
const slowStart = either('false, a duration, or a map with duration and from', [
  off({ duration: 0, from: 1 }),
  duration(0, hour).transform((duration) => ({ ...slowStartMap.parse({}), duration })),
  slowStartMap,
])

const timeouts = map({
  connect: duration(1, hour)
    .prefault('1s')
    .describe('To open a connection to a backend. If absent, never longer than total.'),
  response: duration(1, day)
    .prefault('30s')
    .describe(
      'Per attempt: from the request sent to the response head. If absent, never longer than total.',
    ),
  total: duration(1, day)
    .optional()
    .describe(
      'All attempts together, until a response head. Absent: long enough for all of them, (attempts + 1) x (connect + response) + queue.',
    ),
  idle: duration(1, day).prefault('5m').describe('A body that moves no byte in either direction.'),
  tunnelIdle: duration(1, 24 * day)
    .prefault('1h')
    .describe('A tcp or WebSocket tunnel without a byte.'),
  queue: duration(1, hour)
    .prefault('5s')
    .describe('Waiting for a backend below its limit. If absent, never longer than total.'),
})

const limits = map({
  perBackend: integer(0, 1_000_000)
    .prefault(0)
    .describe('Requests (tcp: connections) at once on one backend. 0 is no limit.'),
  queue: integer(0, 1_000_000)
    .prefault(1000)
    .describe('Requests that may wait when all backends are at their limit; 503 beyond.'),
  idleConnections: map({
    max: integer(0, 100_000).prefault(256).describe('Kept per backend and thread.'),
    timeout: duration(1, hour)
      .prefault('4s')
      .describe(
        "Closed after this; below a common backend's own 5s, so that it never closes first.",
      ),
    maxAge: duration(1, 24 * day)
      .prefault('1h')
      .describe('Age after which one is not used again.'),
    maxRequests: integer(1, 100_000_000)
      .prefault(10_000)
      .describe('Requests after which one is not used again.'),
  })
    .prefault({})
    .describe('Connections to backends kept open between requests.'),
})

const laterBalances = ['peak-ewma', 'consistent-hash', 'maglev', 'first']

export const poolSchema = map(
  {
    mode: word(['active-active', 'active-standby'])
      .prefault('active-active')
      .describe(
        'active-active: all backends serve. active-standby: one alone serves, the first in the list that can.',
      ),
    balance: word(['round-robin', 'weighted', 'least-connections', 'random-two'], laterBalances)
      .prefault('round-robin')
      .describe('How a backend is picked. weighted is another name of round-robin.'),
    backends: backends
      .optional()
      .describe(
        'The servers: a map from names to addresses, or a list of addresses. Required without discovery.',
      ),
    discovery: discoverySchema
      .optional()
      .describe('Where further servers come from: DNS, a file, Docker or Kubernetes.'),
    failover: failoverSchema
      .prefault({})
      .describe('How the active changes: of active-standby pools, and between sites.'),
    sites: sitesSchema
      .optional()
      .describe('Places where backends stand, in order of preference; each backend names its own.'),
    healthCheck: either('false, or a map with http, tcp, redis, postgres or mysql', [
      off(null),
      healthCheckSchema,
    ])
      .prefault(false)
      .describe('Probes of each backend. false: none, and backends are up from the start.'),
    outlierDetection: either('false, or a map of settings', [off(null), outlierDetection])
      .prefault({})
      .describe('Ejection of backends that fail live traffic. false: never.'),
    minAvailable: integer(0, 100_000)
      .prefault(1)
      .describe('Backends that ejection and drains always leave available.'),
    slowStart: slowStart
      .prefault({})
      .describe('A backend that comes back gets its full weight little by little. false: at once.'),
    panic: word(['refuse', 'serve'])
      .prefault('refuse')
      .describe('With no backend available: refuse answers 503, serve uses all of them.'),
    retry: either('false, or a map of settings', [off(null), retry])
      .prefault({})
      .describe('Further attempts on other backends. false: none.'),
    timeouts: timeouts.prefault({}).describe('How long each phase may take.'),
    limits: limits.prefault({}).describe('Concurrency, queue and idle connections.'),
    objective: map({
      rto: duration(1, day)
        .optional()
        .describe('How soon traffic must flow again after a failure.'),
      availability: ratio(0.5, 0.999999999)
        .optional()
        .describe('Share of the time that the pool has to be up, such as 99.9%.'),
    })
      .prefault({})
      .describe('What the pool is held against.'),
  },
  'a pool: a map with backends',
)

export type PoolTree = z.output<typeof poolSchema>
