import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { startBackend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'

const admin = await startFakeAdmin()
const port = Number(admin.host.split(':')[1])

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Record<string, unknown>
}

async function post(
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
  where: RequestOptions = { host: '127.0.0.1', port },
): Promise<Reply> {
  const call = request({
    ...where,
    path,
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', ...headers },
  })
  call.end(typeof body === 'string' ? body : JSON.stringify(body))
  const [response] = await once(call, 'response')
  let text = ''
  for await (const chunk of response) text += String(chunk)
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) }
}

test('each verb reaches the pool it names, with the words of its body', async () => {
  admin.asked.length = 0
  const reason = 'new kernel'
  const by = 'kim'
  for (const [verb, body] of [
    ['switchover', { to: 'b', reason, by, force: true }],
    ['failback', { reason, by, dryRun: true }],
    ['freeze', { reason, by }],
    ['unfreeze', { reason, by }],
  ] as const) {
    const reply = await post(`/v1/pools/my%20db/${verb}`, body)
    assert.deepEqual([reply.status, reply.body], [200, { message: 'done', report: null }])
  }
  assert.deepEqual(admin.asked, [
    {
      pool: 'my db',
      request: { verb: 'switchover', to: 'b', force: true, dryRun: false, reason, by },
    },
    { pool: 'my db', request: { verb: 'failback', force: false, dryRun: true, reason, by } },
    { pool: 'my db', request: { verb: 'freeze', reason, by } },
    { pool: 'my db', request: { verb: 'unfreeze', reason, by } },
  ])
  assert.deepEqual(
    admin.audit.slice(-4).map(({ from, outcome }) => [from, outcome]),
    Array.from({ length: 4 }, () => ['127.0.0.1', 'done']),
  )
})

test('what a page could send unasked is refused before anything is read', async () => {
  admin.asked.length = 0
  const body = { reason: 'x' }
  const path = '/v1/pools/db/freeze'
  assert.equal((await post(path, body, { 'content-type': 'text/plain' })).status, 415)
  assert.equal((await post(path, body, { origin: 'http://evil.example' })).status, 403)
  assert.equal((await post(path, body, { host: 'evil.example' })).status, 421)
  assert.equal((await post(path, body, { origin: `http://${admin.host}` })).status, 200)
  assert.equal(admin.asked.length, 1)
})

test('a body that is no change is explained', async () => {
  admin.asked.length = 0
  const path = '/v1/pools/db/freeze'
  for (const [body, status, detail] of [
    ['', 400, /not JSON/],
    ['{"reason":', 400, /not JSON/],
    ['[]', 400, /JSON object/],
    [{ why: 'x' }, 400, /There is no key 'why'/],
    [{ reason: 'x'.repeat(501) }, 400, /500 characters/],
    [{ reason: 'x'.repeat(20_000) }, 413, /16384 bytes/],
  ] as const) {
    const reply = await post(path, body)
    assert.equal(reply.status, status)
    assert.match(String(reply.body['detail']), detail)
    assert.equal(reply.headers['content-type'], 'application/problem+json')
  }
  assert.equal(admin.asked.length, 0)
})

test('a body of unknown length is cut off at its bound, with an answer', async () => {
  const socket = connect(port, '127.0.0.1')
  const head =
    'POST /v1/pools/db/freeze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
    'Transfer-Encoding: chunked\r\n\r\n'
  socket.write(`${head}5000\r\n${' '.repeat(0x5000)}\r\n`)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  assert.match(chunk.toString('latin1'), /^HTTP\/1\.1 413 /)
  socket.destroy()
})

test('a client that goes away in the middle of its body is no error', async () => {
  const socket = connect(port, '127.0.0.1')
  const head =
    'POST /v1/pools/db/freeze HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n' +
    'Content-Length: 100\r\n\r\n{"reas'
  socket.write(head)
  await once(socket, 'connect')
  await new Promise(setImmediate)
  socket.destroy()
  assert.equal((await post('/v1/pools/db/freeze', { reason: 'x' })).status, 200)
  assert.deepEqual(admin.errors, [])
})

test('changes are made with POST and found at their paths alone', async () => {
  const call = request({ host: '127.0.0.1', port, path: '/v1/pools/db/freeze', agent: false })
  call.end()
  const [response] = await once(call, 'response')
  assert.deepEqual([response.statusCode, response.headers.allow], [405, 'POST'])
  response.resume()
  const lost = await post('/v1/pools/db/freez', { reason: 'x' })
  assert.equal(lost.status, 404)
  assert.ok('POST /v1/pools/{pool}/freeze' in (lost.body['paths'] as object))
})

test('over the network the API can only be read', async () => {
  const open = await startFakeAdmin('network')
  const where = { host: '127.0.0.1', port: Number(open.host.split(':')[1]) }
  const reply = await post('/v1/pools/db/freeze', { reason: 'x' }, {}, where)
  assert.equal(reply.status, 403)
  assert.equal(open.asked.length, 0)
})

test('a change over a unix socket says that it came from there', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'evenkeel-changes-')), 'admin.sock')
  const local = await startFakeAdmin('file', { kind: 'unix', path })
  const reply = await post('/v1/pools/db/freeze', { reason: 'x' }, {}, { socketPath: path })
  assert.equal(reply.status, 200)
  assert.deepEqual(
    local.audit.map(({ from, by }) => [from, by]),
    [['unix socket', 'admin API (unix socket)']],
  )
})

test('a running balancer refuses to move a pool without an active, and logs who asked', async () => {
  const one = await startBackend({ name: 'one' })
  const lines: [string, unknown][] = []
  const keep = (message: string, fields?: object): void => void lines.push([message, fields])
  const log = { debug: keep, info: keep, warn: keep, error: keep, close: async () => {} }
  const balancer = await embed(
    {
      admin: { bind: '127.0.0.1:0' },
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      pools: { web: { backends: { one: one.address }, healthCheck: false } },
    },
    { log },
  )
  const where = { host: '127.0.0.1', port: Number(new URL(urlOf(balancer.adminAddress)).port) }
  const body = { to: 'one', reason: 'why not', by: 'kim' }
  const reply = await post('/v1/pools/web/switchover', body, {}, where)
  assert.deepEqual([reply.status, reply.body['code']], [409, 'not-standby'])
  const unknown = await post('/v1/pools/wbe/freeze', { reason: 'x' }, {}, where)
  assert.deepEqual([unknown.status, unknown.body['pools']], [404, ['web']])
  const found = lines.find(([message]) => message.startsWith('switchover of pool web'))
  assert.ok(found)
  assert.equal(found[0], 'switchover of pool web asked for by kim: not-standby')
  const { tookMs, ...fields } = found[1] as Record<string, unknown>
  assert.equal(typeof tookMs, 'number')
  assert.deepEqual(fields, {
    audit: true,
    pool: 'web',
    verb: 'switchover',
    to: 'one',
    force: false,
    dryRun: false,
    by: 'kim',
    from: '127.0.0.1',
    reason: 'why not',
    outcome: 'not-standby',
    result:
      "Pool 'web' is active-active: it has no active to move. Drain a backend to take it out.",
  })
  await one.stop()
})
