// An active-active pool with sites as clients and operators meet it, in one process.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { PoolStatus, SiteStatus } from '../../src/core/status.ts'
import type { RunningBalancer } from '../../src/runtime/running-balancer.ts'
import { startBackend } from '../support/backend.ts'
import type { Backend } from '../support/backend.ts'
import { embed, urlOf } from '../support/embedded.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

interface Rig {
  readonly balancer: RunningBalancer
  readonly url: string
  /** By name: `seoul1`, `seoul2`, `busan1` … */
  readonly backends: ReadonlyMap<string, Backend>
  site(name: string): SiteStatus
  active(): string | null
  /** Stops, or starts again, all backends of a site. */
  behave(site: string, kind: 'answer' | 'refuse'): Promise<void>
  /** Asks `count` times and counts the answers by site; every one must be a 200. */
  ask(count: number): Promise<Record<string, number>>
}

interface RigOptions {
  readonly sites: Readonly<Record<string, object | string>>
  readonly failover?: object
  readonly each?: number
  readonly balance?: string
}

async function start(context: TestContext, options: RigOptions): Promise<Rig> {
  const backends = new Map<string, Backend>()
  const placed: Record<string, object> = {}
  for (const site of Object.keys(options.sites)) {
    for (let number = 1; number <= (options.each ?? 2); number++) {
      const name = `${site}${number}`
      const backend = await startBackend({ name, checks: null })
      backends.set(name, backend)
      placed[name] = { address: backend.address, site }
    }
  }
  const balancer = await embed({
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: {
      web: {
        balance: options.balance ?? 'round-robin',
        backends: placed,
        sites: options.sites,
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms', fall: 2, rise: 1 },
        slowStart: { duration: 0 },
        failover: { readyFor: 0, holdDown: '50ms', stableFor: '700ms', ...options.failover },
      },
    },
  })
  context.after(async () => {
    await balancer.close()
    await Promise.all([...backends.values()].map((backend) => backend.stop()))
  })
  const url = urlOf(balancer.addresses[0])
  const status = () => balancer.status()[0]!
  await waitFor(() => status().backends.every(({ health }) => health === 'up'), {
    what: 'every backend to be up',
  })
  await waitFor(() => status().failover?.state === 'steady', { what: 'the first move' })
  return {
    balancer,
    url,
    backends,
    site: (name) => status().sites.find((site) => site.name === name)!,
    active: () => status().failover!.active,
    async behave(site, kind) {
      const own = [...backends].filter(([name]) => name.startsWith(site))
      await Promise.all(own.map(([, backend]) => backend.behave({ kind })))
    },
    async ask(count) {
      const answers: Record<string, number> = {}
      for (let i = 0; i < count; i++) {
        const answer = await fetch(url)
        assert.equal(answer.status, 200)
        const site = (await answer.text()).replace(/\d+$/, '')
        answers[site] = (answers[site] ?? 0) + 1
      }
      return answers
    },
  }
}

test('mirror sites share what comes, and one below its threshold is left', async (context) => {
  const sites = { seoul: { class: 'mirror', minHealthy: 2 }, incheon: 'mirror' }
  const rig = await start(context, { sites })
  assert.equal(rig.active(), 'seoul+incheon')
  assert.deepEqual(await rig.ask(20), { seoul: 10, incheon: 10 })
  await rig.backends.get('seoul1')!.behave({ kind: 'refuse' })
  await waitFor(() => rig.site('seoul').state === 'left', { what: 'seoul to be left' })
  assert.deepEqual(await rig.ask(10), { incheon: 10 })
  await rig.backends.get('seoul1')!.behave({ kind: 'answer' })
  await waitFor(() => rig.site('seoul').state === 'active', { what: 'seoul to serve again' })
  assert.deepEqual(Object.keys(await rig.ask(20)).sort(), ['incheon', 'seoul'])
  assert.equal(rig.balancer.status()[0]!.failover!.epoch, 1)
})

test('a hot site takes over without a failed request, and gives back after the window', async (context) => {
  const failover = { stableFor: '2s' }
  const rig = await start(context, { sites: { seoul: 'hot', busan: 'hot' }, failover })
  assert.deepEqual(await rig.ask(10), { seoul: 10 })
  await rig.behave('seoul', 'refuse')
  assert.deepEqual(await rig.ask(10), { busan: 10 })
  await waitFor(() => rig.active() === 'busan', { what: 'the failover' })
  await rig.behave('seoul', 'answer')
  await waitFor(() => rig.site('seoul').healthy === 2, { what: 'seoul to be back' })
  assert.deepEqual(await rig.ask(10), { busan: 10 })
  await waitFor(() => rig.active() === 'seoul', { what: 'the failback' })
  assert.deepEqual(await rig.ask(10), { seoul: 10 })
  const [last] = rig.balancer.status()[0]!.failover!.lastMoves
  assert.equal(last!.kind, 'failback')
})

test('a site below its threshold is left for the next one', async (context) => {
  const sites = { seoul: { minHealthy: 2 }, busan: 'hot' }
  const rig = await start(context, { sites, failover: { overflow: false } })
  await rig.backends.get('seoul1')!.behave({ kind: 'refuse' })
  await waitFor(() => rig.active() === 'busan', { what: 'seoul to be left' })
  assert.deepEqual(await rig.ask(10), { busan: 10 })
  assert.equal(rig.site('seoul').state, 'standby')
})

test('a warm site runs its hook first, while requests are held', async (context) => {
  const file = join(temporaryFolder('promote'), 'ran')
  const script = `sleep 0.3; echo "$EVENKEEL_TO $EVENKEEL_EPOCH $EVENKEEL_TO_ADDRESS" > ${file}`
  const rig = await start(context, {
    sites: { seoul: 'hot', busan: 'warm' },
    failover: { promote: { exec: ['sh', '-c', script], timeout: '5s' } },
  })
  await rig.behave('seoul', 'refuse')
  const answers = await rig.ask(5)
  assert.ok(existsSync(file), 'nobody is answered before the hook is over')
  assert.deepEqual(answers, { busan: 5 })
  const addresses = ['busan1', 'busan2'].map((name) => rig.backends.get(name)!.address).join(',')
  assert.equal(readFileSync(file, 'utf8'), `busan 2 ${addresses}\n`)
  assert.match(rig.backends.get('busan1')!.requests[0]!.head, /^evenkeel-epoch: 2$/im)
})

test('a cold site is taken by an operator, and left when he says so', async (context) => {
  const rig = await start(context, { sites: { seoul: 'hot', busan: 'cold' } })
  const act = (verb: 'switchover' | 'failback') => {
    const common = { reason: 'a drill', by: 'test', force: false, dryRun: false }
    const request = verb === 'failback' ? { verb, ...common } : { verb, to: 'busan', ...common }
    return rig.balancer.act('web', request)
  }
  await rig.behave('seoul', 'refuse')
  await waitFor(() => rig.site('seoul').state === 'active' && rig.site('seoul').healthy === 0, {
    what: 'seoul to be down',
  })
  assert.equal((await fetch(rig.url)).status, 503)
  const moved = await act('switchover')
  assert.ok(moved.ok, moved.message)
  assert.deepEqual(await rig.ask(10), { busan: 10 })
  await rig.behave('seoul', 'answer')
  await waitFor(() => rig.site('seoul').healthy === 2, { what: 'seoul to be back' })
  assert.deepEqual(await rig.ask(4), { busan: 4 })
  const back = await act('failback')
  assert.ok(back.ok, back.message)
  assert.deepEqual(await rig.ask(10), { seoul: 10 })
})

for (const balance of ['round-robin', 'least-connections', 'random-two']) {
  test(`half of a site keeps 70 % of the load, the rest overflows, with ${balance}`, async (context) => {
    const sites = { seoul: 'hot', busan: 'hot', daegu: 'cold' }
    const rig = await start(context, { sites, balance })
    await rig.backends.get('seoul2')!.behave({ kind: 'refuse' })
    await waitFor(() => rig.site('busan').state === 'overflow', { what: 'the overflow' })
    assert.ok(Math.abs(rig.site('busan').share - 0.3) < 1e-9)
    const { seoul = 0, busan = 0, daegu = 0 } = await rig.ask(200)
    assert.equal(daegu, 0)
    assert.equal(seoul + busan, 200)
    const slack = balance === 'random-two' ? 30 : 3
    assert.ok(Math.abs(seoul - 140) <= slack, `seoul got ${seoul} of 200`)
    assert.equal(rig.active(), 'seoul')
    assert.equal(rig.balancer.status()[0]!.failover!.epoch, 1)
  })
}

test('the site an operator chose survives a kill and a restart', async (context) => {
  const placed: Record<string, object> = {}
  for (const site of ['seoul', 'incheon', 'busan']) {
    const backend = await startBackend({ name: site })
    context.after(() => backend.stop())
    placed[site] = { address: backend.address, site }
  }
  const stateDir = temporaryFolder('state')
  const run = async (): Promise<Evenkeel> => {
    const evenkeel = await startEvenkeel({
      runtime: { stateDir },
      listeners: { web: { pool: 'web' } },
      pools: {
        web: {
          backends: placed,
          sites: { seoul: 'mirror', incheon: 'mirror', busan: 'cold' },
          healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
          failover: { readyFor: 0 },
        },
      },
    })
    context.after(() => evenkeel.stop())
    return evenkeel
  }
  const activeOf = async ({ adminUrl }: Evenkeel) => {
    const { failover } = (await (await fetch(`${adminUrl}/v1/pools/web`)).json()) as PoolStatus
    return [failover!.active, failover!.epoch]
  }
  const first = await run()
  const reply = await fetch(`${first.adminUrl}/v1/pools/web/switchover`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ to: 'busan', reason: 'a drill' }),
  })
  assert.equal(reply.status, 200, await reply.text())
  assert.deepEqual(await activeOf(first), ['busan', 2])
  first.process.signal('SIGKILL')
  await first.process.exited
  const second = await run()
  assert.deepEqual(await activeOf(second), ['busan', 2])
  assert.equal(await (await fetch(second.url())).text(), 'busan')
  assert.doesNotMatch(second.logs(), /"level":"(warn|error)"/)
})
