// `discovery` of a pool: what it compiles to, and what is said about mistakes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DiscoveryPlan } from '../../../src/core/plan.ts'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { bad, doubtful, parse } from './cases.ts'

function pool(settings: string): string {
  return `listeners:\n  web: { bind: ":8080", pool: app }\npools:\n  app:\n    ${settings}\n`
}

function discovery(settings: string): DiscoveryPlan | undefined {
  const result = parse(pool(`discovery: ${settings}`))
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  assert.equal(formatDiagnostics(result.warnings), '')
  const [found] = result.plan.pools
  assert.deepEqual(found!.backends, [])
  return found!.discovery
}

test('a name and a port are all that DNS needs', () => {
  assert.deepEqual(discovery('{ dns: { name: api.internal, port: 8080 } }'), {
    sources: [
      {
        kind: 'dns',
        name: 'api.internal',
        type: 'address',
        port: 8080,
        servers: [],
        ttlMinMs: 1_000,
        ttlMaxMs: 60_000,
      },
    ],
    seed: [],
    allowEmpty: false,
    membersMax: 1_000,
    allow: null,
  })
})

test('every key of DNS arrives in the plan', () => {
  const text =
    '{ dns: { name: _http._tcp.api, type: SRV, servers: [10.0.0.2, "10.0.0.3:54", "fd00::1", "[fd00::2]:54"], ttlMin: 2s, ttlMax: 5s } }'
  assert.deepEqual(discovery(text)?.sources, [
    {
      kind: 'dns',
      name: '_http._tcp.api',
      type: 'SRV',
      port: 0,
      servers: ['10.0.0.2:53', '10.0.0.3:54', '[fd00::1]:53', '[fd00::2]:54'],
      ttlMinMs: 2_000,
      ttlMaxMs: 5_000,
    },
  ])
})

test('several sources, seeds and blocks arrive in the plan', () => {
  const text = `
      file: { path: /etc/evenkeel/app.yaml }
      docker: { network: front, label: stage=live, port: 80 }
      kubernetes: { service: app, namespace: shop, port: http }
      seed: [10.0.0.1:80]
      allowEmpty: true
      maxMembers: 10
      allow: [10.0.0.0/8, 192.0.2.1]`
  assert.deepEqual(discovery(text), {
    sources: [
      { kind: 'file', path: '/etc/evenkeel/app.yaml' },
      {
        kind: 'docker',
        socket: '/var/run/docker.sock',
        network: 'front',
        label: 'stage=live',
        port: 80,
      },
      {
        kind: 'kubernetes',
        service: 'app',
        namespace: 'shop',
        port: 'http',
        server: null,
        tokenFile: null,
        caFile: null,
      },
    ],
    seed: [{ kind: 'tcp', host: '10.0.0.1', port: 80 }],
    allowEmpty: true,
    membersMax: 10,
    allow: ['10.0.0.0/8', '192.0.2.1/32'],
  })
})

test('the port of a Kubernetes service is a number or a name', () => {
  const [source] = discovery('{ kubernetes: { service: app, port: 8080 } }')!.sources
  assert.ok(source?.kind === 'kubernetes')
  assert.equal(source.port, 8080)
})

test('backends that are configured stand beside those that are found', () => {
  const result = parse(pool('discovery: { file: { path: /a } }\n    backends: { a: 10.0.0.1:80 }'))
  assert.ok(result.ok)
  assert.deepEqual(
    result.plan.pools[0]!.backends.map(({ name }) => name),
    ['a'],
  )
  assert.deepEqual(result.notes, [])
})

bad(
  'a pool with neither backends nor discovery',
  pool('balance: round-robin'),
  `
bad.yaml:4:3: error: pools.app.backends: is missing
    4 |   app:
      |   ^^^
  hint: expected a map from names to addresses, or a list of addresses
`,
)

bad(
  'a discovery without a source',
  pool('discovery: { seed: [10.0.0.1:80] }'),
  `
bad.yaml:5:5: error: pools.app.discovery: names no source
    5 |     discovery: { seed: [10.0.0.1:80] }
      |     ^^^^^^^^^
  hint: add dns, file, docker or kubernetes
`,
)

bad(
  'DNS without a port',
  pool('discovery: { dns: { name: api.internal } }'),
  `
bad.yaml:5:18: error: pools.app.discovery.dns: has no port
    5 |     discovery: { dns: { name: api.internal } }
      |                  ^^^
  hint: add port: 8080, or type: SRV if records say the port
`,
)

bad(
  'a port beside SRV records',
  pool('discovery: { dns: { name: api.internal, type: SRV, port: 80 } }'),
  `
bad.yaml:5:62: error: pools.app.discovery.dns.port: SRV records say the port themselves
    5 |     discovery: { dns: { name: api.internal, type: SRV, port: 80 } }
      |                                                              ^^
  hint: remove port
`,
)

bad(
  'an address in place of a name',
  pool('discovery: { dns: { name: 10.0.0.1, port: 80 } }'),
  `
bad.yaml:5:31: error: pools.app.discovery.dns.name: "10.0.0.1" is an address
    5 |     discovery: { dns: { name: 10.0.0.1, port: 80 } }
      |                               ^^^^^^^^
  hint: put it among the backends
`,
)

bad(
  'a DNS server by name',
  pool('discovery: { dns: { name: a.b, port: 80, servers: ns.example } }'),
  `
bad.yaml:5:55: error: pools.app.discovery.dns.servers: "ns.example" is not an IP address
    5 |     discovery: { dns: { name: a.b, port: 80, servers: ns.example } }
      |                                                       ^^^^^^^^^^
  hint: write 10.0.0.2 or 10.0.0.2:53
`,
)

bad(
  'TTLs that contradict each other',
  pool('discovery: { dns: { name: a.b, port: 80, ttlMin: 2m } }'),
  `
bad.yaml:5:54: error: pools.app.discovery.dns.ttlMin: ttlMin 2m is longer than ttlMax 1m
    5 |     discovery: { dns: { name: a.b, port: 80, ttlMin: 2m } }
      |                                                      ^^
  hint: raise ttlMax, or lower ttlMin
`,
)

bad(
  'a file by a relative path',
  pool('discovery: { file: { path: members.yaml } }'),
  `
bad.yaml:5:32: error: pools.app.discovery.file.path: "members.yaml" is not an absolute path
    5 |     discovery: { file: { path: members.yaml } }
      |                                ^^^^^^^^^^^^
`,
)

bad(
  'discovery in an active-standby pool',
  pool('mode: active-standby\n    discovery: { file: { path: /a } }\n    healthCheck: { tcp: {} }'),
  `
bad.yaml:6:5: error: pools.app.discovery: is for active-active pools: in an active-standby pool the order of the backends counts
    6 |     discovery: { file: { path: /a } }
      |     ^^^^^^^^^
  hint: name the backends, or write mode: active-active
`,
)

bad(
  'a Kubernetes API without TLS',
  pool('discovery: { kubernetes: { service: app, server: "http://10.0.0.1" } }'),
  `
bad.yaml:5:54: error: pools.app.discovery.kubernetes.server: "http://10.0.0.1" is not an https URL
    5 |     discovery: { kubernetes: { service: app, server: "http://10.0.0.1" } }
      |                                                      ^^^^^^^^^^^^^^^^^
`,
)

doubtful(
  'the name of SRV records without their type',
  pool('discovery: { dns: { name: _http._tcp.api.internal, port: 80 } }'),
  `
bad.yaml:5:31: warning: pools.app.discovery.dns.name: looks like the name of SRV records
    5 |     discovery: { dns: { name: _http._tcp.api.internal, port: 80 } }
      |                               ^^^^^^^^^^^^^^^^^^^^^^^
  hint: add type: SRV
`,
)
