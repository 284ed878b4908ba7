import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { BroadcastChannel } from 'node:worker_threads'
import { stringify } from 'yaml'
import type { Log } from '../../src/observe/log.ts'
import { silentLog } from '../../src/observe/log.ts'
import { canReusePort } from '../../src/runtime/reuse-port.ts'
import { startBackend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { CHANNEL } from '../support/hurtful-data-plane.ts'
import type { Hurt } from '../support/hurtful-data-plane.ts'
import { freePort } from '../support/ports.ts'
import { pause, waitFor } from '../support/wait.ts'

const threads = (await canReusePort()) ? 2 : 1
const victim = threads - 1
const dataPlaneModule = new URL('../support/hurtful-data-plane.js', import.meta.url)

function hurt(message: Hurt): void {
  const channel = new BroadcastChannel(CHANNEL)
  channel.postMessage(message)
  setImmediate(() => channel.close())
}

async function request(url: string, agent: Agent): Promise<number> {
  const [response] = (await once(get(url, { agent }), 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response.statusCode!
}

async function series(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name} `))
  assert.ok(line, name)
  return Number(line.slice(name.length + 1))
}

function recorder(): { log: Log; messages: string[] } {
  const messages: string[] = []
  const add = (message: string): void => void messages.push(message)
  return { log: { ...silentLog, info: add, warn: add, error: add }, messages }
}

for (const how of ['throw', 'loop'] as const) {
  test(`a data thread that dies by a ${how} under traffic costs only its own connections`, async () => {
    const backend = await startBackend({ name: 'one' })
    after(() => backend.stop())
    const { log, messages } = recorder()
    const config = {
      runtime: { threads },
      admin: { bind: '127.0.0.1:0' },
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    }
    const balancer = await embed(config, { inProcess: false, log, dataPlaneModule })
    const url = urlOf(balancer.addresses[0])
    const admin = urlOf(balancer.adminAddress)

    const agents = Array.from({ length: 24 }, () => new Agent({ keepAlive: true, maxSockets: 1 }))
    after(() => agents.forEach((agent) => agent.destroy()))
    const first = await Promise.all(agents.map((agent) => request(url, agent)))
    assert.ok(first.every((status) => status === 200))
    const requests = 'evenkeel_listener_requests_total{listener="web"}'
    assert.equal(await series(admin, requests), 24)
    const own = await series(admin, `evenkeel_thread_connections{thread="${victim}"}`)
    assert.ok(own > 0)

    // All are on their way when it happens.
    await backend.behave({ kind: 'hold' })
    const second = Promise.allSettled(agents.map((agent) => request(url, agent)))
    await waitFor(async () => (await series(admin, requests)) === 48)
    hurt({ thread: victim, how })
    await waitFor(() => messages.includes('data thread replaced'))
    await backend.behave({ kind: 'answer' })
    backend.letGo()
    const lost = (await second).filter((result) => result.status === 'rejected').length
    assert.equal(lost, own)

    const third = await Promise.all(agents.map((agent) => request(url, agent)))
    assert.ok(third.every((status) => status === 200))
    assert.equal(await series(admin, 'evenkeel_thread_restarts_total'), 1)
    assert.equal(await series(admin, 'evenkeel_threads'), threads)
    assert.equal(await series(admin, requests), 72)
    assert.equal(await series(admin, 'evenkeel_backend_in_flight{pool="web",backend="one"}'), 0)
  })
}

test('a process that was stopped and goes on has lost no thread', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const running = await startEvenkeel({
    runtime: { threads, drain: '500ms' },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  running.process.signal('SIGSTOP')
  await pause(1_300)
  running.process.signal('SIGCONT')
  // Two looks of the supervisor later, it would have made up its mind.
  await pause(300)
  assert.equal(await (await fetch(running.url())).text(), 'one')
  assert.equal(await series(running.adminUrl, 'evenkeel_thread_restarts_total'), 0)
})

test('a unix socket survives its own thread, and is left alone when another thread dies', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const { log, messages } = recorder()
  const socketPath = join(mkdtempSync(join(tmpdir(), 'evenkeel-unix-')), 'web.sock')
  await embed(
    {
      runtime: { threads },
      listeners: { web: { bind: `unix:${socketPath}`, pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { inProcess: false, log, dataPlaneModule },
  )
  const replaced = (): number => messages.filter((one) => one === 'data thread replaced').length
  for (const thread of [victim, 0]) {
    const before = replaced()
    hurt({ thread, how: 'throw' })
    await waitFor(() => replaced() === before + 1)
    const [response] = (await once(get({ socketPath, agent: false }), 'response')) as [
      IncomingMessage,
    ]
    response.resume()
    assert.equal(response.statusCode, 200)
  }
})

test('what traffic meets is judged at once, not at the next health check', async () => {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const balancer = await embed(
    {
      runtime: { threads },
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      pools: {
        web: {
          balance: 'round-robin',
          backends: { one: backends[0]!.address, two: backends[1]!.address },
          healthCheck: { http: '/health', interval: '60s' },
        },
      },
    },
    { inProcess: false },
  )
  const seen: string[] = []
  const stop = balancer.onTransition(({ backend, to }) => seen.push(`${backend} ${to}`))
  await backends[0]!.behave({ kind: 'refuse' })
  const url = urlOf(balancer.addresses[0])
  for (let i = 0; i < 4; i++) assert.equal(await (await fetch(url)).text(), 'two')
  await waitFor(() => seen.includes('one down'))
  stop()
})

test('a reader that stops reading the access log costs lines, and no request waits for it', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const [port, adminPort] = [await freePort(), await freePort()]
  const file = join(mkdtempSync(join(tmpdir(), 'evenkeel-blocked-')), 'evenkeel.yaml')
  writeFileSync(
    file,
    stringify({
      runtime: { threads: 1 },
      admin: { bind: `127.0.0.1:${adminPort}` },
      log: { level: 'info', access: { format: 'json' } },
      listeners: { web: { bind: `127.0.0.1:${port}`, pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    }),
  )
  // Nobody reads its standard output.
  const child = spawn(process.execPath, [mainFile, 'run', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  after(() => child.kill('SIGKILL'))
  child.stderr.resume()
  const admin = `http://127.0.0.1:${adminPort}`
  await waitFor(async () => (await fetch(`${admin}/readyz`)).ok)
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  after(() => agent.destroy())
  const path = `/${'x'.repeat(6_000)}`
  for (let round = 0; round < 40; round++) {
    const batch = Array.from({ length: 10 }, () =>
      request(`http://127.0.0.1:${port}${path}`, agent),
    )
    assert.ok((await Promise.all(batch)).every((status) => status === 200))
  }
  const dropped = 'evenkeel_access_log_dropped_lines_total'
  await waitFor(async () => (await series(admin, dropped)) > 50)
  assert.equal(await series(admin, 'evenkeel_listener_requests_total{listener="web"}'), 400)
  // It doesn't hold up the end either.
  agent.destroy()
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
})

test('a data thread that can not be ended does not keep the process from ending', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-stuck-'))
  after(() => rmSync(folder, { recursive: true }))
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const preload = new URL('../support/failing-preload.js', import.meta.url).href
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const running = await startEvenkeel(
    {
      runtime: { threads, drain: '100ms' },
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { NODE_OPTIONS: `--import=${preload}`, EVENKEEL_TEST_PIPE: pipe } },
  )
  after(() => running.process.signal('SIGKILL'))
  running.process.signal('SIGWINCH')
  await waitFor(async () => (await series(running.adminUrl, 'evenkeel_threads')) === threads - 1)
  running.process.signal('SIGTERM')
  const { signal } = await running.process.exited
  assert.equal(signal, 'SIGKILL')
  // Its last lines may be on their way still.
  await waitFor(() => running.logs().includes('"message":"stopped"'))
  const told = /"reason":"it stood still","message":"a data thread can not be ended/
  assert.match(running.logs(), told)
})
