// Two servers, one of them bad, and requests one after the other.

import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startBackend } from '../../support/backend.ts'
import type { Backend, Behaviour } from '../../support/backend.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad, sumUp } from '../../support/load.ts'
import type { LoadRecord, LoadResult } from '../../support/load.ts'
import { waitFor } from '../../support/wait.ts'
import { allServe, startWeb } from './pairs.ts'
import type { PoolSettings } from './pairs.ts'

interface Two {
  readonly good: Backend
  readonly bad: Backend
  readonly evenkeel: Evenkeel
}

/** Two servers that serve; nothing is wrong yet. */
async function startTwo(context: TestContext, pool: PoolSettings = {}): Promise<Two> {
  const good = await startBackend({ name: 'good' })
  const bad = await startBackend({ name: 'bad' })
  context.after(() => Promise.all([good.stop(), bad.stop()]))
  const evenkeel = await startWeb(context, [good, bad], pool)
  await allServe(evenkeel.url(), 2)
  return { good, bad, evenkeel }
}

/** Sends requests one after the other; each has its own number in its target. */
async function ask(
  context: TestContext,
  url: string,
  method: 'GET' | 'POST',
  times = 20,
): Promise<LoadResult> {
  const records: LoadRecord[] = []
  for (let number = 0; number < times; number++) {
    const startedAt = performance.now()
    const sent = method === 'POST' ? { method, body: `body of ${number}` } : { method }
    let status = 0
    let text = ''
    let error = ''
    try {
      const response = await fetch(`${url}/${method.toLowerCase()}/${number}`, {
        ...sent,
        signal: AbortSignal.timeout(20_000),
      })
      status = response.status
      text = await response.text()
    } catch (caught) {
      error = caught instanceof Error ? caught.name : String(caught)
    }
    const latencyMs = performance.now() - startedAt
    records.push({ atMs: 0, latencyMs, status, body: text, error, ok: status === 200 })
  }
  const result = sumUp(records)
  context.diagnostic(`${method}: ${describeLoad(result)}`)
  return result
}

/** How often each request of a method ran, over both servers. */
function runs({ good, bad }: Two, method: string): ReadonlyMap<string, number> {
  const times = new Map<string, number>()
  for (const seen of [...good.requests, ...bad.requests]) {
    if (seen.method === method) times.set(seen.target, (times.get(seen.target) ?? 0) + 1)
  }
  return times
}

for (const method of ['GET', 'POST'] as const) {
  for (const [checks, pool] of [
    ['health checks', {}],
    ['no health check', { healthCheck: false }],
  ] as const) {
    test(`refused connections cost no ${method} with ${checks}`, async (context) => {
      const two = await startTwo(context, pool)
      await two.bad.behave({ kind: 'refuse' })
      const result = await ask(context, two.evenkeel.url(), method)
      assert.deepEqual(result.statuses, { 200: 20 })
      assert.equal(result.slow, 0)
      for (const [target, times] of runs(two, method)) {
        if (target !== '/') assert.equal(times, 1, `${target} ran ${times} times`)
      }
    })
  }
}

test('resets after the request cost no GET', async (context) => {
  const two = await startTwo(context)
  await two.bad.behave({ kind: 'reset' })
  const result = await ask(context, two.evenkeel.url(), 'GET')
  assert.deepEqual(result.statuses, { 200: 20 })
})

test('resets after the request run no POST twice and have the backend out after two', async (context) => {
  const two = await startTwo(context)
  // Without the connections from before: a reset on a reused one would rightly not count.
  two.bad.disconnect()
  await two.bad.behave({ kind: 'reset' })
  const result = await ask(context, two.evenkeel.url(), 'POST')
  const { 200: ok = 0, 502: lost = 0 } = result.statuses
  assert.equal(ok + lost, 20, describeLoad(result))
  assert.ok(lost <= 2, `${lost} POSTs met the bad backend`)
  const times = runs(two, 'POST')
  assert.equal(times.size, 20)
  for (const [target, count] of times) assert.equal(count, 1, `${target} ran ${count} times`)
})

test('a backend that accepts and never answers slows one GET per data thread, then none', async (context) => {
  const two = await startTwo(context)
  two.bad.answerChecks(null)
  await two.bad.behave({ kind: 'silent' })
  const before = two.bad.requests.length
  const result = await ask(context, two.evenkeel.url(), 'GET')
  assert.deepEqual(result.statuses, { 200: 20 })
  // Counted there: on a busy machine others may be slow as well.
  const slow = two.bad.requests.length - before
  assert.ok(slow <= dataThreads(), `${slow} met the bad backend`)
})

test('a healed backend is used within 1 s of passing its checks', async (context) => {
  const two = await startTwo(context)
  two.bad.answerChecks(null)
  await two.bad.behave({ kind: 'refuse' })
  const load = startLoad({ url: `${two.evenkeel.url()}/`, ratePerSecond: 200 })
  context.after(() => load.stop())
  await goneFrom(two, load.records)
  const waitMs = await healAndMeasure(two.bad)
  context.diagnostic(`used ${waitMs.toFixed(0)} ms after its second check`)
  assert.ok(waitMs <= 1_000, `${waitMs} ms`)
  const result = await load.stop()
  context.diagnostic(describeLoad(result))
  assert.equal(result.failed, 0)
})

test('with all down, answers are 503 within 10 ms, and a healed backend serves at once', async (context) => {
  const two = await startTwo(context)
  const url = two.evenkeel.url()
  const refuse: Behaviour = { kind: 'refuse' }
  for (const backend of [two.good, two.bad]) {
    backend.answerChecks(null)
    await backend.behave(refuse)
  }
  await waitFor(async () => (await fetch(url)).status === 503, { what: 'a first 503' })
  const down = await ask(context, url, 'GET')
  assert.deepEqual(down.statuses, { 503: 20 })
  // The rest wait for a CPU, as another test runs beside this one.
  const within = down.records.filter(({ latencyMs }) => latencyMs <= 10).length
  assert.ok(within >= 10, `${within} of 20 within 10 ms`)
  // None waits for a timeout.
  assert.ok(down.latencyMs.max <= 1_000, `max ${down.latencyMs.max} ms`)

  const load = startLoad({ url: `${url}/`, ratePerSecond: 200 })
  context.after(() => load.stop())
  const waitMs = await healAndMeasure(two.bad)
  context.diagnostic(`used ${waitMs.toFixed(0)} ms after its second check`)
  assert.ok(waitMs <= 1_000, `${waitMs} ms`)
  await load.stop()
})

/** Heals a backend under load; time from its `rise`th check (2) to its first request. */
async function healAndMeasure(backend: Backend): Promise<number> {
  const checksBefore = backend.checks()
  const requestsBefore = backend.requests.length
  await backend.behave({ kind: 'answer' })
  await waitFor(() => backend.checks() >= checksBefore + 2, { what: 'two checks', everyMs: 2 })
  const passedAt = performance.now()
  await waitFor(() => backend.requests.length > requestsBefore, { what: 'traffic', everyMs: 2 })
  return performance.now() - passedAt
}

/** Waits until a second of answers has come from the good backend alone. */
async function goneFrom(two: Two, records: readonly LoadRecord[]): Promise<void> {
  await waitFor(
    () => {
      const last = records.slice(-200)
      return last.length === 200 && last.every(({ body }) => body === two.good.name)
    },
    { what: 'the bad backend to be out' },
  )
}

/** `threads: auto`: one per core where `reusePort` works, else one. */
function dataThreads(): number {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 12) ? availableParallelism() : 1
}
