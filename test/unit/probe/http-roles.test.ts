// The role by HTTP, as Patroni tells it.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { HttpCheckPlan } from '../../../src/core/check-plan.ts'
import type { ProbeResult } from '../../../src/probe/contract.ts'
import { probeOnce, words } from '../../support/probe.ts'
import { request, serve } from '../../support/raw.ts'

const CHECK: HttpCheckPlan = {
  kind: 'http',
  method: 'GET',
  path: '/health',
  host: 'db.example',
  headers: [{ name: 'x-probe', value: 'yes' }],
  status: [[200, 299]],
  body: null,
  roles: { primary: '/primary', replica: '/replica?lag=10MB' },
}

/** A server that answers each path with a status, and with what follows it. */
async function probed(
  t: TestContext,
  answers: Readonly<Record<string, string>>,
  check: Partial<HttpCheckPlan> = {},
  timeoutMs = 10_000,
): Promise<ProbeResult & { asked: string[] }> {
  const asked: string[] = []
  const server = await serve(async (peer) => {
    const message = await request(peer)
    const { start } = message
    asked.push(start)
    assert.deepEqual([message.field('host'), message.field('x-probe')], ['db.example', 'yes'])
    const answer = answers[start.split(' ')[1]!]
    if (answer === undefined) peer.destroy()
    else if (answer !== '') peer.finish(`HTTP/1.1 ${answer}\r\n\r\n`)
  })
  t.after(() => server.stop())
  return { ...(await probeOnce(server.port, { ...CHECK, ...check }, timeoutMs)), asked }
}

test('2xx to the path of the primary makes one, and no more is asked', async (t) => {
  const result = await probed(t, { '/health': '200 OK', '/primary': '200 OK' })
  assert.equal(words(result), 'pass: 200, primary in _ ms')
  assert.deepEqual([result.role, result.lag], ['primary', null])
  assert.deepEqual(result.asked, ['GET /health HTTP/1.1', 'GET /primary HTTP/1.1'])
})

test('2xx to the path of the replica makes one', async (t) => {
  const answers = { '/health': '200 OK', '/primary': '503 No', '/replica?lag=10MB': '204 OK' }
  const result = await probed(t, answers, { method: 'HEAD' })
  assert.equal(words(result), 'pass: 200, replica in _ ms')
  assert.deepEqual([result.role, result.lag], ['replica', null])
  assert.deepEqual(result.asked, [
    'HEAD /health HTTP/1.1',
    'GET /primary HTTP/1.1',
    'GET /replica?lag=10MB HTTP/1.1',
  ])
})

test('who is neither is alive and has no role', async (t) => {
  const answers = { '/health': '200 OK', '/primary': '503 No', '/replica?lag=10MB': '302 Found' }
  const neither = await probed(t, answers)
  assert.equal(words(neither), 'pass: 200, no role in _ ms')
  assert.equal(neither.role, null)
  const roles = { primary: '/primary', replica: null }
  const unasked = await probed(t, answers, { roles })
  assert.equal(words(unasked), 'pass: 200, no role in _ ms')
  assert.equal(unasked.asked.length, 2)
})

test('a failed path is not asked for its role', async (t) => {
  const result = await probed(t, { '/health': '500 No', '/primary': '200 OK' })
  assert.equal(words(result), 'fail: status 500, expected 200-299')
  assert.equal(result.role, undefined)
  assert.equal(result.asked.length, 1)
})

test('a role that gets no answer fails the probe: the same server was just there', async (t) => {
  assert.equal(
    words(await probed(t, { '/health': '200 OK' })),
    'fail: connection closed before an answer',
  )
  assert.equal(
    words(await probed(t, { '/health': '200 OK', '/primary': '' }, {}, 200)),
    'fail: no answer within 200ms',
  )
})

test('the body is searched before the role is asked, and its rest does not matter', async (t) => {
  const answers = {
    '/health': '200 OK\r\nContent-Length: 500\r\n\r\nstate: running',
    '/primary': '200 OK',
  }
  const found = await probed(t, answers, { body: 'running' })
  assert.equal(words(found), 'pass: 200, primary in _ ms')
  const missing = await probed(t, answers, { body: 'stopped' })
  assert.equal(words(missing), 'fail: connection closed before the end of the body')
  assert.equal(missing.asked.length, 1)
})
