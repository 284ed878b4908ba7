// The tools of the system tests themselves: what they start, break, count and clean up.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { load, startLoad } from '../support/load.ts'
import { startMariadb, startMariadbReplica } from '../support/mariadb.ts'
import { startNginx } from '../support/nginx.ts'
import { isListening } from '../support/ports.ts'
import { startPostgres, startReplica } from '../support/postgres.ts'
import { runProcess, startProcess } from '../support/processes.ts'
import { startRedis, startSentinel } from '../support/redis.ts'
import { pause, waitFor } from '../support/wait.ts'

test('nginx answers with its name, hangs when stopped, is gone when killed and comes back', async () => {
  const nginx = await startNginx({ name: 'one' })
  after(() => nginx.stop())
  const url = `http://${nginx.address}/`
  assert.equal(await (await fetch(url)).text(), 'one')
  await nginx.kill('SIGSTOP')
  const hung = await load({ url, ratePerSecond: 20, seconds: 0.2, timeoutMs: 300 })
  assert.deepEqual(hung.errors, { timeout: 4 })
  await nginx.kill('SIGCONT')
  await waitFor(async () => (await fetch(url)).ok)
  await nginx.kill('SIGKILL')
  assert.equal(await isListening(nginx.port), false)
  await nginx.restart()
  assert.equal(await (await fetch(url)).text(), 'one')
})

test('redis and postgres start, answer and stop', async () => {
  const redis = await startRedis()
  const postgres = await startPostgres()
  after(() => Promise.all([redis.stop(), postgres.stop()]))
  const ask = ['-h', '127.0.0.1', '-p', String(postgres.port), '-U', 'postgres']
  const answer = await runProcess(postgres.program('psql'), [...ask, '-Atc', 'select 6 * 7'])
  assert.equal(answer.stdout, '42\n', answer.stderr)
  await redis.stop()
  assert.equal(await isListening(redis.port), false)
})

test('a postgres replica follows its primary and can be promoted', async () => {
  const primary = await startPostgres()
  after(() => primary.stop())
  const replica = await startReplica(primary)
  after(() => replica.stop())
  await primary.sql('create table t as select 42 as n')
  await waitFor(async () => (await replica.sql('select n from t')) === '42')
  assert.equal(await primary.isInRecovery(), false)
  assert.equal(await replica.isInRecovery(), true)
  await primary.kill('SIGKILL')
  await replica.promote()
  await replica.sql('insert into t values (43)')
  await primary.restart()
  assert.equal(await primary.sql('select count(*) from t'), '1')
})

test('a mariadb replica follows its primary and can be promoted', async () => {
  const primary = await startMariadb()
  after(() => primary.stop())
  const replica = await startMariadbReplica(primary)
  after(() => replica.stop())
  await primary.sql('create database d; create table d.t as select 42 as n')
  await waitFor(async () => (await replica.sql('select n from d.t')) === '42')
  assert.equal(await replica.sql('select @@read_only'), '1')
  await primary.kill('SIGKILL')
  await replica.promote()
  await replica.sql('insert into d.t values (43)')
  await primary.restart()
  assert.equal(await primary.sql('select count(*) from d.t'), '1')
})

test('sentinels move the master to a redis replica when it dies', async () => {
  const master = await startRedis()
  after(() => master.stop())
  const replica = await startRedis({ replicaOf: master })
  after(() => replica.stop())
  const sentinels = [1, 2, 3].map(() => startSentinel(master, 2, 300))
  const watchers = await Promise.all(sentinels)
  after(() => Promise.all(watchers.map((one) => one.stop())))
  assert.equal(await watchers[0]!.masterPort(), master.port)
  // They know the replica, and each other, from what the master tells every few seconds.
  await waitFor(
    async () => {
      const known = await watchers[0]!.ask('sentinel', 'master', 'main')
      return /num-slaves\n1\nnum-other-sentinels\n2\n/.test(known)
    },
    { what: 'the sentinels to know all', timeoutMs: 20_000, everyMs: 100 },
  )
  await master.kill('SIGKILL')
  await waitFor(async () => (await watchers[1]!.masterPort()) === replica.port, {
    timeoutMs: 20_000,
    everyMs: 100,
  })
  assert.match(await replica.command('role'), /^master\n/)
})

test('the load keeps its rate and its latencies count from when a request was due', async () => {
  const backend = await startBackend({ name: 'b' })
  after(() => backend.stop())
  const startedAt = performance.now()
  const result = await load({ url: `http://${backend.address}/`, ratePerSecond: 500, seconds: 1 })
  const tookMs = performance.now() - startedAt
  assert.equal(result.sent, 500)
  assert.equal(result.ok, 500)
  assert.deepEqual(result.bodies, { b: 500 })
  // At its rate it can't be over sooner; a busy machine may be late with it.
  assert.ok(tookMs > 980, `took ${tookMs} ms`)

  await backend.behave({ kind: 'answer', delayMs: 200 })
  const slow = await load({
    url: `http://${backend.address}/`,
    ratePerSecond: 100,
    seconds: 0.5,
    slowMs: 199,
  })
  assert.equal(slow.slow, 50)
})

test('the load does not make up in a burst for a pause of its own process', async () => {
  const backend = await startBackend({ name: 'b' })
  after(() => backend.stop())
  const url = `http://${backend.address}/`
  const running = startLoad({ url, ratePerSecond: 500, seconds: 0.5 })
  await waitFor(() => running.sent() >= 100)
  const pausedAt = performance.now()
  while (performance.now() < pausedAt + 300);
  const before = running.sent()
  await pause(0)
  await pause(0)
  // 150 were due meanwhile. Waiting for a CPU for less than a standstill is made up for.
  assert.ok(running.sent() - before < 75, `${running.sent() - before} at once`)
  const result = await running.done
  assert.equal(result.ok, 250)
})

test('the load names every way an answer can fail', async () => {
  const backend = await startBackend({ name: 'b' })
  after(() => backend.stop())
  const url = `http://${backend.address}/`
  const meet = async (kind: 'cut' | 'reset' | 'close' | 'silent' | 'garbage' | 'refuse') => {
    await backend.behave({ kind })
    const timeoutMs = kind === 'silent' ? 200 : 10_000
    const result = await load({ url, ratePerSecond: 100, seconds: 0.05, timeoutMs })
    assert.equal(result.failed, 5)
    return result.errors
  }
  assert.deepEqual(await meet('cut'), { cut: 5 })
  assert.deepEqual(await meet('reset'), { ECONNRESET: 5 })
  assert.deepEqual(await meet('close'), { ECONNRESET: 5 })
  assert.deepEqual(await meet('silent'), { timeout: 5 })
  assert.deepEqual(await meet('garbage'), { HPE_INVALID_CONSTANT: 5 })
  assert.deepEqual(await meet('refuse'), { ECONNREFUSED: 5 })
})

test('a wrong status is a failure, and one that is asked for is not', async () => {
  const server = createServer((_, response) => response.writeHead(404).end('none'))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  after(() => server.close())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  const result = await load({ url, ratePerSecond: 50, seconds: 0.1 })
  assert.deepEqual([result.ok, result.failed, result.statuses], [0, 5, { 404: 5 }])
  const asked = await load({ url, ratePerSecond: 50, seconds: 0.1, isOk: (code) => code === 404 })
  assert.deepEqual([asked.ok, asked.failed], [5, 0])
})

test('a backend notes requests whole, however they are framed', async () => {
  const backend = await startBackend({ name: 'b' })
  after(() => backend.stop())
  const url = `http://${backend.address}`
  await fetch(`${url}/sized`, { method: 'POST', body: 'sized' })
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(Buffer.from('chunk'))
      controller.enqueue(Buffer.from('ed'))
      controller.close()
    },
  })
  const init = { method: 'PUT', body, duplex: 'half' } as const
  await fetch(`${url}/chunked`, init)
  await fetch(`${url}/health`)
  assert.equal(backend.checks(), 1)
  assert.deepEqual(
    backend.requests.map((request) => [request.method, request.target, request.body]),
    [
      ['POST', '/sized', 'sized'],
      ['PUT', '/chunked', 'chunked'],
    ],
  )
})

test('a child that starts children is stopped with all of them', async () => {
  const shell = startProcess('sh', ['-c', 'sleep 100 & echo $!; wait'])
  const pid = Number(await waitFor(() => shell.stdout().trim()))
  await shell.stop()
  await waitFor(() => !isAlive(pid), { what: 'the grandchild to go', timeoutMs: 2_000 })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
