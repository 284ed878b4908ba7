// A whole site of real servers dies under load, and what its clients notice.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PoolStatus } from '../../../src/core/status.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { startEvenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import type { Load } from '../../support/load.ts'
import type { Nginx } from '../../support/nginx.ts'
import { startNginx } from '../../support/nginx.ts'
import { temporaryFolder } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'

const RATE = 300
const EACH = 3

interface Rig {
  readonly evenkeel: Evenkeel
  readonly servers: ReadonlyMap<string, readonly Nginx[]>
  readonly status: () => Promise<PoolStatus>
}

async function start(
  context: TestContext,
  sites: Readonly<Record<string, object | string>>,
  failover: object = {},
): Promise<Rig> {
  const servers = new Map<string, Nginx[]>()
  const backends: Record<string, object> = {}
  for (const site of Object.keys(sites)) {
    const own: Nginx[] = []
    servers.set(site, own)
    for (let number = 1; number <= EACH; number++) {
      const nginx = await startNginx({ name: `${site}${number}`, body: site })
      own.push(nginx)
      backends[nginx.name] = { address: nginx.address, site }
    }
  }
  context.after(() => Promise.all([...servers.values()].flat().map((nginx) => nginx.stop())))
  const evenkeel = await startEvenkeel({
    runtime: { stateDir: temporaryFolder('state') },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        balance: 'least-connections',
        backends,
        sites,
        healthCheck: { http: '/', interval: '500ms', timeout: '300ms' },
        failover: { readyFor: '1s', holdDown: '200ms', stableFor: '2s', ...failover },
        objective: { rto: '3s' },
      },
    },
  })
  context.after(() => evenkeel.stop())
  const status = async (): Promise<PoolStatus> => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/pools/web`)
    return (await answer.json()) as PoolStatus
  }
  await waitFor(
    async () => {
      const { failover, backends } = await status()
      const isUp = backends.every(({ health }) => health === 'up')
      return isUp && failover!.standbys.every(({ ready }) => ready)
    },
    { what: 'the other sites to be ready', everyMs: 100 },
  )
  return { evenkeel, servers, status }
}

function killAll(servers: readonly Nginx[], signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT') {
  return Promise.all(servers.map((nginx) => nginx.kill(signal)))
}

async function afterSeconds(load: Load, seconds: number): Promise<void> {
  const from = load.sent()
  await waitFor(() => load.sent() >= from + seconds * RATE, { what: 'the load to go on' })
}

function tellOf(context: TestContext, { lastMoves }: NonNullable<PoolStatus['failover']>): void {
  const [last] = lastMoves
  const { kind, from, to, detectionMs, moveMs, metObjective } = last!
  context.diagnostic(
    `${kind} ${from} to ${to}: found in ${Math.round(detectionMs)} ms, moved in ${Math.round(moveMs)} ms, objective ${metObjective}`,
  )
}

for (const overflow of [true, false]) {
  test(`a hot site takes over from one that is killed under load, overflow ${overflow}: no GET fails`, async (context) => {
    const sites = { seoul: 'hot', busan: 'hot' }
    const { evenkeel, servers, status } = await start(context, sites, { overflow })
    const load = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
    await afterSeconds(load, 1)
    await killAll(servers.get('seoul')!, 'SIGKILL')
    await waitFor(async () => (await status()).failover!.active === 'busan', {
      what: 'the failover',
    })
    tellOf(context, (await status()).failover!)
    await afterSeconds(load, 1)
    await Promise.all(servers.get('seoul')!.map((nginx) => nginx.restart()))
    await waitFor(async () => (await status()).failover!.active === 'seoul', {
      what: 'the failback',
      timeoutMs: 20_000,
    })
    await afterSeconds(load, 1)
    const result = await load.stop()
    context.diagnostic(describeLoad(result))
    assert.equal(result.failed, 0)
    assert.equal(result.slow, 0)
    assert.deepEqual(Object.keys(result.bodies).sort(), ['busan', 'seoul'])
    const [back, gone] = (await status()).failover!.lastMoves
    assert.deepEqual([back!.kind, gone!.kind], ['failback', 'failover'])
    assert.equal(gone!.metObjective, true)
  })
}

test('of two mirrors one is killed under load: no GET fails, and nothing moves', async (context) => {
  const { evenkeel, servers, status } = await start(context, { seoul: 'mirror', busan: 'mirror' })
  const load = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
  await afterSeconds(load, 1)
  await killAll(servers.get('seoul')!, 'SIGKILL')
  await afterSeconds(load, 2)
  const result = await load.stop()
  context.diagnostic(describeLoad(result))
  assert.equal(result.failed, 0)
  const { failover, sites } = await status()
  assert.equal(failover!.epoch, 1)
  assert.deepEqual(
    sites.map(({ name, state, share }) => [name, state, share]),
    [
      ['seoul', 'left', 0],
      ['busan', 'active', 1],
    ],
  )
})

test('a site that stands still under load is left within the objective, and its GETs go elsewhere', async (context) => {
  const { evenkeel, servers, status } = await start(context, { seoul: 'hot', busan: 'hot' })
  const load = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
  await afterSeconds(load, 1)
  await killAll(servers.get('seoul')!, 'SIGSTOP')
  await waitFor(async () => (await status()).failover!.active === 'busan', { what: 'the failover' })
  tellOf(context, (await status()).failover!)
  await afterSeconds(load, 1)
  const result = await load.stop()
  await killAll(servers.get('seoul')!, 'SIGCONT')
  context.diagnostic(describeLoad(result))
  assert.equal(result.failed, 0)
})

test('two thirds of a site lost under load: what is left keeps 47 %, and no GET fails', async (context) => {
  const sites = { seoul: 'hot', busan: 'hot' }
  const { evenkeel, servers, status } = await start(context, sites)
  const load = startLoad({ url: evenkeel.url(), ratePerSecond: RATE })
  await afterSeconds(load, 1)
  await killAll(servers.get('seoul')!.slice(0, 2), 'SIGKILL')
  await waitFor(async () => (await status()).sites[1]!.state === 'overflow', {
    what: 'the overflow',
  })
  await waitFor(async () => (await status()).sites[0]!.healthy === 1, { what: 'both to be down' })
  const seen = load.records.length
  await afterSeconds(load, 3)
  const result = await load.stop()
  const bodies = result.records.slice(seen).map(({ body }) => body)
  const share = bodies.filter((body) => body === 'busan').length / bodies.length
  context.diagnostic(`${describeLoad(result)}; busan got ${Math.round(share * 100)} %`)
  assert.equal(result.failed, 0)
  // One of three healthy: 1.4 × 33 % stays.
  assert.ok(Math.abs(share - (1 - 1.4 / 3)) < 0.05, `${share}`)
  assert.equal((await status()).failover!.epoch, 1)
})
