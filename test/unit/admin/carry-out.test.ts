import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { carryOut, nameOf } from '../../../src/admin/carry-out.ts'
import { failoverRoutes } from '../../../src/admin/failover-routes.ts'
import { changeRoute } from '../../../src/admin/route.ts'
import type { ChangeCall, ChangeRoute } from '../../../src/admin/route.ts'
import type { OperatorNews } from '../../../src/core/events.ts'
import type { ActAnswer } from '../../../src/core/operator.ts'
import type { MoveReport } from '../../../src/core/status.ts'

const report: MoveReport = {
  kind: 'switchover',
  outcome: 'moved',
  from: 'a',
  to: 'b',
  epoch: 7,
  reason: 'new kernel',
  by: 'kim',
  at: 0,
  detectionMs: 0,
  moveMs: 212,
  sessions: { at: 0, finished: 0, cut: 0 },
  metObjective: null,
}

const call: ChangeCall = {
  params: { pool: 'db' },
  query: {},
  headers: {},
  who: { from: '127.0.0.1', name: null },
  body: { to: 'b', force: false, reason: 'new kernel', by: 'kim' },
  by: 'kim',
  reason: 'new kernel',
  dryRun: false,
}

async function answered(
  carry: () => Promise<ActAnswer>,
  more: Partial<ChangeRoute> = {},
): Promise<{ status: number; body: unknown; audit: OperatorNews[]; errors: unknown[] }> {
  const audit: OperatorNews[] = []
  const errors: unknown[] = []
  const events = {
    audit: (entry: OperatorNews) => audit.push(entry),
    failed: (error: unknown) => errors.push(error),
  }
  const [switchover] = failoverRoutes({ act: carry })
  const route = { ...(switchover as ChangeRoute), ...more }
  const { status, body } = await carryOut(route, call, events)
  return { status, body: JSON.parse(String(body)), audit, errors }
}

test('who asked is what he says, bound to what he proved', () => {
  assert.equal(nameOf('kim', { from: '::1', name: null }), 'kim')
  assert.equal(nameOf(undefined, { from: '::1', name: null }), 'admin API (::1)')
  assert.equal(nameOf(undefined, { from: '::1', name: 'ops' }), 'ops')
  assert.equal(nameOf('ops', { from: '::1', name: 'ops' }), 'ops')
  assert.equal(nameOf('kim', { from: '::1', name: 'ops' }), 'ops for kim')
})

test('a route that keeps something to itself says what its audit entry notes', async () => {
  const route = changeRoute({
    path: '/v1/pools/{pool}/backends/{backend}/secret',
    tag: 'backends',
    verb: 'secret',
    summary: 'x',
    result: { says: 'x' },
    body: z.string(),
    wishes: ({ body }) => ({ characters: body.length }),
    change: () => ({ ok: true, message: 'kept' }),
  })
  const audit: OperatorNews[] = []
  const events = { audit: (entry: OperatorNews) => audit.push(entry), failed: () => {} }
  const params = { pool: 'db', backend: 'a' }
  const answer = await carryOut(route, { ...call, params, body: 'hush' }, events)
  assert.deepEqual(JSON.parse(String(answer.body)), { message: 'kept' })
  assert.deepEqual([audit[0]?.pool, audit[0]?.backend], ['db', 'a'])
  assert.deepEqual(audit[0]?.wishes, { characters: 4 })
  assert.equal(audit.length, 1)
})

test('what was done is answered with its report and leaves an audit entry', async () => {
  const done = await answered(async () => ({ ok: true, message: 'moved', report }))
  assert.deepEqual([done.status, done.body], [200, { message: 'moved', report }])
  const { tookMs, ...entry } = done.audit[0]!
  assert.ok(tookMs >= 0)
  assert.deepEqual(entry, {
    verb: 'switchover',
    pool: 'db',
    backend: null,
    wishes: { to: 'b', force: false, dryRun: false },
    by: 'kim',
    from: '127.0.0.1',
    reason: 'new kernel',
    outcome: 'done',
    message: 'moved',
  })
})

test('what was not done is a problem with its code and what there is instead', async () => {
  for (const [answer, status, body] of [
    [
      { ok: false, code: 'no-pool', message: 'No db.', names: ['web'] },
      404,
      { title: 'No such pool', pools: ['web'] },
    ],
    [
      { ok: false, code: 'no-backend', message: 'No b.', names: ['a'] },
      404,
      { title: 'No such backend', backends: ['a'] },
    ],
    [
      { ok: false, code: 'not-standby', message: 'No active.' },
      409,
      { title: 'Not an active-standby pool' },
    ],
    [{ ok: false, code: 'refused', message: 'b is not ready.' }, 409, { title: 'Refused' }],
    [
      { ok: false, code: 'failed', message: 'Rolled back.', report },
      409,
      { title: 'Failed', report },
    ],
  ] as const) {
    const result = await answered(async () => answer)
    assert.equal(result.status, status)
    const { code, message: detail } = answer
    assert.deepEqual(result.body, {
      type: `/v1/problems/${code}`,
      status,
      detail,
      code,
      pool: 'db',
      ...body,
    })
    assert.deepEqual(
      result.audit.map((entry) => [entry.outcome, entry.message]),
      [[code, detail]],
    )
  }
})

test('a move that takes too long is answered as going on, and audited when it ends', async () => {
  let finish: (answer: ActAnswer) => void = () => {}
  const running = new Promise<ActAnswer>((resolve) => {
    finish = resolve
  })
  const late = await answered(() => running, { waitMs: 5 })
  assert.equal(late.status, 202)
  assert.match((late.body as { message: string }).message, /still in progress/)
  assert.equal(late.audit.length, 0)
  finish({ ok: true, message: 'moved', report })
  await running
  await new Promise(setImmediate)
  assert.equal(late.audit[0]?.outcome, 'done')
})

test('an error of our own is told as such and its text goes to the log alone', async () => {
  const error = new Error('secret')
  const failed = await answered(async () => {
    throw error
  })
  assert.equal(failed.status, 409)
  assert.ok(!JSON.stringify(failed.body).includes('secret'))
  assert.deepEqual(failed.errors, [error])
  assert.equal(failed.audit[0]?.outcome, 'failed')
})
