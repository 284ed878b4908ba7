// What `evenkeel explain` says, beside what a client then meets.

import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { seededRandom } from '../../src/core/random.ts'
import type { Explanation } from '../../src/route/explain-request.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

interface Met {
  readonly status: number
  readonly fault: string | null
  readonly location: string | null
  readonly body: string
}

function send(port: number, sent: Sent): Promise<Met> {
  const { method, path, host, headers } = sent
  return new Promise((resolve, reject) => {
    const options = { port, host: '127.0.0.1', method, path, headers: { ...headers, host } }
    const call = request({ ...options, agent: false }, (response) => {
      let body = ''
      response.setEncoding('latin1').on('data', (part: string) => (body += part))
      response.on('end', () => {
        const { 'evenkeel-fault': fault, location } = response.headers
        const status = response.statusCode ?? 0
        resolve({
          status,
          fault: typeof fault === 'string' ? fault : null,
          location: location ?? null,
          body,
        })
      })
    })
    call.on('error', reject)
    call.end()
  })
}

interface Sent {
  readonly method: string
  readonly host: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
}

test('what is explained is what a client meets', async (context) => {
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startBackend({ name })))
  const dead = await startBackend({ name: 'dead' })
  await dead.stop()
  const check = { http: '/health', interval: '1s', fastInterval: '100ms' }
  const evenkeel = await startEvenkeel({
    listeners: {
      web: {
        routes: [
          { name: 'api', match: { host: 'api.test', path: '/v1/' }, pool: 'one' },
          { name: 'gone', match: { path: '/gone' }, pool: 'none' },
          {
            name: 'old',
            match: { path: '/old' },
            redirect: { location: 'https://new.test/*', status: 308 },
          },
          {
            name: 'ping',
            match: { pathExact: '/ping' },
            respond: { status: 204 },
          },
          {
            name: 'writes',
            match: { method: 'POST', header: { 'X-Tenant': 'acme' } },
            pool: 'two',
          },
        ],
      },
      raw: { protocol: 'tcp', pool: 'none' },
    },
    pools: {
      one: { backends: { a: a!.address, dead: dead.address }, healthCheck: check },
      two: { backends: { b: b!.address }, healthCheck: check },
      none: { backends: { dead: dead.address }, healthCheck: check },
    },
  })
  context.after(async () => {
    await evenkeel.stop()
    await Promise.all([a!.stop(), b!.stop()])
  })
  const pools = async () => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/pools`)
    return ((await answer.json()) as { pools: { available: number }[] }).pools
  }
  await waitFor(async () => (await pools())[2]!.available === 0, { what: 'the dead to be found' })
  await waitFor(async () => (await pools())[0]!.available === 1, { what: 'the dead to be found' })

  const explain = async ({ method, host, path, headers }: Sent): Promise<Explanation> => {
    const query = new URLSearchParams({ method, url: `http://${host}${path}`, listener: 'web' })
    query.set('headers', JSON.stringify(headers))
    const answer = await fetch(`${evenkeel.adminUrl}/v1/explain?${query.toString()}`)
    assert.equal(answer.status, 200, await answer.clone().text())
    return (await answer.json()) as Explanation
  }
  const random = seededRandom(7)
  const one = <T>(values: readonly T[]): T => values[Math.floor(random.next() * values.length)]!
  const outcomes = new Set<string>()
  for (let i = 0; i < 120; i++) {
    const sent: Sent = {
      method: one(['GET', 'POST', 'DELETE']),
      host: one(['api.test', 'API.test:80', 'x.test']),
      path: one([
        '/v1/',
        '/v1/a/../b',
        '/v1',
        '/%76%31/x',
        '/gone',
        '/gone/x',
        '/old?q=1',
        '/ping',
        '/',
      ]),
      headers: one<Record<string, string>>([{}, { 'x-tenant': 'acme' }, { 'x-tenant': 'other' }]),
    }
    const what = JSON.stringify(sent)
    const { outcome, status, fault, pool, summary } = await explain(sent)
    const met = await send(evenkeel.port('web'), sent)
    outcomes.add(`${outcome} ${fault?.code ?? ''}`)
    assert.equal(met.fault, fault?.code ?? null, what)
    if (outcome === 'sent') {
      assert.equal(met.status, 200, what)
      assert.equal(met.body, pool!.backend, what)
    } else assert.equal(met.status, status, what)
    if (met.location !== null) assert.ok(summary.includes(met.location), what)
  }
  assert.deepEqual([...outcomes].toSorted(), [
    'answered ',
    'refused no-backend',
    'refused no-route',
    'sent ',
  ])

  const run = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, 'explain', ...words, '-c', evenkeel.file])
  const refused = await run('http://x.test/gone')
  assert.equal(refused.code, 1)
  assert.match(refused.stdout, /✓ gone: it asks for path \/gone/)
  assert.match(refused.stdout, /✗ +dead .* down .* connection refused/)
  assert.match(refused.stdout, /result +the client gets 503 \(no-backend\)/)
  const tcp = await run('--listener', 'raw', '-o', 'json')
  assert.equal(tcp.code, 1)
  assert.equal(
    (JSON.parse(tcp.stdout) as Explanation).summary.split(':')[0],
    'the connection is closed (no-backend)',
  )
  const served = await run('GET http://api.test/v1/x', '--listener', 'web')
  assert.equal(served.code, 0)
  for (const [words, message] of [
    [[], /name a request, such as/],
    [['GET http://x.test/ HTTP/1.1'], /write 'METHOD URL'/],
    [['http://x.test/', '-H', 'nonsense'], /is not 'Name: value'/],
    [['ftp://x.test/'], /a request needs a URL such as/],
    [['--listener', 'nope'], /there is no listener 'nope'; there are \w/],
  ] as const) {
    const wrong = await run(...words)
    assert.notEqual(wrong.code, 0)
    assert.match(wrong.stderr, message)
  }
})
