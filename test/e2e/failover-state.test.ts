import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import { startBackend } from '../support/backend.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'

const [one, two] = await Promise.all([startBackend({ name: 'one' }), startBackend({ name: 'two' })])
after(() => Promise.all([one.stop(), two.stop()]))

async function start(stateDir: string, wait = true): Promise<Evenkeel> {
  const started = await startEvenkeel(
    {
      runtime: { stateDir },
      listeners: { web: { pool: 'web' } },
      pools: {
        web: {
          mode: 'active-standby',
          backends: { one: one.address, two: two.address },
          healthCheck: { http: '/health', interval: '100ms' },
          failover: { readyFor: '100ms' },
        },
      },
    },
    { wait },
  )
  after(() => started.stop())
  return started
}

async function statusOf({ adminUrl }: Evenkeel) {
  const { failover } = (await (await fetch(`${adminUrl}/v1/pools/web`)).json()) as PoolStatus
  return failover!
}

async function act({ adminUrl }: Evenkeel, verb: string, body: object): Promise<number> {
  const reply = await fetch(`${adminUrl}/v1/pools/web/${verb}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ reason: 'test', ...body }),
  })
  assert.equal(reply.status, 200, await reply.text())
  return reply.status
}

test('who is active, the epoch and a freeze survive a kill and a restart', async () => {
  const dir = temporaryFolder('state')
  const first = await start(dir)
  assert.equal(await (await fetch(first.url())).text(), 'one')
  await act(first, 'switchover', { to: 'two', force: true })
  await act(first, 'freeze', { by: 'kim' })
  const before = await statusOf(first)
  assert.deepEqual([before.active, before.state], ['two', 'frozen'])
  first.process.signal('SIGKILL')
  await first.process.exited

  const second = await start(dir)
  assert.equal(await (await fetch(second.url())).text(), 'two')
  const after = await statusOf(second)
  assert.equal(after.active, 'two')
  assert.ok(after.epoch >= before.epoch)
  assert.deepEqual(after.frozen, { by: 'kim', reason: 'test' })
  assert.deepEqual(after.lastMoves.at(-1)!.kind, 'first')
  assert.ok(after.lastMoves.some(({ kind, to }) => kind === 'switchover' && to === 'two'))
})

test('a second process is not started on the same state, and says who has it', async () => {
  const dir = temporaryFolder('state')
  const first = await start(dir)
  const second = await start(dir, false)
  assert.deepEqual(await second.process.exited, { code: 1, signal: null })
  const pid = first.process.pid
  assert.match(second.logs(), new RegExp(`${dir} is in use: the process ${pid} on`))
  assert.doesNotMatch(second.logs(), /at .*state-file/, 'no stack')
})

test('a damaged state is not started from, with what to do', async () => {
  const dir = temporaryFolder('state')
  writeFileSync(join(dir, 'failover.json'), '{"version": 1, "po')
  const refused = await start(dir, false)
  assert.deepEqual(await refused.process.exited, { code: 1, signal: null })
  assert.match(
    refused.logs(),
    /failover\.json is damaged, and there is no whole .*: restore it, or/,
  )
  assert.equal(readFileSync(join(dir, 'failover.json'), 'utf8'), '{"version": 1, "po')
})
