import assert from 'node:assert/strict'
import { createServer as createHttp, type RequestListener, type Server } from 'node:http'
import {
  createServer as createTcp,
  type AddressInfo,
  type Server as NetServer,
  type Socket,
} from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Address } from '../../../src/core/plan.ts'
import type { HttpCheckPlan } from '../../../src/core/check-plan.ts'
import { durationText, errorResult } from '../../../src/probe/attempt.ts'
import type { ProbeResult } from '../../../src/probe/contract.ts'
import { socketProber } from '../../../src/probe/prober.ts'

const HTTP: HttpCheckPlan = {
  kind: 'http',
  method: 'GET',
  path: '/health?deep=1',
  host: null,
  headers: [],
  status: [[200, 299]],
  body: null,
  roles: null,
}

interface Want {
  check?: Partial<HttpCheckPlan> | 'tcp'
  port?: number | null
  timeoutMs?: number
}

function probe(address: Address, want: Want = {}): Promise<ProbeResult> {
  const check =
    want.check === 'tcp' ? { kind: 'tcp' as const, steps: [] } : { ...HTTP, ...want.check }
  const { port = null, timeoutMs = 2_000 } = want
  return new Promise((resolve) => {
    let within = true
    socketProber.probe({ address, check, port, timeoutMs }, (result) => {
      assert.equal(within, false, 'done must not be called within probe()')
      resolve(result)
    })
    within = false
  })
}

async function listen(
  t: TestContext,
  server: Server | NetServer,
  where: { host?: string; path?: string } = {},
): Promise<Address> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  const { host = '127.0.0.1', path } = where
  await new Promise<void>((resolve) => {
    server.listen(path === undefined ? { host, port: 0 } : { path }, resolve)
  })
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  if (path !== undefined) return { kind: 'unix', path }
  return { kind: 'tcp', host, port: (server.address() as AddressInfo).port }
}

const http = (t: TestContext, listener: RequestListener) => listen(t, createHttp(listener))
const raw = (t: TestContext, onSocket: (socket: Socket) => void) => listen(t, createTcp(onSocket))

/** The text without the time it took. */
const words = ({ verdict, text }: ProbeResult) => `${verdict}: ${text.replace(/\d+ ms$/, '_ ms')}`

test('an expected status passes and says how long it took', async (t) => {
  const address = await http(t, (_, response) => response.end('fine'))
  const result = await probe(address)
  assert.equal(words(result), 'pass: 200 in _ ms')
  assert.ok(result.tookMs > 0 && result.tookMs < 1_000)
})

test('any of several status ranges will do, and no other status', async (t) => {
  const address = await http(t, (request, response) => {
    response.statusCode = Number(request.url!.slice(1))
    response.end()
  })
  const status = [
    [200, 200],
    [300, 399],
  ] as const
  const get = async (code: number) =>
    words(await probe(address, { check: { path: `/${code}`, status } }))
  assert.equal(await get(200), 'pass: 200 in _ ms')
  assert.equal(await get(302), 'pass: 302 in _ ms')
  assert.equal(await get(201), 'fail: status 201, expected 200, 300-399')
  assert.equal(await get(503), 'fail: status 503, expected 200, 300-399')
})

test('method, path and headers go out as configured, on a connection that closes', async (t) => {
  let seen: unknown
  const address = await http(t, (request, response) => {
    seen = [request.method, request.url, request.rawHeaders]
    response.end()
  })
  const headers = [
    { name: 'X-Probe', value: 'one' },
    { name: 'X-Probe', value: 'two' },
    { name: 'Connection', value: 'keep-alive' },
  ]
  await probe(address, { check: { method: 'POST', path: '/up', host: 'api.example', headers } })
  const rawHeaders =
    'Host api.example User-Agent evenkeel-health-check X-Probe one X-Probe two Content-Length 0 Connection close'
  assert.deepEqual(seen, ['POST', '/up', rawHeaders.split(' ')])
})

test('without a host of its own the Host header is the address that is probed', async (t) => {
  const hosts: (string | undefined)[] = []
  const address = await http(t, (request, response) => {
    hosts.push(request.headers.host)
    response.end()
  })
  await probe(address)
  await probe(address, { check: { headers: [{ name: 'hOST', value: 'given.example' }] } })
  assert.ok(address.kind === 'tcp')
  assert.deepEqual(hosts, [`127.0.0.1:${address.port}`, 'given.example'])
})

test('another port than the backend own can be probed', async (t) => {
  const address = await http(t, (_, response) => response.end())
  assert.ok(address.kind === 'tcp')
  const other: Address = { kind: 'tcp', host: '127.0.0.1', port: 1 }
  assert.equal(words(await probe(other, { port: address.port })), 'pass: 200 in _ ms')
  assert.equal(words(await probe(other)), 'fail: connection refused')
})

test('a body text is found across chunks, and its absence is a failure', async (t) => {
  const address = await http(t, (_, response) => {
    response.write('status: o')
    setTimeout(() => response.end('k, all well'), 20)
  })
  assert.equal(words(await probe(address, { check: { body: ': ok,' } })), 'pass: 200 in _ ms')
  assert.equal(
    words(await probe(address, { check: { body: '"up"' } })),
    'fail: body does not contain "\\"up\\""',
  )
})

test('only the first 64 KiB of a body are searched, and an endless body ends there', async (t) => {
  const address = await http(t, (request, response) => {
    const filler = 'x'.repeat(65_534)
    if (request.url === '/in') response.end(`${filler}ok`)
    else {
      response.write(`${filler}-ok`)
      const endless = setInterval(() => response.write('more'), 5)
      response.on('close', () => clearInterval(endless))
    }
  })
  const check = { body: 'ok' }
  assert.equal(
    words(await probe(address, { check: { ...check, path: '/in' } })),
    'pass: 200 in _ ms',
  )
  assert.equal(
    words(await probe(address, { check: { ...check, path: '/beyond' } })),
    'fail: body does not contain "ok"',
  )
})

test('the timeout covers the whole probe: no head, and no end of the body', async (t) => {
  const address = await http(t, (request, response) => {
    if (request.url === '/body') response.write('still going')
  })
  const timeoutMs = 80
  const silent = await probe(address, { timeoutMs })
  assert.equal(words(silent), 'fail: no answer within 80ms')
  assert.ok(silent.tookMs >= 79 && silent.tookMs < 500)
  const check = { path: '/body', body: 'ok' }
  assert.equal(words(await probe(address, { timeoutMs, check })), 'fail: no answer within 80ms')
})

test('what closes, resets or talks nonsense fails in words', async (t) => {
  const closing = await raw(t, (socket) => socket.on('data', () => socket.end()))
  assert.equal(words(await probe(closing)), 'fail: connection closed before an answer')
  const resetting = await raw(t, (socket) => socket.on('data', () => socket.resetAndDestroy()))
  assert.equal(words(await probe(resetting)), 'fail: connection reset')
  const nonsense = await raw(t, (socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))
  assert.match(words(await probe(nonsense)), /^fail: not an HTTP response \(HPE_/)
  const short = await raw(t, (socket) =>
    socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')),
  )
  assert.equal(
    words(await probe(short, { check: { body: 'whole' } })),
    'fail: connection closed before the end of the body',
  )
})

test('interim answers are skipped, an unasked switch of protocols fails', async (t) => {
  const early = await raw(t, (socket) =>
    socket.on('data', () => {
      socket.write('HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n')
      socket.end('HTTP/1.1 204 No Content\r\n\r\n')
    }),
  )
  assert.equal(words(await probe(early)), 'pass: 204 in _ ms')
  const upgrading = await raw(t, (socket) =>
    socket.on('data', () =>
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n'),
    ),
  )
  assert.equal(words(await probe(upgrading)), 'fail: status 101, expected 200-299')
})

test('a HEAD probe needs no body', async (t) => {
  const address = await raw(t, (socket) =>
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n')),
  )
  assert.equal(words(await probe(address, { check: { method: 'HEAD' } })), 'pass: 200 in _ ms')
})

test('unix sockets and IPv6 are probed like any other address', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'probe-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const hosts: (string | undefined)[] = []
  const listener: RequestListener = (request, response) => {
    hosts.push(request.headers.host)
    response.end()
  }
  const path = join(folder, 'backend.sock')
  const unix = await listen(t, createHttp(listener), { path })
  assert.equal(words(await probe(unix)), 'pass: 200 in _ ms')
  assert.equal(words(await probe(unix, { check: 'tcp' })), 'pass: connected in _ ms')
  const nobody: Address = { kind: 'unix', path: join(folder, 'nobody.sock') }
  assert.equal(words(await probe(nobody, { check: 'tcp' })), 'fail: no such socket')
  const six = await listen(t, createHttp(listener), { host: '::1' })
  assert.equal(words(await probe(six)), 'pass: 200 in _ ms')
  assert.ok(six.kind === 'tcp')
  assert.deepEqual(hosts, ['localhost', `[::1]:${six.port}`])
})

test('a TCP probe connects and closes, and asks nothing', async (t) => {
  let closed = () => {}
  const gone = new Promise<void>((resolve) => (closed = resolve))
  const bytes: Buffer[] = []
  const address = await raw(t, (socket) => {
    socket.on('data', (chunk) => bytes.push(chunk))
    socket.on('close', closed)
  })
  assert.equal(words(await probe(address, { check: 'tcp' })), 'pass: connected in _ ms')
  await gone
  assert.deepEqual(bytes, [])
  const refused: Address = { kind: 'tcp', host: '127.0.0.1', port: 1 }
  assert.equal(words(await probe(refused, { check: 'tcp' })), 'fail: connection refused')
})

test('a probe leaves no connection behind, whatever its end', async (t) => {
  let open = 0
  let allClosed = () => {}
  const server = createHttp((request, response) => {
    if (request.url === '/ok') response.end('done')
    else if (request.url === '/stream') response.write('endless')
  })
  server.on('connection', (socket) => {
    open++
    socket.on('close', () => {
      if (--open === 0) allClosed()
    })
  })
  const address = await listen(t, server)
  const ends = [
    probe(address, { check: { path: '/ok' } }),
    probe(address, { check: { path: '/stream' } }),
    probe(address, { check: { path: '/silent' }, timeoutMs: 60 }),
  ]
  const cancelled = new Promise<void>((resolve) => {
    const request = { address, check: HTTP, port: null, timeoutMs: 5_000 }
    const cancel = socketProber.probe(request, () => assert.fail('cancelled probes say nothing'))
    server.once('request', () => setTimeout(resolve, 20))
    setTimeout(cancel, 40)
  })
  await Promise.all([...ends, cancelled])
  if (open > 0) await new Promise<void>((resolve) => (allClosed = resolve))
  assert.equal(open, 0)
})

test('after a stall of our own, what has come meanwhile is read before the timeout counts', async (t) => {
  // It answers when we stand still, and says when it has.
  const source = `
    const { createServer } = require('node:http')
    const { parentPort, workerData } = require('node:worker_threads')
    const server = createServer((_, response) => {
      parentPort.postMessage('asked')
      response.on('finish', () => {
        Atomics.store(workerData, 0, 2)
        Atomics.notify(workerData, 0)
      })
      const timer = setInterval(() => {
        if (Atomics.load(workerData, 0) === 0) return
        clearInterval(timer)
        response.end()
      }, 5)
    })
    server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`
  const state = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(source, { eval: true, workerData: state })
  t.after(() => worker.terminate())
  const next = () => new Promise((resolve) => worker.once('message', resolve))
  const port = (await next()) as number
  const timeoutMs = 400
  const result = probe({ kind: 'tcp', host: '127.0.0.1', port }, { timeoutMs })
  await next()
  Atomics.store(state, 0, 1)
  assert.notEqual(Atomics.wait(state, 0, 1, 5_000), 'timed-out')
  const until = performance.now() + timeoutMs
  while (performance.now() < until);
  const { verdict, tookMs } = await result
  assert.equal(verdict, 'pass')
  assert.ok(tookMs > timeoutMs)
})

test('a shortage of our own voids the verdict; everything else is the backend', () => {
  const verdict = (code: string) => errorResult(Object.assign(new Error(code), { code }), 1)
  for (const code of ['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS', 'ENOMEM', 'EAI_AGAIN']) {
    assert.equal(verdict(code).verdict, 'void', code)
  }
  for (const code of ['ECONNREFUSED', 'EHOSTUNREACH', 'ENOTFOUND', 'ETIMEDOUT', 'EACCES', 'EODD']) {
    assert.equal(verdict(code).verdict, 'fail', code)
  }
  assert.equal(verdict('EHOSTUNREACH').text, 'host unreachable')
  assert.equal(verdict('EODD').text, 'EODD')
})

test('durations read like the config', () => {
  const texts = [1_000, 500, 2_000, 1_500, 212.4].map(durationText)
  assert.deepEqual(texts, ['1s', '500ms', '2s', '1500ms', '212ms'])
})
