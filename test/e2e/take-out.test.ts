import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import { connect } from 'node:net'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import type { BackendStatus, PoolStatus } from '../../src/core/status.ts'
import { startBackend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const backends = await Promise.all(['a', 'b', 'c'].map((name) => startBackend({ name })))
after(() => Promise.all(backends.map((one) => one.stop())))
const addresses = Object.fromEntries(backends.map(({ name, address }) => [name, address]))

/** A server whose answers wait until they are let go. */
async function startPatient(name: string) {
  const waiting: ServerResponse[] = []
  let isHolding = true
  const server = createServer((_, response) => {
    if (isHolding) waiting.push(response)
    else response.end(name)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    waiting,
    letGo: () => {
      isHolding = false
      for (const response of waiting.splice(0)) response.end(name)
    },
  }
}

interface Reply {
  readonly status: number
  readonly body: Record<string, unknown>
}

async function post(url: string, path: string, body: object): Promise<Reply> {
  const reply = await fetch(`${url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
}

async function poolOf(url: string, pool = 'web'): Promise<PoolStatus> {
  return (await (await fetch(`${url}/v1/pools/${pool}`)).json()) as PoolStatus
}

async function backendOf(url: string, name: string, pool = 'web'): Promise<BackendStatus> {
  return (await poolOf(url, pool)).backends.find((one) => one.name === name)!
}

/** Who answers so many requests, one after the other. */
async function answers(url: string, times: number): Promise<string> {
  const names = new Set<string>()
  for (let i = 0; i < times; i++) names.add(await (await fetch(url)).text())
  return [...names].sort().join(' ')
}

async function start(more: object = {}, pool: object = {}) {
  const lines: [string, Record<string, unknown>][] = []
  const keep = (message: string, fields = {}): void => void lines.push([message, fields])
  const log = { debug: keep, info: keep, warn: keep, error: keep, close: async () => {} }
  const balancer = await embed(
    {
      admin: { bind: '127.0.0.1:0' },
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      pools: { web: { backends: addresses, healthCheck: false, slowStart: false, ...pool } },
      ...more,
    },
    { log },
  )
  return { balancer, lines, url: urlOf(balancer.addresses[0]), admin: urlOf(balancer.adminAddress) }
}

const kim = { reason: 'kernel update', by: 'kim' }

test('a drained backend gets no new requests, finishes what it has, and then is drained', async () => {
  const patient = await startPatient('a')
  const pool = { backends: { ...addresses, a: patient.address } }
  const { url, admin, lines } = await start({}, pool)
  const running = Promise.all(Array.from({ length: 3 }, () => fetch(url).then((one) => one.text())))
  await waitFor(() => patient.waiting.length === 1)
  const reply = await post(admin, '/v1/pools/web/backends/a/drain', kim)
  assert.deepEqual(reply, {
    status: 200,
    body: {
      message:
        'web/a: no new requests; 1 in flight may finish. It holds until Evenkeel stops, for runtime.stateDir is not set.',
      kept: false,
    },
  })
  const during = await backendOf(admin, 'a')
  assert.deepEqual(
    [during.admin, during.drained, during.reason],
    ['drain', false, 'drain by kim just now: kernel update; 1 still runs there'],
  )
  assert.equal(await answers(url, 6), 'b c')
  patient.letGo()
  assert.deepEqual((await running).sort(), ['a', 'b', 'c'])
  await waitFor(async () => (await backendOf(admin, 'a')).drained)
  const { reason, override } = await backendOf(admin, 'a')
  assert.equal(reason, 'drain by kim just now: kernel update; drained')
  assert.equal(override!.admin!.by, 'kim')
  const told = lines.map(([line]) => line)
  assert.deepEqual(
    told.filter((line) => line.includes('web/a')),
    [
      'backend web/a is draining',
      'drain of web/a asked for by kim: done',
      'backend web/a is drained',
    ],
  )
  const audit = lines.find(([line]) => line.startsWith('drain of web/a'))![1]
  assert.deepEqual(
    [audit['audit'], audit['reason'], audit['from'], audit['force']],
    [true, 'kernel update', '127.0.0.1', false],
  )
  const back = await post(admin, '/v1/pools/web/backends/a/enable', {})
  assert.match(String(back.body['message']), /^web\/a: back, as far as checks and traffic allow\./)
  assert.equal(await answers(url, 6), 'a b c')
  assert.equal((await backendOf(admin, 'a')).override, null)
})

test('a drain too many is refused with figures; all of several or none; force goes on', async () => {
  const { admin, url } = await start({}, { minAvailable: 2 })
  await post(admin, '/v1/pools/web/backends/c/maintenance', kim)
  const refused = await post(admin, '/v1/pools/web/drain', { backends: ['a', 'b'], ...kim })
  const { detail, ...rest } = refused.body
  assert.equal(
    detail,
    "Pool 'web' would be left with 0 available backends, and its minAvailable is 2; out already: c (taken out for maintenance: kernel update (kim)) (--force takes it out anyway).",
  )
  assert.deepEqual(rest, {
    type: '/v1/problems/min-available',
    title: 'Too few would be left',
    status: 409,
    code: 'min-available',
    pool: 'web',
    left: 0,
    minAvailable: 2,
    out: [
      {
        backend: 'c',
        availability: 'maint',
        reason: 'taken out for maintenance: kernel update (kim)',
      },
    ],
  })
  assert.equal(await answers(url, 6), 'a b')
  const forced = { backends: ['a', 'b'], force: true, ...kim }
  assert.equal((await post(admin, '/v1/pools/web/drain', forced)).status, 200)
  assert.equal((await fetch(url)).status, 503)
  const enable = await post(admin, '/v1/pools/web/enable', { backends: ['a', 'b', 'c'] })
  assert.equal(enable.status, 200)
  assert.equal(await answers(url, 6), 'a b c')
})

test('of drains that come at once only as many are carried out as minAvailable allows', async () => {
  const { admin } = await start()
  const replies = await Promise.all(
    ['a', 'b', 'c'].map((name) => post(admin, `/v1/pools/web/backends/${name}/drain`, kim)),
  )
  assert.deepEqual(replies.map(({ status }) => String(status)).sort(), ['200', '200', '409'])
  assert.equal((await poolOf(admin)).available, 1)
})

test('what names nobody is refused with those that there are', async () => {
  const { admin } = await start()
  const noPool = await post(admin, '/v1/pools/wbe/backends/a/drain', kim)
  assert.deepEqual(
    [noPool.status, noPool.body['code'], noPool.body['pools']],
    [404, 'no-pool', ['web']],
  )
  const noBackend = await post(admin, '/v1/pools/web/backends/z/enable', {})
  assert.deepEqual(
    [noBackend.status, noBackend.body['code'], noBackend.body['backends']],
    [404, 'no-backend', ['a', 'b', 'c']],
  )
  for (const [body, why] of [
    [{ by: 'kim' }, /'reason' is missing/],
    [{ ...kim, cutAfterMs: -1 }, /'cutAfterMs' must be a whole number/],
    [{ ...kim, forced: true }, /There is no key 'forced': did you mean 'force'/],
  ] as const) {
    const reply = await post(admin, '/v1/pools/web/backends/a/drain', body)
    assert.equal(reply.status, 400)
    assert.match(String(reply.body['detail']), why)
  }
  const none = await post(admin, '/v1/pools/web/drain', { backends: [], ...kim })
  assert.match(String(none.body['detail']), /must name a backend/)
})

test('a tunnel holds its backend until it ends, or is cut when its time is over', async () => {
  const listeners = { web: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'web' } }
  const { balancer, admin } = await start({ listeners })
  const events: string[] = []
  balancer.onTransition(({ backend, to }) => events.push(`${backend} ${to}`))
  const { port } = balancer.addresses[0] as { port: number }
  const sockets = await Promise.all(
    [0, 1, 2].map(async () => {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      return socket
    }),
  )
  await waitFor(async () => (await poolOf(admin)).backends.every(({ inFlight }) => inFlight === 1))
  await post(admin, '/v1/pools/web/backends/a/drain', kim)
  await post(admin, '/v1/pools/web/backends/b/maintenance', { ...kim, cutAfterMs: 100 })
  const ended = Promise.race(
    sockets.map((socket) => once(socket, 'close').catch(() => once(socket, 'close'))),
  )
  await ended
  await waitFor(async () => (await backendOf(admin, 'b')).drained)
  const { drained, inFlight } = await backendOf(admin, 'a')
  assert.deepEqual([drained, inFlight], [false, 1])
  assert.equal(sockets.filter(({ destroyed }) => destroyed).length, 1)
  for (const socket of sockets) socket.destroy()
  await waitFor(async () => (await backendOf(admin, 'a')).drained)
  assert.deepEqual(events, ['a drain', 'b maint'])
})

/** A pool with an active, `a`, and a listener that reads from its replicas. */
async function startWithReads() {
  const balancer = await embed({
    admin: { bind: '127.0.0.1:0' },
    listeners: {
      writes: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'db' },
      reads: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'db', role: 'replica' },
    },
    pools: {
      db: {
        mode: 'active-standby',
        backends: { a: addresses['a'], b: addresses['b'] },
        healthCheck: { tcp: {}, interval: '1s', fastInterval: '100ms' },
        failover: { readyFor: '50ms' },
      },
    },
  })
  const admin = urlOf(balancer.adminAddress)
  const { port } = balancer.addresses[1] as { port: number }
  return { admin, connectToRead: () => connect(port, '127.0.0.1') }
}

test('a standby is drained when nobody reads from it any more, and its read side follows it', async () => {
  const { admin, connectToRead } = await startWithReads()
  const reader = 'db:replicas'
  await waitFor(async () => (await backendOf(admin, 'b', reader)).effectiveWeight > 0)
  const socket = connectToRead()
  await waitFor(async () => (await backendOf(admin, 'b', reader)).inFlight === 1)
  const there = await post(admin, `/v1/pools/${reader}/backends/b/drain`, kim)
  assert.equal(there.status, 409)
  assert.match(String(there.body['detail']), /^Pool 'db:replicas' is the read side of pool 'db'/)
  const reply = await post(admin, '/v1/pools/db/backends/b/drain', kim)
  assert.match(String(reply.body['message']), /^db\/b: no new requests; 1 in flight may finish/)
  assert.equal((await backendOf(admin, 'b', 'db')).drained, false)
  assert.equal(socket.destroyed, false)
  socket.destroy()
  await waitFor(async () => (await backendOf(admin, 'b', 'db')).drained)
  // With the standby out, the active reads, too; and it can't be taken out.
  assert.equal((await backendOf(admin, 'b', reader)).effectiveWeight, 0)
  const active = await post(admin, '/v1/pools/db/backends/a/drain', kim)
  assert.deepEqual([active.status, active.body['code']], [409, 'refused'])
  assert.match(
    String(active.body['detail']),
    /nobody could take over from it now: b \(.*switch over/,
  )
})

test('a session that reads from the active ends when the pool leaves it', async () => {
  const { admin, connectToRead } = await startWithReads()
  await waitFor(async () => (await poolOf(admin, 'db')).failover?.active === 'a')
  await post(admin, '/v1/pools/db/backends/b/drain', kim)
  const read = connectToRead()
  await waitFor(async () => (await backendOf(admin, 'a', 'db:replicas')).inFlight === 1)
  await post(admin, '/v1/pools/db/backends/b/enable', kim)
  // How it is told depends on the moment.
  read.on('error', () => {})
  const ended = new Promise((resolve) => read.once('close', resolve))
  const isReady = async () => (await poolOf(admin, 'db')).failover?.standbys[0]?.ready === true
  await waitFor(isReady)
  const moved = await post(admin, '/v1/pools/db/switchover', { to: 'b', ...kim })
  assert.equal(moved.status, 200)
  await ended
  assert.equal((await backendOf(admin, 'a', 'db:replicas')).inFlight, 0)
})

test('when the time to finish is over, a read is made again elsewhere and a write is answered', async () => {
  const { url, admin, lines } = await start()
  await Promise.all(backends.map((one) => one.behave({ kind: 'silent' })))
  const ask = (method: string) => fetch(url, { method })
  const reads = Promise.all([ask('GET'), ask('GET'), ask('GET')])
  const write = Promise.all([ask('POST'), ask('POST'), ask('POST')])
  await waitFor(async () => (await poolOf(admin)).backends.every(({ inFlight }) => inFlight === 2))
  await Promise.all(backends.slice(1).map((one) => one.behave({ kind: 'answer' })))
  await post(admin, '/v1/pools/web/drain', { backends: ['a'], cutAfterMs: 50, ...kim })
  await waitFor(async () => (await backendOf(admin, 'a')).drained)
  for (const one of backends.slice(1)) one.disconnect()
  const answers = [...(await reads), ...(await write)]
  const cut = answers.filter((one) => one.headers.get('evenkeel-fault') === 'taken-out')
  assert.deepEqual(
    cut.map(({ status }) => status),
    [503],
  )
  assert.deepEqual(
    answers.slice(0, 3).map(({ status }) => status),
    [200, 200, 200],
  )
  const told = lines.find(([line]) => line === 'backend web/a is drained')!
  assert.equal(told[1]['cut'], 2)
  await backends[0]!.behave({ kind: 'answer' })
})

// --- as a program ------------------------------------------------------------------------------

async function startProgram(stateDir: string, more = {}, wait = true): Promise<Evenkeel> {
  const started = await startEvenkeel(
    {
      runtime: { stateDir },
      listeners: { web: { pool: 'web' } },
      pools: {
        web: { backends: { ...addresses, ...more }, healthCheck: false, slowStart: false },
      },
    },
    { wait },
  )
  after(() => started.stop())
  return started
}

async function evenkeel({ file }: Evenkeel, ...words: readonly string[]) {
  const env = { NO_COLOR: '1', SUDO_USER: 'kim' }
  const line = [mainFile, ...words, '-c', file]
  const { code, stdout, stderr } = await runProcess(process.execPath, line, { env })
  return { code, stdout, stderr }
}

test('the commands drain, wait, and bring back; a drain outlives kill -9 from the first request on', async () => {
  const dir = temporaryFolder('take-out')
  const patient = await startPatient('b')
  const first = await startProgram(dir, { b: patient.address })
  const why = ['--reason', 'kernel update']
  const drained = await evenkeel(first, 'drain', 'web/a', ...why, '--wait')
  assert.deepEqual([drained.code, drained.stderr], [0, ''])
  assert.match(
    drained.stdout,
    /^web\/a: no new requests; nothing runs there\.\ndrained after \d\.\d s\n$/,
  )
  // Each data thread takes turns of its own: asked until one of the requests is b's.
  const slow: Promise<unknown>[] = []
  while (patient.waiting.length === 0) {
    const answer = fetch(first.url())
    slow.push(answer)
    await Promise.race([answer, waitFor(() => patient.waiting.length === 1)])
  }
  const late = await evenkeel(first, 'drain', 'web', 'b', ...why, '--wait', '200ms')
  assert.deepEqual(late, {
    code: 1,
    stdout: 'web/b: no new requests; 1 in flight may finish.\n',
    stderr:
      'evenkeel: not drained after 0.2 s: web/b (1 in flight); no new requests go there all the same\n',
  })
  patient.letGo()
  await Promise.all(slow)
  const many = await evenkeel(first, 'drain', 'web/c', ...why)
  assert.equal(many.code, 1)
  assert.match(many.stderr, /^evenkeel: Pool 'web' would be left with 0 available backends/)
  assert.match(many.stderr, /a \(draining, no new requests: kernel update \(kim\)\), b \(/)
  assert.equal((await evenkeel(first, 'enable', 'web/b')).code, 0)
  first.process.signal('SIGKILL')
  await first.process.exited

  const count = backends[0]!.requests.length
  const second = await startProgram(dir, { b: patient.address })
  assert.equal(await answers(second.url(), 6), 'b c')
  assert.equal(backends[0]!.requests.length, count)
  const status = await evenkeel(second, 'status', 'web')
  assert.match(status.stdout, /a .* drained .* drain by kim just now: kernel update; drained\n/)
  const back = await evenkeel(second, 'enable', 'web', 'a', '--wait')
  assert.equal(back.code, 0)
  assert.match(back.stdout, /^web\/a: back, .*\nserving after \d\.\d s\n$/)
  await second.stop()

  const third = await startProgram(dir, { b: patient.address })
  assert.equal(await answers(third.url(), 6), 'a b c')
})

test('a damaged file of overrides stops the start and says what to do', async () => {
  const dir = temporaryFolder('take-out')
  writeFileSync(`${dir}/overrides.json`, '{"version": 1, "overr')
  const started = await startProgram(dir, {}, false)
  const { code } = await started.process.exited
  assert.equal(code, 1)
  assert.match(started.logs(), /overrides\.json is damaged.*restore it, or remove it/)
})
