import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PlanDiff, SettingChange } from '../../../src/core/reload.ts'
import { isEmptyDiff, planDiff, summarizeDiff } from '../../../src/config/plan-diff.ts'
import { planOf } from '../../support/plans.ts'

const base = {
  runtime: 'runtime: { threads: 1 }',
  admin: 'admin: { bind: "127.0.0.1:9900" }',
  front: 'front: { bind: ":8080", pool: web }',
  pools: 'web: { backends: { a: "10.0.0.1:80", b: "10.0.0.2:80" } }',
}

function text(parts: Partial<Record<keyof typeof base | 'more', string>>): string {
  const { runtime, admin, front, pools, more } = { ...base, more: '', ...parts }
  return [runtime, admin, 'listeners:', `  ${front}`, 'pools:', `  ${pools}`, more].join('\n')
}

type Parts = Parameters<typeof text>[0]

function diff(before: Parts, after: Parts): PlanDiff {
  return planDiff(planOf(text(before)), planOf(text(after)))
}

const nothing: PlanDiff = {
  listeners: { added: [], removed: [], changed: [] },
  pools: { added: [], removed: [], changed: [] },
  settings: [],
  fixed: [],
}

/** The settings of pool web that differ. */
function poolSettings(before: string, after: string): readonly SettingChange[] {
  const backends = 'backends: { a: "10.0.0.1:80", b: "10.0.0.2:80" }'
  const pool = (settings: string) => ({ pools: `web: { ${backends}, ${settings} }` })
  const found = diff(pool(before), pool(after))
  assert.deepEqual({ ...found, pools: { ...found.pools, changed: [] } }, nothing)
  assert.deepEqual(found.pools.changed[0]?.backends, nothing.listeners)
  return found.pools.changed[0]?.settings ?? []
}

test('the same configuration differs in nothing', () => {
  assert.deepEqual(diff({}, {}), nothing)
  assert.equal(isEmptyDiff(diff({}, {})), true)
  assert.equal(summarizeDiff(diff({}, {})), '')
})

test('listeners and pools that come and go are told by name', () => {
  const found = diff(
    {},
    {
      front: 'back: { bind: ":8081", pool: api }',
      pools: 'api: { backends: { a: "10.0.0.1:80" } }',
    },
  )
  assert.deepEqual(found, {
    ...nothing,
    listeners: { added: ['back'], removed: ['front'], changed: [] },
    pools: { added: ['api'], removed: ['web'], changed: [] },
  })
  assert.equal(
    summarizeDiff(found),
    '1 listener added, 1 listener removed, 1 pool added, 1 pool removed',
  )
})

test('a listener under another address or protocol is a new one under the old name', () => {
  const moved = diff({}, { front: 'front: { bind: "127.0.0.1:8080", pool: web }' })
  assert.deepEqual(moved.listeners.changed, [
    {
      name: 'front',
      isReplaced: true,
      settings: [{ path: 'bind', before: ':8080', after: '127.0.0.1:8080' }],
    },
  ])
  const kept = diff(
    {},
    {
      front:
        'front: { bind: "*:8080", pool: web, timeouts: { keepAlive: 30s }, limits: { head: 1KiB, target: 512B } }',
    },
  )
  assert.deepEqual(kept.listeners.changed, [
    {
      name: 'front',
      isReplaced: false,
      settings: [
        { path: 'limits.head', before: '32KiB', after: '1KiB' },
        { path: 'limits.target', before: '8KiB', after: '512B' },
        { path: 'timeouts.keepAlive', before: '1m', after: '30s' },
      ],
    },
  ])
})

test('routes are compared by name, and their order is a setting of its own', () => {
  const routes = (list: string) => ({ front: `front: { bind: ":8080", routes: [${list}] }` })
  const v1 = '{ name: one, match: { host: a.example, path: /v1/, method: GET }, pool: web }'
  const v2 = '{ name: two, match: { path: /v2/ }, respond: 404 }'
  const found = (before: string, after: string): readonly SettingChange[] =>
    diff(routes(before), routes(after)).listeners.changed[0]!.settings
  assert.deepEqual(found(v1, `${v2}, ${v1}`), [
    { path: 'routes.two', before: null, after: '/v2/* to respond 404' },
  ])
  assert.deepEqual(found(`${v1}, ${v2}`, `${v2}, ${v1}`), [
    { path: 'order of routes', before: 'one, two', after: 'two, one' },
  ])
  assert.deepEqual(found(v1, v1.replace('GET', 'PUT')), [
    {
      path: 'routes.one',
      before: 'GET a.example/v1/* to pool web',
      after: 'PUT a.example/v1/* to pool web',
    },
  ])
})

test('a pool before the others shifts positions, and that is no difference', () => {
  const found = diff({}, { pools: `aaa: { backends: ["10.0.0.9:80"] }\n  ${base.pools}` })
  assert.deepEqual(found, { ...nothing, pools: { added: ['aaa'], removed: [], changed: [] } })
})

test('backends are compared by name, and another address makes another backend', () => {
  const pools =
    'web: { backends: { b: "10.0.0.3:80", a: { address: "10.0.0.1:80", weight: 3, zone: z }, c: "10.0.0.4:80" } }'
  const found = diff({}, { pools })
  assert.deepEqual(found.pools.changed, [
    {
      name: 'web',
      settings: [{ path: 'order of backends', before: 'a, b', after: 'b, a' }],
      backends: {
        added: ['c'],
        removed: [],
        changed: [
          {
            name: 'b',
            isReplaced: true,
            settings: [{ path: 'address', before: '10.0.0.2:80', after: '10.0.0.3:80' }],
          },
          {
            name: 'a',
            isReplaced: false,
            settings: [
              { path: 'weight', before: '1', after: '3' },
              { path: 'zone', before: null, after: 'z' },
            ],
          },
        ],
      },
    },
  ])
  assert.equal(summarizeDiff(found), '1 pool changed, 1 backend added, 2 backends changed')
})

test('settings of a pool are told in the words of the configuration', () => {
  const before = `
    outlierDetection: { minAttempts: 20, ejectTime: 10s, maxEjected: 50% },
    retry: { bodyMax: 64KiB, backoff: { min: 25ms }, budget: { minPerSecond: 10 } },
    limits: { perBackend: 5, idleConnections: { timeout: 4s, maxAge: 1h } }, minAvailable: 0`
  const after = `
    outlierDetection: { minAttempts: 30, ejectTime: 20s, maxEjected: 12.5% },
    retry: { bodyMax: 1MiB, backoff: { min: 30ms }, budget: { minPerSecond: 5 } },
    limits: { perBackend: 6, idleConnections: { timeout: 3s, maxAge: 2h } }, minAvailable: 1`
  assert.deepEqual(
    Object.fromEntries(
      poolSettings(before, after).map(({ path, before, after }) => [path, `${before} ${after}`]),
    ),
    {
      'outlierDetection.minAttempts': '20 30',
      'outlierDetection.ejectTime': '10s 20s',
      'outlierDetection.maxEjected': '50% 12.5%',
      'retry.budget.minPerSecond': '10 5',
      'retry.bodyMax': '64KiB 1MiB',
      'retry.backoff.min': '25ms 30ms',
      'limits.perBackend': '5 6',
      'limits.idleConnections.timeout': '4s 3s',
      'limits.idleConnections.maxAge': '1h 2h',
      minAvailable: '0 1',
    },
  )
})

test('a section that is switched on or off is one change', () => {
  const total = 'timeouts: { total: 1m }'
  assert.deepEqual(poolSettings(`${total}, retry: {}`, `${total}, retry: false`), [
    { path: 'retry', before: 'on', after: 'false' },
  ])
  assert.deepEqual(
    poolSettings('outlierDetection: { slow: false }', 'outlierDetection: { slow: {} }'),
    [{ path: 'outlierDetection.slow', before: 'false', after: 'on' }],
  )
  assert.deepEqual(poolSettings('healthCheck: false', 'healthCheck: { http: /health }'), [
    { path: 'healthCheck', before: 'false', after: 'http' },
  ])
})

test('a health check is told by its kind and the keys of that kind', () => {
  assert.deepEqual(
    poolSettings(
      'healthCheck: { http: { path: /a, status: 200-299 }, interval: 2s }',
      'healthCheck: { http: { path: /b, status: [200, 204-205] }, interval: 5s }',
    ),
    [
      { path: 'healthCheck.http.path', before: '/a', after: '/b' },
      { path: 'healthCheck.http.status', before: '200-299', after: '200, 204-205' },
      { path: 'healthCheck.interval', before: '2s', after: '5s' },
    ],
  )
})

test('the query of a collector is not shown', () => {
  const to = (secret: string) => ({
    more: `tracing: { otlp: { endpoint: "https://otel.example/v1?key=${secret}" } }`,
  })
  const endpoint = 'https://otel.example/v1?(hidden)'
  assert.deepEqual(diff(to('one'), to('two')).settings, [
    { path: 'tracing.otlp.endpoint', before: endpoint, after: endpoint },
  ])
})

test('nothing that may be a secret is shown', () => {
  const hidden = (path: string) => ({ path, before: '(hidden)', after: '(hidden)' })
  const check = (secret: string) =>
    `healthCheck: { http: { path: /, headers: { authorization: "Bearer ${secret}" } } }`
  assert.deepEqual(poolSettings(check('one'), check('two')), [hidden('healthCheck.http.headers')])
  const path = (secret: string) => `healthCheck: { http: "/health?key=${secret}" }`
  assert.deepEqual(poolSettings(path('one'), path('two')), [
    { path: 'healthCheck.http.path', before: '/health?(hidden)', after: '/health?(hidden)' },
  ])
  const redis = (secret: string) => `healthCheck: { redis: { user: u, password: ${secret} } }`
  assert.deepEqual(poolSettings(redis('one'), redis('two')), [hidden('healthCheck.redis.password')])
  const tcp = (secret: string) => `healthCheck: { tcp: [{ send: "AUTH ${secret}" }] }`
  assert.deepEqual(poolSettings(tcp('one'), tcp('two')), [hidden('healthCheck.tcp')])
  const header = (secret: string) => ({
    front: `front: { bind: ":8080", routes: [{ match: { header: { x-key: ${secret} } }, pool: web, requestHeaders: { set: { x-token: ${secret} } } }] }`,
  })
  const found = diff(header('one'), header('two'))
  assert.deepEqual(found.listeners.changed[0]!.settings, [
    {
      path: 'routes.#1',
      before: '[x-key: (hidden)] to pool web',
      after: '[x-key: (hidden)] to pool web',
    },
  ])
})

test('a hook is told without what may be secret in it', () => {
  const pool = (url: string) => ({
    front: 'front: { bind: ":5432", protocol: tcp, pool: db }',
    runtime: 'runtime: { threads: 1, stateDir: /var/lib/evenkeel }',
    pools: `db: { mode: active-standby, backends: { a: "10.0.0.1:1", b: "10.0.0.2:1" }, healthCheck: { tcp: {} }, failover: { promote: { webhook: "${url}", timeout: 10s } } }`,
  })
  const { pools } = diff(pool('https://x/?key=1'), pool('https://x/?key=2'))
  assert.deepEqual(pools.changed[0]!.settings, [
    { path: 'failover.promote.webhook', before: '(hidden)', after: '(hidden)' },
  ])
})

test('settings of the process are told, and those that it is built on with what to do', () => {
  const found = diff(
    {},
    {
      runtime: 'runtime: { threads: 2, drain: 30s, stateDir: /var/lib/evenkeel }',
      admin: 'admin: { bind: "127.0.0.1:9901" }',
      more: 'log: { level: debug, access: { format: combined } }',
    },
  )
  assert.deepEqual(found, {
    ...nothing,
    settings: [
      { path: 'runtime.drain', before: '8s', after: '30s' },
      { path: 'log.level', before: 'info', after: 'debug' },
      { path: 'log.access.format', before: 'json', after: 'combined' },
    ],
    fixed: [
      { path: 'runtime.threads', before: '1', after: '2', advice: 'restart Evenkeel' },
      {
        path: 'runtime.stateDir',
        before: null,
        after: '/var/lib/evenkeel',
        advice: 'restart Evenkeel',
      },
      {
        path: 'admin.bind',
        before: '127.0.0.1:9900',
        after: '127.0.0.1:9901',
        advice: 'restart Evenkeel',
      },
    ],
  })
  const off = diff({}, { admin: 'admin: false' }).fixed
  assert.deepEqual(off, [
    { path: 'admin', before: 'on', after: 'false', advice: 'restart Evenkeel' },
  ])
})

test('another mode asks for another pool', () => {
  const pools =
    'web: { mode: active-standby, backends: { a: "10.0.0.1:80", b: "10.0.0.2:80" }, healthCheck: { tcp: {} } }'
  const runtime = 'runtime: { threads: 1, stateDir: /var/lib/evenkeel }'
  const found = diff({ runtime }, { runtime, pools })
  assert.deepEqual(found.fixed, [
    {
      path: 'pools.web.mode',
      before: 'active-active',
      after: 'active-standby',
      advice: 'give the pool another name, or restart Evenkeel',
    },
  ])
})
