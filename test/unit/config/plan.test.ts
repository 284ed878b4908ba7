import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plan, PoolPlan } from '../../../src/core/plan.ts'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { backends, parse, pool, route, top, web } from './cases.ts'

function plan(text: string): Plan {
  const result = parse(text)
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  assert.equal(formatDiagnostics(result.warnings), '')
  return result.plan
}

const unchanged = { set: [], remove: [] }
const everything = {
  hosts: null,
  pathPrefix: null,
  pathExact: null,
  methods: null,
  headers: [],
}

/** A pool with every default. */
const defaults: Omit<PoolPlan, 'name' | 'index' | 'slot' | 'backends'> = {
  mode: 'active-active',
  balance: 'round-robin',
  sites: [],
  failover: null,
  replicasOf: -1,
  healthCheck: null,
  outlierDetection: {
    consecutiveFailures: 5,
    failureRate: 0.5,
    attemptsMin: 20,
    windowMs: 10_000,
    slow: { thresholdMs: 200, factor: 5 },
    silent: { thresholdMs: 300, factor: 5, attempts: 5 },
    ejectMs: 10_000,
    ejectMaxMs: 300_000,
    ejectedMax: 0.5,
    probationSuccesses: 3,
  },
  minAvailable: 1,
  slowStart: { durationMs: 10_000, from: 0.1 },
  panic: 'refuse',
  retry: {
    attempts: 2,
    budget: { ratio: 0.2, perSecondMin: 10, burst: 100 },
    idempotencyKey: false,
    bodyBytesMax: 65_536,
    backoffMinMs: 25,
    backoffMaxMs: 250,
  },
  timeouts: {
    connectMs: 1000,
    responseMs: 30_000,
    totalMs: 98_000,
    idleMs: 300_000,
    tunnelIdleMs: 3_600_000,
    queueMs: 5000,
  },
  limits: {
    perBackend: 0,
    queue: 1000,
    connections: { idleMax: 256, idleMs: 4000, ageMs: 3_600_000, requestsMax: 10_000 },
  },
  objective: { rtoMs: null, availability: null },
}

test('the shortest configuration gets every default', () => {
  const text =
    'listeners: { web: { bind: ":8080", pool: app } }\npools: { app: { backends: [a:1, b:2] } }'
  assert.deepEqual(plan(text), {
    runtime: { threads: 'auto', drainMs: 8000, stateDir: null, watch: false },
    admin: {
      address: { kind: 'tcp', host: '127.0.0.1', port: 9900 },
      metrics: null,
      tokens: { admin: null, readOnly: null },
      tls: null,
    },
    log: { level: 'info', access: { format: 'json', path: null } },
    listeners: [
      {
        name: 'web',
        index: 0,
        slot: 0,
        address: { kind: 'tcp', host: '', port: 8080 },
        protocol: 'http',
        routes: [
          {
            name: '#1',
            match: everything,
            action: { kind: 'pool', pool: 0 },
            rewrite: null,
            requestHeaders: unchanged,
            responseHeaders: unchanged,
          },
        ],
        pool: -1,
        trustForwarded: [],
        forwarded: false,
        connectionsMax: 100_000,
        headBytesMax: 32_768,
        targetBytesMax: 8192,
        timeouts: { requestHeadMs: 10_000, keepAliveMs: 60_000 },
      },
    ],
    pools: [
      {
        name: 'app',
        index: 0,
        slot: 0,
        backends: [
          {
            name: 'a:1',
            slot: 0,
            address: { kind: 'tcp', host: 'a', port: 1 },
            weight: 1,
            zone: null,
            site: -1,
          },
          {
            name: 'b:2',
            slot: 1,
            address: { kind: 'tcp', host: 'b', port: 2 },
            weight: 1,
            zone: null,
            site: -1,
          },
        ],
        ...defaults,
      },
    ],
    cluster: null,
    keepalived: null,
    ledger: { path: null, keepMs: 34_560_000_000, sizeBytesMax: 67_108_864 },
    tracing: {
      ring: 1_000,
      sample: 0,
      slowMs: 1_000,
      trustParent: true,
      responseHeader: false,
      otlp: null,
    },
  } satisfies Plan)
})

const everyKey = `
runtime: { threads: 4, drain: 1m30s }
admin: { bind: unix:/run/evenkeel.sock }
log: { level: debug, access: { format: combined, path: /var/log/evenkeel.log } }
listeners:
  web:
    bind: "[::1]:8080"
    protocol: http
    trustForwarded: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32"]
    forwarded: true
    maxConnections: 500
    limits: { head: 16KiB, target: 4KiB }
    timeouts: { requestHead: 5s, keepAlive: 30s }
    routes:
      - name: api
        match:
          host: [API.example.com, "*.api.example.com"]
          path: /v1/
          method: [get, HEAD]
          header: { X-Kind: blue, x-debug: true }
        pool: site
        replacePrefix: { from: /v1/, to: /v2/ }
        requestHeaders: { set: { X-A: "1", Host: inner.example }, remove: [Cookie] }
        responseHeaders: { set: { X-B: 2.0 }, remove: Server }
      - { match: { pathExact: /old }, redirect: { status: 308, location: /new } }
      - { match: { path: /gone }, respond: { status: 410, body: gone, contentType: text/html } }
      - { pool: other, stripPrefix: /app, match: { path: /app } }
  raw: { bind: 0.0.0.0:0, protocol: tcp, pool: raw }
pools:
  site:
    mode: active-active
    balance: weighted
    backends:
      10: { address: 10.0.0.1:80, weight: 0, zone: a }
      9: { address: "[fd00::1]:80", weight: 65535 }
      b: unix:/run/b.sock
    healthCheck:
      http:
        path: /health?deep=1
        method: head
        host: check.example
        headers: { X-Check: yes }
        status: [200-204, 301, "302,304"]
        body: fine
      interval: 5s
      timeout: 500ms
      fastInterval: 250ms
      rise: 3
      fall: 4
      jitter: 0.25
    outlierDetection:
      consecutiveFailures: 7
      failureRate: 75%
      minAttempts: 10
      window: 30s
      slow: { threshold: 1s, factor: 10 }
      silent: { threshold: 2s, factor: 8, attempts: 9 }
      ejectTime: 1s
      maxEjectTime: 1m
      maxEjected: 30%
      probation: 1
    minAvailable: 2
    slowStart: { duration: 30s, from: 5% }
    panic: serve
    retry:
      attempts: 1
      budget: { ratio: 10%, minPerSecond: 1, burst: 5 }
      bodyMax: 1MiB
      idempotencyKey: true
      backoff: { min: 0, max: 1s }
    timeouts: { connect: 2s, response: 1m, total: 2m, idle: 10m, tunnelIdle: 2h, queue: 1s }
    limits:
      perBackend: 100
      queue: 50
      idleConnections: { max: 8, timeout: 2s, maxAge: 10m, maxRequests: 100 }
    objective: { rto: 10s, availability: 99.9% }
  raw: { backends: [10.0.0.9:5432, 10.0.0.8:5432], healthCheck: { tcp: {}, port: 81 } }
  other: { backends: { a: 10.0.0.3:80, b: 10.0.0.4:80 }, retry: false, outlierDetection: false, slowStart: false, healthCheck: { tcp: {}, interval: 300ms } }
`

test('every key reaches the plan, names keep their order, slots count on over the pools', () => {
  const { runtime, admin, log, listeners, pools } = plan(everyKey)
  assert.deepEqual(runtime, { threads: 4, drainMs: 90_000, stateDir: null, watch: false })
  assert.deepEqual(admin, {
    address: { kind: 'unix', path: '/run/evenkeel.sock' },
    metrics: null,
    tokens: { admin: null, readOnly: null },
    tls: null,
  })
  assert.deepEqual(log, {
    level: 'debug',
    access: { format: 'combined', path: '/var/log/evenkeel.log' },
  })
  assert.deepEqual(
    listeners.map(({ routes, ...rest }) => ({ ...rest, routes: routes.length })),
    [
      {
        name: 'web',
        index: 0,
        slot: 0,
        address: { kind: 'tcp', host: '::1', port: 8080 },
        protocol: 'http',
        pool: -1,
        trustForwarded: ['10.0.0.0/8', '192.0.2.7/32', '2001:db8::/32'],
        forwarded: true,
        connectionsMax: 500,
        headBytesMax: 16_384,
        targetBytesMax: 4096,
        timeouts: { requestHeadMs: 5000, keepAliveMs: 30_000 },
        routes: 4,
      },
      {
        name: 'raw',
        index: 1,
        slot: 1,
        address: { kind: 'tcp', host: '0.0.0.0', port: 0 },
        protocol: 'tcp',
        pool: 1,
        trustForwarded: [],
        forwarded: false,
        connectionsMax: 100_000,
        headBytesMax: 32_768,
        targetBytesMax: 8192,
        timeouts: { requestHeadMs: 10_000, keepAliveMs: 60_000 },
        routes: 0,
      },
    ],
  )
  assert.deepEqual(listeners[0]?.routes, [
    {
      name: 'api',
      match: {
        hosts: ['api.example.com', '*.api.example.com'],
        pathPrefix: '/v1/',
        pathExact: null,
        methods: ['GET', 'HEAD'],
        headers: [
          { name: 'x-kind', value: 'blue' },
          { name: 'x-debug', value: null },
        ],
      },
      action: { kind: 'pool', pool: 0 },
      rewrite: { kind: 'replace-prefix', prefix: '/v1/', replacement: '/v2/' },
      requestHeaders: {
        set: [
          { name: 'x-a', value: '1' },
          { name: 'host', value: 'inner.example' },
        ],
        remove: ['cookie'],
      },
      // The text as written, not the number YAML would make of it.
      responseHeaders: { set: [{ name: 'x-b', value: '2.0' }], remove: ['server'] },
    },
    {
      name: '#2',
      match: { ...everything, pathExact: '/old' },
      action: { kind: 'redirect', status: 308, location: '/new' },
      rewrite: null,
      requestHeaders: unchanged,
      responseHeaders: unchanged,
    },
    {
      name: '#3',
      match: { ...everything, pathPrefix: '/gone' },
      action: { kind: 'respond', status: 410, body: 'gone', contentType: 'text/html' },
      rewrite: null,
      requestHeaders: unchanged,
      responseHeaders: unchanged,
    },
    {
      name: '#4',
      match: { ...everything, pathPrefix: '/app' },
      action: { kind: 'pool', pool: 2 },
      rewrite: { kind: 'strip-prefix', prefix: '/app' },
      requestHeaders: unchanged,
      responseHeaders: unchanged,
    },
  ])
  assert.deepEqual(pools[0], {
    name: 'site',
    index: 0,
    slot: 0,
    mode: 'active-active',
    balance: 'round-robin',
    backends: [
      {
        name: '10',
        slot: 0,
        address: { kind: 'tcp', host: '10.0.0.1', port: 80 },
        weight: 0,
        zone: 'a',
        site: -1,
      },
      {
        name: '9',
        slot: 1,
        address: { kind: 'tcp', host: 'fd00::1', port: 80 },
        weight: 65_535,
        zone: null,
        site: -1,
      },
      {
        name: 'b',
        slot: 2,
        address: { kind: 'unix', path: '/run/b.sock' },
        weight: 1,
        zone: null,
        site: -1,
      },
    ],
    healthCheck: {
      check: {
        kind: 'http',
        method: 'HEAD',
        path: '/health?deep=1',
        host: 'check.example',
        headers: [{ name: 'x-check', value: 'yes' }],
        status: [
          [200, 204],
          [301, 301],
          [302, 302],
          [304, 304],
        ],
        body: 'fine',
        roles: null,
      },
      port: null,
      intervalMs: 5000,
      timeoutMs: 500,
      fastIntervalMs: 250,
      jitter: 0.25,
      rise: 3,
      fall: 4,
    },
    outlierDetection: {
      consecutiveFailures: 7,
      failureRate: 0.75,
      attemptsMin: 10,
      windowMs: 30_000,
      slow: { thresholdMs: 1000, factor: 10 },
      silent: { thresholdMs: 2000, factor: 8, attempts: 9 },
      ejectMs: 1000,
      ejectMaxMs: 60_000,
      ejectedMax: 0.3,
      probationSuccesses: 1,
    },
    minAvailable: 2,
    slowStart: { durationMs: 30_000, from: 0.05 },
    panic: 'serve',
    retry: {
      attempts: 1,
      budget: { ratio: 0.1, perSecondMin: 1, burst: 5 },
      idempotencyKey: true,
      bodyBytesMax: 1_048_576,
      backoffMinMs: 0,
      backoffMaxMs: 1000,
    },
    timeouts: {
      connectMs: 2000,
      responseMs: 60_000,
      totalMs: 120_000,
      idleMs: 600_000,
      tunnelIdleMs: 7_200_000,
      queueMs: 1000,
    },
    limits: {
      perBackend: 100,
      queue: 50,
      connections: { idleMax: 8, idleMs: 2000, ageMs: 600_000, requestsMax: 100 },
    },
    objective: { rtoMs: 10_000, availability: 0.999 },
    sites: [],
    failover: null,
    replicasOf: -1,
  } satisfies PoolPlan)
  assert.deepEqual(pools[1]?.healthCheck, {
    check: { kind: 'tcp', steps: [] },
    port: 81,
    intervalMs: 2000,
    timeoutMs: 1000,
    fastIntervalMs: 500,
    jitter: 0.1,
    rise: 2,
    fall: 3,
  })
  assert.deepEqual(
    pools.flatMap(({ backends }) => backends.map(({ slot }) => slot)),
    [0, 1, 2, 3, 4, 5, 6],
  )
})

test('a virtual IP address brings its defaults, on a listener of its own or on all addresses', () => {
  for (const host of ['', '0.0.0.0', '10.0.0.100']) {
    const { keepalived } = plan(`keepalived: { vip: 10.0.0.100 }
listeners: { web: { bind: "${host}:80", pool: app } }
pools: { app: { backends: [10.0.0.1:80, 10.0.0.2:80] } }`)
    assert.deepEqual(keepalived, {
      trackFile: '/run/evenkeel/track',
      vip: '10.0.0.100',
      handoverMs: 10_000,
    })
  }
})

test('what is off is off, and defaults shrink to fit what was written', () => {
  const [, , other] = plan(everyKey).pools
  assert.equal(other?.retry, null)
  assert.equal(other.outlierDetection, null)
  assert.deepEqual(other.slowStart, { durationMs: 0, from: 1 })
  assert.equal(other.healthCheck?.timeoutMs, 300)
  assert.equal(other.healthCheck.fastIntervalMs, 300)
  assert.equal(other.timeouts.totalMs, 36_000)
  const [short] = plan(pool('timeouts: { total: 800ms }')).pools
  assert.deepEqual(short?.timeouts, {
    connectMs: 800,
    responseMs: 800,
    totalMs: 800,
    idleMs: 300_000,
    tunnelIdleMs: 3_600_000,
    queueMs: 800,
  })
  assert.equal(plan(top('admin: false')).admin, null)
})

const shorthands: readonly (readonly [string, string, string])[] = [
  ['a pool of an http listener', web('pool: app'), web('routes: [ { pool: app } ]')],
  [
    'an access log format',
    top('log: { access: haproxy }'),
    top('log: { access: { format: haproxy } }'),
  ],
  [
    'a path to check',
    pool('healthCheck: { http: /up }'),
    pool('healthCheck: { http: { path: /up } }'),
  ],
  ['an empty tcp check', pool('healthCheck: { tcp: }'), pool('healthCheck: { tcp: {} }')],
  ['a true tcp check', pool('healthCheck: { tcp: true }'), pool('healthCheck: { tcp: {} }')],
  ['a retry budget', pool('retry: { budget: 5% }'), pool('retry: { budget: { ratio: 0.05 } }')],
  ['a slow start', pool('slowStart: 3s'), pool('slowStart: { duration: 3s }')],
  [
    'a redirect',
    route('{ redirect: https://a.example* }').replace(/pools[^]*/, ''),
    route('{ redirect: { location: https://a.example*, status: "302" } }').replace(/pools[^]*/, ''),
  ],
  [
    'a reply',
    route('{ respond: 404 }').replace(/pools[^]*/, ''),
    route('{ respond: { status: 404, body: "" } }').replace(/pools[^]*/, ''),
  ],
  [
    'one host',
    route('{ match: { host: a.example }, pool: app }'),
    route('{ match: { host: [a.example] }, pool: app }'),
  ],
  [
    'one method',
    route('{ match: { method: GET }, pool: app }'),
    route('{ match: { method: [GET] }, pool: app }'),
  ],
  [
    'the prefix of the match',
    route('{ match: { path: /a }, pool: app, stripPrefix: true }'),
    route('{ match: { path: /a }, pool: app, stripPrefix: /a }'),
  ],
  [
    'a replacement',
    route('{ match: { path: /a }, pool: app, replacePrefix: /b }'),
    route('{ match: { path: /a }, pool: app, replacePrefix: { from: /a, to: /b } }'),
  ],
  [
    'addresses in one text',
    backends('10.0.0.1:80, 10.0.0.2:80'),
    backends('[10.0.0.1:80, 10.0.0.2:80]'),
  ],
  [
    'an address of a backend',
    backends('{ a: a:1, b: b:1 }'),
    backends('{ a: { address: a:1, weight: 1 }, b: { address: b:1 } }'),
  ],
  [
    'quotes around numbers and flags',
    web('pool: app, maxConnections: "7", forwarded: "true"'),
    web('pool: app, maxConnections: 7, forwarded: true'),
  ],
  ['every address', web('pool: app').replace(':8080', '*:8080'), web('pool: app')],
]

for (const [title, short, long] of shorthands) {
  test(`${title} is short for the long form`, () => assert.deepEqual(plan(short), plan(long)))
}

test('anchors, aliases and merge keys share settings, and the nearer key wins', () => {
  const { pools } = plan(`
x-base: &base { healthCheck: { tcp: {}, interval: 5s }, minAvailable: 2, slowStart: 1s }
x-more: &more { slowStart: 2s, panic: serve }
listeners:
  one: { bind: ":1", pool: a }
  two: { bind: ":2", pool: b }
pools:
  a: { <<: *base, backends: &list [a:1, b:1, c:1] }
  b: { <<: [*more, *base], minAvailable: 1, backends: *list }
`)
  const seen = pools.map((pool) => [
    pool.healthCheck?.intervalMs,
    pool.minAvailable,
    pool.slowStart.durationMs,
    pool.panic,
    pool.backends.length,
  ])
  assert.deepEqual(seen, [
    [5000, 2, 1000, 'refuse', 3],
    [5000, 1, 2000, 'serve', 3],
  ])
})

test('names that objects have by birth are names like others', () => {
  const { pools, listeners } = plan(
    'listeners: { toString: { bind: ":1", pool: constructor } }\npools: { constructor: { backends: { valueOf: a:1, hasOwnProperty: b:1 } } }',
  )
  assert.equal(listeners[0]?.name, 'toString')
  assert.equal(pools[0]?.name, 'constructor')
  assert.deepEqual(
    pools[0].backends.map(({ name }) => name),
    ['valueOf', 'hasOwnProperty'],
  )
})

test('a redirect needs no pools, and a lone backend is worth a note', () => {
  assert.deepEqual(
    plan('listeners: { web: { bind: ":80", routes: [ { redirect: "https://a.example*" } ] } }')
      .pools,
    [],
  )
  const result = parse(backends('[a:1]'))
  assert.ok(result.ok)
  assert.equal(
    formatDiagnostics(result.notes),
    `bad.yaml:5:5: note: pools.app.backends: there is one backend only: when it fails, nothing takes over
    5 |     backends: [a:1]
      |     ^^^^^^^^
  hint: add a second one
`,
  )
})

test('a plan is plain data', () => {
  const made = plan(everyKey)
  assert.deepEqual(structuredClone(made), made)
  assert.deepEqual(JSON.parse(JSON.stringify(made)), made)
})
