// Alerts of a running balancer: a backend dies, and a webhook and a command are told of it; a target
// that fails is tried again; the API, the command and the metrics tell the same.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AlertsAnswer } from '../../src/admin/alert-routes.ts'
import type { AlertJson } from '../../src/observe/alert-message.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

interface Taken {
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: unknown
}

/** A web service that keeps what it is sent, and fails as often as it is told. */
async function startReceiver() {
  const taken: Taken[] = []
  const failing = { times: 0 }
  const server = createServer((request, response) => {
    let text = ''
    request.setEncoding('utf8')
    request.on('data', (chunk) => (text += chunk))
    request.on('end', () => {
      if (failing.times-- > 0) {
        response.writeHead(503).end('not now')
        return
      }
      taken.push({ path: request.url!, headers: request.headers, body: JSON.parse(text) })
      response.writeHead(202).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const of = (path: string) => taken.filter((one) => one.path === path).map(({ body }) => body)
  return { url, taken, failing, of, stop: () => server.close() }
}

test('a pool without backends is told to everybody who is to hear of it, and its end', async (context) => {
  const backend = await startBackend({ name: 'a', checks: null })
  const receiver = await startReceiver()
  const file = join(mkdtempSync(join(tmpdir(), 'evenkeel-alerts-')), 'told')
  const script = `cat >> ${file}; echo "$EVENKEEL_ALERT_STATUS $EVENKEEL_ALERT_RULE" >> ${file}`
  const evenkeel = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    alerts: {
      notify: {
        ops: { webhook: `${receiver.url}/json`, headers: { authorization: 'Bearer secret' } },
        chat: { webhook: `${receiver.url}/chat`, format: 'slack', resolved: 'false' },
        manager: { webhook: `${receiver.url}/api/v2/alerts`, format: 'alertmanager' },
        local: { exec: ['/bin/sh', '-c', script] },
      },
      rules: { poolDown: { for: '1s', clearFor: '500ms' }, errorRate: 'false' },
    },
    pools: {
      web: {
        backends: { a: backend.address },
        healthCheck: { http: '/health', interval: '300ms', timeout: '300ms', fall: 2, rise: 2 },
      },
    },
  })
  context.after(async () => {
    await evenkeel.stop()
    await backend.stop()
    receiver.stop()
  })
  const read = async (): Promise<AlertsAnswer> => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/alerts`)
    assert.equal(answer.status, 200)
    return (await answer.json()) as AlertsAnswer
  }
  assert.deepEqual((await read()).alerts, [])
  receiver.failing.times = 1
  await backend.behave({ kind: 'refuse' })
  await waitFor(() => receiver.of('/json').length === 1, { what: 'the firing', timeoutMs: 15_000 })
  const fired = receiver.of('/json')[0] as AlertJson
  const { version, status, rule, severity, subject, labels, endsAt } = fired
  assert.deepEqual(
    { version, status, rule, severity, subject, labels, endsAt },
    {
      version: 1,
      status: 'firing',
      rule: 'poolDown',
      severity: 'critical',
      subject: 'web',
      labels: { pool: 'web' },
      endsAt: null,
    },
  )
  assert.match(fired.message, /^pool web has nobody: a is down \(.*connection refused/)
  const head = receiver.taken.find(({ path }) => path === '/json')!.headers
  assert.equal(head['authorization'], 'Bearer secret')
  assert.equal(head['evenkeel-alert'], fired.id)
  const now = await read()
  assert.deepEqual(
    now.alerts.map((one) => [one.rule, one.state, one.notify]),
    [['poolDown', 'firing', ['ops', 'chat', 'manager', 'local']]],
  )
  const page = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
  assert.match(page, /^evenkeel_alerts_firing\{rule="poolDown",severity="critical"\} 1$/m)

  const run = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, 'alerts', ...words, '-c', evenkeel.file])
  assert.match((await run()).stdout, /^firing {2}poolDown {2}critical .*pool web has nobody/)
  assert.match(
    (await run('test', 'local')).stdout,
    /^alert to local by \/bin\/sh ended with code 0/,
  )
  const unknown = await run('test', 'nobody')
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /No target of alerts is called 'nobody'/)

  await backend.behave({ kind: 'answer' })
  await waitFor(() => receiver.of('/json').length === 2, { what: 'the end', timeoutMs: 15_000 })
  const over = receiver.of('/json')[1] as AlertJson
  assert.deepEqual([over.status, over.startsAt], ['resolved', fired.startsAt])
  assert.ok(Date.parse(over.endsAt!) > Date.parse(over.startsAt))
  await waitFor(() => receiver.of('/api/v2/alerts').length >= 2, { what: 'Alertmanager' })
  const managed = receiver.of('/api/v2/alerts').flat() as { labels: object; endsAt: string }[]
  assert.ok(managed.every((one) => 'alertname' in one.labels))
  assert.equal((managed[0]!.labels as { alertname: string }).alertname, 'EvenkeelPoolDown')
  await waitFor(() => /resolved poolDown/.test(readFileSync(file, 'utf8')), { what: 'the command' })
  const told = readFileSync(file, 'utf8')
  assert.match(told, /"status":"firing".*\nfiring poolDown\n/)
  assert.match(told, /"status":"test".*\ntest \n/)
  assert.equal(receiver.of('/chat').length, 1)
  assert.match(
    (receiver.of('/chat')[0] as { text: string }).text,
    /^\*FIRING\* poolDown \(critical\): /,
  )
  assert.deepEqual((await read()).alerts, [])
})

test('a reload with a broken configuration fires, the next good one ends it, and another target takes over', async (context) => {
  const receiver = await startReceiver()
  const config = (path: string) => ({
    listeners: { web: { routes: [{ respond: { status: '200' } }] } },
    pools: {},
    alerts: { notify: { ops: { webhook: `${receiver.url}/${path}` } } },
  })
  const evenkeel = await startEvenkeel(config('one'))
  context.after(async () => {
    await evenkeel.stop()
    receiver.stop()
  })
  const reload = (text: string) =>
    fetch(`${evenkeel.adminUrl}/v1/config`, {
      method: 'POST',
      headers: { 'content-type': 'application/yaml' },
      body: text,
    })
  assert.equal((await reload('listeners: { web: { bind: nonsense } }')).status, 422)
  await waitFor(() => receiver.of('/one').length === 1, { what: 'the refusal' })
  assert.equal((receiver.of('/one')[0] as AlertJson).rule, 'configRejected')
  const good = readFileSync(evenkeel.file, 'utf8').replace(
    `${receiver.url}/one`,
    `${receiver.url}/two`,
  )
  assert.equal((await reload(good)).status, 200)
  await waitFor(() => receiver.of('/two').length === 1, { what: 'its end at the new address' })
  assert.equal((receiver.of('/two')[0] as AlertJson).status, 'resolved')
})

test('an answer 5xx of a backend is one failed request, as metrics and reports have it', async (context) => {
  const backend = await startBackend({ name: 'a' })
  const evenkeel = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    alerts: {
      notify: { local: { exec: ['/bin/true'] } },
      rules: { errorRate: { above: '10%', for: '0s', minRequests: 8 } },
    },
    pools: {
      web: { backends: { a: backend.address }, outlierDetection: 'false', retry: 'false' },
    },
  })
  context.after(async () => {
    await evenkeel.stop()
    await backend.stop()
  })
  const post = () => fetch(evenkeel.url(), { method: 'POST', body: 'x' })
  for (let i = 0; i < 6; i++) assert.equal((await post()).status, 200)
  await backend.behave({ kind: 'answer', status: 500 })
  for (let i = 0; i < 2; i++) assert.equal((await post()).status, 500)
  const fired = await waitFor(async () => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/alerts`)
    const { alerts } = (await answer.json()) as AlertsAnswer
    return alerts.find(({ rule }) => rule === 'errorRate')
  })
  assert.deepEqual([fired.message, fired.value], ['25 % of 8 requests to pool web failed', 0.25])
})
