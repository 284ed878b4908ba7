import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  readFileSync,
  readlinkSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { Agent } from 'node:http'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openStateDir } from '../../src/ha/state-dir.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'
import { ask, ended, pidOf, upgrade } from '../support/upgrades.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('upgrade')

/** A program to be started instead of Evenkeel. It can use `process.send`. */
function program(name: string, code: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!${process.execPath}\n${code}\n`)
  chmodSync(path, 0o755)
  return path
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
  await waitFor(() => /"reason":"a new version","outcome":"done"/.test(running.logs()))
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
  const hanging = upgrade(running, '--timeout', '4s')
  await waitFor(() => running.logs().split('a new process is to take over').length === 4)
  const { code, stderr } = await upgrade(running)
  assert.equal(code, 1)
  assert.match(stderr, /An upgrade is in progress already\./)
  const late = await hanging
  assert.equal(late.code, 1)
  assert.match(late.stderr, /not ready within 4 s: it is thinking\. This process goes on/)
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
    /The new process refused: .*evenkeel\.yaml:\d+:1: error: nonsense: there is no such key; hint: [^?\n]*\. This process goes on as before\.\n/,
  )
  writeFileSync(running.file, text.replace('http: /health', 'http: { path: /health, status: 204 }'))
  await fails(/not ready within 4 s: pool 'web' has no backend available/, '--timeout', '4s')
  // A probe or an answer may be under way at either moment.
  assert.ok(fds() <= before + 2, `${fds()} descriptors, ${before} before`)

  // And with one that is right.
  writeFileSync(running.file, text)
  const done = await upgrade(running)
  assert.equal(done.code, 0, done.stderr)
  const pid = await pidOf(running)
  await ended(running)
  process.kill(pid, 'SIGTERM')
  await running.process.exited
})

test('members that were found go along, though their source is silent by now', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const path = join(folder, 'members.yaml')
  writeFileSync(path, `- ${backend.address}\n`)
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        discovery: { file: { path }, seed: ['127.0.0.1:1'] },
        healthCheck: { http: '/health' },
      },
    },
  })
  after(() => running.stop())
  await waitFor(async () => (await ask(running.url('web'))).body === 'one')
  rmSync(path)
  const { code, stderr } = await upgrade(running, '--timeout', '10s')
  assert.equal(code, 0, stderr)
  const pid = await pidOf(running)
  assert.equal((await ask(running.url('web'))).body, 'one')
  await ended(running)
  assert.equal((await ask(running.url('web'))).body, 'one')
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

test('a stop while the new process has the state ends both, and leaves the state free', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const binary = program(
    'borrower',
    `process.send({ kind: 'loaded', version: '2' })
    process.on('message', ({ kind }) => {
      if (kind === 'state-free') require('node:fs').writeFileSync(__dirname + '/lent', String(process.pid))
    })
    setInterval(() => {}, 1000)`,
  )
  const stateDir = join(folder, 'state')
  const running = await startEvenkeel(
    {
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
      runtime: { stateDir },
    },
    { env: { EVENKEEL_BINARY: binary } },
  )
  after(() => running.stop())
  running.process.child.kill('SIGUSR2')
  const pid = Number(await waitFor(() => readFileSync(join(folder, 'lent'), 'utf8')))
  running.process.child.kill('SIGTERM')
  await ended(running)
  assert.equal(running.process.child.exitCode, 0)
  assert.ok(!existsSync(`/proc/${pid}`))
  const again = await openStateDir(stateDir)
  await again.close()
})

test('a stop of the new process while it proves itself is for that one alone', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/slow' } } },
  })
  after(() => running.stop())
  const upgraded = upgrade(running)
  const pid = await waitFor(() => {
    const line = /^.*a new process is to take over.*$/m.exec(running.logs())?.[0] ?? '{}'
    return (JSON.parse(line) as { pid?: number }).pid ?? 0
  })
  process.kill(pid, 'SIGTERM')
  const { code, stderr } = await upgraded
  assert.equal(code, 1)
  assert.match(stderr, /The new process .*This process goes on as before\./)
  assert.equal(await pidOf(running), running.process.pid)
})
