// Active-Standby for databases, against the real ones: who may be written to, through failovers,
// promotions, and old primaries that come back and still believe in themselves.

import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PoolStatus } from '../../src/core/status.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { startPostgres, startReplica } from '../support/postgres.ts'
import type { Postgres } from '../support/postgres.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { startRedis, startSentinel } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

async function statusOf(evenkeel: Evenkeel): Promise<PoolStatus> {
  const answer = await fetch(`${evenkeel.adminUrl}/v1/pools/database`)
  return (await answer.json()) as PoolStatus
}

async function untilActive(evenkeel: Evenkeel, name: string): Promise<void> {
  await waitFor(async () => (await statusOf(evenkeel)).failover?.active === name, {
    what: `${name} to be the active`,
    timeoutMs: 20_000,
  })
}

/** One write after the other, each with the next number; keeps what was acknowledged, and when. */
class Writer {
  readonly acknowledged: { readonly number: number; readonly atMs: number }[] = []
  #next = 1
  #running = true
  readonly #done: Promise<void>

  constructor(write: (number: number) => Promise<boolean>) {
    this.#done = this.#run(write)
  }

  get last(): number {
    return this.acknowledged.at(-1)?.number ?? 0
  }

  /** Resolves once `count` more writes have been acknowledged. */
  async more(count: number): Promise<void> {
    const goal = this.acknowledged.length + count
    await waitFor(() => this.acknowledged.length >= goal, {
      what: `${count} more writes`,
      timeoutMs: 30_000,
    })
  }

  /** The longest time without an acknowledged write. */
  longestGapMs(): number {
    const times = this.acknowledged.map(({ atMs }) => atMs)
    return times.reduce((gap, atMs, i) => (i === 0 ? 0 : Math.max(gap, atMs - times[i - 1]!)), 0)
  }

  async stop(): Promise<void> {
    this.#running = false
    await this.#done
  }

  async #run(write: (number: number) => Promise<boolean>): Promise<void> {
    while (this.#running) {
      const number = this.#next++
      if (await write(number)) this.acknowledged.push({ number, atMs: performance.now() })
    }
  }
}

/** A promote hook for these clusters, as an operator would write one. */
function promoteHook(clusters: Readonly<Record<string, Postgres>>): string {
  const file = join(temporaryFolder('hook'), 'promote')
  const cases = Object.entries(clusters).map(
    ([name, cluster]) => `${name}) exec ${cluster.promoteCommand.join(' ')} -w -t 10 ;;`,
  )
  writeFileSync(
    file,
    `#!/bin/sh\ncd /\ncase "$EVENKEEL_TO" in\n${cases.join('\n')}\nesac\nexit 1\n`,
  )
  chmodSync(file, 0o755)
  return file
}

test('PostgreSQL: kill -9 of the primary promotes the replica, and the old one gets no write again', async (context) => {
  const primary = await startPostgres()
  context.after(() => primary.stop())
  const replica = await startReplica(primary)
  context.after(() => replica.stop())
  const hook = promoteHook({ a: primary, b: replica })
  const evenkeel = await startEvenkeel({
    runtime: { drain: '200ms', stateDir: temporaryFolder('state') },
    listeners: { database: { protocol: 'tcp', pool: 'database' } },
    pools: {
      database: {
        mode: 'active-standby',
        backends: { a: primary.address, b: replica.address },
        healthCheck: {
          postgres: { user: 'postgres' },
          interval: '500ms',
          timeout: '400ms',
          fastInterval: '200ms',
          fall: 2,
        },
        failover: { readyFor: '1s', promote: { exec: [hook], timeout: '15s' }, proveWithin: '10s' },
        objective: { rto: '5s' },
      },
    },
  })
  context.after(() => evenkeel.stop())
  await primary.sql('create table log (n int primary key, at timestamptz default now())')
  const to = ['-h', '127.0.0.1', '-p', String(evenkeel.port()), '-U', 'postgres']
  const writer = new Writer(async (number) => {
    const write = ['-qAtc', `insert into log (n) values (${number})`]
    const env = { PGCONNECT_TIMEOUT: '2' }
    const options = { timeoutMs: 5_000, env }
    return (await runProcess(primary.program('psql'), [...to, ...write], options)).code === 0
  })
  context.after(() => writer.stop())
  await waitFor(async () => (await statusOf(evenkeel)).failover?.standbys[0]?.ready === true, {
    what: 'the replica to be ready',
  })
  await writer.more(20)

  const before = writer.last
  const killedMs = performance.now()
  await primary.kill('SIGKILL')
  await untilActive(evenkeel, 'b')
  await writer.more(20)
  const first = writer.acknowledged.find(({ number }) => number > before + 1)!
  const [move] = (await statusOf(evenkeel)).failover!.lastMoves
  context.diagnostic(
    `writes resumed ${Math.round(first.atMs - killedMs)} ms after the kill; detected in ${Math.round(move!.detectionMs)} ms, moved in ${Math.round(move!.moveMs)} ms (promotion included), objective 5 s met: ${move!.metObjective}`,
  )
  assert.equal(move!.kind, 'failover')
  assert.equal(move!.outcome, 'moved')
  assert.equal(move!.metObjective, true)
  assert.equal(await replica.isInRecovery(), false)

  // The old primary comes back, and still believes that it is one.
  const moved = writer.last
  await primary.restart()
  assert.equal(await primary.isInRecovery(), false)
  const conflict = /a and b claim to be the primary at once; traffic goes to b/
  await waitFor(() => conflict.test(evenkeel.logs()), { what: 'the old primary to be seen' })
  await writer.more(40)
  const status = await statusOf(evenkeel)
  assert.equal(status.failover?.active, 'b')
  await writer.stop()
  // Not one write since the move is in the old primary, all of them are in the new one.
  assert.equal(await primary.sql(`select count(*) from log where n > ${before + 1}`), '0')
  const kept = await replica.sql(`select count(*) from log where n > ${moved}`)
  const acknowledged = writer.acknowledged.filter(({ number }) => number > moved).length
  assert.ok(Number(kept) >= acknowledged)
})

test('Redis with Sentinel: writes follow the master, and none goes to a second one', async (context) => {
  const master = await startRedis()
  context.after(() => master.stop())
  const replicas = [
    await startRedis({ replicaOf: master }),
    await startRedis({ replicaOf: master }),
  ]
  for (const replica of replicas) context.after(() => replica.stop())
  for (let i = 0; i < 3; i++) {
    const sentinel = await startSentinel(master, 2)
    context.after(() => sentinel.stop())
    if (i < 2) continue
    await waitFor(async () => (await sentinel.ask('sentinel', 'ckquorum', 'main')).includes('OK'), {
      what: 'the Sentinels to know each other',
      timeoutMs: 20_000,
    })
  }
  const evenkeel = await startEvenkeel({
    runtime: { drain: '200ms', stateDir: temporaryFolder('state') },
    listeners: { database: { protocol: 'tcp', pool: 'database' } },
    pools: {
      database: {
        mode: 'active-standby',
        backends: { a: master.address, b: replicas[0]!.address, c: replicas[1]!.address },
        healthCheck: { redis: {}, interval: '250ms', timeout: '200ms' },
        failover: { elect: 'role', readyFor: '1s' },
        objective: { rto: '5s' },
      },
    },
  })
  context.after(() => evenkeel.stop())
  const writer = new Writer(async (number) => {
    const words = ['-p', String(evenkeel.port()), 'rpush', 'log', String(number)]
    const { code, stdout } = await runProcess('redis-cli', words, { timeoutMs: 3_000 })
    return code === 0 && /^\d+$/.test(stdout.trim())
  })
  context.after(() => writer.stop())
  await writer.more(20)

  const killedMs = performance.now()
  const before = writer.last
  await master.kill('SIGKILL')
  await waitFor(async () => !['a', null].includes((await statusOf(evenkeel)).failover!.active), {
    what: 'the new master to be the active',
    timeoutMs: 20_000,
  })
  await writer.more(20)
  const first = writer.acknowledged.find(({ number }) => number > before + 1)!
  const moved = await statusOf(evenkeel)
  context.diagnostic(
    `writes resumed ${Math.round(first.atMs - killedMs)} ms after the kill, Sentinel's own time included; Evenkeel moved in ${Math.round(moved.failover!.lastMoves[0]!.moveMs)} ms`,
  )
  assert.equal(moved.failover!.lastMoves[0]!.kind, 'election')

  // The old master comes back empty and claims to be the master until a Sentinel tells it otherwise.
  await master.restart()
  const restartedMs = performance.now()
  let claimedMs = 0
  const isMaster = async () => (await master.command('role')).startsWith('master')
  while (await isMaster()) {
    const length = await master.command('llen', 'log')
    // Demoted between the two questions, it has the whole list from its new master.
    if (!(await isMaster())) break
    claimedMs = performance.now() - restartedMs
    assert.equal(length, '0', 'a write went to the second master')
    assert.ok(claimedMs < 30_000, 'the Sentinels left two masters')
    await new Promise((resolve) => {
      setTimeout(resolve, 50)
    })
  }
  context.diagnostic(`two masters for ${Math.round(claimedMs)} ms`)
  assert.ok(claimedMs > 0)
  assert.match(evenkeel.logs(), /claim to be the primary at once/)
  await writer.more(20)
  assert.equal((await statusOf(evenkeel)).failover!.active, moved.failover!.active)
  await writer.stop()
})
