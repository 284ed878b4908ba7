// Three Evenkeels and a real etcd that agree on who is the active: through a failover, an outage of
// etcd, and the loss of the one that decides.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import type { RunningBalancer } from '../../src/runtime/running-balancer.ts'
import { startBackend } from '../support/backend.ts'
import type { Backend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { startEtcd } from '../support/etcd.ts'
import type { Etcd } from '../support/etcd.ts'
import { freePort } from '../support/ports.ts'
import { waitFor } from '../support/wait.ts'

const NAMES = ['r1', 'r2', 'r3'] as const

interface Trio {
  readonly etcd: Etcd
  readonly a: Backend
  readonly b: Backend
  readonly replicas: readonly RunningBalancer[]
}

async function startTrio(context: TestContext): Promise<Trio> {
  const etcd = await startEtcd()
  const a = await startBackend({ name: 'a', checks: null })
  const b = await startBackend({ name: 'b', checks: null })
  const replicas: RunningBalancer[] = []
  context.after(async () => {
    await Promise.all(replicas.map((replica) => replica.close()))
    await Promise.all([a.stop(), b.stop(), etcd.stop()])
  })
  const peers: Record<string, string> = {}
  for (const name of NAMES) peers[name] = `127.0.0.1:${await freePort()}`
  const started = NAMES.map((replica) =>
    embed({
      listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
      cluster: { replica, replicas: peers, etcd: { endpoints: etcd.endpoints }, ttl: '8s' },
      pools: {
        web: {
          mode: 'active-standby',
          backends: { a: a.address, b: b.address },
          healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
          failover: { agreement: 'etcd', readyFor: '300ms', holdDown: '100ms', pauseMax: '3s' },
        },
      },
    }),
  )
  replicas.push(...(await Promise.all(started)))
  return { etcd, a, b, replicas }
}

function poolOf(replica: RunningBalancer): PoolStatus {
  return replica.status()[0]!
}

async function answerOf(replica: RunningBalancer): Promise<string> {
  return (await fetch(urlOf(replica.addresses[0]))).text()
}

/** Every replica answers from this backend. */
async function untilAllSend(replicas: readonly RunningBalancer[], to: string): Promise<void> {
  for (const replica of replicas) {
    await waitFor(async () => (await answerOf(replica)) === to, {
      what: `all replicas to send to ${to}`,
      timeoutMs: 15_000,
      everyMs: 20,
    })
  }
}

function epochsSeenBy(backend: Backend): number[] {
  return backend.requests.map(({ head }) => Number(/^evenkeel-epoch: (\d+)$/im.exec(head)?.[1]))
}

test('replicas follow one decision, and go on as they are while etcd is away', async (context) => {
  const { etcd, a, b, replicas } = await startTrio(context)
  await untilAllSend(replicas, 'a')
  assert.deepEqual(
    replicas.map((replica) => poolOf(replica).failover!.epoch),
    [1, 1, 1],
  )

  // A request that meets the dead active waits until all have agreed on the next one.
  await waitFor(() => poolOf(replicas[0]!).failover!.standbys[0]!.ready, { what: 'b to be ready' })
  await a.behave({ kind: 'refuse' })
  const answers = await Promise.all(replicas.map((replica) => answerOf(replica)))
  assert.deepEqual(answers, ['b', 'b', 'b'])
  assert.deepEqual([...new Set(epochsSeenBy(b))], [2])

  await etcd.members[0]!.kill('SIGKILL')
  await waitFor(() => replicas.every((replica) => poolOf(replica).failover!.state === 'frozen'), {
    what: 'all replicas to be frozen',
    timeoutMs: 15_000,
  })
  const frozenMs = performance.now()
  // Longer than any right to send would last by itself.
  while (performance.now() - frozenMs < 6_000) {
    for (const replica of replicas) assert.equal(await answerOf(replica), 'b')
  }
  assert.match(poolOf(replicas[0]!).failover!.reason, /^etcd is out of reach .*go on as they are$/)

  await etcd.members[0]!.restart()
  await waitFor(() => replicas.every((replica) => poolOf(replica).failover!.state === 'steady'), {
    what: 'the replicas to agree again',
    timeoutMs: 20_000,
  })
  await untilAllSend(replicas, 'b')
  assert.deepEqual(
    replicas.map((replica) => poolOf(replica).failover!.epoch),
    [2, 2, 2],
  )
})

test('without etcd and without one of the others a replica stops, and says why', async (context) => {
  const { etcd, replicas } = await startTrio(context)
  await untilAllSend(replicas, 'a')
  await etcd.members[0]!.kill('SIGKILL')
  await replicas[2]!.close()
  for (const replica of replicas.slice(0, 2)) {
    await waitFor(async () => (await fetch(urlOf(replica.addresses[0]))).status === 503, {
      what: 'the replica to stop sending',
      timeoutMs: 15_000,
    })
    const refused = await fetch(urlOf(replica.addresses[0]))
    assert.equal(refused.headers.get('evenkeel-fault'), 'no-agreement')
    assert.match(poolOf(replica).failover!.reason, /r3/)
  }
})

test('when the one that decides is gone, another one moves the pool', async (context) => {
  const { etcd, a, replicas } = await startTrio(context)
  await untilAllSend(replicas, 'a')
  const holder = (await etcd.ctl('get', '/evenkeel/evenkeel/holder', '--print-value-only')).trim()
  const gone = NAMES.indexOf((JSON.parse(holder) as { replica: (typeof NAMES)[number] }).replica)
  await replicas[gone]!.close()
  const left = replicas.filter((_, index) => index !== gone)
  await waitFor(() => poolOf(left[0]!).failover!.standbys[0]!.ready, { what: 'b to be ready' })
  await a.behave({ kind: 'refuse' })
  await untilAllSend(left, 'b')
  assert.deepEqual(
    left.map((replica) => poolOf(replica).failover!.epoch),
    [2, 2],
  )
})
