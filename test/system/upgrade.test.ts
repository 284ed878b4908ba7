import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import type { FailoverRecord } from '../../src/core/failover-record.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { startEtcd } from '../support/etcd.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { ask, ended, pidOf, upgrade } from '../support/upgrades.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('upgrade')

/** A pool in which `one` is the active, and one of the same backends without an active. */
async function startOrdered(place: string) {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const [one, two] = backends.map(({ address }) => address)
  const stateDir = join(folder, place)
  const running = await startEvenkeel({
    runtime: { stateDir },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        mode: 'active-standby',
        backends: { one, two },
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
        failover: { readyFor: '100ms' },
      },
      other: { backends: { one, two } },
    },
  })
  after(() => running.stop())
  const admin = running.adminUrl.slice('http://'.length)
  const cli = async (...words: string[]): Promise<void> => {
    const all = [mainFile, ...words, '--admin', admin, '--reason', 'test']
    const { code, stderr } = await runProcess(process.execPath, all)
    assert.equal(code, 0, stderr)
  }
  return { backends, stateDir, running, cli }
}

test('USR2 does the same, and again in the new process', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  running.process.child.kill('SIGUSR2')
  const second = await waitFor(async () => {
    const pid = await pidOf(running)
    return pid === running.process.pid ? null : pid
  })
  await ended(running)
  await waitFor(() => running.logs().includes('upgrade asked for by signal: done'))
  process.kill(second, 'SIGUSR2')
  const third = await waitFor(async () => {
    const pid = await pidOf(running)
    return pid === second ? null : pid
  })
  await waitFor(() => !existsSync(`/proc/${second}`))
  assert.equal((await ask(running.url())).body, 'one')
  process.kill(third, 'SIGTERM')
  await running.process.exited
})

test('who is active is handed over with the state directory, and taken back if that fails', async () => {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const port = await freePort()
  const admin = `127.0.0.1:${await freePort()}`
  const config = {
    runtime: { stateDir: join(folder, 'state'), drain: '30s' },
    admin: { bind: admin },
    listeners: { web: { bind: `127.0.0.1:${port}`, pool: 'web' } },
    pools: {
      web: {
        mode: 'active-standby',
        backends: { one: backends[0]!.address, two: backends[1]!.address },
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
        failover: { readyFor: '100ms' },
      },
    },
  }
  const running = await startEvenkeel(config)
  after(() => running.stop())
  const cli = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, ...words, '--admin', admin, '--reason', 'test'])
  const moved = await cli('switchover', 'web', '--to', 'two')
  assert.equal(moved.code, 0, moved.stderr)
  assert.equal((await ask(running.url())).body, 'two')

  const text = readFileSync(running.file, 'utf8')
  const check = { http: { path: '/health', status: 204 } }
  const broken = { ...config, pools: { web: { ...config.pools.web, healthCheck: check } } }
  writeFileSync(running.file, stringify({ ...broken, log: { access: { format: 'off' } } }))
  assert.equal((await upgrade(running, '--timeout', '4s')).code, 1)
  writeFileSync(running.file, text)
  const back = await cli('switchover', 'web', '--to', 'one')
  assert.equal(back.code, 0, back.stderr)
  assert.equal((await ask(running.url())).body, 'one')

  // Something still runs when the new process takes over, and moves away from the active.
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  after(() => agent.destroy())
  const onOld = { host: '127.0.0.1', port, agent }
  assert.equal((await ask(onOld)).body, 'one')
  await backends[0]!.behave({ kind: 'answer', delayMs: 5_000 })
  const slow = ask(running.url())
  await waitFor(() => backends[0]!.requests.filter(({ target }) => target === '/').length === 3)
  const { code, stderr } = await upgrade(running)
  assert.equal(code, 0, stderr)
  const pid = await pidOf(running)
  const again = await cli('switchover', 'web', '--to', 'two')
  assert.equal(again.code, 0, again.stderr)
  assert.equal((await ask(running.url())).body, 'two')
  // Its predecessor sends nothing to the old active any more, either; what was sent may be answered.
  const refused = await ask(onOld)
  assert.deepEqual([refused.status, refused.connection], [503, 'close'])
  assert.match(refused.body, /may not send to the pool/)
  assert.equal(backends[0]!.requests.filter(({ target }) => target === '/').length, 3)
  assert.deepEqual(await slow, { status: 200, body: 'one', connection: 'close' })
  const { body } = await ask(`${running.adminUrl}/v1/pools/web`)
  const { failover } = JSON.parse(body) as { failover: { epoch: number } }
  assert.equal(failover.epoch, 4)
  process.kill(pid, 'SIGTERM')
  await running.process.exited
  // One process after the other has written the ledger, and the one that failed has not.
  const starts = readFileSync(join(folder, 'state', 'ledger.jsonl'), 'utf8')
    .split('\n')
    .flatMap((line) => /"kind":"start".*"before":"(\w+)"/.exec(line)?.[1] ?? [])
  assert.deepEqual(starts, ['first', 'stopped'])
})

test('a move after two upgrades in a row stops the first process, too', async () => {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const [one, two] = backends.map(({ address }) => address)
  const port = await freePort()
  const running = await startEvenkeel({
    runtime: { stateDir: join(folder, 'twice'), drain: '30s' },
    listeners: { web: { bind: `127.0.0.1:${port}`, pool: 'web' } },
    pools: {
      web: {
        mode: 'active-standby',
        backends: { one, two },
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
        failover: { readyFor: '100ms' },
      },
    },
  })
  after(() => running.stop())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  after(() => agent.destroy())
  const onFirst = { host: '127.0.0.1', port, agent }
  assert.equal((await ask(onFirst)).body, 'one')
  for (let i = 0; i < 2; i++) {
    const { code, stderr } = await upgrade(running)
    assert.equal(code, 0, stderr)
  }
  const admin = running.adminUrl.slice('http://'.length)
  const words = ['switchover', 'web', '--to', 'two', '--admin', admin, '--reason', 'test']
  const moved = await runProcess(process.execPath, [mainFile, ...words])
  assert.equal(moved.code, 0, moved.stderr)
  assert.equal((await ask(running.url())).body, 'two')
  const { status, body } = await ask(onFirst)
  assert.equal(status, 503, body)
  process.kill(await pidOf(running), 'SIGTERM')
  await running.process.exited
})

test('without a state directory, too, the new process knows who is active and what was drained', async () => {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const [one, two] = backends.map(({ address }) => address)
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' }, other: { pool: 'other' } },
    pools: {
      web: {
        mode: 'active-standby',
        backends: { one, two },
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
        failover: { readyFor: '100ms' },
      },
      other: { backends: { one, two }, healthCheck: { http: '/health' } },
    },
  })
  after(() => running.stop())
  const admin = running.adminUrl.slice('http://'.length)
  const cli = async (...words: string[]): Promise<void> => {
    const all = [mainFile, ...words, '--admin', admin, '--reason', 'test']
    const { code, stderr } = await runProcess(process.execPath, all)
    assert.equal(code, 0, stderr)
  }
  await cli('switchover', 'web', '--to', 'two')
  await cli('drain', 'other', 'one')
  await cli('upgrade')
  await ended(running)
  for (let i = 0; i < 4; i++) {
    assert.equal((await ask(running.url('web'))).body, 'two')
    assert.equal((await ask(running.url('other'))).body, 'two')
  }
  const { body } = await ask(`${running.adminUrl}/v1/pools/web`)
  assert.equal((JSON.parse(body) as { failover: { epoch: number } }).failover.epoch, 2)
  process.kill(await pidOf(running), 'SIGTERM')
  await running.process.exited
})

test('a new state directory gets what the old process knew', async () => {
  const { running, cli } = await startOrdered('first-place')
  await cli('switchover', 'web', '--to', 'two')
  await cli('drain', 'other/one')
  const text = readFileSync(running.file, 'utf8')
  writeFileSync(running.file, text.replace('first-place', 'second-place'))
  await cli('upgrade')
  await ended(running)
  assert.equal((await ask(running.url('web'))).body, 'two')
  const kept = (name: string) => readFileSync(join(folder, 'second-place', name), 'utf8')
  const { pools } = JSON.parse(kept('failover.json')) as { pools: { web: FailoverRecord } }
  assert.deepEqual([pools.web.active, pools.web.epoch], ['two', 2])
  assert.match(kept('overrides.json'), /"backend": "one"/)
  process.kill(await pidOf(running), 'SIGTERM')
  await running.process.exited
})

test('with agreement the new process joins as the same replica, once the old one has left', async () => {
  const etcd = await startEtcd()
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all([etcd.stop(), ...backends.map((backend) => backend.stop())]))
  const [one, two] = backends.map(({ address }) => address)
  const healthCheck = { http: '/health', interval: '1s', fastInterval: '100ms' }
  const running = await startEvenkeel({
    runtime: { stateDir: join(folder, 'agreed') },
    cluster: {
      replica: 'r1',
      replicas: { r1: `127.0.0.1:${await freePort()}` },
      etcd: { endpoints: etcd.endpoints },
      ttl: '4s',
    },
    listeners: {
      web: { pool: 'web' },
      other: { pool: 'other' },
      reads: { pool: 'alone', role: 'replica' },
    },
    pools: {
      alone: {
        mode: 'active-standby',
        backends: { one },
        healthCheck,
        failover: { agreement: 'etcd' },
      },
      web: {
        mode: 'active-standby',
        backends: { one, two },
        healthCheck,
        failover: { readyFor: '100ms', agreement: 'etcd' },
      },
      other: { backends: { two }, healthCheck },
    },
  })
  after(() => running.stop())
  await waitFor(async () => (await ask(running.url('web'))).body === 'one')
  // New connections, one after the other, during the whole upgrade.
  const seen = new Map<string, number>()
  let slowestMs = 0
  const end = new AbortController()
  const asking = (async () => {
    while (!end.signal.aborted) {
      for (const pool of ['web', 'other']) {
        const startMs = performance.now()
        const { status, body } = await ask(running.url(pool))
        slowestMs = Math.max(slowestMs, performance.now() - startMs)
        const what = `${pool} ${status} ${body.slice(0, 3)}`
        seen.set(what, (seen.get(what) ?? 0) + 1)
      }
    }
  })()
  const { code, stderr } = await upgrade(running)
  assert.equal(code, 0, stderr)
  await ended(running)
  end.abort()
  await asking
  console.log(`slowest ${Math.round(slowestMs)} ms`, Object.fromEntries(seen))
  assert.deepEqual([...seen.keys()].sort(), ['other 200 two', 'web 200 one'])
  assert.ok(slowestMs < 4_000)
  process.kill(await pidOf(running), 'SIGTERM')
  await running.process.exited
})

test('when the old process dies in the middle, the new one takes everything over', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const running = await startEvenkeel({
    runtime: { stateDir: join(folder, 'crash') },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  running.process.child.kill('SIGUSR2')
  // It has heard what it inherits once it judges backends.
  const judged = 'backend web/one is available'
  await waitFor(() => running.logs().split(judged).length === 3, { everyMs: 2 })
  running.process.child.kill('SIGKILL')
  const pid = await waitFor(() => pidOf(running))
  assert.notEqual(pid, running.process.pid)
  assert.equal((await ask(running.url())).body, 'one')
  process.kill(pid, 'SIGTERM')
  await running.process.exited
})

test('what the new process could not know of ends the upgrade at once, and holds', async () => {
  const { backends, stateDir, running, cli } = await startOrdered('meanwhile')
  const text = readFileSync(running.file, 'utf8')
  const lock = join(stateDir, 'failover.lock')
  /** Upgrades to a process that never gets ready; once it has the state, something happens. */
  const interrupted = async (happens: () => Promise<unknown>): Promise<string> => {
    const never = text.replace('http: /health', 'http: { path: /health, status: 204 }')
    writeFileSync(running.file, never)
    const before = statSync(lock).ctimeMs
    const upgrading = upgrade(running, '--timeout', '20s')
    await waitFor(() => existsSync(lock) && statSync(lock).ctimeMs !== before)
    const startMs = performance.now()
    await happens()
    const { code, stderr } = await upgrading
    assert.equal(code, 1)
    assert.ok(performance.now() - startMs < 8_000, stderr)
    return stderr
  }

  const freeze = await interrupted(() => cli('freeze', 'web'))
  assert.match(freeze, /An operator has changed something meanwhile\. This process goes on/)
  await cli('unfreeze', 'web')
  await interrupted(() => cli('drain', 'other/two'))
  assert.match(readFileSync(join(stateDir, 'overrides.json'), 'utf8'), /"backend": "two"/)
  const reload = await interrupted(async () => {
    writeFileSync(running.file, text.replace('/health', '/health?other'))
    await cli('reload')
  })
  assert.match(reload, /The configuration was changed meanwhile\./)
  const lost = await interrupted(async () => {
    await backends[0]!.behave({ kind: 'refuse' })
    assert.equal((await ask(running.url())).body, 'two')
  })
  assert.match(lost, /Pool 'web' has to move its active\./)
})
