import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, RequestOptions } from 'node:http'
import { Agent, get, request } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AdminAccess } from '../../src/admin/server.ts'
import { startBackend } from '../support/backend.ts'
import { makeAuthority } from '../support/certificates.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { freePort } from '../support/ports.ts'
import { waitFor } from '../support/wait.ts'

const ADMIN = 'admin-token-0123456789'
const READER = 'reader-token-0123456789'
const tokens = { admin: ADMIN, readOnly: READER }
const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

interface Question extends RequestOptions {
  readonly token?: string
  readonly send?: unknown
  /** Certificates, for TLS. */
  readonly tls?: { readonly ca: string; readonly cert?: string; readonly key?: string }
}

async function ask(port: number, path: string, question: Question = {}): Promise<Reply> {
  const { token, send, tls, headers, ...options } = question
  const common = {
    host: '127.0.0.1',
    port,
    path,
    agent: false as const,
    method: send === undefined ? 'GET' : 'POST',
    ...options,
    headers: {
      ...(send === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(headers as Record<string, string> | undefined),
    },
  }
  const call = tls === undefined ? request(common) : tlsRequest({ ...common, ...tls })
  call.end(send === undefined ? undefined : JSON.stringify(send))
  const [response] = (await once(call, 'response')) as [IncomingMessage]
  let body = ''
  for await (const chunk of response) body += String(chunk)
  return { status: response.statusCode!, headers: response.headers, body }
}

async function start(access: Partial<AdminAccess>, reach: 'loopback' | 'network' = 'network') {
  const admin = await startFakeAdmin(reach, loopback, access)
  return Object.assign(admin, { port: Number(admin.host.split(':')[1]) })
}

const freeze = { send: { reason: 'x' } }

test('without a token nothing is told but whether it lives and is ready', async () => {
  for (const reach of ['network', 'loopback'] as const) {
    const { port, strangers, asked } = await start({ tokens }, reach)
    for (const path of ['/livez', '/readyz']) assert.equal((await ask(port, path)).status, 200)
    for (const [path, question] of [
      ['/metrics', {}],
      ['/v1/pools', {}],
      ['/v1/openapi.json', {}],
      ['/v1/events', {}],
      ['/v1/none', {}],
      ['/livez', freeze],
      ['/v1/pools/db/freeze', freeze],
    ] as const) {
      const { status, headers, body } = await ask(port, path, question)
      assert.deepEqual(
        [status, headers['www-authenticate']],
        [401, 'Bearer realm="evenkeel"'],
        path,
      )
      assert.equal((JSON.parse(body) as { code: string }).code, 'not-known')
    }
    assert.equal(asked.length, 0)
    assert.deepEqual(new Set(strangers), new Set(['127.0.0.1 none']))
  }
})

test('who is not let in keeps no connection, so strangers leave room for probes', async (context) => {
  const { port } = await start({ tokens })
  const agent = new Agent({ keepAlive: true })
  context.after(() => agent.destroy())
  const connection = (path: string) =>
    new Promise<string | undefined>((resolve, reject) => {
      get({ port, host: '127.0.0.1', path, agent }, (response) => {
        response.resume().on('end', () => resolve(response.headers.connection))
      }).on('error', reject)
    })
  assert.equal(await connection('/livez'), 'keep-alive')
  assert.equal(await connection('/v1/pools'), 'close')
})

test('the read-only token may look and not touch, the other one may do both', async () => {
  const admin = await start({ tokens })
  const { port } = admin
  assert.equal((await ask(port, '/v1/pools', { token: READER })).status, 200)
  const refused = await ask(port, '/v1/pools/db/freeze', { token: READER, ...freeze })
  assert.equal(refused.status, 403)
  assert.equal((JSON.parse(refused.body) as { code: string }).code, 'read-only')
  assert.equal(admin.asked.length, 0)
  assert.equal((await ask(port, '/v1/pools', { token: ADMIN })).status, 200)
  assert.equal((await ask(port, '/v1/pools/db/freeze', { token: ADMIN, ...freeze })).status, 200)
  assert.deepEqual(
    admin.audit.map(({ by, from }) => [by, from]),
    [['admin API (127.0.0.1, admin token)', '127.0.0.1, admin token']],
  )
  assert.equal(admin.answered().get(403), 1)
})

test('what is nearly a token is none', async () => {
  const { port, strangers } = await start({ tokens })
  for (const authorization of [
    `Bearer ${ADMIN}x`,
    `Bearer ${ADMIN.slice(1)}`,
    `Bearer ${ADMIN.toUpperCase()}`,
    `Bearer ${ADMIN} ${READER}`,
    `Bearer ${ADMIN},${READER}`,
    'Bearer ',
    'Bearer',
    'Bearer null',
    `Basic ${Buffer.from(`admin:${ADMIN}`).toString('base64')}`,
    `Token ${ADMIN}`,
    ADMIN,
  ]) {
    const { status, body } = await ask(port, '/v1/pools', { headers: { authorization } })
    assert.equal(status, 401, authorization)
    assert.ok(!body.includes(ADMIN))
  }
  assert.equal((await ask(port, `/v1/pools?access_token=${ADMIN}`)).status, 401)
  // A scheme has no case (RFC 9110 §11.1).
  const lower = { authorization: `bearer ${ADMIN}` }
  assert.equal((await ask(port, '/v1/pools', { headers: lower })).status, 200)
  assert.ok(!strangers.join().includes('token'))
})

test('with one token only, the other one is not an empty one', async () => {
  const { port } = await start({ tokens: { admin: null, readOnly: READER } })
  assert.equal((await ask(port, '/v1/pools', { token: READER })).status, 200)
  assert.equal((await ask(port, '/v1/pools/db/freeze', { token: READER, ...freeze })).status, 403)
  for (const token of ['', '0', 'null']) {
    assert.equal((await ask(port, '/v1/pools', { token })).status, 401)
  }
})

test('a unix socket asks for no token: its mode says who may open it', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'evenkeel-access-')), 'admin.sock')
  const admin = await startFakeAdmin('file', { kind: 'unix', path }, { tokens })
  const where = { socketPath: path, host: undefined }
  assert.equal((await ask(0, '/v1/pools', where)).status, 200)
  assert.equal((await ask(0, '/v1/pools/db/freeze', { ...where, ...freeze })).status, 200)
  assert.deepEqual(
    admin.audit.map(({ from }) => from),
    ['unix socket'],
  )
})

test('where a token is asked for, the page comes under any name: only it can show the token then', async () => {
  const headers = { host: 'lb.example.com' }
  const { port } = await start({ tokens })
  for (const path of ['/', '/ui', '/ui/page.js']) {
    assert.equal((await ask(port, path, { headers })).status, 200, path)
  }
  assert.equal((await ask(port, '/readyz', { headers })).status, 421)
  const open = await start({})
  assert.equal((await ask(open.port, '/', { headers })).status, 421)
})

test('with a token any host name will do, and a page of another site still changes nothing', async () => {
  const { port } = await start({ tokens })
  const host = 'lb.example.com'
  assert.equal((await ask(port, '/livez', { headers: { host } })).status, 421)
  assert.equal((await ask(port, '/v1/pools', { headers: { host } })).status, 421)
  assert.equal((await ask(port, '/v1/pools', { headers: { host }, token: ADMIN })).status, 200)
  const origin = { host, origin: 'https://evil.example' }
  const change = { ...freeze, token: ADMIN }
  const path = '/v1/pools/db/freeze'
  assert.equal((await ask(port, path, { headers: origin, ...change })).status, 403)
  const own = { host, origin: `http://${host}` }
  assert.equal((await ask(port, path, { headers: own, ...change })).status, 200)
})

const ours = makeAuthority('Our CA')
const theirs = makeAuthority('Their CA')
const server = ours.issue('lb')
const ca = ours.cert

test('a client certificate of the right authority may do everything, under its own name', async () => {
  const admin = await start({ tls: { ...server, clientCa: ours.cert } })
  const { port } = admin
  const kim = { ca, ...ours.issue('kim') }
  assert.equal((await ask(port, '/v1/pools', { tls: kim })).status, 200)
  const change = { send: { reason: 'x', by: 'lee' }, tls: kim }
  assert.equal((await ask(port, '/v1/pools/db/freeze', change)).status, 200)
  assert.equal((await ask(port, '/v1/pools/db/freeze', { ...change, ...freeze })).status, 200)
  assert.deepEqual(
    admin.audit.map(({ by, from }) => [by, from]),
    [
      ['kim for lee', '127.0.0.1, certificate kim'],
      ['kim', '127.0.0.1, certificate kim'],
    ],
  )
})

test('no certificate, a foreign one and a self-signed one get no further than probes', async () => {
  const { port, strangers } = await start({ tls: { ...server, clientCa: ours.cert } })
  for (const pair of [{}, theirs.issue('kim'), makeAuthority('kim')]) {
    const { cert, key } = pair as { cert?: string; key?: string }
    const tls = { ca, ...(cert === undefined ? {} : { cert, key: key! }) }
    assert.equal((await ask(port, '/readyz', { tls })).status, 200)
    assert.equal((await ask(port, '/v1/pools', { tls })).status, 401)
  }
  assert.deepEqual(strangers, ['127.0.0.1 none', '127.0.0.1 wrong', '127.0.0.1 wrong'])
})

test('with both, a token does where there is no certificate, and the name is one line', async () => {
  const admin = await start({ tokens, tls: { ...server, clientCa: ours.cert } })
  const { port } = admin
  assert.equal((await ask(port, '/v1/pools', { tls: { ca }, token: READER })).status, 200)
  assert.equal((await ask(port, '/v1/pools', { tls: { ca } })).status, 401)
  const odd = { ca, ...ours.issue('a\nb\u001b') }
  assert.equal((await ask(port, '/v1/pools/db/freeze', { tls: odd, ...freeze })).status, 200)
  assert.equal(admin.audit[0]?.by, 'a?b?')
})

test('a running balancer serves probes and scrapes at an address of their own', async () => {
  const one = await startBackend({ name: 'one' })
  const port = await freePort()
  const warnings: string[] = []
  const keep = (): void => {}
  const warn = (message: string, fields?: object): void =>
    void warnings.push(`${message} ${JSON.stringify(fields)}`)
  const log = { debug: keep, info: keep, warn, error: keep, close: async () => {} }
  const balancer = await embed(
    {
      admin: { bind: '127.0.0.1:0', tokens, metrics: `127.0.0.1:${port}` },
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      pools: { web: { backends: { one: one.address }, healthCheck: false } },
    },
    { log },
  )
  const adminPort = Number(new URL(urlOf(balancer.adminAddress)).port)
  for (let i = 0; i < 3; i++) {
    assert.equal((await ask(adminPort, '/v1/pools', { token: 'x'.repeat(20) })).status, 401)
  }
  assert.equal((await ask(adminPort, '/v1/pools', { token: READER })).status, 200)
  for (const path of ['/livez', '/readyz', '/metrics']) {
    const { status } = await ask(port, path, { headers: { host: 'lb.example.com' } })
    assert.equal(status, 200, path)
  }
  const { body } = await ask(port, '/metrics')
  assert.match(body, /^evenkeel_admin_requests_total\{code="401"\} 3$/m)
  for (const path of ['/v1/pools', '/v1/version', '/v1/events', '/v1/openapi.json', '/', '/ui']) {
    assert.equal((await ask(port, path)).status, 404, path)
  }
  assert.equal((await ask(port, '/metrics', freeze)).status, 405)
  // Told of once, and never with what was tried.
  await waitFor(() => warnings.some((line) => line.includes('turned away')))
  const told = warnings.filter((line) => line.includes('turned away'))
  assert.deepEqual(told, [
    'somebody with a wrong token or certificate was turned away from the admin API {"from":"127.0.0.1","times":1}',
  ])
  await one.stop()
})
