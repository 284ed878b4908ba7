import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BalancerEvent } from '../../src/core/events.ts'
import { makeAuthority } from '../support/certificates.ts'
import { mainFile } from '../support/evenkeel.ts'
import type { FakeAdmin } from '../support/fake-admin.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, startProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('access')
const tokens = { admin: 'admin-token-0123456789', readOnly: 'reader-token-0123456789' }
const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const

function file(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

const adminFile = file('admin.token', `${tokens.admin}\n`)
const readerFile = file('reader.token', tokens.readOnly)

async function evenkeel(words: readonly string[], env: Record<string, string> = {}) {
  const surroundings = { NO_COLOR: '1', EVENKEEL_BACKENDS: '', EVENKEEL_CONFIG: '', ...env }
  const { code, stdout, stderr } = await runProcess(process.execPath, [mainFile, ...words], {
    cwd: folder,
    env: surroundings,
  })
  return { code, stdout, stderr }
}

const freeze = ['freeze', 'db', '--reason', 'x']

test('a command shows its token from a file or the environment, and says when one is needed', async () => {
  const admin = await startFakeAdmin('loopback', loopback, { tokens })
  const at = ['--admin', admin.host]
  const none = await evenkeel([...freeze, ...at])
  assert.deepEqual(
    [none.code, none.stderr],
    [
      1,
      'evenkeel: This admin API asks for a token: send Authorization: Bearer TOKEN (evenkeel: --token-file FILE).\n',
    ],
  )
  assert.equal((await evenkeel([...freeze, ...at, '--token-file', adminFile])).code, 0)
  assert.equal((await evenkeel([...freeze, ...at], { EVENKEEL_TOKEN: tokens.admin })).code, 0)
  const reader = await evenkeel([...freeze, ...at, '--token-file', readerFile])
  assert.deepEqual(
    [reader.code, reader.stderr],
    [1, 'evenkeel: This token may look, but change nothing.\n'],
  )
  assert.equal((await evenkeel(['status', ...at, '--token-file', readerFile])).code, 0)
  assert.equal((await evenkeel(['healthcheck', ...at])).code, 0)
  assert.equal(admin.audit.length, 2)
})

test('a token that cannot be one is wrong usage', async () => {
  const status = ['status', '--admin', '127.0.0.1:1']
  for (const [path, message] of [
    [join(folder, 'none'), /there is no such file/],
    [file('empty', '\n'), /the file is empty/],
    [file('two', 'one\ntwo\n'), /one line of ASCII/],
  ] as const) {
    const { code, stderr } = await evenkeel([...status, '--token-file', path])
    assert.equal(code, 2)
    assert.match(stderr, message)
  }
  const lonely = await evenkeel([...status, '--cert', adminFile])
  assert.deepEqual(
    [lonely.code, lonely.stderr],
    [2, 'evenkeel: --cert and --key belong together\n'],
  )
})

test('who is no admin API is told from one, be it a listener for traffic', async () => {
  const site = createServer((request, response) => {
    const type = request.url === '/v1/pools' ? 'text/html' : 'application/json'
    response.writeHead(request.url === '/v1/alerts' ? 404 : 200, { 'content-type': type })
    response.end(type === 'text/html' ? '<h1>Hello</h1>' : '{"error":"not found"}')
  })
  site.listen(0, '127.0.0.1')
  await once(site, 'listening')
  const { port } = site.address() as AddressInfo
  const at = ['--admin', `127.0.0.1:${port}`]
  const message = (what: string): string =>
    `evenkeel: who answers at 127.0.0.1:${port} is not the admin API of Evenkeel (${what}); name its address with --admin ADDR or its configuration with -c FILE\n`
  for (const [words, what] of [
    [['status'], '200, text/html'],
    [['alerts'], '404, application/json'],
    [['events'], '200, application/json'],
  ] as const) {
    const { code, stdout, stderr } = await evenkeel([...words, ...at])
    assert.deepEqual([code, stdout, stderr], [1, '', message(what)])
  }
  site.close()
})

const ours = makeAuthority('Our CA')
const server = ours.issue('lb')
const ca = file('ca.pem', ours.cert)

function config(name: string, port: number, { cert, key }: { cert: string; key: string }): string {
  file(`${name}.pem`, cert)
  file(`${name}.key`, key)
  return file(
    `${name}.yaml`,
    `admin:
  bind: 127.0.0.1:${port}
  tokens: { admin: "\${file:${adminFile}}" }
  tls: { cert: "\${file:${join(folder, `${name}.pem`)}}", key: "\${file:${join(folder, `${name}.key`)}}" }
listeners: { web: { bind: ":8080", pool: app } }
pools: { app: { backends: [10.0.0.1:80, 10.0.0.2:80] } }
`,
  )
}

test('with the configuration at hand a command finds address, token and certificate there', async () => {
  const admin = await startFakeAdmin('network', loopback, {
    tokens,
    tls: { ...server, clientCa: null },
  })
  const port = Number(admin.host.split(':')[1])
  assert.equal((await evenkeel(['status', '-c', config('right', port, server)])).code, 0)
  // Somebody else at that address gets no token.
  const other = config('other', port, ours.issue('lb'))
  const { code, stderr } = await evenkeel(['status', '-c', other])
  assert.equal(code, 1)
  assert.match(stderr, /its certificate is not the one of the configuration/)
  assert.equal(admin.answered().size, 1)
})

test('TLS with an authority, and with a client certificate, and without either', async () => {
  const admin = await startFakeAdmin('network', loopback, {
    tls: { ...server, clientCa: ours.cert },
  })
  const { cert, key } = ours.issue('kim')
  const at = ['--admin', `https://${admin.host}`]
  const own = ['--cert', file('kim.pem', cert), '--key', file('kim.key', key)]
  const done = await evenkeel([...freeze, ...at, '--ca', ca, ...own, '--by', 'kim'])
  assert.deepEqual([done.code, done.stderr], [0, ''])
  assert.equal(admin.audit[0]?.by, 'kim')
  const nobody = await evenkeel(['status', ...at, '--ca', ca])
  assert.match(nobody.stderr, /asks for a token/)
  const unknown = await evenkeel(['status', ...at])
  assert.equal(unknown.code, 1)
  assert.match(
    unknown.stderr,
    /can't be read: .*certificate.*; --ca FILE names its authority, -c FILE/,
  )
})

test('TLS where there is none, and none where there is, is told with what to do', async () => {
  const secret = await startFakeAdmin('network', loopback, { tls: { ...server, clientCa: null } })
  const plain = await startFakeAdmin('loopback')
  const without = await evenkeel(['status', '--admin', secret.host])
  const wrong = await evenkeel(['status', '--admin', `https://${plain.host}`])
  const at = (host: string): string => `evenkeel: the admin API at ${host} can't be read: `
  assert.deepEqual(
    [without.stderr, wrong.stderr],
    [
      `${at(secret.host)}socket hang up; if it speaks TLS, write https:// before the address\n`,
      `${at(plain.host)}it does not speak TLS as asked for; write http:// before the address\n`,
    ],
  )
})

test('events tell what happened of late, in the words of the log', async () => {
  const admin = await startFakeAdmin()
  admin.events.publish({ kind: 'warning', message: 'odd \u001b[31m', fields: {} })
  admin.events.publish({
    kind: 'turn',
    pool: 'db',
    from: 'steady',
    to: 'suspect',
    reason: 'a is silent',
  })
  const at = ['--admin', admin.host]
  assert.deepEqual(await evenkeel(['events', '--recent', ...at]), {
    code: 0,
    stdout:
      '1970-01-01 00:00:01Z odd ?[31m\n1970-01-01 00:00:01Z pool db is suspect (a is silent)\n',
    stderr: '',
  })
  const json = await evenkeel(['events', '--recent', '--kinds', 'turn', '-o', 'json', ...at])
  assert.equal((JSON.parse(json.stdout) as BalancerEvent).id, 2)
  const wrong = await evenkeel(['events', '--kinds', 'turns', ...at])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /There is no kind 'turns'/)
  assert.match((await evenkeel(['events', '--admin', '127.0.0.1:1'])).stderr, /nothing runs/)
})

test('events are followed, and those of a restarted balancer as well', async () => {
  const port = await freePort()
  const address = { ...loopback, port }
  const say = (admin: FakeAdmin, message: string): void =>
    admin.events.publish({ kind: 'warning', message, fields: {} })
  const before = await startFakeAdmin('loopback', address)
  const follower = startProcess(
    process.execPath,
    [mainFile, 'events', '--admin', `127.0.0.1:${port}`],
    { env: { NO_COLOR: '1' } },
  )
  await waitFor(() => {
    say(before, 'before')
    return follower.stdout().includes('before')
  })
  for (let i = 0; i < 5; i++) say(before, 'before')
  await before.close()
  await waitFor(() => follower.stderr().includes('waiting for it'))
  // What comes back may ask for what was not asked for before.
  const guarded = await startFakeAdmin('loopback', address, { tokens })
  await waitFor(() => follower.stderr().includes('asks for a token'))
  await guarded.close()
  const after = await startFakeAdmin('loopback', address)
  say(after, 'at the start')
  await waitFor(() => follower.stdout().includes('at the start'))
  say(after, 'later')
  await waitFor(() => follower.stdout().includes('later'))
  assert.equal(follower.stdout().split('at the start').length, 2)
  assert.match(follower.stderr(), /some events are lost/)
  await follower.stop()
})

test('events end well when their reader has seen enough', async () => {
  const admin = await startFakeAdmin()
  const follower = startProcess(process.execPath, [mainFile, 'events', '--admin', admin.host])
  const say = (): void => admin.events.publish({ kind: 'warning', message: 'hello', fields: {} })
  await waitFor(() => {
    say()
    return follower.stdout().includes('hello')
  })
  follower.child.stdout!.destroy()
  await waitFor(() => {
    say()
    return !follower.isRunning()
  })
  assert.deepEqual([(await follower.exited).code, follower.stderr()], [0, ''])
})
