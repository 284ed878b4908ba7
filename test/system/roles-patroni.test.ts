// The http check with role paths against real Patroni members.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpCheckPlan } from '../../src/core/plan.ts'
import { startEtcd } from '../support/etcd.ts'
import { startPatroni } from '../support/patroni.ts'
import { probeOnce, words } from '../support/probe.ts'
import { waitFor } from '../support/wait.ts'

const check: HttpCheckPlan = {
  kind: 'http',
  method: 'GET',
  path: '/health',
  host: null,
  headers: [],
  status: [[200, 299]],
  body: null,
  roles: { primary: '/primary', replica: '/replica?lag=10MB' },
}

test('Patroni tells who is primary and who is replica, and the replica takes over', async (t) => {
  const etcd = await startEtcd()
  t.after(() => etcd.stop())
  const first = await startPatroni(etcd.endpoints[0]!, 'first')
  t.after(() => first.stop())
  const started = performance.now()
  await waitFor(async () => (await first.status('/primary')) === 200, {
    what: 'the first member to lead',
    timeoutMs: 30_000,
    everyMs: 100,
  })
  const leader = await probeOnce(first.restPort, check)
  assert.equal(words(leader), 'pass: 200, primary in _ ms')
  assert.equal(leader.role, 'primary')

  const second = await startPatroni(etcd.endpoints[0]!, 'second')
  t.after(() => second.stop())
  const follower = await waitFor(
    async () => {
      const result = await probeOnce(second.restPort, check)
      return result.role === 'replica' ? result : null
    },
    { what: 'the second member to follow', timeoutMs: 30_000, everyMs: 100 },
  )
  assert.equal(words(follower), 'pass: 200, replica in _ ms')
  t.diagnostic(`both members up after ${Math.round(performance.now() - started)} ms`)

  await first.stop()
  const stopped = performance.now()
  await waitFor(async () => (await probeOnce(second.restPort, check)).role === 'primary', {
    what: 'the second member to lead',
    timeoutMs: 30_000,
    everyMs: 100,
  })
  t.diagnostic(`the second leads ${Math.round(performance.now() - stopped)} ms after the stop`)
  assert.equal(words(await probeOnce(first.restPort, check)), 'fail: connection refused')
})
