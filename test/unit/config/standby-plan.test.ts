import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterPlan, FailoverPlan, Plan } from '../../../src/core/plan.ts'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { parse } from './cases.ts'
import { cluster, endpoints, failover, inSites, standby } from './standby-cases.ts'

function plan(text: string): Plan {
  const result = parse(text)
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  assert.equal(formatDiagnostics(result.warnings), '')
  return result.plan
}

const defaults: FailoverPlan = {
  failback: 'manual',
  stableForMs: 30_000,
  holdDownMs: 2000,
  holdDownMaxMs: 600_000,
  readyForMs: 10_000,
  sessions: 'drain',
  drainMs: 1000,
  pauseMaxMs: 1000,
  proveMs: 5000,
  elect: 'priority',
  allDown: 'stay',
  promote: null,
  fence: null,
  agreement: 'none',
  replicaLag: { ms: null, bytes: null },
  overflow: false,
}

test('an active-standby pool gets every default', () => {
  const { runtime, pools, cluster } = plan(standby())
  assert.equal(runtime.stateDir, '/var/lib/evenkeel')
  assert.equal(cluster, null)
  assert.equal(pools.length, 1)
  assert.equal(pools[0]?.mode, 'active-standby')
  assert.deepEqual(pools[0].sites, [])
  assert.deepEqual(pools[0].failover, defaults)
  assert.deepEqual(
    pools[0].backends.map(({ name, slot, site }) => [name, slot, site]),
    [
      ['a', 0, -1],
      ['b', 1, -1],
    ],
  )
  assert.equal(pools[0].timeouts.queueMs, 5000)
})

test('every key of failover reaches the plan', () => {
  const text = standby(`failover:
      failback: auto
      stableFor: 1m
      holdDown: 5s
      maxHoldDown: 1h
      readyFor: 3s
      sessions: drain
      drain: 400ms
      pauseMax: 600ms
      proveWithin: 2s
      elect: role
      allDown: any
      promote: { exec: [/usr/bin/promote, "two words", ""], timeout: 4s }
      fence: { webhook: "https://fence.example/down?x=1", headers: { X-Key: a }, timeout: 3s }
      replicaLag: { time: 10s, bytes: 16MiB }`)
    .replace('tcp: {}', 'redis: {}')
    .replace('pool: app', 'pool: app, role: replica')
  assert.deepEqual(plan(text).pools[0]?.failover, {
    failback: 'auto',
    stableForMs: 60_000,
    holdDownMs: 5000,
    holdDownMaxMs: 3_600_000,
    readyForMs: 3000,
    sessions: 'drain',
    drainMs: 400,
    pauseMaxMs: 600,
    proveMs: 2000,
    elect: 'role',
    allDown: 'any',
    promote: {
      kind: 'exec',
      command: ['/usr/bin/promote', 'two words', ''],
      timeoutMs: 4000,
    },
    fence: {
      kind: 'webhook',
      url: 'https://fence.example/down?x=1',
      headers: [{ name: 'x-key', value: 'a' }],
      timeoutMs: 3000,
    },
    agreement: 'none',
    replicaLag: { ms: 10_000, bytes: 16_777_216 },
    overflow: false,
  } satisfies FailoverPlan)
})

test('sessions are destroyed behind tcp, but not behind a tcp listener for the replicas', () => {
  const tcp = plan(standby().replace('pool: app', 'pool: app, protocol: tcp'))
  assert.equal(tcp.pools[0]?.failover?.sessions, 'destroy')
  const readers = plan(standby().replace('pool: app', 'pool: app, protocol: tcp, role: replica'))
  assert.equal(readers.pools[0]?.failover?.sessions, 'drain')
})

test('requests are held as long as the hooks may take, at most 30 s, and the queue waits with them', () => {
  const hook = (timeout: string) => `{ exec: [true], timeout: ${timeout} }`
  const pauses = [
    `promote: ${hook('4s')}`,
    `promote: ${hook('4s')}, fence: ${hook('9s')}`,
    `promote: ${hook('40s')}`,
    `promote: ${hook('4s')}, pauseMax: 2s`,
  ].map((settings) => {
    const [pool] = plan(failover(settings)).pools
    return [pool?.failover?.pauseMaxMs, pool?.failover?.drainMs, pool?.timeouts.queueMs]
  })
  assert.deepEqual(pauses, [
    [5000, 5000, 5000],
    [14_000, 14_000, 14_000],
    [30_000, 30_000, 30_000],
    [2000, 2000, 5000],
  ])
})

test('role: replica leads to one read side per pool, with slots of its own', () => {
  const { listeners, pools } = plan(`
runtime: { stateDir: /var/lib/evenkeel }
listeners:
  web:
    bind: ":1"
    routes:
      - { match: { path: /a }, pool: two, role: replica }
      - { match: { path: /b }, pool: one, role: replica }
      - { match: { path: /c }, pool: one, role: primary }
      - { pool: two, role: replica }
  reads: { bind: ":2", protocol: tcp, pool: one, role: replica }
  writes: { bind: ":3", protocol: tcp, pool: one }
pools:
  one:
    mode: active-standby
    balance: random-two
    backends: { a: { address: a:1, weight: 3 }, b: b:1 }
    healthCheck: { http: / }
    limits: { perBackend: 7 }
    objective: { rto: 20s }
  two:
    mode: active-standby
    backends: { c: c:1, d: d:1, e: e:1 }
    healthCheck: { tcp: {} }
`)
  assert.deepEqual(
    pools.map(({ name, index, mode, replicasOf, backends }) => [
      name,
      index,
      mode,
      replicasOf,
      backends.map(({ name, slot }) => `${name}${slot}`).join(' '),
    ]),
    [
      ['one', 0, 'active-standby', -1, 'a0 b1'],
      ['two', 1, 'active-standby', -1, 'c2 d3 e4'],
      ['two:replicas', 2, 'active-active', 1, 'c5 d6 e7'],
      ['one:replicas', 3, 'active-active', 0, 'a8 b9'],
    ],
  )
  assert.deepEqual(
    listeners[0]?.routes.map(({ action }) => action.kind === 'pool' && action.pool),
    [2, 3, 0, 2],
  )
  assert.equal(listeners[1]?.pool, 3)
  assert.equal(listeners[2]?.pool, 0)
  const [one, , , side] = pools
  assert.equal(one?.failover?.sessions, 'destroy')
  assert.deepEqual(side, {
    ...one,
    name: 'one:replicas',
    index: 3,
    slot: 3,
    mode: 'active-active',
    backends: [
      { ...one.backends[0], slot: 8 },
      { ...one.backends[1], slot: 9 },
    ],
    failover: null,
    replicasOf: 0,
    healthCheck: null,
    outlierDetection: null,
    objective: { rtoMs: null, availability: null },
  })
})

test('backends of an active-standby pool stand in the order of its sites', () => {
  const text = standby(
    'sites: { near: {}, far: { class: cold, minHealthy: 2 } }',
    '{ a: { address: a:1, site: far }, b: { address: b:1, site: near }, c: { address: c:1, site: far } }',
  )
  const [pool] = plan(text).pools
  assert.deepEqual(pool?.sites, [
    { name: 'near', kind: 'hot', minHealthy: 1 },
    { name: 'far', kind: 'cold', minHealthy: 2 },
  ])
  assert.deepEqual(
    pool.backends.map(({ name, slot, site }) => [name, slot, site]),
    [
      ['b', 0, 0],
      ['a', 1, 1],
      ['c', 2, 1],
    ],
  )
})

test('sites of an active-active pool are tiers that fail back by themselves', () => {
  const text = standby('sites: { b: mirror, a: mirror, c: hot }', inSites('a', 'b', 'c'))
  const [pool] = plan(text.replace('active-standby', 'active-active')).pools
  assert.deepEqual(
    pool?.backends.map(({ name, site }) => [name, site]),
    [
      ['a', 1],
      ['b', 0],
      ['c', 2],
    ],
  )
  assert.deepEqual(pool?.failover, {
    ...defaults,
    failback: 'auto',
    allDown: 'any',
    overflow: true,
  })
  const strict = text.replace('{ tcp: {} }', '{ tcp: {} }\n    failover: { overflow: false }')
  assert.equal(
    plan(strict.replace('active-standby', 'active-active')).pools[0]?.failover?.overflow,
    false,
  )
  const list = plan(standby('sites: [a, b]', inSites('a', 'b')))
  assert.deepEqual(list.pools[0]?.sites, [
    { name: 'a', kind: 'hot', minHealthy: 1 },
    { name: 'b', kind: 'hot', minHealthy: 1 },
  ])
})

test('a cluster reaches the plan, with certificates as text', () => {
  const text = cluster(`name: eu-1
replica: b
ttl: 1m
etcd:
  endpoints: ["https://10.0.0.1:2379/", "https://[fd00::1]:02379", "https://10.0.0.1:2379"]
  user: me
  password: \${file:secret}
  ca: \${file:cert}`)
  const result = parse(text)
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  assert.equal(formatDiagnostics(result.warnings), '')
  assert.deepEqual(result.plan.cluster, {
    name: 'eu-1',
    replica: 'b',
    replicas: ['a', 'b', 'c'].map((name, index) => ({
      name,
      peer: { kind: 'tcp', host: `10.0.0.${index + 1}`, port: 9910 },
    })),
    etcd: {
      endpoints: ['https://10.0.0.1:2379', 'https://[fd00::1]:2379'],
      login: { user: 'me', password: 'hunter2' },
      tls: {
        ca: '-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----',
        cert: null,
        key: null,
      },
    },
    ttlMs: 60_000,
  } satisfies ClusterPlan)
})

test('the shortest cluster gets its defaults, and one that nobody needs is left out', () => {
  const { cluster: made } = plan(cluster(`replica: a\n${endpoints}`))
  assert.equal(made?.name, 'evenkeel')
  assert.equal(made.ttlMs, 5000)
  assert.deepEqual(made.etcd, {
    endpoints: ['http://e1:2379', 'http://e2:2379', 'http://e3:2379'],
    login: null,
    tls: null,
  })
  const unused = parse(cluster(`replica: a\n${endpoints}`).replace('agreement: etcd', ''))
  assert.ok(unused.ok)
  assert.equal(unused.plan.cluster, null)
})

test('two replicas, a lone etcd, one site and an unseen promotion are worth a note', () => {
  const notes = (text: string): string => {
    const result = parse(text)
    assert.ok(result.ok)
    return result.notes.map(({ path, message }) => `${path}: ${message}\n`).join('')
  }
  const two = '{ a: 10.0.0.1:9910, b: 10.0.0.2:9910 }'
  assert.equal(
    notes(cluster('replica: a\netcd: { endpoints: "http://e1:2379" }', two)),
    'cluster.replicas: 2 replicas bear the loss of no more than 1 would\n' +
      'cluster.etcd.endpoints: with one server etcd survives the loss of none\n',
  )
  assert.equal(
    notes(failover('promote: { exec: [a] }')),
    'pools.app.failover.promote: whether it worked is not seen: a tcp check does not ask for the role\n',
  )
  assert.equal(notes(failover('promote: { exec: [a] }').replace('tcp: {}', 'redis: {}')), '')
  assert.equal(
    notes(standby('sites: [s]', inSites('s'))),
    'pools.app.sites: there is one site only: no other takes over\n',
  )
})

test('every check that asks for a role can elect, and those that tell the lag can limit it', () => {
  const checks = [
    'redis: {}',
    'postgres: {}',
    'mysql: { user: m }',
    'http: { path: /, primary: /primary }',
  ]
  for (const check of checks) {
    assert.equal(
      plan(failover('elect: role').replace('tcp: {}', check)).pools[0]?.failover?.elect,
      'role',
    )
  }
  for (const [written, lag] of [
    ['10s', { ms: 10_000, bytes: null }],
    ['16MiB', { ms: null, bytes: 16_777_216 }],
    ['0s', { ms: 0, bytes: null }],
  ] as const) {
    const text = failover(`replicaLag: ${written}`)
      .replace('tcp: {}', 'postgres: {}')
      .replace('pool: app', 'pool: app, role: replica')
    assert.deepEqual(plan(text).pools[0]?.failover?.replicaLag, lag)
  }
})

const shorthands: readonly (readonly [string, string, string])[] = [
  [
    'a command without arguments',
    failover('promote: { exec: /bin/promote }'),
    failover('promote: { exec: [/bin/promote] }'),
  ],
  [
    'a class of a site',
    standby('sites: { a: hot, b: cold }', inSites('a', 'b')),
    standby('sites: { a: {}, b: { class: cold } }', inSites('a', 'b')),
  ],
  [
    'endpoints in one text',
    cluster(`replica: a\n${endpoints}`),
    cluster(
      'replica: a\netcd: { endpoints: ["http://e1:2379", "http://e2:2379", "http://e3:2379"] }',
    ),
  ],
]

for (const [title, short, long] of shorthands) {
  test(`${title} is short for the long form`, () => assert.deepEqual(plan(short), plan(long)))
}

test('a plan with all of it is plain data', () => {
  const made = plan(cluster(`replica: a\n${endpoints}`))
  assert.deepEqual(structuredClone(made), made)
  assert.deepEqual(JSON.parse(JSON.stringify(made)), made)
})
