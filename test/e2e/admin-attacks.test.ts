// What somebody who means harm sends to the admin API, on bare sockets.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { test } from 'node:test'
import { readRoute } from '../../src/admin/route.ts'
import { AdminServer } from '../../src/admin/server.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { pause } from '../support/wait.ts'

const admin = await startFakeAdmin()
const port = Number(admin.host.split(':')[1])

/** Sends bytes and reads to the end; the head says to close. */
async function send(bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  return read(socket)
}

async function read(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  // An error before it is an end like any other.
  await new Promise((resolve) => socket.once('close', resolve))
  return text
}

function get(target: string, fields: readonly string[] = []): string {
  const more = fields.map((field) => `${field}\r\n`).join('')
  return `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${more}\r\n`
}

function post(body: string, fields: readonly string[] = []): string {
  const head = [
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body, 'latin1')}`,
  ]
  const lines = [...head, ...fields].map((field) => `${field}\r\n`).join('')
  return `POST /v1/pools/db/freeze HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${lines}\r\n${body}`
}

function statusOf(answer: string): number {
  return Number(/^HTTP\/1\.1 (\d{3}) /.exec(answer)?.[1])
}

function problemOf(answer: string): Record<string, unknown> {
  assert.match(answer, /\r\ncontent-type: application\/problem\+json\r\n/i)
  return JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4))
}

test('what is no HTTP, and a head that is too large, are problems like any other', async () => {
  for (const [bytes, status, code] of [
    ['nonsense\r\n\r\n', 400, 'bad-request'],
    ['GET /livez HTTP/1.1\r\nHost: localhost\r\nA : b\r\n\r\n', 400, 'bad-request'],
    [get('/livez', [`A: ${'x'.repeat(9_000)}`]), 431, 'head-too-large'],
    [get(`/${'x'.repeat(9_000)}`), 431, 'head-too-large'],
    [post('{}', ['Transfer-Encoding: chunked']), 400, 'bad-request'],
    [post('{}', ['Content-Length: 3']), 400, 'bad-request'],
  ] as const) {
    const answer = await send(bytes)
    assert.equal(statusOf(answer), status, bytes.slice(0, 40))
    assert.equal(problemOf(answer)['code'], code)
  }
})

test('who sends nothing, or a byte now and then, is not waited for', async () => {
  const started = performance.now()
  const silent = connect(port, '127.0.0.1')
  const slowHead = connect(port, '127.0.0.1')
  slowHead.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ')
  const slowBody = connect(port, '127.0.0.1')
  slowBody.write(post('x'.repeat(100)).slice(0, -50))
  const sockets = [silent, slowHead, slowBody]
  for (const socket of sockets) socket.on('error', () => {})
  const drip = setInterval(() => {
    for (const socket of [slowHead, slowBody]) if (socket.writable) socket.write(' ')
  }, 300)
  const answers = await Promise.all(sockets.map(read))
  clearInterval(drip)
  assert.ok(performance.now() - started < 4_000)
  assert.equal(statusOf(answers[1]!), 408)
  assert.equal(admin.asked.length, 0)
})

test('no spelling of a path leads anywhere else, and none gets into a header', async () => {
  for (const target of [
    '/v1/../livez',
    '//livez',
    '/livez/',
    '/livez%00',
    '/%6civez',
    '/livez;x',
    '\\livez',
    'http://evil.example/livez',
    'livez',
    '*',
    '/v1/pools/%0d%0aSet-Cookie:%20a=b',
    '/v1/pools/..%2f..%2flivez',
    '/v1/pools/<script>alert(1)</script>',
  ]) {
    const answer = await send(get(target))
    assert.ok([400, 404].includes(statusOf(answer)), target)
    assert.equal(/^set-cookie/im.test(answer), false)
    problemOf(answer)
  }
})

test('a method that is none of ours does nothing', async () => {
  for (const method of ['TRACE', 'OPTIONS', 'PUT', 'PATCH', 'DELETE', 'PROPFIND']) {
    const answer = await send(get('/v1/pools').replace('GET', method))
    assert.equal(statusOf(answer), 405, method)
    assert.match(answer, /\r\nallow: GET, HEAD\r\n/i)
    assert.equal(/access-control/i.test(answer), false)
  }
  assert.equal(await send(get('localhost:80').replace('GET', 'CONNECT')), '')
  const upgrade = get('/livez', ['Upgrade: websocket']).replace('close', 'upgrade')
  const socket = connect(port, '127.0.0.1')
  socket.write(upgrade)
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  assert.equal(statusOf(chunk.toString('latin1')), 200)
  socket.destroy()
})

test('a body that is built to hurt is a bad request', async () => {
  const deep = '['.repeat(8_000)
  for (const [body, status] of [
    [deep, 400],
    [`${deep}${']'.repeat(8_000)}`, 400],
    [`{"reason":${'{"a":'.repeat(2_000)}1${'}'.repeat(2_000)}}`, 400],
    ['{"reason":"x","__proto__":{"by":"root"}}', 400],
    ['{"reason":"x","constructor":{"prototype":{}}}', 400],
    ['{"reason":"x","by":"kim\\r\\nadmin: yes"}', 400],
    ['{"reason":"\\u001b[2Jx"}', 400],
    ['{"reason":1e999}', 400],
    ['\u00ff\u00fe', 400],
    ['null', 400],
    ['"reason"', 400],
    [`{"reason":"${'x'.repeat(16_384)}"}`, 413],
  ] as const) {
    const answer = await send(post(body))
    assert.equal(statusOf(answer), status, body.slice(0, 40))
    problemOf(answer)
  }
  assert.equal(admin.asked.length, 0)
  assert.equal(({} as Record<string, unknown>)['by'], undefined)
  assert.deepEqual(admin.errors, [])
})

test('a page that rebinds its name, or posts a form, is refused', async () => {
  const body = '{"reason":"x"}'
  for (const [from, to, status] of [
    ['Host: localhost', 'Host: evil.example', 421],
    ['Host: localhost', 'Host: localhost.evil.example', 421],
    ['Host: localhost', 'Host: localhost@evil.example', 421],
    ['Host: localhost', 'Host: ', 421],
    ['Connection: close', 'Origin: http://evil.example\r\nConnection: close', 403],
    ['Connection: close', 'Origin: null\r\nConnection: close', 403],
    ['application/json', 'text/plain', 415],
    ['application/json', 'application/x-www-form-urlencoded', 415],
    ['application/json', 'multipart/form-data; boundary=application/json', 415],
    ['application/json', 'text/plain, application/json', 415],
  ] as const) {
    assert.equal(statusOf(await send(post(body).replace(from, to))), status, to)
  }
  assert.equal(admin.asked.length, 0)
})

test('two Host or Authorization fields are refused, however they are written', async () => {
  for (const field of ['Host: localhost', 'hOST: 127.0.0.1', 'Host: evil.example', 'Host:']) {
    const answer = await send(get('/livez', [field]))
    assert.equal(statusOf(answer), 400, field)
    assert.equal(problemOf(answer)['detail'], 'The field Host may be there once.')
  }
  const token = `Authorization: Bearer ${'t'.repeat(32)}`
  assert.equal(statusOf(await send(get('/v1/pools', [token]))), 200)
  for (const other of [token, token.toUpperCase(), 'authorization: Basic eA==']) {
    const answer = await send(get('/v1/pools', [token, other]))
    assert.equal(statusOf(answer), 400, other)
    assert.equal(problemOf(answer)['detail'], 'The field Authorization may be there once.')
  }
  assert.equal(statusOf(await send(post('{"reason":"x"}', ['Host: localhost']))), 400)
  assert.equal(admin.asked.length, 0)
})

test('a crowd of idle connections does not keep others out for long', async () => {
  const crowd = Array.from({ length: 200 }, () => connect(port, '127.0.0.1'))
  for (const socket of crowd) socket.on('error', () => {}).resume()
  const started = performance.now()
  let answer = ''
  while (answer === '' && performance.now() - started < 6_000) answer = await send(get('/livez'))
  assert.equal(statusOf(answer), 200)
  for (const socket of crowd) socket.destroy()
})

test('a crowd that has asked once and keeps its connections leaves room for others', async () => {
  const crowd = await Promise.all(
    Array.from({ length: 128 }, async () => {
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n')
      await once(socket, 'data')
      return socket.resume()
    }),
  )
  const started = performance.now()
  let answer = ''
  while (answer === '' && performance.now() - started < 3_000) answer = await send(get('/livez'))
  assert.equal(statusOf(answer), 200)
  for (const socket of crowd) socket.destroy()
})

test('whoever does not read a large answer loses the connection', async (t) => {
  const size = 64 << 20
  const body = Buffer.alloc(size)
  const route = readRoute({
    path: '/large',
    access: 'open',
    tag: 'process',
    summary: 'much',
    result: { says: 'Much.' },
    answer: () => ({ status: 200, type: 'text/plain', body }),
  })
  const tokens = { admin: null, readOnly: null }
  const access = { reach: 'loopback', tokens, tls: null, unreadMs: 500 } as const
  const events = { audit: () => {}, failed: (error: unknown) => assert.fail(String(error)) }
  const server = new AdminServer([route], access, events)
  const address = await server.listen({
    address: { kind: 'tcp', host: '127.0.0.1', port: 0 },
    where: { host: '127.0.0.1', port: 0 },
    isLasting: false,
    opened: () => Promise.resolve(),
    removed: () => {},
  })
  t.after(() => server.close())
  assert.ok(address.kind === 'tcp')
  const socket = connect(address.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write(get('/large'))
  await once(socket, 'readable')
  await pause(1_500)
  let bytes = 0
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length))
  await new Promise((resolve) => socket.once('close', resolve))
  assert.ok(bytes > 0 && bytes < size, `${bytes} bytes`)
  // Who reads slowly gets all of it.
  const slow = connect(address.port, '127.0.0.1')
  let read = 0
  slow.write(get('/large'))
  slow.on('data', (chunk: Buffer) => {
    read += chunk.length
    if (read % 5 !== 0) return
    slow.pause()
    setTimeout(() => slow.resume(), 5)
  })
  await once(slow, 'end')
  assert.ok(read > size)
})
