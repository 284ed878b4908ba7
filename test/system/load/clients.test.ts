// The clients people use, unchanged, through the balancer: curl, wrk, ab, node:http and ws.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { Agent, createServer, request } from 'node:http'
import type { IncomingMessage, Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { startNginx } from '../../support/nginx.ts'
import { runProcess, temporaryFolder } from '../../support/processes.ts'
import { allServe, startWeb } from './pairs.ts'

const large = randomBytes(10 << 20)

/** Evenkeel in front of two nginx. */
async function startStatic(context: TestContext): Promise<Evenkeel> {
  const servers = await Promise.all([startNginx({ name: 'a' }), startNginx({ name: 'b' })])
  for (const server of servers) context.after(() => server.stop())
  for (const { files } of servers) writeFileSync(join(files, 'large'), large)
  const evenkeel = await startWeb(context, servers)
  await allServe(evenkeel.url(), 2)
  return evenkeel
}

/** Evenkeel in front of one Node server that echoes bodies and WebSocket messages. */
async function startEcho(context: TestContext): Promise<Evenkeel> {
  const server = createServer((incoming, response) => {
    if (incoming.url === '/early') response.writeEarlyHints({ link: '</x.css>; rel=preload' })
    response.setHeader('seen-method', incoming.method ?? '')
    response.setHeader('seen-version', incoming.httpVersion)
    if (incoming.url === '/trailers') {
      response.writeHead(200, { trailer: 'checksum' })
      response.write('body')
      response.addTrailers({ checksum: 'abc' })
      response.end()
      return
    }
    incoming.pipe(response)
  })
  const sockets = new WebSocketServer({ server, maxPayload: 32 << 20 })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  await listen(server)
  context.after(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return startWeb(context, [{ name: 'echo', address: `127.0.0.1:${port}` }])
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
}

async function curl(...args: string[]): Promise<string> {
  const result = await runProcess('curl', ['-sS', '--fail-with-body', ...args])
  assert.equal(result.code, 0, `curl ${args.join(' ')}: ${result.stderr}${result.stdout}`)
  return result.stdout
}

test('curl gets, posts, puts, asks for heads and speaks HTTP/1.0', async (context) => {
  const evenkeel = await startEcho(context)
  const url = evenkeel.url()
  const folder = temporaryFolder('curl')
  const [up, down] = [join(folder, 'up'), join(folder, 'down')]
  writeFileSync(up, large)

  assert.equal(await curl('-d', 'form=1&more=2', `${url}/post`), 'form=1&more=2')
  assert.match(
    await curl('-I', `${url}/`),
    /^HTTP\/1\.1 200 OK\r\n(?:.*\r\n)*seen-method: HEAD\r\n/i,
  )
  assert.match(await curl('-i', '-0', `${url}/`), /^HTTP\/1\.1 200 OK\r\n/)
  assert.match(
    await curl('-i', '--expect100-timeout', '5', '-H', 'Expect: 100-continue', '-d', 'x', url),
    /HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK[^]*\r\n\r\nx$/,
  )
  assert.match(await curl('-i', `${url}/early`), /^HTTP\/1\.1 103 Early Hints\r\n/)
  // By length, and chunked from standard input.
  for (const source of [up, '-']) {
    const result = await runProcess('sh', [
      '-c',
      `curl -sS -T ${source} ${url}/put -o ${down} < ${up} && cmp ${up} ${down}`,
    ])
    assert.equal(result.code, 0, result.stderr + result.stdout)
  }
  const many = Array.from({ length: 50 }, (_, number) => `${url}/${number}`)
  const codes = await curl(
    '-Z',
    '-w',
    '%{http_code} ',
    '-o',
    '/dev/null',
    ...many.flatMap((one) => [one, '-o', '/dev/null']),
  )
  assert.equal(codes, '200 '.repeat(50))
})

test('wrk meets no error, keep-alive or not', async (context) => {
  const evenkeel = await startStatic(context)
  for (const headers of [[], ['-H', 'Connection: close']]) {
    const { stdout } = await runProcess('wrk', ['-t1', '-c32', '-d2s', ...headers, evenkeel.url()])
    context.diagnostic(/Requests\/sec.*/.exec(stdout)?.[0] ?? stdout)
    assert.match(stdout, /\d+ requests in/)
    assert.doesNotMatch(stdout, /Socket errors|Non-2xx/)
  }
})

test('ab (HTTP/1.0) meets no error, keep-alive or not, small or large', async (context) => {
  const evenkeel = await startStatic(context)
  const url = evenkeel.url()
  for (const args of [
    ['-n', '4000', '-c', '20', `${url}/`],
    ['-n', '4000', '-c', '20', '-k', `${url}/`],
    ['-n', '40', '-c', '4', '-k', `${url}/files/large`],
  ]) {
    const { stdout, stderr, code } = await runProcess('ab', ['-q', ...args])
    assert.equal(code, 0, stderr)
    assert.match(stdout, new RegExp(`Complete requests: +${args[1]}\n`))
    assert.match(stdout, /Failed requests: +0\n/)
    assert.doesNotMatch(stdout, /Non-2xx/)
    if (args.includes('-k')) assert.match(stdout, new RegExp(`Keep-Alive requests: +${args[1]}\n`))
  }
})

test('node:http with a keep-alive agent sends and gets every body whole', async (context) => {
  const evenkeel = await startEcho(context)
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  context.after(() => agent.destroy())
  const port = evenkeel.port()
  const sizes = [0, 1, 100, 1 << 10, 16 << 10, (64 << 10) + 1, 1 << 20]
  const sent = sizes.flatMap((size) => ['sized', 'chunked'].map((how) => ({ size, how })))
  await Promise.all(
    [...sent, ...sent, ...sent].map(async ({ size, how }) => {
      const body = large.subarray(size, size * 2)
      const response = await exchange({ agent, port, path: `/${how}` }, body, how === 'chunked')
      assert.equal(response.digest, digest(body), `${how} ${size}`)
    }),
  )
  const { digest: whole } = await exchange({ agent, port, path: '/large' }, large, true)
  assert.equal(whole, digest(large))
  const { message } = await exchange({ agent, port, path: '/trailers' }, Buffer.alloc(0), false)
  assert.deepEqual({ ...message.trailers }, { checksum: 'abc' })
})

test('a WebSocket carries text, large binary messages, pings and its close code', async (context) => {
  const evenkeel = await startEcho(context)
  const socket = new WebSocket(`ws://127.0.0.1:${evenkeel.port()}/chat`)
  context.after(() => socket.terminate())
  await once(socket, 'open')
  const echo = async (data: string | Buffer): Promise<Buffer> => {
    socket.send(data)
    return (await once(socket, 'message')) as Buffer
  }
  assert.equal((await echo('hello')).toString(), 'hello')
  assert.equal(digest(await echo(large)), digest(large))
  const pong = once(socket, 'pong')
  socket.ping('beat')
  assert.equal(String(await pong), 'beat')
  const closed = once(socket, 'close')
  socket.close(4_001, 'enough')
  assert.equal(await closed, 4_001)
})

interface Answer {
  readonly message: IncomingMessage
  readonly digest: string
}

function exchange(
  options: { agent: Agent; port: number; path: string },
  body: Buffer,
  isChunked: boolean,
): Promise<Answer> {
  const headers = isChunked ? {} : { 'content-length': body.length }
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, host: '127.0.0.1', method: 'POST', headers }, (message) => {
      const hash = createHash('md5')
      message.on('data', (part: Buffer) => hash.update(part))
      message.on('error', reject)
      message.on('end', () => resolve({ message, digest: hash.digest('hex') }))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

/** First argument of the next event of a kind; an error rejects. */
function once(socket: WebSocket, event: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    socket.once(event, resolve)
    socket.once('error', reject)
  })
}

function digest(body: Buffer): string {
  return createHash('md5').update(body).digest('hex')
}
