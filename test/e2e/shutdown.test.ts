import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import type { Backend, Behaviour } from '../support/backend.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { startProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

async function startPair(
  behaviour: Behaviour,
  more: { drain?: string; log?: object } = {},
): Promise<{ backend: Backend; running: Evenkeel }> {
  const backend = await startBackend({ name: 'one', behaviour })
  after(() => backend.stop())
  const running = await startEvenkeel({
    runtime: { threads: 1, drain: more.drain ?? '8s' },
    ...(more.log === undefined ? {} : { log: more.log as Record<string, unknown> }),
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  return { backend, running }
}

async function request(url: string): Promise<{ status: number; body: string; connection: string }> {
  const [response] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return {
    status: response.statusCode!,
    body,
    connection: response.headers.connection ?? '',
  }
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} finishes what runs, is not ready meanwhile, and exits with 0`, async () => {
    const log = { access: { format: 'json' } }
    const { backend, running } = await startPair({ kind: 'hold' }, { log })
    const answer = request(running.url())
    await waitFor(() => backend.requests.length === 1)
    running.process.signal(signal)
    await waitFor(() => running.logs().includes('"draining: '))
    const ready = await fetch(`${running.adminUrl}/readyz`)
    assert.deepEqual([ready.status, await ready.text()], [503, 'draining before a stop\n'])
    await assert.rejects(request(running.url()), /ECONNREFUSED/)
    backend.letGo()
    const { status, body, connection } = await answer
    assert.deepEqual([status, body, connection], [200, 'one', 'close'])
    assert.deepEqual(await running.process.exited, { code: 0, signal: null })
    assert.match(running.logs(), /"reason":"SIG\w+ received","message":"stopping"/)
    // The last line of the access log isn't lost either.
    const lines = running.process.stdout().trim().split('\n')
    assert.equal(lines.length, 1)
    assert.equal((JSON.parse(lines[0]!) as { status: number }).status, 200)
  })
}

test('a second signal ends at once', async () => {
  const { backend, running } = await startPair({ kind: 'silent' })
  const answer = request(running.url())
  answer.catch(() => {})
  await waitFor(() => backend.requests.length === 1)
  running.process.signal('SIGTERM')
  await waitFor(() => running.logs().includes('"draining: '))
  const startedMs = performance.now()
  running.process.signal('SIGTERM')
  assert.deepEqual(await running.process.exited, { code: 1, signal: null })
  assert.ok(performance.now() - startedMs < 2_000)
  await assert.rejects(answer)
})

test('a disk that hangs does not keep the process from ending', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const folder = temporaryFolder('hung')
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const preload = new URL('../support/hung-disk-preload.js', import.meta.url).href
  const running = await startEvenkeel(
    {
      runtime: { threads: 1, drain: '100ms', stateDir: join(folder, 'state') },
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { NODE_OPTIONS: `--import=${preload}`, EVENKEEL_TEST_PIPE: pipe } },
  )
  after(() => running.process.signal('SIGKILL'))
  running.process.signal('SIGWINCH')
  assert.equal((await request(running.url())).body, 'one')
  running.process.signal('SIGTERM')
  const { signal } = await running.process.exited
  assert.equal(signal, 'SIGKILL')
  // Its last lines may be on their way still.
  await waitFor(() => running.logs().includes('"message":"stopped"'))
  assert.match(
    running.logs(),
    /the end of the ledger could not be written: its disk does not answer/,
  )
  assert.match(running.logs(), /the state directory could not be left in order: its disk does not/)
})

test('when the drain time is over, what still runs is cut and counted', async () => {
  const { backend, running } = await startPair({ kind: 'silent' }, { drain: '300ms' })
  const answer = request(running.url())
  answer.catch(() => {})
  await waitFor(() => backend.requests.length === 1)
  running.process.signal('SIGTERM')
  assert.deepEqual(await running.process.exited, { code: 0, signal: null })
  assert.match(running.logs(), /"cut":1,"message":"drain time is over; exchanges were cut"/)
})

test('HUP is answered and USR1 goes on in a new access log without losing a line', async () => {
  const { running } = await startPair({ kind: 'answer' })
  const path = join(dirname(running.file), 'access.log')
  const other = await startPair({ kind: 'answer' }, { log: { access: { format: 'json', path } } })
  running.process.signal('SIGHUP')
  await waitFor(() => running.logs().includes('the configuration is what it was'))

  await request(other.running.url('web'))
  await waitFor(() => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'))
  renameSync(path, `${path}.1`)
  other.running.process.signal('SIGUSR1')
  await waitFor(() => other.running.logs().includes('access log reopened'))
  await request(`${other.running.url()}/second`)
  await waitFor(() => readFileSync(path, 'utf8').endsWith('\n'))
  const target = (file: string): string[] =>
    readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { target: string }).target)
  assert.deepEqual(target(`${path}.1`), ['/'])
  assert.deepEqual(target(path), ['/second'])
  assert.ok(!other.running.logs().includes('Debugger'))
})

test('an error in the control plane is told, finishes what runs, and ends with 1', async () => {
  const backend = await startBackend({ name: 'one', behaviour: { kind: 'hold' } })
  after(() => backend.stop())
  const port = await freePort()
  const library = new URL('../../src/index.js', import.meta.url).href
  const shutdown = new URL('../../src/runtime/shutdown.js', import.meta.url).href
  const config = {
    runtime: { threads: 1 },
    admin: false,
    log: { access: { format: 'off' } },
    listeners: { web: { bind: `127.0.0.1:${port}`, pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: false } },
  }
  const code = `
    import { openLog, parseConfig } from ${JSON.stringify(library)}
    import { runUntilStopped } from ${JSON.stringify(shutdown)}
    const text = ${JSON.stringify(JSON.stringify(config))}
    const { plan } = parseConfig(text, { file: 'test', env: {} })
    process.on('SIGWINCH', () => setTimeout(() => { throw new Error('a bug') }))
    process.exitCode = await runUntilStopped(plan, openLog({ level: 'info' }))`
  const child = startProcess(process.execPath, ['--input-type=module', '-e', code])
  after(() => child.stop())
  await waitFor(() => child.stderr().includes('is running'))
  const answer = request(`http://127.0.0.1:${port}`)
  await waitFor(() => backend.requests.length === 1)
  child.signal('SIGWINCH')
  await waitFor(() => child.stderr().includes('internal error; draining, then ending'))
  backend.letGo()
  assert.deepEqual(await answer, { status: 200, body: 'one', connection: 'close' })
  assert.deepEqual(await child.exited, { code: 1, signal: null })
  assert.match(child.stderr(), /"stack":"Error: a bug\\n.*internal error; draining, then ending/)
})
