import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AlertsPlan } from '../../../src/core/alert-contract.ts'
import { BACKEND, LATENCY_BUCKETS, SharedTable } from '../../../src/core/shared-layout.ts'
import { AlertTraffic } from '../../../src/runtime/alert-facts.ts'
import { planOf, poolPlan } from './control-world.ts'

const alerts = {
  rules: { latency: { windowMs: 60_000, quantile: 0.99 } },
} as unknown as AlertsPlan

/** A pool of so many backends, and the counters of one data thread. */
function open() {
  const table = SharedTable.allocate({ threads: 1, listeners: 1, pools: 1, slots: 3 })
  const row = table.rows[0]!
  const traffic = new AlertTraffic(table)
  const answer = (slot: number, bucket: number, times: number): void => {
    row[table.backendBase(slot) + BACKEND.response + bucket]! += times
  }
  return {
    quick: (slot: number, times: number) => answer(slot, 0, times),
    slow: (slot: number, times: number) => answer(slot, LATENCY_BUCKETS - 1, times),
    clear: (slot: number) => {
      const base = table.backendBase(slot)
      row.fill(0, base, base + BACKEND.response + LATENCY_BUCKETS)
    },
    look: (backends: number, nowMs: number) => {
      const found = traffic.look(planOf(poolPlan(backends)), alerts, nowMs).get('latency web')!
      return { answers: found.requests, isSlow: (found.latencyMs ?? 0) > 1_000 }
    },
  }
}

test('a backend that is brought back does not bring along how slow it once was', () => {
  const { quick, slow, look } = open()
  slow(1, 1_000)
  look(2, 0)
  look(1, 1_000)
  quick(0, 5)
  assert.deepEqual(look(2, 2_000), { answers: 5, isSlow: false })
  slow(1, 3)
  assert.deepEqual(look(2, 3_000), { answers: 8, isSlow: true })
})

test('what a backend has answered stays in the window when it leaves', () => {
  const { quick, slow, clear, look } = open()
  look(3, 0)
  quick(0, 5)
  slow(2, 7)
  assert.deepEqual(look(3, 1_000), { answers: 12, isSlow: true })
  quick(0, 1)
  assert.deepEqual(look(2, 2_000), { answers: 13, isSlow: true })
  // Somebody else has its row meanwhile.
  clear(2)
  look(3, 3_000)
  quick(2, 2)
  assert.deepEqual(look(3, 4_000), { answers: 15, isSlow: true })
})
