import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import type { MoveReport } from '../../src/core/status.ts'
import { mainFile } from '../support/evenkeel.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { runProcess } from '../support/processes.ts'
import { backendStatus, poolStatusOf } from '../support/statuses.ts'

const admin = await startFakeAdmin()

const report: MoveReport = {
  kind: 'switchover',
  outcome: 'moved',
  from: 'primary',
  to: 'standby',
  epoch: 7,
  reason: 'kernel',
  by: 'kim',
  at: 0,
  detectionMs: 0,
  moveMs: 212,
  sessions: { at: 4, finished: 3, cut: 1 },
  metObjective: null,
}

async function evenkeel(words: readonly string[], env: Record<string, string> = {}) {
  const { code, stdout, stderr } = await runProcess(
    process.execPath,
    [mainFile, ...words, '--admin', admin.host],
    { env: { NO_COLOR: '1', SUDO_USER: '', ...env } },
  )
  return { code, stdout, stderr }
}

test('a switchover reports what it moved, how fast, and what became of the sessions', async () => {
  admin.asked.length = 0
  admin.answer = () => ({ ok: true, message: 'moved', report })
  const words = ['switchover', 'my db', '--to', 'standby', '--reason', 'kernel', '--by', 'kim']
  assert.deepEqual(await evenkeel(words), {
    code: 0,
    stdout: 'moved my db from primary to standby in 212 ms, epoch 7; 3 sessions finished, 1 cut\n',
    stderr: '',
  })
  const json = await evenkeel([...words, '--force', '--dry-run', '-o', 'json'])
  assert.deepEqual(JSON.parse(json.stdout), { message: 'moved', report })
  const signed = { reason: 'kernel', by: 'kim' }
  const asked = { pool: 'my db', request: { verb: 'switchover', to: 'standby', ...signed } }
  assert.deepEqual(admin.asked, [
    { ...asked, request: { ...asked.request, force: false, dryRun: false } },
    { ...asked, request: { ...asked.request, force: true, dryRun: true } },
  ])
})

test('every verb is asked for, in the name of whoever is logged in', async () => {
  admin.asked.length = 0
  admin.answer = (_, { verb }) => ({ ok: true, message: `${verb} is done`, report: null })
  for (const verb of ['failback', 'freeze', 'unfreeze']) {
    const { code, stdout } = await evenkeel([verb, 'db', '--reason', 'x'])
    assert.deepEqual([code, stdout], [0, `${verb} is done\n`])
  }
  await evenkeel(['freeze', 'db', '--reason', 'x'], { SUDO_USER: 'lee' })
  assert.deepEqual(
    admin.asked.map(({ request }) => [request.verb, request.by]),
    [
      ['failback', userInfo().username],
      ['freeze', userInfo().username],
      ['unfreeze', userInfo().username],
      ['freeze', 'lee'],
    ],
  )
})

test('what is refused or failed is exit code 1 with the reason', async () => {
  admin.answer = () => ({ ok: false, code: 'refused', message: 'standby is not ready' })
  const words = ['switchover', 'db', '--to', 'standby', '--reason', 'x']
  assert.deepEqual(await evenkeel(words), {
    code: 1,
    stdout: '',
    stderr: 'evenkeel: standby is not ready\n',
  })
  admin.answer = () => ({
    ok: false,
    code: 'no-backend',
    message: "There is no backend 'standby'.",
    names: ['one', 'two'],
  })
  const unknown = await evenkeel(words)
  assert.equal(unknown.stderr, "evenkeel: There is no backend 'standby'. There are: one, two.\n")
  admin.answer = () => ({
    ok: false,
    code: 'failed',
    message: 'rolled back: no proof',
    report: { ...report, outcome: 'rolled-back' },
  })
  const failed = await evenkeel([...words, '-o', 'json'])
  assert.deepEqual([failed.code, failed.stderr], [1, 'evenkeel: rolled back: no proof\n'])
  const body = JSON.parse(failed.stdout) as { code: string; report: MoveReport }
  assert.deepEqual([body.code, body.report.outcome], ['failed', 'rolled-back'])
})

test('a reason, and for a switchover a target, must be given', async () => {
  for (const [words, missing] of [
    [['switchover', 'db', '--reason', 'x'], '--to <NAME>'],
    [['switchover', 'db', '--to', 'x'], '--reason <TEXT>'],
    [['failback', 'db'], '--reason <TEXT>'],
    [['freeze', 'db'], '--reason <TEXT>'],
    [['unfreeze', 'db'], '--reason <TEXT>'],
    [['freeze', '--reason', 'x'], 'POOL'],
    [['freeze', 'db', '--reason', 'x', '--force'], '--force'],
  ] as const) {
    const { code, stderr } = await evenkeel(words)
    assert.equal(code, 2, words.join(' '))
    assert.ok(stderr.includes(missing), stderr)
  }
})

test('a reason that the API does not take is explained', async () => {
  const { code, stderr } = await evenkeel(['freeze', 'db', '--reason', 'a\nb'])
  assert.deepEqual(
    [code, stderr],
    [1, "evenkeel: 'reason' must be one line without control characters.\n"],
  )
})

test('who waits for a backend that leaves its pool meanwhile is not told that all is well', async () => {
  const drained = backendStatus('a', { admin: 'drain', drained: true })
  admin.pools = [poolStatusOf('web', [drained])]
  const signed = ['--reason', 'x', '--wait', '5s']
  const said = 'evenkeel: not in the pool any more: web/b; what still runs there is not shown\n'
  const out = await evenkeel(['drain', 'web', 'a', 'b', ...signed])
  assert.deepEqual(out, { code: 1, stdout: 'Done.\n', stderr: said })
  const json = await evenkeel(['drain', 'web', 'a', 'b', ...signed, '-o', 'json'])
  const { drained: isOut, left, gone } = JSON.parse(json.stdout) as Record<string, unknown>
  assert.deepEqual([isOut, left, gone], [false, [], ['b']])
  const back = await evenkeel(['enable', 'web/b', '--wait', '5s'])
  assert.deepEqual(back, { code: 1, stdout: 'Done.\n', stderr: said })
})
