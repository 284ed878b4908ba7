import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Limit } from '../../src/core/limit.ts'
import { LeastConnections } from '../../src/core/balancer/least-connections.ts'
import { LoadView } from '../../src/core/balancer/load.ts'
import { PoolBackend, Tried, type Balancer } from '../../src/core/balancer/contract.ts'
import { RoundRobin } from '../../src/core/balancer/round-robin.ts'
import { SPARE_FACTOR, spill } from '../../src/core/overflow.ts'
import { BACKEND, SharedTable } from '../../src/core/shared-layout.ts'

const capacities = fc.array(
  fc.oneof(fc.constantFrom(0, 1), fc.double({ min: 1e-6, max: 1, noNaN: true })),
  {
    minLength: 1,
    maxLength: 6,
  },
)

test('shares add up to the whole load, and nobody without capacity gets any of it', () => {
  fc.assert(
    fc.property(capacities, (capacity) => {
      const shares = spill(capacity)
      assert.equal(shares.length, capacity.length)
      assert.ok(Math.abs(shares.reduce((sum, one) => sum + one, 0) - 1) < 1e-6)
      const isAnyHealthy = capacity.some((one) => one > 0)
      for (const [tier, share] of shares.entries()) {
        assert.ok(share >= 0 && share <= 1)
        if (isAnyHealthy && capacity[tier] === 0) assert.equal(share, 0)
      }
    }),
  )
})

test('a tier spills nothing that it has capacity for, and takes nothing as long as one before it has room', () => {
  fc.assert(
    fc.property(capacities, (capacity) => {
      const shares = spill(capacity)
      const reach = capacity.map((healthy) => Math.min(1, SPARE_FACTOR * healthy))
      const total = reach.reduce((sum, one) => sum + one, 0)
      if (total < 1) return
      for (const [tier, share] of shares.entries()) {
        assert.ok(share <= reach[tier]! + 1e-9)
        const takesMore = shares.slice(tier + 1).some((later) => later > 1e-9)
        if (takesMore) assert.ok(Math.abs(share - reach[tier]!) < 1e-9)
      }
    }),
  )
})

test('too little altogether is shared in proportion to what there is', () => {
  fc.assert(
    fc.property(capacities, (capacity) => {
      const total = capacity.reduce((sum, one) => sum + one, 0)
      if (total * SPARE_FACTOR >= 1 || total === 0) return
      for (const [tier, share] of spill(capacity).entries()) {
        assert.ok(Math.abs(share - capacity[tier]! / total) < 1e-6)
      }
    }),
  )
})

test('more capacity of the active tier never sends more away', () => {
  fc.assert(
    fc.property(capacities, fc.double({ min: 0, max: 1, noNaN: true }), (capacity, better) => {
      const [first, ...rest] = capacity
      if (better < first!) return
      assert.ok(spill([better, ...rest])[0]! >= spill(capacity)[0]! - 1e-9)
    }),
  )
})

// --- as weights -----------------------------------------------------------------------------------

interface Rig {
  readonly table: SharedTable
  readonly balancer: Balancer
  readonly base: (index: number) => number
}

/** Two tiers of `sizes` backends, weighted as the snapshot does for these shares. */
function rig(kind: 'round-robin' | 'least-connections', sizes: number[], shares: number[]): Rig {
  const count = sizes[0]! + sizes[1]!
  const table = SharedTable.allocate({ threads: 1, listeners: 0, pools: 1, slots: count })
  const limit = new Limit(table, 0)
  const backends = Array.from({ length: count }, (_, slot) => {
    const address = { kind: 'tcp', host: '10.0.0.1', port: 80 + slot } as const
    const plan = { name: `b${slot}`, slot, address, weight: 1, zone: null, site: 0 }
    const backend = new PoolBackend(plan, slot, table.backendBase(slot))
    const tier = slot < sizes[0]! ? 0 : 1
    backend.weight = (shares[tier]! * count) / sizes[tier]!
    return backend
  })
  const balancer =
    kind === 'round-robin'
      ? new RoundRobin(count, limit, 0)
      : new LeastConnections(count, limit, new LoadView(table, count), 0)
  balancer.rebuild(backends)
  return { table, balancer, base: (index) => backends[index]!.base }
}

/** Shares of the picks that went to the first tier, with so many requests in progress at a time. */
function firstShare({ table, balancer, base }: Rig, first: number, inFlight: number): number {
  const tried = new Tried()
  const running: number[] = []
  const picks = 4_000
  let count = 0
  for (let i = 0; i < picks; i++) {
    const index = balancer.pick(tried, i)
    if (index < first) count++
    table.rows[0]![base(index) + BACKEND.inFlight]!++
    balancer.changed(index)
    running.push(index)
    if (running.length <= inFlight) continue
    const done = running.shift()!
    table.rows[0]![base(done) + BACKEND.inFlight]!--
    balancer.changed(done)
  }
  return count / picks
}

const shares = [
  [0.7, 0.3],
  [0.35, 0.65],
  [0.99, 0.01],
]

for (const [one, two] of shares as [number, number][]) {
  test(`round-robin holds shares of ${one} and ${two}`, () => {
    for (const sizes of [
      [2, 4],
      [3, 3],
      [40, 80],
    ]) {
      const share = firstShare(rig('round-robin', sizes, [one, two]), sizes[0]!, 10)
      assert.ok(Math.abs(share - one) < 0.01, `${sizes.join('+')}: ${share}`)
    }
  })

  test(`least-connections holds shares of ${one} and ${two}, idle and busy`, () => {
    for (const inFlight of [0, 100]) {
      const share = firstShare(rig('least-connections', [2, 4], [one, two]), 2, inFlight)
      assert.ok(Math.abs(share - one) < 0.05, `${inFlight} at a time: ${share}`)
    }
  })
}
