import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assessObjective, assessObjectives, type PoolUse } from '../../../src/core/objective.ts'
import type { FailoverPlan, PoolPlan } from '../../../src/core/plan.ts'
import type { CheckPlan } from '../../../src/core/check-plan.ts'
import { CHECK, planOf, poolPlan } from '../runtime/control-world.ts'
import { FAILOVER_DEFAULTS } from '../../support/failover-machine.ts'

const redis: CheckPlan = { kind: 'redis', user: null, password: null }
const use: PoolUse = { tcp: false, remembers: true, ttlMs: null }

function standby(changes: Partial<FailoverPlan> = {}, pool: Partial<PoolPlan> = {}): PoolPlan {
  return poolPlan(2, {
    mode: 'active-standby',
    failover: { ...FAILOVER_DEFAULTS, ...changes },
    ...pool,
  })
}

const withCheck = (check: CheckPlan) => ({ healthCheck: { ...CHECK, check } })
const hook = (timeoutMs: number) => ({ kind: 'exec', command: ['x'], timeoutMs }) as const
const sums = (pool: PoolPlan, how: PoolUse = use) =>
  assessObjective(pool, how).cases.map(({ kind, detectionMs, trafficMs }) => [
    kind,
    detectionMs,
    trafficMs,
  ])
const moves = (pool: PoolPlan, how: PoolUse = use) =>
  assessObjective(pool, how).move.map(({ what, ms }) => `${ms} ${what}`)

test('with the defaults a dead backend is found in 3.3 s, a silent one in 5.2 s, sooner in use', () => {
  const report = assessObjective(poolPlan(2), use)
  assert.deepEqual(sums(poolPlan(2)), [
    ['process', 3306, 102],
    ['host', 5206, 1302],
    ['hung', 5206, 802],
  ])
  assert.deepEqual(report.cases[1]?.detection, [
    { what: 'until the next probe', ms: 2200, how: 'interval 2s + 10%' },
    {
      what: '2 more until it is down',
      ms: 2000,
      how: 'fall 3; timeout 1s from one to the next',
    },
    { what: 'the last gets no answer', ms: 1000, how: 'timeout 1s' },
    { what: 'our own loop', ms: 6, how: '2ms a probe' },
  ])
  assert.deepEqual(report.move, [])
  assert.equal(report.worst, 'host')
  assert.equal(report.worstMs, 5206)
  assert.equal(report.met, null)
})

test('an objective is met to the millisecond, or not', () => {
  const met = (rtoMs: number) =>
    assessObjective(poolPlan(2, { objective: { rtoMs, availability: null } }), use).met
  assert.equal(met(5206), true)
  assert.equal(met(5205), false)
})

test('bytes of a protocol nobody reads tell of refused and vanished connects only', () => {
  assert.deepEqual(sums(poolPlan(2), { ...use, tcp: true }), [
    ['process', 3306, 102],
    ['host', 5206, 1302],
    ['hung', 5206, null],
  ])
})

test('a check that only connects never finds a process that hangs, one that expects an answer does', () => {
  const connecting = poolPlan(2, {
    ...withCheck({ kind: 'tcp', steps: [{ kind: 'send', bytes: 'PING' }] }),
    objective: { rtoMs: 60_000, availability: null },
  })
  const report = assessObjective(connecting, use)
  assert.deepEqual(sums(connecting), [
    ['process', 3306, 102],
    ['host', 5206, 1302],
    ['hung', null, null],
  ])
  assert.equal(report.unbounded, 'connect-only')
  assert.equal(report.worstMs, null)
  assert.equal(report.met, false)
  const expecting = poolPlan(
    2,
    withCheck({ kind: 'tcp', steps: [{ kind: 'expect', bytes: 'OK' }] }),
  )
  assert.equal(assessObjective(expecting, use).unbounded, null)
})

test('without a check, or without another backend, no time can be promised', () => {
  const reason = (pool: PoolPlan) => assessObjective(pool, use).unbounded
  assert.equal(reason(poolPlan(2, { healthCheck: null })), 'no-check')
  assert.equal(reason(poolPlan(1)), 'alone')
  const [a, b] = poolPlan(2).backends
  assert.equal(reason(poolPlan(2, { backends: [a!, { ...b!, weight: 0 }] })), 'alone')
})

test('a lost active is left by stopping it everywhere and writing down what is done', () => {
  assert.deepEqual(moves(standby()), [
    '50 the move is written down',
    '300 the old one gets nothing more',
    '50 the new active is written down',
    '2 our own loop',
  ])
  const report = assessObjective(standby(), use)
  assert.equal(report.moveMs, 402)
  assert.equal(report.worstMs, 5608)
  assert.deepEqual(moves(standby(), { ...use, remembers: false }), [
    '300 the old one gets nothing more',
    '2 our own loop',
  ])
})

test('hooks have their time, and a promoted standby has to prove itself', () => {
  assert.deepEqual(moves(standby({ fence: hook(3000), promote: hook(4000) })), [
    '50 the move is written down',
    '300 the old one gets nothing more',
    '3000 it is fenced',
    '4000 the standby is promoted',
    '5000 it proves that it serves',
    '50 the new active is written down',
    '2 our own loop',
  ])
})

test('a check that asks for roles has to say primary before the first byte', () => {
  assert.equal(moves(standby({}, withCheck(redis)))[2], '5000 it proves that it serves')
  assert.deepEqual(moves(standby({ elect: 'role' }, withCheck(redis))), [
    '3200 the new primary shows in its check',
    '50 the move is written down',
    '300 the old one gets nothing more',
    '1000 it proves that it serves',
    '50 the new active is written down',
    '2 our own loop',
  ])
})

test('replicas that agree need time for it', () => {
  assert.deepEqual(moves(standby({ agreement: 'etcd' })), [
    '250 a majority sees it',
    '300 the move is written down',
    '300 the old one gets nothing more',
    '500 in all replicas',
    '300 the new active is written down',
    '2 our own loop',
  ])
})

test('sites: mirrors are one tier, and cold ones are no way out', () => {
  const site = (kind: 'mirror' | 'hot' | 'cold', index: number) =>
    ({ name: `s${index}`, kind, minHealthy: 1 }) as const
  const placed = (...kinds: ('mirror' | 'hot' | 'cold')[]) => {
    const pool = poolPlan(kinds.length, {
      failover: FAILOVER_DEFAULTS,
      sites: kinds.map(site),
    })
    const backends = pool.backends.map((backend, index) => Object.assign(backend, { site: index }))
    return { ...pool, backends }
  }
  assert.equal(moves(placed('mirror', 'mirror')).length, 0)
  assert.equal(moves(placed('mirror', 'mirror', 'hot')).length, 4)
  const cold: PoolPlan = { ...placed('hot', 'cold'), mode: 'active-standby' }
  assert.equal(assessObjective(cold, use).unbounded, 'cold')
  const third: PoolPlan = { ...placed('hot', 'cold', 'hot'), mode: 'active-standby' }
  assert.equal(assessObjective(third, use).unbounded, null)
})

test('what is taken for granted is said', () => {
  assert.deepEqual(
    assessObjective(
      standby({ elect: 'role' }, { healthCheck: { ...CHECK, check: redis, port: 81 } }),
      use,
    ).assumes,
    [
      'one backend fails at a time, and Evenkeel itself keeps its pace',
      'what answers on port 81 fails with the backend',
      'a standby is ready: fit for 10s without a break',
      'whoever promotes the new primary has done so by the time the old one is down',
    ],
  )
})

test('a replica that dies at the same moment is no part of the figure', () => {
  const { assumes } = assessObjective(standby({ agreement: 'etcd' }), { ...use, ttlMs: 5000 })
  assert.equal(
    assumes.at(-1),
    'no replica dies with it, whose right to send would be waited for (5.5s)',
  )
})

test('read sides have no figures of their own, and listeners say who reads what flows through', () => {
  const pool = poolPlan(2)
  const plan = planOf(pool)
  const side: PoolPlan = { ...pool, name: 'web:replicas', index: 1, replicasOf: 0 }
  const listener = {
    name: 'l',
    index: 0,
    slot: 0,
    address: { kind: 'tcp', host: '', port: 1 },
    protocol: 'tcp',
    routes: [],
    pool: 1,
    trustForwarded: [],
    forwarded: false,
    connectionsMax: 1,
    headBytesMax: 1,
    targetBytesMax: 1,
    timeouts: { requestHeadMs: 1, keepAliveMs: 1 },
  } as const
  const reports = assessObjectives({ ...plan, pools: [pool, side], listeners: [listener] })
  assert.deepEqual(
    reports.map((report) => [report.pool, report.cases[2]?.trafficMs]),
    [['web', null]],
  )
  assert.equal(assessObjectives(plan)[0]?.cases[2]?.trafficMs, 802)
})
