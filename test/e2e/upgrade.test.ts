import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  writeFileSync,
} from 'node:fs'
import { once } from 'node:events'
import { Agent, get } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { startBackend } from '../support/backend.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('upgrade')

interface Answer {
  readonly status: number
  readonly body: string
  readonly connection: string | undefined
}

async function ask(options: RequestOptions | string): Promise<Answer> {
  const request = typeof options === 'string' ? get(options, { agent: false }) : get(options)
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  let body = ''
  response.setEncoding('utf8').on('data', (text: string) => (body += text))
  await once(response, 'end')
  return { status: response.statusCode!, body, connection: response.headers.connection }
}

/** What `evenkeel upgrade` says. */
async function upgrade(running: Evenkeel, ...words: string[]) {
  const admin = running.adminUrl.slice('http://'.length)
  const args = [mainFile, 'upgrade', '--admin', admin, ...words]
  return runProcess(process.execPath, args, { env: { NO_COLOR: '1' } })
}

async function pidOf(running: Evenkeel): Promise<number> {
  const { body } = await ask(`${running.adminUrl}/v1/version`)
  return (JSON.parse(body) as { pid: number }).pid
}

/** A program to be started instead of Evenkeel. It can use `process.send`. */
function program(name: string, code: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!${process.execPath}\n${code}\n`)
  chmodSync(path, 0o755)
  return path
}

function ended(running: Evenkeel): Promise<unknown> {
  const { child } = running.process
  return child.exitCode === null ? once(child, 'exit') : Promise.resolve()
}

test('a new process takes over listeners and admin API, and the old one finishes what runs', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const socketPath = join(folder, 'web.sock')
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' }, local: { bind: `unix:${socketPath}`, pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  })
  after(() => running.stop())
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  after(() => agent.destroy())
  const url = new URL(running.url('web'))
  const onOld = { host: url.hostname, port: url.port, agent }
  assert.equal((await ask(onOld)).connection, undefined)

  const { code, stdout, stderr } = await upgrade(running, '--reason', 'a new version')
  assert.equal(code, 0, stderr)
  const pid = await pidOf(running)
  assert.notEqual(pid, running.process.pid)
  assert.match(
    stdout,
    new RegExp(`^Process ${pid} \\(.*\\) took over from ${running.process.pid} `),
  )
  assert.equal((await ask(running.url('web'))).body, 'one')
  assert.equal((await ask({ socketPath, path: '/', agent: false })).body, 'one')
  assert.equal((await ask(`${running.adminUrl}/readyz`)).status, 200)
  // The connection of before is the old one's, which says that it is going.
  assert.deepEqual(await ask(onOld), { status: 200, body: 'one', connection: 'close' })
  await ended(running)
  assert.equal(running.process.child.exitCode, 0)
  assert.match(running.logs(), /"reason":"a new version","outcome":"done"/)
  assert.ok(!running.logs().includes('"level":"error"'), running.logs())
  // The new one has nothing of the old one left open.
  const fds = readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`)
    } catch {
      return ''
    }
  })
  const listening = new Set(fds.filter((one) => one.startsWith('socket:')))
  assert.equal(fds.filter((one) => one.startsWith('socket:')).length, listening.size)
  process.kill(pid, 'SIGTERM')
  await waitFor(() => !existsSync(socketPath))
})

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

test('whatever is wrong with the new process, the old one goes on and says why', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const binary = join(folder, 'successor')
  const running = await startEvenkeel(
    {
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { EVENKEEL_BINARY: binary } },
  )
  after(() => running.stop())
  const same = async (): Promise<void> => {
    assert.equal(await pidOf(running), running.process.pid)
    assert.equal((await ask(running.url())).body, 'one')
  }
  const fds = (): number => readdirSync(`/proc/${running.process.pid}/fd`).length
  const fails = async (why: RegExp, ...words: string[]): Promise<void> => {
    const { code, stdout, stderr } = await upgrade(running, ...words)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, why)
    assert.match(stderr, /This process goes on as before\./)
    await same()
  }
  await fails(/could not be started: spawn .* ENOENT\./)
  await same()
  const before = fds()

  program('successor', 'process.exitCode = 7')
  await fails(/The new process ended with code 7 before it had taken over\./)

  program(
    'successor',
    `process.send({ kind: 'loaded', version: '2' })
    process.on('message', ({ kind }) => {
      if (kind === 'state-free') process.send({ kind: 'ready', isServing: true }, () => process.exit(3))
    })`,
  )
  await fails(/The new process ended with code 3 before it had taken over\./)

  // It hangs; another upgrade meanwhile is refused.
  program(
    'successor',
    `process.send({ kind: 'waiting', reason: 'it is thinking' })
    setInterval(() => {}, 1000)`,
  )
  const hanging = upgrade(running, '--timeout', '900ms')
  await waitFor(() => running.logs().split('a new process is to take over').length === 4)
  const { code, stderr } = await upgrade(running)
  assert.equal(code, 1)
  assert.match(stderr, /An upgrade is in progress already\./)
  const late = await hanging
  assert.equal(late.code, 1)
  assert.match(late.stderr, /not ready within 0\.9 s: it is thinking\. This process goes on/)
  await same()

  // The real one, with a configuration that is wrong.
  program(
    'successor',
    `process.argv.splice(1, 1, ${JSON.stringify(mainFile)})
    import(${JSON.stringify(mainFile)})`,
  )
  const text = readFileSync(running.file, 'utf8')
  writeFileSync(running.file, `${text}\nnonsense: 1\n`)
  await fails(
    /The new process refused: .*evenkeel\.yaml:\d+:1: error: nonsense: there is no such key/,
  )
  writeFileSync(running.file, text.replace('http: /health', 'http: { path: /health, status: 204 }'))
  await fails(/not ready within 1\.5 s: pool 'web' has no backend available/, '--timeout', '1500ms')
  assert.equal(fds(), before)

  // And with one that is right.
  writeFileSync(running.file, text)
  const done = await upgrade(running)
  assert.equal(done.code, 0, done.stderr)
  const pid = await pidOf(running)
  await ended(running)
  process.kill(pid, 'SIGTERM')
  await running.process.exited
})

test('a stop while the new process is not ready ends both', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const binary = program(
    'sleeper',
    `require('node:fs').writeFileSync(__dirname + '/pid', String(process.pid))
    setInterval(() => {}, 1000)`,
  )
  const running = await startEvenkeel(
    {
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { EVENKEEL_BINARY: binary } },
  )
  after(() => running.stop())
  running.process.child.kill('SIGUSR2')
  const pid = Number(await waitFor(() => readFileSync(join(folder, 'pid'), 'utf8')))
  running.process.child.kill('SIGTERM')
  await ended(running)
  assert.equal(running.process.child.exitCode, 0)
  await waitFor(() => !existsSync(`/proc/${pid}`))
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
        healthCheck: { http: '/health', interval: '100ms' },
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
  assert.equal((await upgrade(running, '--timeout', '1500ms')).code, 1)
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
        healthCheck: { http: '/health', interval: '100ms' },
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
