import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backendStatus, poolStatusOf } from '../../support/statuses.ts'
import type { PoolStatus } from '../../../src/core/status.ts'

/** The page's own script; it is JavaScript, and needs no browser. */
interface Samples {
  add(seconds: number, pools: readonly PoolStatus[]): void
  pool(name: string): Readonly<Record<'rate' | 'failing' | 'p50' | 'p99', number | null>>
  backend(
    name: string,
    backend: string,
  ): Readonly<Record<'rate' | 'failing' | 'share', number | null>>
  columns(name: string): readonly (readonly (number | null)[])[]
}
const { Samples, percentile } = (await import(
  new URL('../../../src/admin/page/samples.js', import.meta.url).href
)) as {
  Samples: new () => Samples
  percentile: (counts: readonly number[], share: number) => number | null
}

/** A pool after so many requests, one of four to `b`, a tenth failed, all answered within 1…2.5 ms. */
function after(requests: number): PoolStatus[] {
  const failures = requests / 10
  const latency = Array.from({ length: 15 }, (_, i) => (i === 2 ? requests : 0))
  const backends = [
    backendStatus('a', { attempts: (requests * 3) / 4 }),
    backendStatus('b', { attempts: requests / 4, failures }),
  ]
  const traffic = { requests, failures, retries: 0, latency }
  return [poolStatusOf('web', backends, { traffic })]
}

const nothing = { rate: null, failing: null, p50: null, p99: null }

test('rates, shares and percentiles are those of the last five seconds', () => {
  const samples = new Samples()
  assert.deepEqual(samples.pool('web'), nothing)
  samples.add(0, after(1_000))
  assert.deepEqual(samples.pool('web'), nothing)
  for (let second = 1; second <= 10; second++) samples.add(second, after(1_000 + 100 * second))
  for (let second = 11; second <= 15; second++)
    samples.add(second, after(2_000 + 400 * (second - 10)))
  const { p99, ...rest } = samples.pool('web')
  assert.deepEqual(rest, { rate: 400, failing: 40, p50: 1.75 })
  assert.ok(Math.abs(p99! - 2.485) < 1e-9)
  assert.deepEqual(samples.backend('web', 'a'), { rate: 300, failing: 0, share: 0.75 })
  assert.deepEqual(samples.backend('web', 'b'), { rate: 100, failing: 40, share: 0.25 })
  const [seconds, rates] = samples.columns('web')
  assert.equal(seconds!.length, 16)
  assert.deepEqual(rates!.slice(0, 3), [null, 100, 100])
})

test('nothing is made up: of counters that began anew, of a quiet pool, of one that is new', () => {
  const samples = new Samples()
  samples.add(0, after(1_000))
  samples.add(1, after(1_100))
  samples.add(2, after(10))
  assert.deepEqual(samples.pool('web'), nothing)
  samples.add(3, after(10))
  assert.deepEqual(samples.pool('web'), { rate: 0, failing: 0, p50: null, p99: null })
  assert.deepEqual(samples.backend('web', 'a'), { rate: 0, failing: 0, share: null })
  assert.deepEqual(samples.backend('web', 'new'), { rate: null, failing: null, share: null })
  samples.add(4, [])
  assert.deepEqual(samples.columns('web'), [[], [], [], [], []])
})

test('five minutes are kept', () => {
  const samples = new Samples()
  for (let second = 0; second <= 400; second++) samples.add(second, after(second))
  const [seconds] = samples.columns('web')
  assert.deepEqual([seconds![0], seconds!.length], [100, 301])
})

test('a percentile lies within its bucket, and beyond the last bound at that bound', () => {
  const only = (bucket: number) => Array.from({ length: 15 }, (_, i) => (i === bucket ? 10 : 0))
  assert.equal(percentile(only(0), 0.5), 0.25)
  assert.equal(percentile(only(14), 0.99), 10_000)
  assert.equal(percentile(only(-1), 0.5), null)
})
