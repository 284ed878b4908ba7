import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plan } from '../../../src/core/plan.ts'
import { BACKEND, LISTENER, SharedTable } from '../../../src/core/shared-layout.ts'
import type { MoveReport, PoolStatus, Transition } from '../../../src/core/status.ts'
import type { MetricsSource } from '../../../src/observe/metric-families.ts'
import { label } from '../../../src/observe/metric-family.ts'
import { ReloadCounter } from '../../../src/observe/config-families.ts'
import { Metrics, TransitionCounter } from '../../../src/observe/metrics.ts'
import { MoveCounter } from '../../../src/observe/move-counter.ts'

const plan = {
  listeners: [{ name: 'web', index: 0, slot: 0 }],
  pools: [{ name: 'p', index: 0, slot: 0, backends: [{ name: 'a', slot: 1 }] }],
} as unknown as Plan
const status = [
  {
    name: 'p',
    total: 1,
    available: 1,
    minAvailable: 0,
    failover: null,
    sites: [
      { name: 'seoul', healthy: 1, minHealthy: 2, share: 0.7, state: 'active' },
      { name: 'busan', healthy: 3, minHealthy: 1, share: 0.3, state: 'overflow' },
    ],
    backends: [{ name: 'a', availability: 'available', effectiveWeight: 0.5, health: 'none' }],
    discovery: [
      {
        kind: 'dns',
        state: 'stale',
        answeredMs: 2_500,
        members: 3,
        refused: 1,
        failures: 4,
        changes: 2,
      },
      {
        kind: 'file',
        state: 'waiting',
        answeredMs: null,
        members: 0,
        refused: 0,
        failures: 1,
        changes: 0,
      },
    ],
  },
] as unknown as readonly PoolStatus[]

function make(more: Partial<MetricsSource> = {}): { metrics: Metrics; table: SharedTable } {
  const table = SharedTable.allocate({ threads: 2, listeners: 1, pools: 1, slots: 2 })
  const metrics = new Metrics({
    plan: () => plan,
    table,
    version: '1.2.3',
    nowMs: () => 5_000,
    status: () => status,
    threads: () => ({ asked: 2, running: 2, restarts: 0 }),
    isReady: () => true,
    isDraining: () => false,
    virtualIp: () => null,
    config: () => ({
      isLastGood: true,
      lastGoodAt: 1.5,
      isPending: false,
      counts: new ReloadCounter(),
    }),
    alerts: () => ({
      rules: [{ rule: 'poolDown', severity: 'critical', firing: 2, pending: 1 }],
      targets: [{ name: 'ops', waiting: 1, delivered: 5, failed: 3, dropped: 0 }],
    }),
    lostLines: () => 0,
    spans: () => ({ exported: 0, dropped: 0 }),
    adminAnswers: () => new Map([[200, 3]]),
    transitions: new TransitionCounter(),
    moves: new MoveCounter(),
    ...more,
  })
  return { metrics, table }
}

test('a scrape sums the rows of all threads and of those that are gone', async () => {
  const { metrics, table } = make()
  const accepted = table.listenerBase(0) + LISTENER.accepted
  table.rows[0]![accepted] = 3
  table.rows[1]![accepted] = 4
  const line = 'evenkeel_listener_connections_total{listener="web"} 7\n'
  assert.ok(String(await metrics.scrape()).includes(line))
  table.retire(1)
  assert.ok(String(await metrics.scrape()).includes(line))
})

test('a virtual IP address shows only where there is one', async () => {
  const none = String(await make().metrics.scrape())
  assert.doesNotMatch(none, /^evenkeel_vip_/m)
  const virtualIp = () => ({ vip: '10.0.0.9', isHere: true, isOffered: false })
  const page = String(await make({ virtualIp }).metrics.scrape())
  assert.match(page, /^evenkeel_vip_here\{vip="10\.0\.0\.9"\} 1$/m)
  assert.match(page, /^evenkeel_vip_offered\{vip="10\.0\.0\.9"\} 0$/m)
})

test('buckets add up and end in +Inf with the count', async () => {
  const { metrics, table } = make()
  const base = table.backendBase(1) + BACKEND.response
  table.rows[0]![base] = 2
  table.rows[1]![base + 1] = 1
  table.rows[1]![base + 14] = 5
  table.rows[1]![table.backendBase(1) + BACKEND.responseSumS] = 71.5
  const name = 'evenkeel_backend_response_duration_seconds'
  const lines = String(await metrics.scrape())
    .split('\n')
    .filter((line) => line.startsWith(name))
    .map((line) => line.slice(name.length).replace('pool="p",backend="a"', ''))
  assert.deepEqual(lines.slice(0, 3), [
    '_bucket{,le="0.0005"} 2',
    '_bucket{,le="0.001"} 3',
    '_bucket{,le="0.0025"} 3',
  ])
  assert.deepEqual(lines.slice(-3), ['_bucket{,le="+Inf"} 8', '_sum{} 71.5', '_count{} 8'])
})

test('scrapes that overlap share one page', async () => {
  let reads = 0
  const { metrics } = make({
    status: () => {
      reads++
      return status
    },
  })
  const [one, two] = await Promise.all([metrics.scrape(), metrics.scrape()])
  assert.equal(one, two)
  assert.equal(reads, 1)
  await metrics.scrape()
  assert.equal(reads, 2)
})

test('label values are escaped as the format demands', () => {
  assert.equal(label('a', 'plain'), 'a="plain"')
  assert.equal(label('a', 'q"b\\n\n'), 'a="q\\"b\\\\n\\n"')
})

test('transitions are counted by backend and by what it became', () => {
  const counter = new TransitionCounter()
  const add = (backend: string, to: Transition['to']): void =>
    counter.add({ pool: 'p', backend, from: 'available', to, reason: '', atMs: 0, available: 1 })
  add('a', 'down')
  add('a', 'available')
  add('a', 'down')
  add('b', 'ejected')
  assert.deepEqual(counter.of('p', 'a'), [
    { to: 'down', count: 2 },
    { to: 'available', count: 1 },
  ])
  assert.deepEqual(counter.of('p', 'b'), [{ to: 'ejected', count: 1 }])
  assert.deepEqual(counter.of('p', 'c'), [])
})

test('sites say what they are to the pool, and what spills to them', async () => {
  const { metrics } = make()
  const page = (await metrics.scrape()).toString()
  const shown = page.split('\n').filter((line) => /^evenkeel_(site|pool_overflow)_/.test(line))
  assert.deepEqual(shown, [
    'evenkeel_site_healthy_backends{pool="p",site="seoul"} 1',
    'evenkeel_site_healthy_backends{pool="p",site="busan"} 3',
    'evenkeel_site_healthy_backends_min{pool="p",site="seoul"} 2',
    'evenkeel_site_healthy_backends_min{pool="p",site="busan"} 1',
    'evenkeel_site_load_ratio{pool="p",site="seoul"} 0.7',
    'evenkeel_site_load_ratio{pool="p",site="busan"} 0.3',
    'evenkeel_site_state{pool="p",site="seoul",state="active"} 1',
    'evenkeel_site_state{pool="p",site="busan",state="overflow"} 1',
    'evenkeel_pool_overflow_ratio{pool="p",site="seoul"} 0',
    'evenkeel_pool_overflow_ratio{pool="p",site="busan"} 0.3',
  ])
})

test('series follow the plan: of what is gone none is left, and what stays counts on', async () => {
  const other = {
    listeners: [{ name: 'web', index: 0, slot: 0 }],
    pools: [{ name: 'p', index: 0, slot: 0, backends: [{ name: 'n', slot: 0 }] }],
  } as unknown as Plan
  let current = plan
  const backends = [{ ...status[0]!.backends[0]!, name: 'n' }]
  const { metrics, table } = make({
    plan: () => current,
    status: () => (current === plan ? status : [{ ...status[0]!, backends }]),
  })
  table.rows[0]![table.listenerBase(0) + LISTENER.requests] = 7
  table.rows[0]![table.backendBase(1) + BACKEND.attempts] = 5
  assert.match(String(await metrics.scrape()), /attempts_total\{pool="p",backend="a"\} 5\n/)
  current = other
  const page = String(await metrics.scrape())
  assert.doesNotMatch(page, /backend="a"/)
  assert.match(page, /attempts_total\{pool="p",backend="n"\} 0\n/)
  assert.match(page, /listener_requests_total\{listener="web"\} 7\n/)
})

test('a scrape that a reload interrupts shows one plan, not two', async () => {
  let current = plan
  const { metrics } = make({
    plan: () => current,
    status: () => {
      if (current !== plan) throw new Error('asked again')
      return status
    },
  })
  const page = metrics.scrape()
  current = { listeners: [], pools: [] } as unknown as Plan
  assert.match(String(await page), /backend_weight\{pool="p",backend="a"\} 0.5\n/)
})

test('what is counted of those who are gone is forgotten', () => {
  const transitions = new TransitionCounter()
  const add = (pool: string, backend: string) =>
    transitions.add({
      pool,
      backend,
      from: 'available',
      to: 'down',
      reason: '',
      atMs: 0,
      available: 1,
    })
  add('p', 'a')
  add('p', 'gone')
  add('gone', 'a')
  transitions.keep(plan)
  assert.equal(transitions.of('p', 'a').length, 1)
  assert.equal(transitions.of('p', 'gone').length, 0)
  assert.equal(transitions.of('gone', 'a').length, 0)
  const moves = new MoveCounter()
  const report = { kind: 'switchover', outcome: 'moved', detectionMs: 0, moveMs: 1 } as MoveReport
  moves.add('p', report)
  moves.add('gone', report)
  moves.keep(plan)
  assert.equal(moves.of('p').moves.length, 1)
  assert.equal(moves.of('gone').moves.length, 0)
})

test('sources of backends say whether they answer, and how old what they said is', async () => {
  const { metrics } = make()
  const page = (await metrics.scrape()).toString()
  const shown = page.split('\n').filter((line) => line.startsWith('evenkeel_discovery_'))
  assert.deepEqual(shown, [
    'evenkeel_discovery_up{pool="p",source="dns"} 0',
    'evenkeel_discovery_up{pool="p",source="file"} 0',
    'evenkeel_discovery_members{pool="p",source="dns"} 3',
    'evenkeel_discovery_members{pool="p",source="file"} 0',
    'evenkeel_discovery_answer_age_seconds{pool="p",source="dns"} 2.5',
    'evenkeel_discovery_refused_members{pool="p",source="dns"} 1',
    'evenkeel_discovery_refused_members{pool="p",source="file"} 0',
    'evenkeel_discovery_failures_total{pool="p",source="dns"} 4',
    'evenkeel_discovery_failures_total{pool="p",source="file"} 1',
    'evenkeel_discovery_changes_total{pool="p",source="dns"} 2',
    'evenkeel_discovery_changes_total{pool="p",source="file"} 0',
  ])
})
