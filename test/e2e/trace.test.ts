// An exchange that failed, found afterwards by what its client was told.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { ToldTrace } from '../../src/admin/trace-routes.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

interface Met {
  readonly status: number
  readonly headers: IncomingHttpHeaders
}

function get(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Met> {
  return new Promise((resolve, reject) => {
    request(url, { headers, agent: false }, (response) => {
      response.resume().on('end', () => {
        resolve({ status: response.statusCode ?? 0, headers: response.headers })
      })
    })
      .on('error', reject)
      .end()
  })
}

test('an exchange is found afterwards by the id of its error reply', async (context) => {
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startBackend({ name })))
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    tracing: { responseHeader: true, slow: '1s' },
    listeners: { web: { pool: 'web' }, raw: { protocol: 'tcp', pool: 'raw' } },
    pools: {
      web: {
        backends: { a: a!.address, b: b!.address },
        healthCheck: false,
        outlierDetection: false,
      },
      raw: { backends: { none: '127.0.0.1:1' }, healthCheck: false, outlierDetection: false },
    },
  })
  context.after(async () => {
    await evenkeel.stop()
    await Promise.all([a!.stop(), b!.stop()])
  })
  const read = async (path: string): Promise<readonly ToldTrace[]> => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/traces${path}`)
    if (answer.status !== 200) return []
    return ((await answer.json()) as { traces: readonly ToldTrace[] }).traces
  }
  const found = async (id: string): Promise<ToldTrace> => {
    await waitFor(async () => (await read(`/${id}`)).length > 0, { what: `trace ${id}` })
    return (await read(`/${id}`))[0]!
  }

  const fine = await get(evenkeel.url('web'))
  assert.match(String(fine.headers['evenkeel-trace']), /^[0-9a-f]{32}$/)

  await a!.behave({ kind: 'refuse' })
  const id = '4bf92f3577b34da6a3ce929d0e0e4736'
  const parent = { traceparent: `00-${id}-00f067aa0ba902b7-01`, 'x-request-id': 'order-7' }
  // Each backend has its turn, so one of two is retried.
  for (let i = 0; i < 2; i++) {
    const { status, headers } = await get(`${evenkeel.url('web')}/v1?q=1`, parent)
    assert.deepEqual([status, headers['evenkeel-trace']], [200, id])
  }
  const story = await found('order-7')
  assert.deepEqual(
    [story.id, story.keptFor, story.status, story.target, story.pool, story.route],
    [id, 'retried', 200, '/v1?q=1', 'web', '#1'],
  )
  assert.deepEqual(
    story.attempts.map(({ number, backend, fault, status }) => [number, backend, fault, status]),
    [
      [1, 'a', 'backend-refused', 0],
      [2, 'b', null, 200],
    ],
  )
  assert.ok(story.attempts[1]!.startMs >= story.attempts[0]!.ms)
  assert.ok(story.attempts[1]!.responseMs >= 0)

  await b!.behave({ kind: 'answer', delayMs: 1_050 })
  const slow = await get(evenkeel.url('web'), { 'x-request-id': 'slow-1' })
  assert.equal(slow.status, 200)
  assert.ok((await found('slow-1')).headMs >= 1_000)

  await b!.behave({ kind: 'refuse' })
  const failed = await get(`${evenkeel.url('web')}/lost`)
  assert.equal(failed.status, 502)
  const lost = await found(String(failed.headers['evenkeel-trace']))
  assert.deepEqual([lost.keptFor, lost.fault, lost.target], ['error', 'backend-refused', '/lost'])
  assert.match(lost.sentence!, /refused/)
  assert.deepEqual(await read(`/${String(fine.headers['evenkeel-trace'])}`), [])

  const socket = connect(evenkeel.port('raw'), '127.0.0.1').on('error', () => {})
  socket.resume()
  await waitFor(async () => (await read('?pool=raw')).length > 0, { what: 'the tunnel' })
  const [tunnel] = await read('?pool=raw&errors=true')
  assert.deepEqual([tunnel!.protocol, tunnel!.fault], ['tcp', 'backend-refused'])

  const run = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, 'trace', ...words, '-c', evenkeel.file])
  const one = await run(lost.id.slice(0, 8))
  assert.equal(one.code, 0, one.stderr)
  assert.match(one.stdout, /GET 127\.0\.0\.1:\d+\/lost: 502 backend-refused after/)
  assert.match(one.stdout, /\n {2}attempts #1 .* a  backend-refused/)
  const list = await run('--last', '1', '--pool', 'web', '--errors')
  assert.equal(list.stdout.trim().split('\n').length, 1)
  assert.match(list.stdout, /error {2}502 backend-refused/)
  const none = await run('ffffff0000')
  assert.equal(none.code, 1)
  const why = 'it went well, or there was no room for it'
  assert.equal(none.stderr, `evenkeel: No exchange with the id 'ffffff0000' is kept: ${why}.\n`)
  const wrong = await run('--last', '0')
  assert.equal(wrong.code, 2)
})

test('without tracing nothing is kept and no reply has an id', async (context) => {
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1 },
    tracing: false,
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: ['127.0.0.1:1'], healthCheck: false } },
  })
  context.after(() => evenkeel.stop())
  const answer = await get(evenkeel.url())
  assert.equal(answer.status, 502)
  assert.equal(answer.headers['evenkeel-trace'], undefined)
  const traces = await fetch(`${evenkeel.adminUrl}/v1/traces`)
  assert.equal(traces.status, 404)
  assert.match(await traces.text(), /tracing: false/)
})
