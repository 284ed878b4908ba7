import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { OtlpExporter, QUEUE_MAX } from '../../../src/observe/otlp-exporter.ts'
import { seededRandom } from '../../../src/core/random.ts'
import { startCollector } from '../../support/collector.ts'
import type { Collector } from '../../support/collector.ts'
import { someTrace } from '../../support/traces.ts'
import { waitFor } from '../../support/wait.ts'

interface World {
  readonly collector: Collector
  readonly exporter: OtlpExporter
  /** What was told, in order. */
  readonly told: string[]
}

async function begin(context: TestContext, timeoutMs = 10_000): Promise<World> {
  const collector = await startCollector()
  const told: string[] = []
  const headers = [{ name: 'authorization', value: 'Bearer x' }]
  const exporter = new OtlpExporter({
    plan: { endpoint: `${collector.url}/v1/traces`, headers, service: 'evenkeel' },
    version: '1',
    instance: 'i',
    random: seededRandom(1),
    failed: (cause) => told.push(cause),
    recovered: () => told.push('recovered'),
    pace: { gatherMs: 5, timeoutMs, backoffMinMs: 5, backoffMaxMs: 20 },
  })
  context.after(async () => {
    await exporter.close()
    await collector.stop()
    assert.deepEqual(collector.faults, [])
  })
  return { collector, exporter, told }
}

test('exchanges go to the collector in batches, with the headers that it asks for', async (t) => {
  const { collector, exporter, told } = await begin(t)
  for (let i = 0; i < 300; i++) exporter.add(someTrace())
  await waitFor(() => exporter.exported === 300)
  assert.equal(collector.spans.length, 600)
  assert.equal(collector.requests.length, 2)
  const { path, headers } = collector.requests[0]!
  assert.deepEqual([path, headers.authorization], ['/v1/traces', 'Bearer x'])
  assert.deepEqual(told, [])
})

test('what may be sent again is, and that it fails is said once', async (t) => {
  const { collector, exporter, told } = await begin(t)
  collector.answers.push({ status: 503 }, { status: 429 }, { status: 0 })
  exporter.add(someTrace())
  await waitFor(() => exporter.exported === 1)
  assert.equal(collector.requests.length, 4)
  assert.deepEqual(told, ['it answered 503', 'recovered'])
  assert.equal(exporter.dropped, 0)
})

test('a collector that says when is asked again then', async (t) => {
  const { collector, exporter } = await begin(t)
  collector.answers.push({ status: 429, headers: { 'retry-after': '1' } })
  const startMs = performance.now()
  exporter.add(someTrace())
  await waitFor(() => exporter.exported === 1)
  assert.ok(performance.now() - startMs >= 1_000)
})

test('what it refuses is dropped and counted', async (t) => {
  const { collector, exporter, told } = await begin(t)
  collector.answers.push({ status: 400 })
  exporter.add(someTrace())
  await waitFor(() => exporter.dropped === 1)
  assert.equal(collector.requests.length, 1)
  assert.deepEqual(told, ['it answered 400'])
  const body = JSON.stringify({ partialSuccess: { rejectedSpans: '2', errorMessage: 'too old' } })
  collector.answers.push({ status: 200, body: '{}' }, { status: 200, body })
  exporter.add(someTrace())
  await waitFor(() => exporter.exported === 1)
  exporter.add(someTrace())
  await waitFor(() => exporter.exported === 2)
  assert.deepEqual(told.slice(1), ['recovered', 'it rejects spans: too old'])
})

test('a collector that never answers costs a bounded queue, and the end does not wait', async (t) => {
  const { collector, exporter, told } = await begin(t, 200)
  for (let i = 0; i < 100; i++) collector.answers.push({ status: -1 })
  for (let i = 0; i < QUEUE_MAX + 1_000; i++) exporter.add(someTrace())
  // A batch is on its way.
  assert.ok(exporter.dropped >= 700 && exporter.dropped <= 1_000, String(exporter.dropped))
  await waitFor(() => told.length === 1)
  const startMs = performance.now()
  await exporter.close()
  assert.ok(performance.now() - startMs < 900, 'the second for what is left')
  assert.equal(exporter.dropped, QUEUE_MAX + 1_000)
})

test('a collector that answers byte by byte is given up, and others are not kept waiting by it', async (t) => {
  const { collector, exporter, told } = await begin(t, 1_000)
  collector.answers.push({ status: -2 })
  exporter.add(someTrace())
  await waitFor(() => exporter.exported === 1)
  assert.equal(collector.requests.length, 2)
  assert.equal(told.length, 2)
})

test('what has gathered is sent before the end', async (t) => {
  const { collector, exporter } = await begin(t)
  exporter.add(someTrace())
  await exporter.close()
  assert.equal(collector.spans.length, 2)
  exporter.add(someTrace())
  assert.equal(exporter.dropped, 1)
})
