// What holds for every balancer, and what each promises beyond that.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { FULL, NONE, Tried } from '../../../src/core/balancer/contract.ts'
import type { BalanceKind } from '../../../src/core/plan.ts'
import { PoolWorld, snapshot } from './pool-world.ts'

const kinds: readonly BalanceKind[] = ['round-robin', 'least-connections', 'random-two']
const nobody = new Tried()

function triedOf(...indexes: number[]): Tried {
  const tried = new Tried()
  for (const index of indexes) tried.add(index)
  return tried
}

/** Picks `times` times with nothing in progress; how often each was picked. */
function count(world: PoolWorld, times: number, thread = 0): number[] {
  const counts = world.pool.backends.map(() => 0)
  for (let i = 0; i < times; i++) {
    const index = world.pools[thread]!.pick(nobody, i)
    assert.ok(index >= 0, `pick ${i} found ${index}`)
    counts[index]!++
  }
  return counts
}

function repeat<T>(length: number, value: T): T[] {
  return Array.from<T>({ length }).fill(value)
}

for (const balance of kinds) {
  describe(balance, () => {
    test('an empty pool has nothing to pick', () => {
      const world = new PoolWorld({ weights: [1, 1], balance })
      world.apply(snapshot([1, 1], [false, false]))
      assert.equal(world.pool.pick(nobody, 0), NONE)
      world.apply(snapshot([0, 0]))
      assert.equal(world.pool.pick(nobody, 0), NONE)
    })

    test('a single backend is picked always, even when it has been tried', () => {
      const world = new PoolWorld({ weights: [3, 1], balance })
      world.apply(snapshot([3, 1], [false, true]))
      for (let i = 0; i < 5; i++) assert.equal(world.pool.pick(triedOf(1), i), 1)
    })

    test('weight 0 takes no traffic', () => {
      const world = new PoolWorld({ weights: [0, 1, 2], balance })
      assert.equal(count(world, 300)[0], 0)
    })

    test('in every subset of five backends only the eligible are picked, each of them', () => {
      const weights = [5, 1, 1, 2, 3]
      const world = new PoolWorld({ weights, balance })
      for (let mask = 1; mask < 32; mask++) {
        const up = weights.map((_, index) => (mask & (1 << index)) !== 0)
        world.apply(snapshot(weights, up))
        const counts = count(world, 240)
        for (const [index, yes] of up.entries()) {
          assert.equal(counts[index]! > 0, yes, `subset ${mask.toString(2)}, backend ${index}`)
        }
      }
    })

    for (const size of [3, 32, 33, 1_000]) {
      test(`of ${size}, a tried backend is avoided while another one is available`, () => {
        const world = new PoolWorld({ weights: repeat(size, 1), balance })
        const tried = triedOf(0, 2)
        for (let i = 0; i < 3 * size; i++) {
          const index = world.pool.pick(tried, i)
          assert.ok(index >= 0 && index !== 0 && index !== 2)
        }
      })

      test(`of ${size}, a backend at its limit is passed over, also if another thread fills it`, () => {
        const world = new PoolWorld({
          weights: repeat(size, 1),
          balance,
          perBackend: 2,
          threads: 2,
        })
        for (let index = 0; index < size; index++) {
          world.setInFlight(index, 1, 0)
          if (index !== 0 && index !== size - 1) world.setInFlight(index, 1, 1)
        }
        const counts = world.pool.backends.map(() => 0)
        for (let i = 0; i < 4 * size; i++) {
          const index = world.pool.pick(nobody, i)
          if (index >= 0) counts[index]!++
        }
        assert.ok(counts[0]! > 0, 'the first one has room')
        assert.ok(counts[size - 1]! > 0, 'the last one has room')
        assert.equal(
          counts.slice(1, -1).reduce((sum, n) => sum + n, 0),
          0,
        )
      })

      test(`of ${size}, all at their limit are FULL, and one that frees is found`, () => {
        const world = new PoolWorld({
          weights: repeat(size, 1),
          balance,
          perBackend: 1,
          threads: 2,
        })
        for (let i = 0; i < size; i++) {
          const index = world.pool.pick(nobody, i)
          assert.ok(index >= 0, `${i} of ${size} are taken`)
          world.pool.begin(world.pool.backends[index]!)
        }
        assert.equal(world.pool.pick(nobody, size), FULL)
        world.pool.end(world.pool.backends[size - 2]!)
        let picks = 1
        while (world.pool.pick(nobody, size + picks) !== size - 2) assert.ok(picks++ < 8)
        world.pool.begin(world.pool.backends[size - 2]!)
        assert.equal(world.pool.pick(nobody, size + 20), FULL)
        // Another thread takes one over and frees it, without a word to this one.
        world.setInFlight(1, 0, 0)
        picks = 1
        while (world.pool.pick(nobody, size + 20 + picks) !== 1)
          assert.ok(picks++ < (2 * size) / 16 + 2)
      })
    }

    test('a retry queues rather than go back while another backend is merely full', () => {
      const world = new PoolWorld({ weights: [1, 1], balance, perBackend: 1 })
      world.setInFlight(1, 1)
      assert.equal(world.pool.pick(triedOf(0), 0), FULL)
      world.apply(snapshot([1, 1], [true, false]))
      assert.equal(world.pool.pick(triedOf(0), 0), 0)
      world.apply(snapshot([1, 1]))
      world.setInFlight(1, 0)
      assert.equal(world.pool.pick(triedOf(0), 0), 1)
      assert.ok(world.pool.pick(triedOf(0, 1), 0) >= 0, 'all tried: any will do')
    })

    test('idle backends share by weight', () => {
      const world = new PoolWorld({ weights: [5, 3, 1, 1], balance })
      const counts = count(world, 20_000)
      const slack = balance === 'random-two' ? 0.015 : 0.0005
      for (const [index, weight] of [5, 3, 1, 1].entries()) {
        const share = counts[index]! / 20_000
        assert.ok(Math.abs(share - weight / 10) < slack, counts.join(' '))
      }
    })

    test('a backend in slow start gets its fraction', () => {
      const world = new PoolWorld({ weights: [1, 1, 1], balance })
      world.apply(snapshot([1, 0.1, 1]))
      const counts = count(world, 21_000)
      assert.ok(
        Math.abs(counts[1]! - 1_000) < (balance === 'random-two' ? 150 : 2),
        counts.join(' '),
      )
    })

    test('10,000 backends all get their turn', () => {
      const world = new PoolWorld({ weights: repeat(10_000, 1), balance })
      const counts = count(world, 40_000)
      if (balance === 'random-two') {
        // Idle, it is a plain draw: 10,000 cells with a mean of 4, e⁻⁴ of them empty.
        const empty = counts.filter((n) => n === 0).length
        assert.ok(empty > 130 && empty < 240, `${empty} were not picked`)
      } else {
        assert.deepEqual(counts, repeat(10_000, 4))
      }
    })
  })
}

describe('round-robin', () => {
  test('equal weights go round in order', () => {
    const world = new PoolWorld({ weights: [1, 1, 1] })
    const order = Array.from({ length: 7 }, (_, i) => world.pool.pick(nobody, i))
    assert.deepEqual(order, [0, 1, 2, 0, 1, 2, 0])
  })

  test('a heavy backend is spread over the cycle, not served in one run', () => {
    const world = new PoolWorld({ weights: [5, 1, 1] })
    const order = Array.from({ length: 14 }, (_, i) => world.pool.pick(nobody, i)).join('')
    assert.equal(order, order.slice(0, 7).repeat(2), 'the cycle repeats')
    assert.ok(!order.includes('0000'), order)
  })

  test('the debts of backends that left don’t make the others run in bursts', () => {
    const weights = [5, 1, 1, 1, 1, 1, 1, 1]
    const world = new PoolWorld({ weights })
    for (let round = 0; round < 20; round++) {
      world.apply(snapshot(weights))
      for (let i = 0; i < round % 7; i++) world.pool.pick(nobody, i)
      const picked = new Set([1 + (round % 7), 1 + ((round * 3) % 7)])
      world.apply(
        snapshot(
          weights,
          weights.map((_, index) => !picked.has(index)),
        ),
      )
      world.apply(
        snapshot(
          weights,
          weights.map((_, index) => index < 3),
        ),
      )
      for (let i = 0; i < 7; i++) world.pool.pick(nobody, i)
      const order = Array.from({ length: 70 }, (_, i) => world.pool.pick(nobody, i)).join('')
      assert.ok(!order.includes('00000'), order)
    }
  })

  test('threads begin at different backends', () => {
    const world = new PoolWorld({ weights: [1, 1, 1, 1], threads: 4 })
    const first = world.pools.map((pool) => pool.pick(nobody, 0))
    assert.deepEqual(
      first.toSorted((a, b) => a - b),
      [0, 1, 2, 3],
    )
  })

  test('a weight change keeps whose turn it is', () => {
    const world = new PoolWorld({ weights: [1, 1, 1, 1] })
    // Slow start of one backend changes weights more often than requests come.
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 400; i++) {
      world.apply(snapshot([1, 1, 1, 0.1 + i / 1_000]))
      counts[world.pool.pick(nobody, i)]!++
    }
    assert.ok(
      Math.max(...counts.slice(0, 3)) - Math.min(...counts.slice(0, 3)) <= 2,
      counts.join(' '),
    )
    // ∫ w ÷ (3 + w) over w from 0.1 to 0.5, times 400.
    assert.ok(Math.abs(counts[3]! - 36) <= 2, counts.join(' '))
  })

  test('a backend that was at its limit gets no burst when it frees', () => {
    for (const size of [3, 100]) {
      const world = new PoolWorld({ weights: repeat(size, 1), perBackend: 10 })
      world.setInFlight(1, 10)
      for (let i = 0; i < 50 * size; i++) assert.notEqual(world.pool.pick(nobody, i), 1)
      world.setInFlight(1, 0)
      const counts = count(world, 4 * size)
      assert.ok(counts[1]! <= 5, `${counts[1]}`)
      assert.ok(counts[1]! >= 3, `${counts[1]}`)
    }
  })

  test('shares stay exact for millions of picks', () => {
    const world = new PoolWorld({ weights: [7, 2, 1] })
    const order = () => Array.from({ length: 10 }, (_, i) => world.pool.pick(nobody, i)).join('')
    const first = order()
    assert.deepEqual(count(world, 3_000_000), [2_100_000, 600_000, 300_000])
    assert.equal(order(), first, 'and so does the order')
  })
})

describe('least-connections', () => {
  for (const size of [3, 200]) {
    test(`of ${size}, the least loaded by weight is picked, over all threads`, () => {
      const world = new PoolWorld({
        weights: repeat(size, 1).map((weight, index) => (index === 2 ? 4 : weight)),
        balance: 'least-connections',
        threads: 2,
      })
      for (let index = 0; index < size; index++) world.setInFlight(index, 2, index % 2)
      world.setInFlight(1, 1, 1)
      for (const pool of world.pools)
        pool.apply(snapshot(pool.backends.map(({ plan }) => plan.weight)))
      // (2 + 1) ÷ 4 beats (1 + 1) ÷ 1.
      assert.equal(world.pool.pick(nobody, 100), 2)
      world.setInFlight(2, 7, 1)
      world.pool.end(world.pool.backends[2]!)
      world.pool.begin(world.pool.backends[2]!)
      // Now (7 + 2 + 1) ÷ 4 loses against it.
      assert.equal(world.pool.pick(nobody, 100), 1)
    })
  }

  test('the heavy one of an idle pool does not get everything, but a busy light one nothing', () => {
    const world = new PoolWorld({ weights: [10, 1], balance: 'least-connections' })
    const counts = count(world, 110)
    assert.deepEqual(counts, [100, 10])
    world.setInFlight(0, 8)
    assert.deepEqual(count(world, 10), [10, 0], '(8 + 1) ÷ 10 is less than (0 + 1) ÷ 1')
  })

  test('a turn that was far off for a low weight comes soon with a higher one', () => {
    const world = new PoolWorld({ weights: [1, 1], balance: 'least-connections' })
    world.apply(snapshot([1, 0.01]))
    while (world.pool.pick(nobody, 0) !== 1);
    world.apply(snapshot([1, 1]))
    assert.deepEqual(count(world, 6), [3, 3])
  })

  test('the counters of a thread that died are no good news', () => {
    const world = new PoolWorld({ weights: [1, 1, 1], balance: 'least-connections', threads: 2 })
    for (let index = 0; index < 3; index++) world.setInFlight(index, 5, 0)
    count(world, 3)
    world.countEnded(0, 0, 10, 1)
    world.countEnded(1, 100, 0, 1)
    for (const nowMs of [1_000, 9_000]) world.pool.pick(nobody, nowMs)
    world.table.rows[1]!.fill(0)
    const counts = [0, 0, 0]
    for (let i = 0; i < 30; i++) counts[world.pool.pick(nobody, 20_000 + i)]!++
    assert.ok(counts[0]! <= 10, counts.join(' '))
  })

  test('a big pool learns in a few milliseconds what other threads do', () => {
    const size = 400
    const world = new PoolWorld({
      weights: repeat(size, 1),
      balance: 'least-connections',
      threads: 2,
    })
    for (let index = 0; index < size; index++) world.setInFlight(index, 5, 1)
    world.setInFlight(123, 0, 1)
    let picks = 0
    while (world.pool.pick(nobody, 100 + picks / 10) !== 123) assert.ok(picks++ < size / 8 + 1)
  })

  test('of two, random-two takes the less loaded one by weight', () => {
    const world = new PoolWorld({ weights: [4, 1], balance: 'random-two' })
    world.setInFlight(0, 6)
    world.setInFlight(1, 2)
    assert.deepEqual(count(world, 20), [20, 0], '7 ÷ 4 against 3 ÷ 1')
    world.setInFlight(0, 12)
    assert.deepEqual(count(world, 20), [0, 20], '13 ÷ 4 against 3 ÷ 1')
  })

  for (const balance of ['least-connections', 'random-two'] as const) {
    for (const size of [2, 3, 10, 100]) {
      test(`${balance} of ${size}: who fails fast gets less than its share, and it back later`, () => {
        const outcome = simulate(size, balance, 6_000)
        assert.ok(outcome.failingShare < 1 / size, `share ${outcome.failingShare}`)
        assert.ok(outcome.failingShare > 0.02 / size, `share ${outcome.failingShare}`)
        assert.ok(Math.abs(outcome.healedShare * size - 1) < 0.35, `later ${outcome.healedShare}`)
      })
    }
  }

  test('failures spread evenly over the pool change nothing', () => {
    const world = new PoolWorld({ weights: [1, 1, 1], balance: 'least-connections' })
    const counts = [0, 0, 0]
    for (let i = 0; i < 3_000; i++) {
      const index = world.pool.pick(nobody, i)
      counts[index]!++
      world.countEnded(index, 0, 1)
    }
    assert.deepEqual(counts, [1_000, 1_000, 1_000])
  })
})

/**
 * A closed loop of four clients per backend on a simulated clock: each answer takes 20 ms, but the
 * first backend answers with an error in 1 ms until `healsMs`. Its share of the picks in the second
 * half of that time, and well after it has healed.
 */
function simulate(
  size: number,
  balance: BalanceKind,
  healsMs: number,
): { failingShare: number; healedShare: number } {
  const world = new PoolWorld({ weights: repeat(size, 1), balance })
  const endsAt = new Map<number, number[]>()
  const during = { first: 0, all: 0 }
  const after = { first: 0, all: 0 }
  const clients = size > 10 ? 2 * size : 4 * size
  let idle = clients
  for (let nowMs = 0; nowMs < healsMs + 26_000; nowMs++) {
    for (const index of endsAt.get(nowMs) ?? []) {
      world.pool.end(world.pool.backends[index]!)
      const failed = index === 0 && nowMs < healsMs
      world.countEnded(index, failed ? 0 : 1, failed ? 1 : 0)
      idle++
    }
    endsAt.delete(nowMs)
    for (; idle > 0; idle--) {
      const index = world.pool.pick(nobody, nowMs)
      world.pool.begin(world.pool.backends[index]!)
      const period = nowMs < healsMs ? during : after
      if (nowMs > healsMs / 2 && (nowMs < healsMs || nowMs > healsMs + 20_000)) {
        period.all++
        if (index === 0) period.first++
      }
      const at = nowMs + (index === 0 && nowMs < healsMs ? 1 : 20)
      const list = endsAt.get(at)
      if (list === undefined) endsAt.set(at, [index])
      else list.push(index)
    }
  }
  return { failingShare: during.first / during.all, healedShare: after.first / after.all }
}
