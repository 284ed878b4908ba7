import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import { startBackend } from '../support/backend.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'

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
          healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
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

test('an operator moves a pool from the command line, tried out first', async () => {
  const running = await start(temporaryFolder('state'))
  const switchover = async (...more: string[]) => {
    const words = ['switchover', 'web', '--to', 'two', '--reason', 'kernel', '--by', 'kim']
    const where = ['--force', '-c', running.file]
    const result = await runProcess(process.execPath, [mainFile, ...words, ...where, ...more])
    return [result.code, result.stdout, result.stderr]
  }
  const [code, would, talk] = await switchover('--dry-run')
  assert.deepEqual([code, talk], [0, ''])
  assert.match(String(would), /^would move web from one to two under epoch 2;/)
  assert.equal((await statusOf(running)).active, 'one')
  const [done, moved] = await switchover()
  assert.equal(done, 0)
  assert.match(String(moved), /^moved web from one to two in \d+ ms, epoch 2/)
  const { active, lastMoves } = await statusOf(running)
  assert.deepEqual([active, lastMoves[0]!.by, lastMoves[0]!.reason], ['two', 'kim', 'kernel'])
  const words = ['status', 'web', '-c', running.file]
  const { stdout } = await runProcess(process.execPath, [mainFile, ...words])
  assert.match(stdout, /^web \(active-standby\): two is active, epoch 2\n {2}steady for \d+s: /)
  const metrics = await (await fetch(`${running.adminUrl}/metrics`)).text()
  for (const line of [
    'evenkeel_pool_active{pool="web",backend="two"} 1',
    'evenkeel_pool_epoch{pool="web"} 2',
    'evenkeel_failovers_total{pool="web",kind="switchover",outcome="moved"} 1',
  ]) {
    assert.ok(metrics.includes(`${line}\n`), line)
  }
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
