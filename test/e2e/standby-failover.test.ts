// An active-standby pool as clients and operators meet it, in one process.

import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { RunningBalancer } from '../../src/runtime/running-balancer.ts'
import { startBackend } from '../support/backend.ts'
import type { Backend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { waitFor } from '../support/wait.ts'

interface Pair {
  readonly a: Backend
  readonly b: Backend
  readonly balancer: RunningBalancer
  readonly web: string
  readonly tcpPort: number
}

async function startPair(context: TestContext, failover: object = {}): Promise<Pair> {
  const a = await startBackend({ name: 'a', checks: null })
  const b = await startBackend({ name: 'b', checks: null })
  const pool = {
    mode: 'active-standby',
    backends: { a: a.address, b: b.address },
    healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
    failover: { readyFor: 0, holdDown: '100ms', ...failover },
  }
  const balancer = await embed({
    listeners: {
      web: { bind: '127.0.0.1:0', pool: 'web' },
      raw: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'raw' },
    },
    pools: { web: pool, raw: pool },
  })
  context.after(async () => {
    await balancer.close()
    await Promise.all([a.stop(), b.stop()])
  })
  for (const status of ['web', 'raw'].keys()) {
    await waitFor(() => balancer.status()[status]!.failover!.standbys[0]!.ready, {
      what: 'the standby to be ready',
    })
  }
  const [web, raw] = balancer.addresses
  return { a, b, balancer, web: urlOf(web), tcpPort: raw?.kind === 'tcp' ? raw.port : 0 }
}

/** Sends one request over a tcp listener and returns the answer. */
function ask(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.setEncoding('latin1')
    socket.on('data', (part: string) => {
      text += part
      if (!/\r\n\r\n./.test(text)) return
      socket.destroy()
      resolve(text)
    })
    socket.on('close', () => reject(new Error(`closed after '${text}'`)))
    socket.on('error', reject)
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  })
}

test('a POST that meets a dead active is answered by the standby, once', async (context) => {
  const { a, b, web } = await startPair(context)
  assert.equal(await (await fetch(web, { method: 'POST', body: 'one' })).text(), 'a')
  await a.stop()
  const answers = await Promise.all(
    ['two', 'three', 'four'].map((body) => fetch(web, { method: 'POST', body })),
  )
  for (const answer of answers) assert.equal(answer.status, 200)
  assert.deepEqual(b.requests.map(({ body }) => body).sort(), ['four', 'three', 'two'])
  assert.match(b.requests[0]!.head, /^evenkeel-epoch: 2$/im)
})

test('a TCP client that meets a dead active is connected to the standby', async (context) => {
  const { a, tcpPort } = await startPair(context)
  assert.match(await ask(tcpPort), /\r\n\r\na$/)
  await a.stop()
  const answers = await Promise.all([ask(tcpPort), ask(tcpPort), ask(tcpPort)])
  for (const answer of answers) assert.match(answer, /\r\n\r\nb$/)
})

test('with nobody ready clients are told so at once, and the lost active resumes by itself', async (context) => {
  const { a, b, balancer, web } = await startPair(context)
  await b.behave({ kind: 'refuse' })
  await waitFor(() => balancer.status()[0]!.backends[1]!.health === 'down', {
    what: 'b to be down',
  })
  await a.behave({ kind: 'refuse' })
  await waitFor(() => balancer.status()[0]!.failover!.state === 'none', { what: 'no active' })
  const refused = await fetch(web)
  assert.equal(refused.status, 503)
  assert.equal(refused.headers.get('evenkeel-fault'), 'no-active')
  // The standby was down when the active was lost: it may be stale, and waits.
  await b.behave({ kind: 'answer' })
  await waitFor(() => balancer.status()[0]!.backends[1]!.health === 'up', { what: 'b to be up' })
  const [standby] = balancer.status()[0]!.failover!.standbys
  assert.deepEqual(standby, {
    name: 'b',
    ready: false,
    reason: 'it was down when the last active was lost and may be stale; an operator can take it',
  })
  assert.equal((await fetch(web)).status, 503)
  await a.behave({ kind: 'answer' })
  await waitFor(async () => (await fetch(web)).status === 200, { what: 'a to resume' })
  assert.equal(await (await fetch(web)).text(), 'a')
  assert.equal(balancer.status()[0]!.failover!.epoch, 1)
})

test('failback waits for the stability window, and then loses nothing', async (context) => {
  const { a, b, balancer, web } = await startPair(context, { failback: 'auto', stableFor: '2s' })
  await a.behave({ kind: 'refuse' })
  await waitFor(async () => (await (await fetch(web)).text()) === 'b', { what: 'the failover' })
  const from = performance.now()
  await a.behave({ kind: 'answer' })
  await waitFor(() => balancer.status()[0]!.failover!.state === 'failback-wait', {
    what: 'the wait for the failback',
  })
  const statuses = new Set<number>()
  await waitFor(
    async () => {
      const answer = await fetch(web)
      statuses.add(answer.status)
      return (await answer.text()) === 'a'
    },
    { what: 'the failback' },
  )
  assert.ok(performance.now() - from > 2_000)
  assert.deepEqual([...statuses], [200])
  const [move] = balancer.status()[0]!.failover!.lastMoves
  assert.deepEqual([move!.kind, move!.outcome, move!.epoch], ['failback', 'moved', 3])
  assert.ok(b.requests.length > 0)
})
