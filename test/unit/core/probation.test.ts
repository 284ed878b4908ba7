import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PoolProbation, PROBATION_MOVE_MS, ProbationGrant } from '../../../src/core/probation.ts'
import { BACKEND, POOL, SharedTable, THREAD } from '../../../src/core/shared-layout.ts'

function setUp(threads: number) {
  const table = SharedTable.allocate({ threads, listeners: 0, pools: 1, slots: 1 })
  const probation = new PoolProbation(table, 0)
  const grant = new ProbationGrant()
  const backend = { grant, plan: { slot: 0 } }
  const requests = (thread: number, count: number) => {
    table.rows[thread]![table.poolBase(0) + POOL.requests]! += count
  }
  const applied = (thread: number, version: number) => {
    table.rows[thread]![THREAD.appliedVersion] = version
  }
  const probing = (thread: number, count: number) => {
    table.rows[thread]![table.backendBase(0) + BACKEND.probing] = count
  }
  return { probation, grant, backend, requests, applied, probing }
}

test('the grant goes to the thread that has most of the traffic', () => {
  const { probation, grant, backend, requests } = setUp(3)
  requests(1, 5)
  requests(2, 9)
  probation.enter(backend, 0)
  assert.equal(grant.thread, 2)
})

test('without any traffic it goes to the first', () => {
  const { probation, grant, backend } = setUp(3)
  probation.enter(backend, 0)
  assert.equal(grant.thread, 0)
})

test('a grant that lies idle moves to a thread with traffic, by way of nobody', () => {
  const { probation, grant, backend, requests, applied, probing } = setUp(2)
  requests(0, 100)
  probation.tend(0)
  probation.enter(backend, 0)
  assert.equal(grant.thread, 0)
  requests(1, 10)
  assert.equal(probation.tend(PROBATION_MOVE_MS - 1), false)
  assert.equal(probation.tend(PROBATION_MOVE_MS), true)
  assert.equal(grant.thread, -1)
  assert.equal(probation.tend(PROBATION_MOVE_MS + 1), false, 'not published yet')
  grant.published(8)
  applied(0, 7)
  assert.equal(probation.tend(PROBATION_MOVE_MS + 2), false, 'not applied yet')
  applied(0, 8)
  probing(0, 1)
  assert.equal(probation.tend(PROBATION_MOVE_MS + 3), false, 'a request of the old one still runs')
  probing(0, 0)
  requests(1, 1)
  assert.equal(probation.tend(PROBATION_MOVE_MS + 4), true)
  assert.equal(grant.thread, 1)
})

test('a grant that is used, or whose thread is busy, stays', () => {
  const { probation, grant, backend, requests } = setUp(2)
  probation.enter(backend, 0)
  requests(1, 10)
  grant.used(PROBATION_MOVE_MS)
  assert.equal(probation.tend(PROBATION_MOVE_MS + 1), false)
  requests(0, 1)
  requests(1, 10)
  assert.equal(probation.tend(3 * PROBATION_MOVE_MS), false)
  assert.equal(grant.thread, 0)
})

test('probation that ends and begins again waits for the old grant to be gone', () => {
  const { probation, grant, backend, applied } = setUp(1)
  probation.enter(backend, 0)
  probation.leave(backend)
  grant.published(5)
  probation.enter(backend, 10)
  assert.equal(grant.thread, -1)
  applied(0, 5)
  assert.equal(probation.tend(20), true)
  assert.equal(grant.thread, 0)
})

test('a dead thread can use nothing: its grant is free at once', () => {
  const { probation, grant, backend, requests } = setUp(2)
  probation.enter(backend, 0)
  grant.threadDown(0)
  requests(1, 1)
  assert.equal(probation.tend(1), true)
  assert.equal(grant.thread, 1)
  grant.withdraw()
  grant.threadDown(1)
  assert.equal(probation.tend(2), true, 'also if it was just leaving it')
})
