import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainPool } from '../../../src/core/explain.ts'
import type { PoolExplanation } from '../../../src/core/explain.ts'
import type { BalanceKind, PoolPlan } from '../../../src/core/plan.ts'
import { BACKEND, POOL, SharedTable } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from '../../../src/core/snapshot.ts'
import type { PoolStatus } from '../../../src/core/status.ts'
import { poolPlan, snapshot } from './pool-world.ts'

interface Case {
  readonly weights?: readonly number[]
  readonly up?: readonly boolean[]
  readonly inFlight?: readonly number[]
  readonly queued?: number
  readonly perBackend?: number
  readonly balance?: BalanceKind
  readonly plan?: Partial<PoolPlan>
  readonly snapshot?: Partial<PoolSnapshot>
  readonly threads?: number
  /** Requests under way that try the last backend. */
  readonly probing?: number
  readonly repeatable?: boolean
}

function explained(given: Case): PoolExplanation {
  const { weights = [1, 1], inFlight = [], queued = 0, perBackend = 0, balance } = given
  const options = { weights, perBackend, ...(balance === undefined ? {} : { balance }) }
  const plan = { ...poolPlan(options), ...given.plan }
  const table = SharedTable.allocate({
    threads: given.threads ?? 2,
    listeners: 0,
    pools: 1,
    slots: weights.length,
  })
  inFlight.forEach((count, slot) => {
    table.rows[slot % table.shape.threads]![table.backendBase(slot) + BACKEND.inFlight] = count
  })
  table.rows.at(-1)![table.poolBase(0) + POOL.queued] = queued
  table.rows[0]![table.backendBase(weights.length - 1) + BACKEND.probing] = given.probing ?? 0
  const status = {
    backends: plan.backends.map(({ name }, i) => ({
      name,
      address: name,
      availability: given.up?.[i] === false ? 'down' : 'available',
      reason: given.up?.[i] === false ? 'refused' : 'checks pass',
      inFlight: inFlight[i] ?? 0,
    })),
  } as unknown as PoolStatus
  return explainPool({
    plan,
    status,
    snapshot: { ...snapshot(weights, given.up), ...given.snapshot },
    table,
    random: { next: () => 0 },
    repeatable: given.repeatable ?? true,
    nowMs: 1_000,
  })
}

test('each backend is a candidate with its share and its reason', () => {
  const { outcome, backend, reason, candidates } = explained({
    weights: [3, 1, 1],
    up: [true, true, false],
  })
  assert.deepEqual([outcome, backend, reason], ['sent', null, 'each in its turn, by weight'])
  assert.deepEqual(
    candidates.map((one) => [one.backend, one.eligible, one.share, one.reason]),
    [
      ['b0', true, 0.75, 'checks pass'],
      ['b1', true, 0.25, 'checks pass'],
      ['b2', false, 0, 'refused'],
    ],
  )
})

test('where load decides, who has the least for its weight gets it', () => {
  const balance = 'least-connections'
  const { backend, reason } = explained({ balance, weights: [1, 1, 1], inFlight: [4, 1, 3] })
  assert.deepEqual([backend, reason], ['b1', 'b1 has the least in progress for its weight'])
  assert.equal(explained({ balance, weights: [1, 1, 4], inFlight: [4, 2, 3] }).backend, 'b2')
})

test('nothing is counted and nobody loses a turn by an explanation', () => {
  const table = SharedTable.allocate({ threads: 1, listeners: 0, pools: 1, slots: 2 })
  const before = Float64Array.from(table.rows[0]!)
  const plan = poolPlan({ weights: [1, 1] })
  const status = {
    backends: plan.backends.map(({ name }) => ({ name, inFlight: 0 })),
  } as unknown as PoolStatus
  const facts = { plan, status, table, snapshot: snapshot([1, 1]) }
  explainPool({ ...facts, random: { next: () => 0 }, repeatable: true, nowMs: 1_000 })
  assert.deepEqual(table.rows[0], before)
})

test('a full pool queues, then refuses', () => {
  const full = explained({ perBackend: 2, inFlight: [2, 3] })
  assert.deepEqual(
    [full.outcome, full.fault, full.reason],
    ['queued', null, 'every backend that could take it is at its limit'],
  )
  assert.equal(full.candidates[1]!.reason, 'it has 3 in progress, its limit is 2')
  const waiting = explained({ perBackend: 2, inFlight: [2, 3], queued: 7 })
  assert.equal(waiting.reason, '7 requests wait already')
  const over = explained({ perBackend: 2, inFlight: [2, 3], queued: 1_000 })
  assert.deepEqual([over.outcome, over.fault], ['refused', 'queue-full'])
})

test('nobody left is a refusal that says which, or a wait within a move', () => {
  const none = explained({ up: [false, false] })
  assert.deepEqual([none.outcome, none.fault], ['refused', 'no-backend'])
  const mode = 'active-standby'
  const standby = explained({ up: [false, false], plan: { mode } })
  assert.deepEqual([standby.outcome, standby.fault], ['refused', 'no-active'])
  const up = [false, false]
  const moving = explained({ up, plan: { mode }, snapshot: { holdUntilMs: 1_400 } })
  assert.deepEqual(
    [moving.outcome, moving.reason],
    ['queued', 'the active is being moved: new requests wait for up to 400 ms more'],
  )
  const active = explained({ up: [true, false], plan: { mode } })
  assert.deepEqual([active.backend, active.reason], ['b0', 'b0 is the active'])
})

test('without the right to send nothing is sent, whoever is up', () => {
  const failover = { agreement: 'etcd' } as PoolPlan['failover']
  // The table is fresh: the right is Infinity until the agreement says otherwise.
  assert.equal(explained({ plan: { failover } }).outcome, 'sent')
  const plan = { ...poolPlan({ weights: [1] }), failover }
  const table = SharedTable.allocate({ threads: 1, listeners: 0, pools: 1, slots: 1 })
  table.control[table.controlPoolBase(0)] = 999
  const status = { backends: [{ inFlight: 0 }] } as unknown as PoolStatus
  const facts = { plan, status, table, snapshot: snapshot([1]) }
  const answer = explainPool({
    ...facts,
    random: { next: () => 0 },
    repeatable: true,
    nowMs: 1_000,
  })
  assert.deepEqual([answer.outcome, answer.fault], ['refused', 'no-agreement'])
})

test('a backend on probation comes first for what may be repeated, one at a time', () => {
  const onProbation = {
    eligibility: Uint8Array.of(ELIGIBILITY.yes, ELIGIBILITY.probation),
    probationThread: Int8Array.of(-1, 0),
  }
  const given = { threads: 1, snapshot: onProbation }
  const tried = explained(given)
  const reason = 'b1 is on probation and gets the next request that may be repeated'
  assert.deepEqual([tried.outcome, tried.backend, tried.reason], ['sent', 'b1', reason])
  assert.equal(explained({ ...given, repeatable: false }).backend, 'b0')
  assert.equal(explained({ ...given, probing: 1 }).backend, 'b0')
  const here = { ...onProbation, probationThread: Int8Array.of(-1, 1) }
  const onTwo = explained({ threads: 2, snapshot: here })
  assert.deepEqual([onTwo.outcome, onTwo.backend], ['sent', null])
  assert.equal(
    onTwo.reason,
    `${reason} on one of 2 threads; elsewhere: b0 is the only one available`,
  )
})

test('with nobody but a backend on probation, who comes while it is tried is refused', () => {
  const snapshot = {
    eligibility: Uint8Array.of(ELIGIBILITY.probation),
    probationThread: Int8Array.of(0),
  }
  const given = { threads: 1, weights: [1], snapshot }
  assert.deepEqual([explained(given).outcome, explained(given).backend], ['sent', 'b0'])
  const second = explained({ ...given, probing: 1 })
  assert.deepEqual([second.outcome, second.fault], ['refused', 'no-backend'])
  assert.match(second.reason, /only backends on probation are left/)
})
