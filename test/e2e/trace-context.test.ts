// One trace through client, balancer and backend, as a collector gets it.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import type { Backend } from '../support/backend.ts'
import { attribute, startCollector } from '../support/collector.ts'
import type { Span } from '../support/collector.ts'
import { embed, planOf, urlOf } from '../support/embedded.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { waitFor } from '../support/wait.ts'

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736'
const PARENT = '00f067aa0ba902b7'

function get(url: string, headers: Readonly<Record<string, string | string[]>>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0))
    })
      .on('error', reject)
      .end()
  })
}

/** Values of a field in the last request that a backend got. */
function seen(backend: Backend, name: string): string[] {
  const lines = backend.requests.at(-1)!.head.split('\r\n')
  return lines.flatMap((line) => {
    const [key = '', ...rest] = line.split(':')
    return key.toLowerCase() === name ? [rest.join(':').trim()] : []
  })
}

test('a trace goes through: client, exchange, attempts, backend', async (context) => {
  const [collector, backend] = await Promise.all([startCollector(), startBackend({ name: 'a' })])
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    tracing: { otlp: { endpoint: collector.url, headers: { 'X-Key': 'k' }, service: 'edge' } },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { a: backend.address }, healthCheck: false, retry: false } },
  })
  context.after(async () => {
    await evenkeel.stop()
    await Promise.all([collector.stop(), backend.stop()])
  })
  const spansOf = async (count: number): Promise<readonly Span[]> => {
    await waitFor(() => collector.spans.length >= count, { what: `${count} spans` })
    assert.deepEqual(collector.faults, [])
    return collector.spans.splice(0)
  }

  // A sampled parent.
  const parent = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'congo=t61rcWkgMzE' }
  assert.equal(await get(`${evenkeel.url()}/x?secret=1`, parent), 200)
  const [server, client] = await spansOf(2)
  assert.deepEqual([server!.traceId, server!.parentSpanId], [TRACE, PARENT])
  assert.equal(server!.traceState, 'congo=t61rcWkgMzE')
  assert.equal(client!.parentSpanId, server!.spanId)
  assert.deepEqual(seen(backend, 'traceparent'), [`00-${TRACE}-${client!.spanId}-01`])
  assert.deepEqual(seen(backend, 'tracestate'), ['congo=t61rcWkgMzE'])
  assert.equal(attribute(server!, 'url.path'), '/x')
  assert.equal(attribute(client!, 'evenkeel.backend'), 'a')
  assert.equal(collector.requests[0]!.headers['x-key'], 'k')

  // What is no traceparent goes no further, nor what belongs to it.
  for (const bad of ['00-zz', `00-${TRACE}-${PARENT}-01-x`, `00-${'0'.repeat(32)}-${PARENT}-01`]) {
    assert.equal(await get(evenkeel.url(), { traceparent: bad, tracestate: 'a=b' }), 200)
    const [only, ...others] = seen(backend, 'traceparent')
    assert.match(only!, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    assert.deepEqual(others, [])
    assert.ok(!only!.includes(TRACE))
    assert.deepEqual(seen(backend, 'tracestate'), [])
  }
  const twice = [`00-${TRACE}-${PARENT}-01`, `00-${TRACE}-${PARENT}-01`]
  assert.equal(await get(evenkeel.url(), { traceparent: twice }), 200)
  assert.equal(seen(backend, 'traceparent').length, 1)
  assert.ok(!seen(backend, 'traceparent')[0]!.includes(TRACE))

  // One that fails is sent though nobody sampled it.
  await backend.behave({ kind: 'reset' })
  const unsampled = { traceparent: `00-${TRACE}-${PARENT}-00` }
  assert.equal(await get(`${evenkeel.url()}/lost`, unsampled), 502)
  const [failed, attempt] = await spansOf(2)
  assert.deepEqual([failed!.status?.code, attempt!.status?.code], [2, 2])
  assert.equal(attribute(failed!, 'evenkeel.kept_for'), 'error')
  assert.equal(attribute(attempt!, 'server.port'), String(backend.port))
  assert.deepEqual(seen(backend, 'traceparent'), [`00-${TRACE}-${attempt!.spanId}-00`])
  const metrics = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
  assert.match(metrics, /\nevenkeel_otlp_exported_traces_total 2\n/)
})

test('without a collector trace context passes untouched', async (context) => {
  const backend = await startBackend({ name: 'a' })
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { a: backend.address }, healthCheck: false } },
  })
  context.after(async () => {
    await evenkeel.stop()
    await backend.stop()
  })
  const sent = { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'a=b' }
  assert.equal(await get(evenkeel.url(), sent), 200)
  assert.deepEqual(seen(backend, 'traceparent'), [sent.traceparent])
  assert.deepEqual(seen(backend, 'tracestate'), ['a=b'])
  assert.equal(await get(evenkeel.url(), {}), 200)
  assert.deepEqual(seen(backend, 'traceparent'), [])
})

test('a reload begins and ends tracing without a break', async (context) => {
  const [collector, backend] = await Promise.all([startCollector(), startBackend({ name: 'a' })])
  context.after(() => Promise.all([collector.stop(), backend.stop()]))
  const config = (tracing: object | false) => ({
    tracing,
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: { web: { backends: { a: backend.address }, healthCheck: false } },
  })
  const balancer = await embed(config(false))
  const url = urlOf(balancer.addresses[0])
  const own = /^00-[0-9a-f]{32}-[0-9a-f]{14}01-01$/
  assert.equal(await get(url, {}), 200)
  assert.deepEqual(seen(backend, 'traceparent'), [])

  const otlp = { endpoint: `${collector.url}/custom` }
  const on = await balancer.reload(planOf(config({ sample: '100%', otlp })))
  assert.equal(on.outcome, 'applied')
  assert.equal(await get(url, {}), 200)
  assert.match(seen(backend, 'traceparent')[0]!, own)
  await waitFor(() => collector.spans.length === 2, { what: 'its spans' })
  assert.deepEqual(
    collector.requests.map(({ path }) => path),
    ['/custom'],
  )

  await balancer.reload(planOf(config({})))
  assert.equal(await get(url, {}), 200)
  assert.deepEqual(seen(backend, 'traceparent'), [])
  assert.deepEqual(collector.faults, [])
})

test('a route that writes trace context itself has no second one beside it', async (context) => {
  const [collector, backend] = await Promise.all([startCollector(), startBackend({ name: 'a' })])
  context.after(() => Promise.all([collector.stop(), backend.stop()]))
  const fixed = `00-${TRACE}-${PARENT}-01`
  const balancer = await embed({
    tracing: { otlp: { endpoint: collector.url } },
    listeners: {
      web: {
        bind: '127.0.0.1:0',
        routes: [{ pool: 'web', requestHeaders: { set: { Traceparent: fixed, 'X-Own': 'y' } } }],
      },
    },
    pools: { web: { backends: { a: backend.address }, healthCheck: false } },
  })
  assert.equal(await get(urlOf(balancer.addresses[0]), {}), 200)
  const values = seen(backend, 'traceparent')
  assert.equal(values.length, 1)
  assert.notEqual(values[0], fixed)
  assert.deepEqual(seen(backend, 'x-own'), ['y'])
})
