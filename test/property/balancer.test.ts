// Balancers against what they promise, for any weights and any history of backends that come and go.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { NONE, PoolBackend, Tried } from '../../src/core/balancer/contract.ts'
import { LeastConnections } from '../../src/core/balancer/least-connections.ts'
import { LoadView } from '../../src/core/balancer/load.ts'
import { RoundRobin } from '../../src/core/balancer/round-robin.ts'
import { TwoChoices } from '../../src/core/balancer/two-choices.ts'
import { Limit } from '../../src/core/limit.ts'
import { seededRandom } from '../../src/core/random.ts'
import { BACKEND, SharedTable } from '../../src/core/shared-layout.ts'
import { poolPlan } from '../unit/core/pool-world.ts'

const nobody = new Tried()

/** Backends of these weights, their shared memory, and a limit for each. */
function world(size: number, perBackend = 0) {
  const table = SharedTable.allocate({ threads: 2, listeners: 0, pools: 1, slots: size })
  const plan = poolPlan({ weights: Array.from({ length: size }, () => 1) })
  const backends = plan.backends.map(
    (backend, index) => new PoolBackend(backend, index, table.backendBase(index)),
  )
  return { table, backends, limit: new Limit(table, perBackend) }
}

function setWeights(backends: readonly PoolBackend[], weights: readonly number[]): PoolBackend[] {
  for (const backend of backends) backend.weight = weights[backend.index]!
  return backends.filter(({ weight }) => weight > 0)
}

const weight = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(1, 100, 0.1, 0.37))

describe('smooth round robin', () => {
  test('after any number of picks every backend is within one of its exact share, start aside', () => {
    fc.assert(
      fc.property(
        fc.array(weight, { minLength: 1, maxLength: 24 }),
        fc.integer({ min: 0, max: 3 }),
        fc.boolean(),
        (weights, thread, heaps) => {
          const { backends, limit } = world(weights.length)
          const robin = new RoundRobin(weights.length, limit, thread / 4, heaps ? 0 : 64)
          robin.rebuild(setWeights(backends, weights))
          const total = weights.reduce((sum, one) => sum + one, 0)
          const counts = weights.map(() => 0)
          // Equal weights begin spread over ± half a pick, other threads anywhere in the cycle.
          const spread = new Set(weights).size < weights.length ? 1.5 : 1
          const bound = thread > 0 ? 2 : spread
          for (let n = 1; n <= 300; n++) {
            counts[robin.pick(nobody, 0)]!++
            for (const [index, one] of weights.entries()) {
              const share = (n * one) / total
              assert.ok(
                Math.abs(counts[index]! - share) < bound + 1e-9,
                `pick ${n}: ${counts.join(' ')} of ${weights.join(' ')}`,
              )
            }
          }
        },
      ),
      { numRuns: 150 },
    )
  })

  test('in every subset that is up, and at once, a cycle is right to within one', () => {
    const change = fc.record({
      up: fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }),
      weights: fc.array(fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 9 })), {
        minLength: 8,
        maxLength: 8,
      }),
      picks: fc.nat(25),
    })
    fc.assert(
      fc.property(
        fc.array(change, { minLength: 1, maxLength: 12 }),
        fc.boolean(),
        (changes, heaps) => {
          const { backends, limit } = world(8)
          const robin = new RoundRobin(8, limit, 0.25, heaps ? 0 : 64)
          for (const { up, weights, picks } of changes) {
            const present = weights.map((one, index) => (up[index]! ? one : 0))
            const total = present.reduce((sum, one) => sum + one, 0)
            robin.rebuild(setWeights(backends, present))
            if (total === 0) {
              assert.equal(robin.pick(nobody, 0), NONE)
              continue
            }
            // Any window of one cycle counts, not just the first.
            const history: number[] = []
            for (let n = 0; n < total + picks; n++) history.push(robin.pick(nobody, 0))
            for (const start of [0, picks]) {
              const counts = present.map(() => 0)
              for (const index of history.slice(start, start + total)) counts[index]!++
              for (const [index, one] of present.entries()) {
                // The cycle that begins with a change is right to within one. A window that begins
                // elsewhere is the difference of two prefixes, each within one of its exact share.
                assert.ok(
                  Math.abs(counts[index]! - one) <= (start === 0 ? 1 : 2),
                  `${counts.join(' ')} instead of ${present.join(' ')}`,
                )
              }
            }
          }
        },
      ),
      { numRuns: 3_000 },
    )
  })

  test('heaps and scan give the very same sequence', () => {
    const step = fc.oneof(
      { weight: 8, arbitrary: fc.record({ tried: fc.array(fc.nat(9), { maxLength: 3 }) }) },
      {
        weight: 1,
        arbitrary: fc.record({
          weights: fc.array(fc.integer({ min: 0, max: 7 }), { minLength: 10, maxLength: 10 }),
        }),
      },
    )
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 200 }), (steps) => {
        const { backends, limit } = world(10)
        const scan = new RoundRobin(10, limit, 0.4)
        const heaps = new RoundRobin(10, limit, 0.4, 0)
        const start = setWeights(backends, [1, 2, 3, 1, 1, 1, 5, 1, 2, 1])
        scan.rebuild(start)
        heaps.rebuild(start)
        for (const step of steps) {
          if ('weights' in step) {
            const available = setWeights(backends, step.weights)
            scan.rebuild(available)
            heaps.rebuild(available)
          } else {
            const tried = new Tried()
            for (const index of step.tried) tried.add(index)
            assert.equal(heaps.pick(tried, 0), scan.pick(tried, 0))
          }
        }
      }),
      { numRuns: 300 },
    )
  })
})

const traffic = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant('pick' as const), nth: fc.nat(50) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('end' as const), nth: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('other' as const), nth: fc.nat(50) }) },
  ),
  { minLength: 1, maxLength: 150 },
)

describe('least connections', () => {
  test('always takes a least (in flight + 1) ÷ weight, but for idle ones; trees and scan agree', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 2, maxLength: 20 }),
        fc.constantFrom(0, 1, 3),
        traffic,
        (weights, perBackend, steps) => {
          const size = weights.length
          const { table, backends, limit } = world(size, perBackend)
          const scan = new LeastConnections(size, limit, new LoadView(table, size), 0)
          const trees = new LeastConnections(size, limit, new LoadView(table, size), 0, 0)
          const available = setWeights(backends, weights)
          scan.rebuild(available)
          trees.rebuild(available)
          const running: number[] = []
          const [mine, other] = table.rows as [Float64Array, Float64Array]
          const add = (row: Float64Array, index: number, change: number) => {
            row[backends[index]!.base + BACKEND.inFlight]! += change
            scan.changed(index)
            trees.changed(index)
          }
          for (const { kind, nth } of steps) {
            if (kind === 'end') {
              if (running.length > 0) add(mine, running.splice(nth % running.length, 1)[0]!, -1)
            } else if (kind === 'other') add(other, nth % size, 1)
            else {
              const tried = new Tried()
              if (nth > 25) tried.add(nth % size)
              const room = backends.filter(
                ({ base, index }) => !limit.reached(base) && !tried.has(index),
              )
              const index = scan.pick(tried, 0)
              assert.equal(trees.pick(tried, 0), index)
              if (room.length === 0) {
                assert.equal(index, NONE)
                continue
              }
              const score = ({ base, weight }: PoolBackend) => (limit.inFlight(base) + 1) / weight
              const least = Math.min(...room.map(score))
              const chosen = backends[index]!
              assert.ok(room.includes(chosen))
              const isIdle = limit.inFlight(chosen.base) === 0
              const bestIsIdle = room.some(
                (one) => score(one) === least && limit.inFlight(one.base) === 0,
              )
              assert.ok(score(chosen) === least || (isIdle && bestIsIdle))
              running.push(index)
              add(mine, index, 1)
            }
          }
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('every balancer', () => {
  const made = ['scanned robin', 'heaped robin', 'scanned least', 'least by trees', 'two'] as const

  test('never picks a full or tried backend, and finds the last one that has room', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...made),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 2 }),
        fc.array(
          fc.record({ kind: fc.constantFrom('pick', 'pick', 'end', 'other'), nth: fc.nat(100) }),
          { maxLength: 200 },
        ),
        (kind, size, perBackend, steps) => {
          const { table, backends, limit } = world(size, perBackend)
          const load = new LoadView(table, size)
          const balancer =
            kind === 'two'
              ? new TwoChoices(limit, load, seededRandom(size))
              : kind.endsWith('robin')
                ? new RoundRobin(size, limit, 0.3, kind === 'heaped robin' ? 0 : 64)
                : new LeastConnections(size, limit, load, 0.3, kind === 'least by trees' ? 0 : 64)
          balancer.rebuild(
            setWeights(
              backends,
              backends.map(({ index }) => 1 + (index % 3)),
            ),
          )
          const [mine, other] = table.rows as [Float64Array, Float64Array]
          const cell = (index: number) => backends[index]!.base + BACKEND.inFlight
          const running: number[] = []
          for (const [nowMs, { kind, nth }] of steps.entries()) {
            if (kind === 'other') {
              // Without a word to the balancer, and up or down.
              other[cell(nth % size)] = nth % (perBackend + 1)
            } else if (kind === 'end') {
              const index = running.splice(nth % (running.length + 1), 1)[0]
              if (index === undefined) continue
              mine[cell(index)]! -= 1
              balancer.changed(index)
            } else {
              const tried = new Tried()
              if (nth < 20) tried.add(nth % size)
              const isOpen = (index: number) =>
                limit.inFlight(backends[index]!.base) < perBackend && !tried.has(index)
              let index: number = NONE
              // Room that another thread made may be seen some picks later.
              for (let i = 0; i <= size / 8 + 1 && index === NONE; i++) {
                index = balancer.pick(tried, nowMs + i * 3)
              }
              assert.equal(
                index !== NONE,
                backends.some(({ index }) => isOpen(index)),
              )
              if (index === NONE) continue
              assert.ok(isOpen(index))
              running.push(index)
              mine[cell(index)]! += 1
              balancer.changed(index)
            }
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })
})

describe('two choices', () => {
  test('both draws follow the weights: the second one too, among the others', () => {
    const weights = [1, 5, 2, 8, 0.5]
    const total = 16.5
    const { table, backends, limit } = world(5)
    const two = new TwoChoices(limit, new LoadView(table, 5), seededRandom(3))
    two.rebuild(setWeights(backends, weights))
    // All equally loaded by weight but one, which wins whenever it is drawn at all.
    const counts = weights.map(() => 0)
    for (const { index, base } of backends) {
      table.rows[1]![base + BACKEND.inFlight] = index === 2 ? 1 : 100 * weights[index]! + 50
    }
    const picks = 200_000
    for (let i = 0; i < picks; i++) counts[two.pick(nobody, 0)]!++
    let drawn = weights[2]! / total
    for (const [index, one] of weights.entries()) {
      if (index !== 2) drawn += (one / total) * (weights[2]! / (total - one))
    }
    assert.ok(Math.abs(counts[2]! / picks - drawn) < 0.005, `${counts[2]! / picks}, not ${drawn}`)
  })

  test('an idle pool is shared by weight, whatever the weights', () => {
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 10 }), fc.nat(), (weights, seed) => {
        const size = weights.length
        const { table, backends, limit } = world(size)
        const two = new TwoChoices(limit, new LoadView(table, size), seededRandom(seed))
        two.rebuild(setWeights(backends, weights))
        const total = weights.reduce((sum, one) => sum + one, 0)
        const counts = weights.map(() => 0)
        const picks = 5_000
        for (let i = 0; i < picks; i++) counts[two.pick(nobody, 0)]!++
        for (const [index, one] of weights.entries()) {
          const share = one / total
          // Six standard deviations.
          const slack = 6 * Math.sqrt(picks * share * (1 - share)) + 1
          assert.ok(
            Math.abs(counts[index]! - picks * share) <= slack,
            `${counts.join(' ')} of ${weights.join(' ')}`,
          )
        }
      }),
      { numRuns: 100 },
    )
  })
})
