import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import type { RunningBalancer } from '../../src/runtime/running-balancer.ts'
import { silentLog } from '../../src/observe/log.ts'
import { startBackend } from '../support/backend.ts'
import { embed, planOf, urlOf } from '../support/embedded.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const backends = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startBackend({ name })))
after(() => Promise.all(backends.map((one) => one.stop())))
const [a, b, c, d] = backends.map(({ address }) => address) as [string, string, string, string]

function config(members: object, stateDir: string | null = null): object {
  return {
    ...(stateDir === null ? {} : { runtime: { stateDir } }),
    admin: { bind: '127.0.0.1:0' },
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: { web: { backends: members, healthCheck: false, slowStart: false } },
  }
}

async function ask(
  balancer: RunningBalancer,
  name: string,
  verb: string,
  body: object = {},
): Promise<string> {
  const path = `/v1/pools/web/backends/${name}/${verb}`
  const reply = await fetch(`${urlOf(balancer.adminAddress)}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'test', by: 'kim', ...body }),
  })
  const { message, detail } = (await reply.json()) as { message?: string; detail?: string }
  return message ?? `${reply.status}: ${detail}`
}

/** How many of so many requests, one after the other, each backend answered. */
async function shares(balancer: RunningBalancer, times: number): Promise<string> {
  const counts = new Map<string, number>()
  for (let i = 0; i < times; i++) {
    const name = await (await fetch(urlOf(balancer.addresses[0]))).text()
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const texts = [...counts].map(([name, count]) => `${name}×${count}`)
  return texts.sort().join(' ')
}

test('weights and members hold from their answer on, over a reload and a restart', async () => {
  const dir = temporaryFolder('overrides')
  const before = config({ a: { address: a, weight: 2 }, b, c }, dir)
  const first = await embed(before)
  assert.equal(await ask(first, 'a', 'weight', { weight: '50%' }), 'web/a: weight 50 %.')
  assert.equal(await ask(first, 'b', 'weight', { weight: 0 }), 'web/b: weight 0.')
  assert.equal(await ask(first, 'd', 'add', { address: d, weight: 2 }), `web/d: added at ${d}.`)
  assert.equal(
    await ask(first, 'c', 'remove'),
    'web/c: removed; what runs there may finish. evenkeel backend add brings it back.',
  )
  assert.equal(await shares(first, 12), 'a×4 d×8')
  // Another configuration is another base for the same words.
  const next = config({ a: { address: a, weight: 6 }, b, c }, dir)
  assert.equal((await first.reload(planOf(next))).outcome, 'applied')
  assert.equal(await shares(first, 10), 'a×6 d×4')
  const status = first.status()[0]!
  assert.deepEqual(
    status.backends.map(({ name, weight, override }) => [
      name,
      weight,
      override?.weight?.text ?? null,
      override?.added?.by ?? null,
    ]),
    [
      ['a', 3, '50 %', null],
      ['b', 0, '0', null],
      ['d', 2, null, 'kim'],
    ],
  )
  assert.deepEqual(
    status.removed.map(({ name, by, reason }) => [name, by, reason]),
    [['c', 'kim', 'test']],
  )
  await first.close()

  const counts = [b, c].map((_, i) => backends[i + 1]!.requests.length)
  const second = await embed(before)
  assert.equal(await shares(second, 12), 'a×4 d×8')
  assert.deepEqual(
    [b, c].map((_, i) => backends[i + 1]!.requests.length),
    counts,
  )
  await ask(second, 'a', 'weight', { weight: null })
  await ask(second, 'b', 'weight', { weight: null })
  await ask(second, 'c', 'add')
  await ask(second, 'd', 'remove')
  assert.equal(await shares(second, 8), 'a×4 b×2 c×2')
  assert.deepEqual(
    readFileSync(`${dir}/overrides.json`, 'utf8').match(/"overrides": \[\]/)?.length,
    1,
  )
})

test('a drain holds over reloads that change, remove and bring back its backend', async () => {
  const balancer = await embed(config({ a, b, c }))
  await ask(balancer, 'a', 'drain')
  const states = (): string[] =>
    balancer.status()[0]!.backends.map(({ name, admin, drained }) => `${name} ${admin} ${drained}`)
  await balancer.reload(planOf(config({ a: { address: a, weight: 3 }, b })))
  assert.deepEqual(states(), ['a drain true', 'b ready false'])
  await balancer.reload(planOf(config({ b, c })))
  assert.deepEqual(states(), ['b ready false', 'c ready false'])
  const count = backends[0]!.requests.length
  await balancer.reload(planOf(config({ a, b, c })))
  assert.equal(await shares(balancer, 6), 'b×3 c×3')
  await waitFor(() => states()[0] === 'a drain true')
  assert.equal(backends[0]!.requests.length, count)
  await ask(balancer, 'a', 'enable')
  assert.equal(await shares(balancer, 6), 'a×2 b×2 c×2')
})

test('what the configuration has no place for any more is left out, and told', async () => {
  const dir = temporaryFolder('overrides')
  const before = await embed(config({ a, b }, dir))
  await ask(before, 'd', 'add', { address: d })
  await before.close()
  const path = `${dir}/overrides.json`
  writeFileSync(path, readFileSync(path, 'utf8').replace('"site": null', '"site": "busan"'))
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
  const balancer = await embed(config({ a, b }, dir), { log })
  assert.equal(await shares(balancer, 4), 'a×2 b×2')
  assert.deepEqual(warnings, [
    'an override of web/d (added by kim: test) has no effect: its pool has no place for it any more',
    'an override of web/d (added by kim: test) is kept for 7 days, though there is no such backend',
  ])
  // It stands in nobody's way.
  assert.equal(await ask(balancer, 'b', 'weight', { weight: 3 }), 'web/b: weight 3.')
  assert.equal(await shares(balancer, 4), 'a×1 b×3')
})

test('a removed backend finishes what it has', async () => {
  const balancer = await embed(config({ a, b }))
  await backends[0]!.behave({ kind: 'answer', delayMs: 400 })
  const url = urlOf(balancer.addresses[0])
  const before = backends[0]!.requests.length
  const running = Promise.all([fetch(url), fetch(url)].map(async (one) => (await one).text()))
  await waitFor(() => backends[0]!.requests.length > before)
  await ask(balancer, 'a', 'remove')
  assert.equal(await shares(balancer, 4), 'b×4')
  assert.deepEqual((await running).sort(), ['a', 'b'])
  assert.match(await ask(balancer, 'b', 'remove', { force: true }), /is the last backend of pool/)
  await backends[0]!.behave({ kind: 'answer' })
})

test('the commands weigh, add and remove, and the status tells who did', async () => {
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { a, b }, healthCheck: false, slowStart: false } },
  })
  after(() => running.stop())
  const evenkeel = async (...words: readonly string[]): Promise<string> => {
    const env = { NO_COLOR: '1', SUDO_USER: 'kim' }
    const line = [mainFile, ...words, '-c', running.file]
    const { code, stdout, stderr } = await runProcess(process.execPath, line, { env })
    assert.equal(code, 0, stderr)
    return stdout
  }
  const why = ['--reason', 'new version']
  const note = 'It holds until Evenkeel stops, for runtime.stateDir is not set.\n'
  assert.equal(await evenkeel('weight', 'web/a', '30%', ...why), `web/a: weight 30 %. ${note}`)
  assert.equal(
    await evenkeel('backend', 'add', 'web/c', c, '--weight', '2', ...why),
    `web/c: added at ${c}. ${note}`,
  )
  await evenkeel('backend', 'remove', 'web', 'b', ...why)
  const status = await evenkeel('status', 'web')
  assert.match(status, /weight of a was set to 30 % by kim \ds ago: new version/)
  assert.match(status, /c was added by kim \ds ago: new version/)
  assert.match(status, /b was removed by kim \ds ago: new version/)
  // Another configuration keeps what was said.
  const text = readFileSync(running.file, 'utf8')
  writeFileSync(
    running.file,
    text.replace('healthCheck: false', 'healthCheck: false\n    minAvailable: 2'),
  )
  running.process.signal('SIGHUP')
  const poolOf = async (): Promise<PoolStatus> =>
    (await (await fetch(`${running.adminUrl}/v1/pools/web`)).json()) as PoolStatus
  await waitFor(async () => (await poolOf()).minAvailable === 2)
  assert.deepEqual(
    (await poolOf()).backends.map(({ name, weight }) => `${name}×${weight}`),
    ['a×0.3', 'c×2'],
  )
})
