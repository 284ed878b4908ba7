// Active-Standby for HTTP services under load: a switchover that nobody notices, and a failover that
// costs no more than what was being written at that moment.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PoolStatus } from '../../../src/core/status.ts'
import { startEvenkeel } from '../../support/evenkeel.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import type { Nginx } from '../../support/nginx.ts'
import { waitFor } from '../../support/wait.ts'

const RATE = 250

async function startPair(
  context: TestContext,
): Promise<{ evenkeel: Evenkeel; nginxes: readonly Nginx[] }> {
  const nginxes = [await startNginx({ name: 'a' }), await startNginx({ name: 'b' })]
  for (const nginx of nginxes) context.after(() => nginx.stop())
  const evenkeel = await startEvenkeel({
    listeners: { web: { protocol: 'http', pool: 'web' } },
    pools: {
      web: {
        mode: 'active-standby',
        backends: { a: nginxes[0]!.address, b: nginxes[1]!.address },
        healthCheck: { http: '/', interval: '500ms', timeout: '300ms' },
        failover: { readyFor: '1s', holdDown: '200ms' },
        objective: { rto: '3s' },
      },
    },
  })
  context.after(() => evenkeel.stop())
  return { evenkeel, nginxes }
}

async function statusOf(evenkeel: Evenkeel): Promise<PoolStatus> {
  const answer = await fetch(`${evenkeel.adminUrl}/v1/pools/web`)
  return (await answer.json()) as PoolStatus
}

async function untilReady(evenkeel: Evenkeel): Promise<void> {
  await waitFor(
    async () => (await statusOf(evenkeel)).failover?.standbys.every(({ ready }) => ready) === true,
    { what: 'the standby to be ready', everyMs: 100 },
  )
}

test('switchovers under 500 requests a second lose none', async (context) => {
  const { evenkeel } = await startPair(context)
  await untilReady(evenkeel)
  const gets = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
  const posts = startLoad({
    url: evenkeel.url(),
    ratePerSecond: RATE,
    method: 'POST',
    body: 'x'.repeat(500),
    isOk: (status) => status === 405 || status === 200,
  })
  const took: number[] = []
  for (const to of ['b', 'a', 'b', 'a']) {
    await waitFor(() => gets.sent() > (took.length + 1) * RATE, { what: 'a second of load' })
    const answer = await fetch(`${evenkeel.adminUrl}/v1/pools/web/switchover`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ to, reason: 'a test', by: 'test' }),
    })
    const { report, message } = (await answer.json()) as {
      report: { to: string; moveMs: number; sessions: { cut: number } }
      message: string
    }
    assert.equal(answer.status, 200)
    assert.equal(report.to, to)
    assert.equal(report.sessions.cut, 0)
    took.push(report.moveMs)
    context.diagnostic(message)
  }
  const [get, post] = await Promise.all([gets.stop(), posts.stop()])
  context.diagnostic(`GET ${describeLoad(get)}; POST ${describeLoad(post)}`)
  assert.equal(get.failed, 0)
  assert.equal(post.failed, 0)
  assert.equal((await statusOf(evenkeel)).failover?.epoch, 5)
})

test('kill -9 of the active fails no GET and no more POSTs than it had in hand', async (context) => {
  const { evenkeel, nginxes } = await startPair(context)
  await untilReady(evenkeel)
  const gets = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
  const posts = startLoad({
    url: evenkeel.url(),
    ratePerSecond: RATE,
    method: 'POST',
    body: 'x'.repeat(500),
    isOk: (status) => status === 405 || status === 200,
  })
  await waitFor(() => gets.sent() > RATE, { what: 'a second of load' })
  await nginxes[0]!.kill('SIGKILL')
  await waitFor(async () => (await statusOf(evenkeel)).failover?.active === 'b', {
    what: 'the standby to take over',
  })
  await waitFor(() => gets.sent() > 3 * RATE, { what: 'two more seconds of load' })
  const [get, post] = await Promise.all([gets.stop(), posts.stop()])
  const [move] = (await statusOf(evenkeel)).failover!.lastMoves
  context.diagnostic(
    `detected in ${move!.detectionMs.toFixed(1)} ms, moved in ${move!.moveMs.toFixed(1)} ms; GET ${describeLoad(get)}; POST ${describeLoad(post)}`,
  )
  assert.equal(move!.kind, 'failover')
  assert.equal(move!.metObjective, true)
  assert.equal(get.failed, 0)
  // A POST that was sent and got no answer can't be sent again: it fails, and is counted as unknown.
  const metrics = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
  const unknown = /^evenkeel_pool_unknown_outcomes_total\{pool="web"\} (\d+)$/m.exec(metrics)?.[1]
  assert.equal(String(post.failed), unknown)
  assert.ok(post.failed <= 10, `${post.failed} POSTs failed`)
})
