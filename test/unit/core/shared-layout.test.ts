import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKEND, LISTENER, POOL, SharedTable, THREAD } from '../../../src/core/shared-layout.ts'

test('a thread that is gone leaves its counts and takes its levels with it', () => {
  const table = SharedTable.allocate({ threads: 2, listeners: 1, pools: 1, slots: 2 })
  for (const row of table.rows) row.fill(3)
  const cells = {
    faults: THREAD.faults,
    accepted: table.listenerBase(0) + LISTENER.accepted,
    duration: table.listenerBase(0) + LISTENER.duration,
    retries: table.poolBase(0) + POOL.retries,
    attempts: table.backendBase(1) + BACKEND.attempts,
    response: table.backendBase(1) + BACKEND.response,
  }
  const levels = {
    heartbeat: THREAD.heartbeatMs,
    open: table.listenerBase(0) + LISTENER.connections,
    queued: table.poolBase(0) + POOL.queued,
    queuedSince: table.poolBase(0) + POOL.queuedSinceMs,
    inFlight: table.backendBase(1) + BACKEND.inFlight,
    recent: table.backendBase(0) + BACKEND.recent,
  }
  table.retire(1)
  for (const [name, cell] of Object.entries(cells)) assert.equal(table.sum(cell), 6, name)
  for (const [name, cell] of Object.entries(levels)) assert.equal(table.sum(cell), 3, name)
  assert.ok(table.rows[1]!.every((value) => value === 0))
  assert.ok(table.rows[0]!.every((value) => value === 3))
})
