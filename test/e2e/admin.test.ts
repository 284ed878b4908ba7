import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { connect } from 'node:net'
import { once } from 'node:events'
import { mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import { FAMILIES } from '../../src/observe/metric-families.ts'
import { describedRoutes } from '../../src/runtime/admin-routes.ts'
import { startBackend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { freePort } from '../support/ports.ts'
import { waitFor } from '../support/wait.ts'

const socketPath = join(mkdtempSync(join(tmpdir(), 'evenkeel-admin-')), 'admin.sock')

const one = await startBackend({ name: 'one' })
after(() => one.stop())
const balancer = await embed({
  admin: { bind: '127.0.0.1:0' },
  tracing: { sample: '100%' },
  listeners: {
    web: { bind: '127.0.0.1:0', pool: 'web' },
    fixed: { bind: '127.0.0.1:0', routes: [{ respond: { status: 204 } }] },
  },
  pools: {
    web: {
      backends: { one: one.address, dead: `127.0.0.1:${await freePort()}` },
      healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
    },
  },
})
const port = Number(new URL(urlOf(balancer.adminAddress)).port)
await waitFor(() => {
  const [one, dead] = balancer.status()[0]!.backends
  return one!.availability === 'available' && dead!.availability === 'down'
})

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

async function ask(path: string, options: RequestOptions = {}): Promise<Reply> {
  const call = request({ host: '127.0.0.1', port, path, agent: false, ...options })
  call.end()
  const [response] = await once(call, 'response')
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode, headers: response.headers, body }
}

test('liveness and readiness answer in one line', async () => {
  assert.deepEqual(await ask('/livez').then(({ status, body }) => [status, body]), [200, 'ok\n'])
  const ready = await ask('/readyz')
  assert.deepEqual([ready.status, ready.body], [200, 'ready\n'])
  assert.equal(ready.headers['cache-control'], 'no-store')
})

test('a pool is shown with its backends and the reason for each', async () => {
  const { body, headers } = await ask('/v1/pools')
  assert.equal(headers['content-type'], 'application/json')
  const { pools } = JSON.parse(body) as { pools: PoolStatus[] }
  assert.deepEqual(
    pools[0]!.backends.map(({ name, availability }) => [name, availability]),
    [
      ['one', 'available'],
      ['dead', 'down'],
    ],
  )
  assert.match(pools[0]!.backends[1]!.reason, /refused/)
  const one = await ask('/v1/pools/web')
  assert.equal((JSON.parse(one.body) as PoolStatus).name, 'web')
})

test('what is told is what the API says of itself', async () => {
  const { body } = await ask('/v1/openapi.json')
  assert.equal((JSON.parse(body) as { openapi: string }).openapi, '3.1.1')
  await fetch(urlOf(balancer.addresses[1]), { headers: { 'X-Request-Id': '1-1' } })
  await waitFor(async () => (await ask('/v1/traces/1-1')).status === 200, { what: 'its trace' })
  for (const { method, path, result } of describedRoutes()) {
    if (method !== 'GET' || result.schema === undefined) continue
    const query = path === '/v1/explain' ? '?url=http://a.test/' : ''
    const names: Record<string, string> = {
      pool: 'web',
      backend: 'one',
      code: 'no-pool',
      id: '1-1',
    }
    const { status, headers, body } = await ask(
      path.replace(/\{(\w+)\}/g, (_, key: string) => names[key]!) + query,
    )
    assert.deepEqual([status, headers['content-type']], [200, 'application/json'], path)
    result.schema.parse(JSON.parse(body))
  }
})

test('what is not there is a problem that says what is', async () => {
  const pool = await ask('/v1/pools/wbe')
  assert.equal(pool.status, 404)
  assert.equal(pool.headers['content-type'], 'application/problem+json')
  assert.deepEqual(JSON.parse(pool.body), {
    type: '/v1/problems/no-pool',
    title: 'No such pool',
    status: 404,
    detail: "There is no pool 'wbe'.",
    code: 'no-pool',
    pools: ['web'],
  })
  const path = await ask('/metricz')
  assert.equal(path.status, 404)
  assert.ok('/metrics' in (JSON.parse(path.body) as { paths: object }).paths)
  assert.equal((await ask('/v1/pools/%ff')).status, 404)
  assert.equal((await ask('/v1/pools/')).status, 404)
})

test('what can only be read says so to other methods', async () => {
  const reply = await ask('/v1/pools', { method: 'POST' })
  assert.equal(reply.status, 405)
  assert.equal(reply.headers.allow, 'GET, HEAD')
  const head = await ask('/v1/pools', { method: 'HEAD' })
  assert.deepEqual([head.status, head.body], [200, ''])
})

test('a name that a stranger can register is not answered (DNS rebinding)', async () => {
  for (const [host, status] of [
    ['evil.example:9900', 421],
    ['127.0.0.1.evil.example', 421],
    ['localhost:9900', 200],
    ['[::1]:9900', 200],
    ['192.0.2.1', 200],
    ['a@localhost', 421],
  ] as const) {
    assert.equal((await ask('/livez', { headers: { host } })).status, status, host)
  }
})

test('a request that is not finished is not waited for', async () => {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\nX: ')
  socket.resume()
  const started = performance.now()
  await once(socket, 'close')
  assert.ok(performance.now() - started < 5_000)
})

test('a unix socket is readable for owner and group only', async () => {
  const other = await embed({
    admin: { bind: `unix:${socketPath}` },
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: { web: { backends: ['127.0.0.1:9'], healthCheck: false } },
  })
  assert.deepEqual(other.adminAddress, { kind: 'unix', path: socketPath })
  assert.equal(statSync(socketPath).mode & 0o777, 0o660)
  const reply = await ask('/readyz', { socketPath, host: undefined, port: undefined })
  assert.equal(reply.status, 200)
})

/** Name, labels and value of each series in an exposition; throws at a line that isn't valid. */
function parse(text: string): { name: string; labels: string; value: number }[] {
  const series = []
  for (const line of text.split('\n')) {
    if (line === '' || /^# (HELP|TYPE) [a-z0-9_]+ /.test(line)) continue
    const match = /^([a-z_][a-z0-9_]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$/.exec(line)
    assert.ok(match, `not valid: ${line}`)
    const value = match[3] === '+Inf' ? Infinity : Number(match[3])
    // The client library writes Nan; Prometheus reads it in any case.
    assert.ok(!Number.isNaN(value) || /^nan$/i.test(match[3]!), `not a number: ${line}`)
    series.push({ name: match[1]!, labels: match[2] ?? '', value })
  }
  return series
}

test('a scrape is valid, has every family once, and counts what happened', async () => {
  const url = urlOf(balancer.addresses[0])
  for (let i = 0; i < 5; i++) assert.equal(await (await fetch(url)).text(), 'one')
  await waitFor(async () => {
    const { headers, body } = await ask('/metrics')
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8')
    const series = parse(body)
    const value = (name: string, labels: string): number | undefined =>
      series.find((one) => one.name === name && one.labels === labels)?.value
    for (const { name } of FAMILIES) {
      assert.equal(body.split(`# TYPE ${name} `).length, 2, `${name} is there once`)
    }
    const histogram = 'evenkeel_listener_request_duration_seconds'
    return (
      value('evenkeel_listener_requests_total', '{listener="web"}') === 5 &&
      value('evenkeel_listener_responses_total', '{listener="web",class="2xx"}') === 5 &&
      value(`${histogram}_count`, '{listener="web"}') === 5 &&
      value(`${histogram}_bucket`, '{listener="web",le="+Inf"}') === 5 &&
      value('evenkeel_backend_attempts_total', '{pool="web",backend="one"}') === 5 &&
      value('evenkeel_backend_available', '{pool="web",backend="dead"}') === 0 &&
      value('evenkeel_backend_state', '{pool="web",backend="dead",state="down"}') === 1 &&
      value('evenkeel_pool_available_backends', '{pool="web"}') === 1 &&
      value('evenkeel_ready', '') === 1
    )
  })
})

test('docs/metrics.md lists exactly the metrics that a scrape shows', async () => {
  const { body } = await ask('/metrics')
  const shown = [...body.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  )
  const text = await readFile(new URL('../../../docs/metrics.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]*) \|$/gm)]
  assert.deepEqual(rows.map((row) => `${row[1]} ${row[2]}`).sort(), shown.sort())
  for (const family of FAMILIES) {
    const row = rows.find((one) => one[1] === family.name)!
    const labels = family.labels.map((label) => `\`${label}\``).join(' ')
    assert.deepEqual([row[3], row[4]], [labels, family.help], family.name)
  }
})
