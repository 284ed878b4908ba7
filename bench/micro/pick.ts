// What a pick costs, with what a request adds to it (begin and end), at 3, 100 and 10,000 backends.
// In flight is kept at 20 % of the pool (at least 4), half of it from another thread.

import { seededRandom } from '../../src/core/random.ts'
import { BACKEND } from '../../src/core/shared-layout.ts'
import { Tried } from '../../src/core/balancer/contract.ts'
import { PoolWorld } from '../../test/unit/core/pool-world.ts'
import type { BalanceKind } from '../../src/core/plan.ts'
import type { MicroCase } from './main.ts'

const nobody = new Tried()

function pickCase(
  balance: BalanceKind,
  size: number,
  perBackend: number,
  even: boolean,
): MicroCase {
  const weights = Array.from({ length: size }, (_, index) => (even ? 1 : 1 + (index % 5)))
  const world = new PoolWorld({ weights, balance, threads: 2, perBackend })
  const random = seededRandom(5)
  const { pool } = world
  const other = world.table.rows[1]!
  const running: number[] = []
  let at = 0
  let nowMs = 0
  const step = () => {
    // 20,000 requests a second.
    nowMs += 0.05
    const index = pool.pick(nobody, nowMs)
    pool.begin(pool.backends[index]!)
    pool.end(pool.backends[running[at]!]!)
    running[at] = index
    at = at + 1 < running.length ? at + 1 : 0
  }
  for (let i = 0; i < Math.max(2, size / 10); i++) {
    const index = pool.pick(nobody, nowMs)
    pool.begin(pool.backends[index]!)
    running.push(index)
    other[pool.backends[Math.floor(random.next() * size)]!.base + BACKEND.inFlight]! += 1
  }
  const name = [balance, `${size}`, even ? '' : 'weighted', perBackend > 0 ? 'limited' : '']
  return {
    name: `pick ${name.filter((word) => word !== '').join(' ')}`,
    run(iterations) {
      for (let i = 0; i < iterations; i++) step()
    },
  }
}

export const cases: MicroCase[] = []
for (const balance of ['round-robin', 'least-connections', 'random-two'] as const) {
  for (const size of [3, 64, 100, 10_000]) {
    cases.push(pickCase(balance, size, 0, true), pickCase(balance, size, 0, false))
    if (size !== 64) cases.push(pickCase(balance, size, 200, true))
  }
}
