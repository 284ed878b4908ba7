// The control plane of an active-active pool with sites, in simulated time: which site serves, what
// spills to the next, and what an operator gets to hear.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverPlan, PoolPlan, SitePlan } from '../../../src/core/plan.ts'
import { ELIGIBILITY } from '../../../src/core/snapshot.ts'
import type { ActAnswer, OperatorRequest } from '../../../src/core/operator.ts'
import type { HookFacts } from '../../../src/ha/hooks.ts'
import { CHECK, poolPlan, World, type WorldOptions } from './control-world.ts'
import { FAILOVER_DEFAULTS } from '../../support/failover-machine.ts'

const FAILOVER: FailoverPlan = {
  ...FAILOVER_DEFAULTS,
  failback: 'auto',
  allDown: 'any',
}

type Kinds = Readonly<Record<string, SitePlan['kind'] | readonly [SitePlan['kind'], number]>>

/** Sites of two backends each, called a, b, c …; beside a class, the fewest healthy ones. */
function sitesPool(kinds: Kinds, failover: Partial<FailoverPlan> = {}): PoolPlan {
  const sites = Object.entries(kinds).map(([name, given]): SitePlan => {
    const [kind, minHealthy] = typeof given === 'string' ? [given, 1] : given
    return { name, kind, minHealthy }
  })
  const pool = poolPlan(2 * sites.length, {
    sites,
    failover: { ...FAILOVER, ...failover },
    slowStart: { durationMs: 0, from: 1 },
  })
  const backends = pool.backends.map((backend, index) =>
    Object.assign(backend, { site: Math.floor(index / 2) }),
  )
  return { ...pool, backends }
}

function started(pool: PoolPlan, options: WorldOptions = {}): World {
  return new World(pool, options).begin(12_000)
}

const HOT: Kinds = { seoul: 'hot', busan: 'hot' }
const SPILL = { overflow: true }

/** What the first thread may do with each backend, with its weight: `yes 1 yes 1 finish no`. */
function seats(world: World): string {
  const { eligibility, weight } = world.snapshots.at(-1)!.pools[0]!
  const nameOf = (code: number) => Object.entries(ELIGIBILITY).find(([, is]) => is === code)![0]
  const shown = Array.from(eligibility, (code, index) => {
    const rounded = Math.round(weight[index]! * 1_000) / 1_000
    return code === ELIGIBILITY.yes ? `${rounded}` : nameOf(code)
  })
  return shown.join(' ')
}

/** `seoul active 100 %, busan standby 0 %`. */
function sites(world: World): string {
  const [status] = world.plane.status()
  return status!.sites
    .map(({ name, state, share }) => `${name} ${state} ${Math.round(share * 100)} %`)
    .join(', ')
}

function breakSite(world: World, site: number): void {
  for (const [index, backend] of world.pool.backends.entries()) {
    if (backend.site === site) world.break(index, 'refuse', 'refuse')
  }
}

function healSite(world: World, site: number): void {
  for (const [index, backend] of world.pool.backends.entries()) {
    if (backend.site === site) world.heal(index)
  }
}

const by = { reason: 'a test', by: 'kim' }
const to = (site: string): OperatorRequest => {
  return { verb: 'switchover', to: site, force: false, dryRun: false, ...by }
}

/** Asks, lets time pass, and returns the answer. */
async function ask(world: World, request: OperatorRequest, ms = 8_000): Promise<ActAnswer> {
  const answer = world.plane.act('web', request)
  world.run(ms)
  return answer
}

test('the first site serves with all of its backends, the next stands by', () => {
  const world = started(sitesPool(HOT))
  assert.equal(seats(world), '1 1 finish finish')
  assert.equal(world.states(), 'a available, b available, c standby, d standby')
  assert.equal(sites(world), 'seoul active 100 %, busan standby 0 %')
  const [status] = world.plane.status()
  assert.equal(status!.available, 2)
  assert.equal(status!.failover!.state, 'steady')
  assert.equal(status!.failover!.active, 'seoul')
  assert.deepEqual(status!.failover!.standbys, [
    { name: 'busan', ready: true, reason: 'it is fit and has been for long enough' },
  ])
  assert.equal(world.snapshots.at(-1)!.pools[0]!.epoch, 1)
})

test('mirror sites share the load as one, and each may be named', async () => {
  const world = started(sitesPool({ seoul: 'mirror', incheon: 'mirror', busan: 'hot' }))
  assert.equal(seats(world), '1 1 1 1 finish finish')
  assert.equal(sites(world), 'seoul active 50 %, incheon active 50 %, busan standby 0 %')
  const refused = await ask(world, to('incheon'))
  assert.ok(!refused.ok)
  assert.equal(refused.message, 'seoul+incheon is the active already')
  const moved = await ask(world, to('busan'))
  assert.ok(moved.ok)
  assert.equal(moved.report!.from, 'seoul+incheon')
  assert.equal(seats(world), 'finish finish finish finish 1 1')
  const back = await ask(world, { ...to('incheon'), reason: 'done' })
  assert.ok(back.ok)
  assert.equal(back.report!.to, 'seoul+incheon')
  const unknown = await ask(world, to('daegu'))
  assert.ok(!unknown.ok)
  assert.equal(unknown.message, "Pool 'web' has no site 'daegu'.")
})

test('a mirror below its minHealthy is left while another one holds', () => {
  const world = started(sitesPool({ seoul: ['mirror', 2], incheon: ['mirror', 2] }))
  world.break(0, 'refuse', 'refuse')
  world.run(6_000)
  assert.equal(seats(world), 'no finish 1 1')
  assert.equal(sites(world), 'seoul left 0 %, incheon active 100 %')
  assert.deepEqual(world.sites, [
    'seoul left: 1 of its backends are healthy, fewer than 2; the other mirrors serve',
  ])
  assert.equal(world.moves.length, 1, 'leaving a mirror is no move')
  // If none holds, all serve that can.
  world.break(2, 'refuse', 'refuse')
  world.run(6_000)
  assert.equal(seats(world), 'no 1 no 1')
  world.heal(0)
  world.run(6_000)
  assert.equal(seats(world), '1 1 no finish')
  assert.deepEqual(world.sites.slice(1), [
    'seoul returned: it serves',
    'incheon left: 1 of its backends are healthy, fewer than 2; the other mirrors serve',
  ])
})

test('a hot site takes over by itself and gives back after the stability window', () => {
  const world = started(sitesPool(HOT))
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(200)
  assert.equal(seats(world), 'no no 1 1')
  assert.equal(world.moves.at(-1)!.kind, 'failover')
  assert.equal(world.moves.at(-1)!.to, 'busan')
  world.run(5_000)
  healSite(world, 0)
  world.run(28_000)
  assert.equal(seats(world), 'finish finish 1 1')
  assert.equal(world.plane.status()[0]!.failover!.state, 'failback-wait')
  world.run(10_000)
  assert.equal(seats(world), '1 1 finish finish')
  assert.equal(world.moves.at(-1)!.kind, 'failback')
})

test('nothing falls between two sites: the old one serves until the new one does', async () => {
  const world = started(sitesPool(HOT))
  const seen = world.snapshots.length
  world.backends[0]!.traffic = 300
  world.threads[0]!.request()
  world.run(10)
  const moved = await ask(world, to('busan'), 100)
  assert.ok(moved.ok)
  assert.match(moved.message, /; 0 sessions finished, 0 cut, 1 may finish$/)
  for (const { pools } of world.snapshots.slice(seen)) {
    const open = pools[0]!.eligibility.filter((code) => code === ELIGIBILITY.yes)
    assert.equal(open.length, 2)
  }
  world.run(300)
  assert.equal(world.finished.at(-1)!.ok, true)
})

test('with sessions: destroy the sessions of the old site end as the new one starts', async () => {
  const world = started(sitesPool(HOT, { sessions: 'destroy' }))
  world.backends[0]!.traffic = 5_000
  world.threads[0]!.request()
  world.run(10)
  const moved = await ask(world, to('busan'), 100)
  assert.ok(moved.ok)
  assert.deepEqual(moved.report!.sessions, { at: 1, finished: 0, cut: 1 })
  assert.equal(seats(world), 'cut cut 1 1')
})

test('a site below its threshold is left for one that holds, but not for one that does not', () => {
  const world = started(sitesPool({ seoul: ['hot', 2], busan: ['hot', 2] }))
  world.break(2, 'refuse', 'refuse')
  world.run(6_000)
  world.break(0, 'refuse', 'refuse')
  world.run(10_000)
  assert.equal(seats(world), 'no 1 no finish')
  assert.equal(world.plane.status()[0]!.failover!.active, 'seoul')
  world.heal(2)
  world.run(20_000)
  assert.equal(seats(world), 'no finish 1 1')
  assert.match(world.moves.at(-1)!.reason, /too few healthy backends/)
  // A site is stable when it has held for long enough, not when its first backend is up.
  world.run(40_000)
  world.heal(0)
  world.run(25_000)
  assert.equal(seats(world), 'finish finish 1 1')
  world.run(15_000)
  assert.equal(seats(world), '1 1 finish finish')
})

test('a warm site takes over after its hook and a fresh probe, with requests held meanwhile', () => {
  const hooks: HookFacts[] = []
  const promote = { kind: 'exec', command: ['/bin/promote'], timeoutMs: 5_000 } as const
  const world = started(sitesPool({ seoul: 'hot', busan: 'warm' }, { promote }), {
    failover: {
      hook: (_plan, facts, done) => {
        hooks.push(facts)
        world.at(500, () => done({ ok: true, sentence: '', output: '', tookMs: 500 }))
      },
    },
  })
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(200)
  assert.equal(seats(world), 'cut cut finish finish')
  assert.ok(world.snapshots.at(-1)!.pools[0]!.holdUntilMs > world.nowMs)
  const checks = world.probes.length
  world.run(600)
  assert.equal(seats(world), 'no no 1 1')
  assert.ok(world.probes.length > checks)
  assert.deepEqual(
    hooks.map(({ hook, epoch, from, to }) => [hook, epoch, from!.name, to.name, to.address]),
    [['promote', 2, 'seoul', 'busan', '10.0.0.1:8002,10.0.0.1:8003']],
  )
})

test('a warm site whose hook fails, or that nobody calls primary, is not served from', () => {
  const promote = { kind: 'exec', command: ['/bin/promote'], timeoutMs: 5_000 } as const
  const pool = sitesPool({ seoul: 'hot', busan: 'warm' }, { promote, proveMs: 1_000 })
  const failing = started(pool, {
    failover: {
      hook: (_plan, _facts, done) => {
        failing.at(5, () => done({ ok: false, sentence: 'exit 3', output: '', tookMs: 5 }))
      },
    },
  })
  breakSite(failing, 0)
  failing.threads[0]!.request()
  failing.threads[0]!.request()
  failing.run(300)
  assert.match(failing.moves.at(-1)!.reason, /exit 3/)
  assert.equal(failing.moves.at(-1)!.outcome, 'failed')
  assert.ok(!seats(failing).includes('1'))

  const roles = { primary: '/primary', replica: null }
  const check = { ...CHECK.check, roles } as NonNullable<PoolPlan['healthCheck']>['check']
  const world = started({ ...pool, healthCheck: { ...CHECK, check } })
  world.roles = [null, null, 'replica', 'replica']
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(900)
  assert.ok(!seats(world).includes('1'))
  world.roles = [null, null, 'replica', 'primary']
  world.run(300)
  assert.equal(seats(world), 'no no 1 1')
})

test('a warm site that is not fit when its hook is over is proven as soon as it is', () => {
  const promote = { kind: 'exec', command: ['/bin/promote'], timeoutMs: 9_000 } as const
  const world = started(sitesPool({ seoul: 'hot', busan: 'warm' }, { promote }), {
    failover: {
      hook: (_plan, _facts, done) => {
        breakSite(world, 1)
        world.at(7_000, () => {
          done({ ok: true, sentence: '', output: '', tookMs: 7_000 })
          world.at(1_000, () => healSite(world, 1))
        })
      },
    },
  })
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(7_500)
  assert.equal(world.plane.status()[0]!.failover!.move!.step, 'prove')
  assert.equal(world.plane.status()[0]!.sites[1]!.healthy, 0)
  world.run(3_000)
  assert.equal(seats(world), 'no no 1 1')
  assert.equal(world.moves.at(-1)!.outcome, 'moved')
})

test('a cold site is taken by an operator only, and kept', async () => {
  const world = started(sitesPool({ seoul: 'hot', busan: 'cold' }, SPILL))
  breakSite(world, 0)
  world.threads[0]!.request()
  world.run(20_000)
  assert.equal(seats(world), 'no no finish finish')
  assert.equal(sites(world), 'seoul active 0 %, busan standby 0 %')
  const [status] = world.plane.status()
  assert.match(status!.sites[1]!.reason, /taken by an operator only/)
  const moved = await ask(world, to('busan'), 100)
  assert.ok(moved.ok)
  assert.equal(seats(world), 'no no 1 1')
  healSite(world, 0)
  world.run(60_000)
  assert.equal(seats(world), 'finish finish 1 1')
  const back = await ask(world, { verb: 'failback', force: false, dryRun: false, ...by }, 200)
  assert.ok(back.ok)
  assert.equal(seats(world), '1 1 finish finish')
})

test('what the first site has no capacity for overflows to the hot ones after it', () => {
  const world = started(sitesPool({ seoul: 'hot', busan: 'hot', daegu: 'cold' }, SPILL))
  assert.equal(seats(world), '1 1 finish finish finish finish')
  world.break(0, 'refuse', 'refuse')
  world.run(6_000)
  // 1.4 × 50 % stays, the rest goes to busan.
  assert.equal(seats(world), 'no 2.1 0.45 0.45 finish finish')
  assert.equal(sites(world), 'seoul active 70 %, busan overflow 30 %, daegu standby 0 %')
  assert.equal(world.moves.length, 1, 'overflow is no move')
  assert.equal(world.plane.status()[0]!.failover!.epoch, 1)
  assert.equal(world.plane.status()[0]!.available, 3)
  world.heal(0)
  world.run(6_000)
  assert.equal(seats(world), '1 1 finish finish finish finish')
  assert.deepEqual(world.sites, [
    'busan overflow: seoul has capacity for 70 % of the load',
    'busan relieved: seoul serves alone',
  ])
})

test('with overflow a hot site serves at once, also before it is ready to take over', () => {
  const world = new World(sitesPool(HOT, SPILL)).begin(2_000)
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(60)
  assert.equal(seats(world), 'no no 1 1')
  assert.equal(world.moves.length, 1)
  world.run(12_000)
  assert.equal(world.plane.status()[0]!.failover!.active, 'busan')
})

test('what an operator left gets no overflow', async () => {
  const world = started(sitesPool(HOT, SPILL))
  await ask(world, to('busan'), 100)
  world.break(2, 'refuse', 'refuse')
  world.run(6_000)
  assert.equal(seats(world), 'finish finish no 1')
})

test('a site whose traffic fails while its checks pass is left, if another can take over', () => {
  const world = started(sitesPool(HOT))
  for (const index of [0, 1]) world.backends[index]!.traffic = 'error'
  world.load(100, 2_000)
  assert.equal(world.moves.at(-1)!.to, 'busan')
  assert.equal(seats(world), 'no no 1 1')
  // In busan the same happens, and there is nowhere to go: then a shared dependency fails.
  for (const index of [2, 3]) world.backends[index]!.traffic = 'error'
  world.load(100, 2_000)
  assert.equal(seats(world), 'no no 1 1')
  // Who stands by has no requests to be tried with: its ejection ends by time.
  healSite(world, 0)
  world.run(12_000)
  assert.equal(world.states(), 'a standby, b standby, c available, d available')
  // Once it has been fit for readyFor it is worth another try.
  world.run(10_000)
  assert.equal(world.states(), 'a available, b available, c ejected, d ejected')
})

test('what holds for a pool as a whole holds for the site that serves', () => {
  const world = started(sitesPool({ seoul: 'hot', busan: 'cold' }))
  for (const index of [0, 1]) world.backends[index]!.traffic = 'error'
  world.load(100, 2_000)
  // Both qualify at once, and nobody may take over: none is ejected for it.
  assert.equal(seats(world), '1 1 finish finish')
  const refusal = world.setAdmin('web', 'a', 'maint', 'x')
  assert.deepEqual(refusal, { ok: true })
  assert.ok(!world.setAdmin('web', 'b', 'maint', 'x').ok)
})

test('an operator who takes the last backend of a site out moves the pool first', () => {
  const world = started(sitesPool(HOT))
  assert.ok(world.setAdmin('web', 'a', 'drain', 'x').ok)
  assert.ok(world.setAdmin('web', 'b', 'drain', 'x').ok)
  world.run(100)
  assert.equal(seats(world), 'finish finish 1 1')
  assert.equal(world.moves.at(-1)!.kind, 'switchover')
})

test('a frozen pool keeps its site, and lets it spill over', async () => {
  const world = started(sitesPool(HOT, SPILL))
  await ask(world, { verb: 'freeze', ...by }, 10)
  breakSite(world, 0)
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(20_000)
  assert.equal(world.moves.length, 1)
  assert.equal(seats(world), 'no no 1 1')
})

test('a pool without health checks has sites, too', async () => {
  const world = started({ ...sitesPool(HOT), healthCheck: null })
  assert.equal(seats(world), '1 1 finish finish')
  const moved = await ask(world, to('busan'), 100)
  assert.ok(moved.ok)
  assert.equal(seats(world), 'finish finish 1 1')
})
