// Discovery in the whole program: a list of members in a file, changed while requests flow.

import assert from 'node:assert/strict'
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const ended: (() => unknown)[] = []

after(async () => {
  for (const end of ended.reverse()) await end()
})

/** A server that answers with its name; returns its port. */
async function server(name: string, delayMs = 0): Promise<number> {
  const http = createServer((_request, response) => {
    setTimeout(() => response.end(name), delayMs)
  })
  await new Promise<void>((resolve) => {
    http.listen(0, '127.0.0.1', () => resolve())
  })
  ended.push(
    () => http.closeAllConnections(),
    () => http.close(),
  )
  return (http.address() as AddressInfo).port
}

async function run(discovery: object, pool: object = {}, runtime = {}): Promise<Evenkeel> {
  const evenkeel = await startEvenkeel({
    runtime: { threads: 1, ...runtime },
    listeners: { web: { pool: 'app' } },
    pools: { app: { discovery, slowStart: false, ...pool } },
  })
  ended.push(() => evenkeel.stop())
  return evenkeel
}

async function pool(evenkeel: Evenkeel): Promise<PoolStatus> {
  return (await (await fetch(`${evenkeel.adminUrl}/v1/pools/app`)).json()) as PoolStatus
}

async function names(evenkeel: Evenkeel): Promise<string> {
  return (await pool(evenkeel)).backends.map(({ name }) => name).join(' ')
}

async function ask(evenkeel: Evenkeel): Promise<string> {
  const response = await fetch(evenkeel.url())
  return response.status === 200 ? response.text() : `${response.status}`
}

function put(file: string, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

test('backends of a file come and go under load, without a failed request', async () => {
  const [one, two] = [await server('one', 5), await server('two', 5)]
  const file = join(temporaryFolder('members'), 'list.yaml')
  writeFileSync(file, `one: 127.0.0.1:${one}\n`)
  const evenkeel = await run({ file: { path: file } }, { healthCheck: { tcp: {} } })
  assert.equal(await ask(evenkeel), 'one', 'members are known before the listener opens')

  const state = { isOver: false }
  const answers: string[] = []
  const load = Promise.all(
    Array.from({ length: 8 }, async () => {
      while (!state.isOver) answers.push(await ask(evenkeel))
    }),
  )
  const served = async (name: string): Promise<void> => {
    const from = answers.length
    await waitFor(() => answers.slice(from).includes(name), { what: name })
  }
  put(file, `one: 127.0.0.1:${one}\ntwo: 127.0.0.1:${two}\n`)
  await served('two')
  put(file, `two: { address: 127.0.0.1:${two}, weight: 3 }\n`)
  await waitFor(async () => (await names(evenkeel)) === 'two')
  // Of eight clients none can still be waiting for an answer of `one`.
  await waitFor(() => answers.length > 50 && answers.slice(-50).every((name) => name === 'two'))
  const from = answers.length
  assert.equal((await pool(evenkeel)).backends[0]!.weight, 3)

  put(file, '- broken: [\n')
  await waitFor(async () => (await pool(evenkeel)).discovery![0]!.state === 'stale')
  put(file, '[]')
  const reason = /what it said last still holds: its answer is empty/
  await waitFor(async () => reason.test((await pool(evenkeel)).discovery![0]!.reason))
  await served('two')
  state.isOver = true
  await load
  assert.deepEqual([...new Set(answers)].sort(), ['one', 'two'])
  assert.ok(!answers.slice(from).includes('one'))
  assert.match(evenkeel.logs(), /file .*list\.yaml fails: line 1, column/)
})

test('a pool whose source says nothing begins empty, says for what it waits, and serves when it comes', async () => {
  const one = await server('one')
  const file = join(temporaryFolder('members'), 'list.yaml')
  const evenkeel = await run({ file: { path: file } })
  assert.equal(await ask(evenkeel), '503')
  const { discovery, backends } = await pool(evenkeel)
  assert.deepEqual(backends, [])
  assert.equal(discovery![0]!.reason, 'no answer yet: there is no such file')
  put(file, `- 127.0.0.1:${one}\n`)
  await waitFor(async () => (await ask(evenkeel)) === 'one')
  assert.equal(await names(evenkeel), `127.0.0.1:${one}`)
  const metrics = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
  assert.match(metrics, /^evenkeel_discovery_up\{pool="app",source="file"\} 1$/m)
})

test('what was found outlives a stop and a crash, until its source speaks again', async () => {
  const [one, two] = [await server('one'), await server('two')]
  const [file, stateDir] = [join(temporaryFolder('members'), 'list.yaml'), temporaryFolder('state')]
  const kept = join(stateDir, 'members.json')
  const start = (): Promise<Evenkeel> =>
    run({ file: { path: file }, seed: ['127.0.0.1:1'] }, { healthCheck: { tcp: {} } }, { stateDir })
  put(file, `one: 127.0.0.1:${one}\n`)
  const first = await start()
  await waitFor(() => existsSync(kept))
  await first.stop()
  rmSync(file)

  const second = await start()
  assert.equal(await ask(second), 'one')
  const { discovery } = await pool(second)
  assert.deepEqual([discovery![0]!.state, discovery![0]!.members], ['stale', 1])
  assert.equal(discovery![0]!.reason, 'what it said last still holds: there is no such file')
  const told =
    /there is no such file; 1 backend of pool app that it told of (just now|\d+ min ago) stay/
  assert.match(second.logs(), told)
  put(file, `two: 127.0.0.1:${two}\n`)
  await waitFor(async () => (await ask(second)) === 'two')
  await waitFor(() => readFileSync(kept, 'utf8').includes('"two"'))
  second.process.signal('SIGKILL')
  await second.stop()
  rmSync(file)

  const third = await start()
  assert.equal(await ask(third), 'two')
})

test('seeds serve until the first answer, and fixed backends stay beside those that are found', async () => {
  const [seed, fixed, found] = [await server('seed'), await server('fixed'), await server('found')]
  const file = join(temporaryFolder('members'), 'list.yaml')
  const evenkeel = await run(
    { file: { path: file }, seed: [`127.0.0.1:${seed}`] },
    { backends: { fixed: `127.0.0.1:${fixed}` } },
  )
  assert.deepEqual([await ask(evenkeel), await ask(evenkeel)].sort(), ['fixed', 'seed'])
  put(file, `found: 127.0.0.1:${found}\n`)
  await waitFor(async () => (await names(evenkeel)) === 'fixed found')
  assert.deepEqual([await ask(evenkeel), await ask(evenkeel)].sort(), ['fixed', 'found'])
})
