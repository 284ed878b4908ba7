import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { dirname, join } from 'node:path'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import type { Backend } from '../support/backend.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { waitFor } from '../support/wait.ts'

async function startPair(
  delayMs: number,
  more: { drain?: string; log?: object } = {},
): Promise<{ backend: Backend; running: Evenkeel }> {
  const backend = await startBackend({ name: 'one', behaviour: { kind: 'answer', delayMs } })
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
    const { backend, running } = await startPair(600)
    const answer = request(running.url())
    await waitFor(() => backend.requests.length === 1)
    running.process.signal(signal)
    await waitFor(() => running.logs().includes('"draining: '))
    const ready = await fetch(`${running.adminUrl}/readyz`)
    assert.deepEqual([ready.status, await ready.text()], [503, 'draining before a stop\n'])
    await assert.rejects(request(running.url()), /ECONNREFUSED/)
    const { status, body, connection } = await answer
    assert.deepEqual([status, body, connection], [200, 'one', 'close'])
    assert.deepEqual(await running.process.exited, { code: 0, signal: null })
    assert.match(running.logs(), /"reason":"SIG\w+ received","message":"stopping"/)
  })
}

test('a second signal ends at once', async () => {
  const { backend, running } = await startPair(10_000)
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

test('when the drain time is over, what still runs is cut and counted', async () => {
  const { backend, running } = await startPair(10_000, { drain: '300ms' })
  const answer = request(running.url())
  answer.catch(() => {})
  await waitFor(() => backend.requests.length === 1)
  running.process.signal('SIGTERM')
  assert.deepEqual(await running.process.exited, { code: 0, signal: null })
  assert.match(running.logs(), /"cut":1,"message":"drain time is over; exchanges were cut"/)
})

test('HUP is answered and USR1 goes on in a new access log without losing a line', async () => {
  const { running } = await startPair(0)
  const path = join(dirname(running.file), 'access.log')
  const other = await startPair(0, { log: { access: { format: 'json', path } } })
  running.process.signal('SIGHUP')
  await waitFor(() => running.logs().includes('reloading is not possible yet'))

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
