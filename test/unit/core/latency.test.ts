import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LatencyTail, RecentLatencies, SlowJudgements } from '../../../src/core/latency.ts'
import { LATENCY_BOUNDS_S, LATENCY_BUCKETS } from '../../../src/core/shared-layout.ts'

test('the median is the lower one of the newest twenty', () => {
  const recent = new RecentLatencies()
  assert.equal(recent.median(), 0)
  for (const ms of [9, 1, 5]) recent.push(ms)
  assert.equal(recent.median(), 5)
  recent.push(7)
  assert.equal(recent.median(), 5)
  for (let i = 0; i < 20; i++) recent.push(100 + i)
  assert.deepEqual([recent.count, recent.median()], [20, 109])
})

test('judgements keep the last twenty, in proportion when more come at once', () => {
  const judgements = new SlowJudgements()
  judgements.push(8, 2)
  assert.deepEqual([judgements.count, judgements.slow], [10, 2])
  judgements.push(15, 0)
  assert.deepEqual([judgements.count, judgements.slow], [20, 2])
  judgements.push(5, 0)
  assert.deepEqual([judgements.count, judgements.slow], [20, 0])
  judgements.push(300, 100)
  assert.deepEqual([judgements.count, judgements.slow], [20, 5])
  judgements.clear()
  assert.deepEqual([judgements.count, judgements.slow], [0, 0])
})

class Histogram {
  readonly totals = new Float64Array(LATENCY_BUCKETS)

  add(ms: number, count = 1): this {
    let bucket = 0
    while (bucket < LATENCY_BUCKETS - 1 && ms / 1_000 > LATENCY_BOUNDS_S[bucket]!) bucket++
    this.totals[bucket]! += count
    return this
  }
}

test('p99 is read from the histogram, within its bucket', () => {
  const tail = new LatencyTail()
  const histogram = new Histogram()
  assert.equal(tail.p99(histogram.totals, 0), 0)
  histogram.add(4, 990).add(80, 10)
  assert.equal(tail.p99(histogram.totals, 1), 5, 'the slowest ten of a thousand are left out')
  histogram.add(80, 30)
  // 40 in 50…100 ms, of which the slowest 10 are left out.
  assert.equal(Math.round(tail.p99(histogram.totals, 2) * 10), 875)
})

test('one slow answer does not lift the p99 of a backend with little traffic', () => {
  const histogram = new Histogram().add(4, 19).add(9_000)
  assert.equal(new LatencyTail().p99(histogram.totals, 0), 5)
  assert.equal(new LatencyTail().p99(new Histogram().add(4, 5).add(400).totals, 0), 500)
})

test('what is beyond the last bound counts as the last bound', () => {
  assert.equal(new LatencyTail().p99(new Histogram().add(30_000, 50).totals, 0), 10_000)
})

test('the tail forgets what is older than a minute', () => {
  const tail = new LatencyTail()
  const histogram = new Histogram().add(2_000, 100)
  tail.p99(histogram.totals, 0)
  assert.ok(tail.p99(histogram.totals, 29_000) > 2_000)
  histogram.add(4, 1_000)
  tail.p99(histogram.totals, 31_000)
  assert.equal(tail.p99(histogram.add(4, 10).totals, 62_000), 5)
})

test('after a restart of the totals only what came since counts', () => {
  const tail = new LatencyTail()
  const histogram = new Histogram().add(2_000, 100)
  tail.p99(histogram.totals, 0)
  histogram.totals.fill(0)
  tail.restart(histogram.totals, 1)
  assert.equal(tail.p99(histogram.totals, 2), 0)
  assert.equal(tail.p99(histogram.add(4, 10).totals, 3), 5)
})
