// What judging a backend costs: the breaker, the window, a look at its rows, and a whole pool's turn.

import { Breaker } from '../../src/core/breaker.ts'
import { DueQueue } from '../../src/core/due-queue.ts'
import { findOutlier } from '../../src/core/outlier.ts'
import { BACKEND, SharedTable, THREAD } from '../../src/core/shared-layout.ts'
import { BackendTraffic } from '../../src/core/traffic.ts'
import { RateWindow } from '../../src/core/window.ts'

const plan = {
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
}
const thresholds = { slowMs: 200, silentMs: 300, responseMs: 30_000 }
const THREADS = 4

function busyBackend(): { table: SharedTable; traffic: BackendTraffic; trusted: Uint8Array } {
  const table = SharedTable.allocate({ threads: THREADS, listeners: 0, pools: 1, slots: 1 })
  const traffic = new BackendTraffic(table, 0, plan.windowMs)
  return { table, traffic, trusted: new Uint8Array(THREADS).fill(1) }
}

/** What a thread writes between two looks under some load. */
function work(table: SharedTable, nowMs: number): void {
  const base = table.backendBase(0)
  for (const row of table.rows) {
    row[THREAD.heartbeatMs] = nowMs
    row[base + BACKEND.successes]! += 13
    row[base + BACKEND.recentCount]! += 13
    row[base + BACKEND.lastByteMs] = nowMs
  }
}

export const cases: { name: string; run(iterations: number): void }[] = [
  {
    name: 'breaker: eject, probation, restore',
    run(iterations) {
      const breaker = new Breaker(plan, 0)
      for (let i = 0, nowMs = 0; i < iterations; i++) {
        breaker.eject(nowMs, 0.5)
        nowMs = breaker.untilMs
        breaker.tick(nowMs)
        breaker.observe(true, nowMs, 0)
        breaker.observe(true, nowMs, 0)
        breaker.observe(true, nowMs, 0)
      }
    },
  },
  {
    name: 'window: add an outcome and read the rate',
    run(iterations) {
      const window = new RateWindow(10_000)
      for (let i = 0; i < iterations; i++) {
        window.add(1, i & 1, i)
        if (window.failures(i) > window.attempts(i)) throw new Error('more failures than attempts')
      }
    },
  },
  {
    name: `look at a busy backend's rows, ${THREADS} threads, and judge it`,
    run(iterations) {
      const { table, traffic, trusted } = busyBackend()
      for (let i = 0; i < iterations; i++) {
        const nowMs = 1_000 + i * 100
        work(table, nowMs)
        traffic.look(nowMs, thresholds.slowMs, trusted)
        if (findOutlier(plan, traffic, thresholds, nowMs) !== null) throw new Error('it was fine')
      }
    },
  },
  {
    name: `look at an idle backend's rows, ${THREADS} threads`,
    run(iterations) {
      const { traffic, trusted } = busyBackend()
      for (let i = 0; i < iterations; i++) {
        traffic.look(1_000 + i * 100, thresholds.slowMs, trusted)
      }
    },
  },
  {
    name: 'due queue of 10,000: take the next and put it back',
    run(iterations) {
      const queue = new DueQueue(10_000)
      for (let member = 0; member < 10_000; member++) queue.set(member, member)
      for (let i = 0; i < iterations; i++) {
        const member = queue.take(Infinity)
        queue.set(member, 10_000 + i)
      }
    },
  },
]
