// Pools with an active take another plan, in simulated time: the active and its epoch stay, and what
// would have to guess about them is refused with what to do instead.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { whyNotNow } from '../../../src/core/failover-adopt.ts'
import type { FailoverState } from '../../../src/core/failover-contract.ts'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import { initialFailover } from '../../../src/core/failover-initial.ts'
import type { OperatorRequest } from '../../../src/core/operator.ts'
import type { BackendPlan, FailoverPlan, PoolPlan, SitePlan } from '../../../src/core/plan.ts'
import { BACKEND, CONTROL_POOL } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, type PoolSnapshot } from '../../../src/core/snapshot.ts'
import { CHECK, planOf, plansOf, poolPlan, World, type WorldOptions } from './control-world.ts'
import { FAILOVER_DEFAULTS } from '../../support/failover-machine.ts'

function standby(failover: Partial<FailoverPlan> = {}, pool: Partial<PoolPlan> = {}): PoolPlan {
  return poolPlan(2, {
    name: 'db',
    mode: 'active-standby',
    failover: { ...FAILOVER_DEFAULTS, ...failover },
    ...pool,
  })
}

function started(pool: PoolPlan, options: WorldOptions = {}): World {
  return new World(pool, { slots: 16, ...options }).begin(12_000)
}

const by = { reason: 'a test', by: 'kim' }
const switchTo = (to: string): OperatorRequest => {
  return { verb: 'switchover', to, force: false, dryRun: false, ...by }
}

function move(world: World, to: string, ms = 8_000): void {
  void world.plane.act('db', switchTo(to))
  world.run(ms)
}

const failover = (world: World) => world.plane.status()[0]!.failover!
const reign = (world: World) => `${failover(world).active} ${failover(world).epoch}`

function seats(world: World): string {
  const { eligibility } = world.snapshots.at(-1)!.pools[0]!
  const nameOf = (code: number) => Object.entries(ELIGIBILITY).find(([, is]) => is === code)![0]
  return world.pool.backends
    .map(({ name }, index) => `${name} ${nameOf(eligibility[index]!)}`)
    .join(', ')
}

function backend(name: string, port: number, more: Partial<BackendPlan> = {}): BackendPlan {
  const address = { kind: 'tcp', host: '10.0.0.3', port } as const
  return { name, slot: -1, address, weight: 1, zone: null, site: -1, ...more }
}

test('the active and its epoch stay wherever the reload puts them', () => {
  const world = started(standby())
  move(world, 'b')
  assert.equal(reign(world), 'b 2')
  const before = world.snapshots.length
  const [a, b] = world.pool.backends
  world.reload({ backends: [b!, backend('n', 1), a!] })
  assert.equal(world.snapshots.length, before + 1)
  assert.equal(reign(world), 'b 2')
  assert.equal(seats(world), 'b yes, n cut, a cut')
  assert.equal(world.snapshots.at(-1)!.pools[0]!.epoch, 2)
  world.run(30_000)
  assert.equal(reign(world), 'b 2')
  assert.equal(failover(world).lastMoves.length, 2, 'what was kept of moves stays')
  assert.deepEqual(
    failover(world).standbys.map(({ name, ready }) => `${name} ${ready}`),
    ['n true', 'a true'],
  )
})

test('a failover after a reload goes to who stands by now', () => {
  const world = started(standby())
  world.reload({ backends: [backend('n', 1), ...world.pool.backends] })
  world.run(15_000)
  world.break(0, 'refuse', 'refuse')
  world.load(100, 8_000)
  assert.equal(reign(world), 'n 2')
  assert.equal(seats(world), 'n yes, a cut, b cut')
})

test('a new standby takes over only when it has been fit for readyFor', () => {
  const world = started(standby())
  const [a, b] = world.pool.backends
  world.reload({ backends: [a!, b!, backend('n', 1)] })
  world.run(3_000)
  const [, n] = failover(world).standbys
  assert.equal(n!.ready, false)
  assert.match(n!.reason, /readyFor/)
})

test('a new standby without a verdict holds no failover up', () => {
  const world = started(standby())
  const [a, b] = world.pool.backends
  world.break(2, 'hang', 'hang')
  world.reload({ backends: [a!, b!, backend('n', 1)] })
  world.break(0, 'refuse', 'refuse')
  world.load(100, 500)
  assert.equal(reign(world), 'b 2')
})

test('a new standby that comes while the active is down may be stale, and is not taken', () => {
  const world = started(standby({}, { backends: standby().backends.slice(0, 1) }))
  world.break(0, 'refuse', 'refuse')
  world.load(100, 5_000)
  world.reload({ backends: [...world.pool.backends, backend('n', 1)] })
  world.run(30_000)
  assert.equal(reign(world), 'a 1')
  assert.match(failover(world).standbys[0]!.reason, /may be stale/)
})

test('freeze, hold-down and pins stay', () => {
  const world = started(standby({ failback: 'auto', stableForMs: 5_000 }))
  move(world, 'b', 2_000)
  void world.plane.act('db', { verb: 'freeze', ...by })
  const [a, b] = world.pool.backends
  world.reload({ backends: [a!, backend('n', 1), b!] })
  assert.deepEqual(failover(world).frozen, { by: 'kim', reason: 'a test' })
  assert.equal(reign(world), 'b 2')
  void world.plane.act('db', { verb: 'unfreeze', ...by })
  world.run(60_000)
  assert.equal(reign(world), 'b 2', 'an operator chose it')
})

test('settings of the failover hold from the reload on', () => {
  const world = started(standby())
  world.break(0, 'refuse', 'refuse')
  world.load(100, 3_000)
  world.heal(0)
  world.run(60_000)
  assert.equal(reign(world), 'b 2', 'failback is manual')
  world.reload({ failover: { ...FAILOVER_DEFAULTS, failback: 'auto' } })
  world.run(5_000)
  assert.equal(reign(world), 'a 3')
})

test('the active can’t be removed, nor get another address', () => {
  const world = started(standby())
  const [a, b] = world.pool.backends
  const refusal = (backends: readonly BackendPlan[]) =>
    world.plane.refusal(planOf(world.slotted({ ...world.pool, backends })))
  assert.equal(
    refusal([b!]),
    "'a' is the active of pool 'db' and can't be removed; move it first: evenkeel switchover db",
  )
  assert.equal(
    refusal([{ ...a!, address: { kind: 'tcp', host: '10.9.9.9', port: 1 } }, b!]),
    "'a' is the active of pool 'db' and can't get another address; move it first: evenkeel switchover db",
  )
  assert.equal(refusal([a!]), null)
  assert.equal(refusal([{ ...a!, weight: 5 }, b!]), null)
})

test('who may have the latest data can’t be removed while nobody is the active', () => {
  const pool = standby()
  const members = pool.backends.map(({ name }) => ({ name, takeover: 'auto' }) as const)
  const machine = { pool: 'db', plan: FAILOVER_DEFAULTS, members, asksRole: false }
  const idle = initialFailover(machine, null, 0)
  const refusal = (state: FailoverState, name: string) => {
    const backends = pool.backends.filter((one) => one.name !== name)
    return whyNotNow(planOf(pool), planOf({ ...pool, backends }), () => state)
  }
  assert.equal(
    refusal({ ...idle, last: 0 }, 'a'),
    "nobody is the active of pool 'db' at present, and 'a' may have the latest data, so it can't be removed before another one is: evenkeel switchover db",
  )
  assert.match(refusal({ ...idle, last: 0, promotedTo: 1 }, 'b')!, /'b' may have the latest data/)
  assert.match(refusal({ ...idle, last: 0, interruptedTo: 1 }, 'b')!, /'b' may have the/)
  assert.equal(refusal({ ...idle, last: 0 }, 'b'), null)
  assert.equal(refusal(idle, 'a'), null, 'nobody ever was')
})

test('a move is not disturbed: its pool can’t change before it is over, others can', () => {
  const world = started(standby({ drainMs: 5_000 }))
  world.backends[0]!.traffic = 3_000
  world.threads[0]!.request()
  move(world, 'b', 500)
  assert.equal(failover(world).state, 'switching')
  const { pool } = world
  const refusal = (changes: Partial<PoolPlan>) =>
    world.plane.refusal(planOf(world.slotted({ ...pool, ...changes })))
  const why = /^pool 'db' is moving to 'b' at this moment: .*; try again then$/
  assert.match(refusal({ backends: [...pool.backends, backend('n', 1)] })!, why)
  assert.match(refusal({ failover: { ...pool.failover!, holdDownMs: 1 } })!, why)
  const check = { ...CHECK, check: { kind: 'tcp', steps: [] } } as const
  assert.match(refusal({ healthCheck: check })!, why)
  const other = { ...poolPlan(1, { name: 'web', slot: 1 }) }
  world.adopt(
    plansOf({ ...pool, minAvailable: 0 }, { ...other, backends: [backend('x', 1, { slot: 5 })] }),
  )
  assert.equal(failover(world).state, 'switching')
  world.run(8_000)
  assert.equal(reign(world), 'b 2')
  assert.equal(world.moves.at(-1)!.outcome, 'moved')
  assert.deepEqual(world.moves.at(-1)!.sessions, { at: 1, finished: 1, cut: 0 })
})

test('a proof that the reload interrupts is asked for again', () => {
  const world = started(standby())
  world.backends[1]!.probeMs = 600
  void world.plane.act('db', switchTo('b'))
  world.run(100)
  assert.equal(failover(world).move?.step, 'prove')
  world.reload({ healthCheck: { ...CHECK, timeoutMs: 900 } })
  world.run(1_000)
  assert.equal(reign(world), 'b 2')
})

test('with agreement, members and settings are for all replicas to change', () => {
  const pool = standby({ agreement: 'etcd' })
  const world = started(pool)
  const refusal = (changes: Partial<PoolPlan>) =>
    world.plane.refusal(planOf(world.slotted({ ...world.pool, ...changes })))
  const why = /^pool 'db' has `agreement: etcd`.*restart them one by one$/
  assert.match(refusal({ backends: world.pool.backends.slice(0, 1) })!, why)
  assert.match(refusal({ failover: { ...pool.failover!, holdDownMs: 1 } })!, why)
  assert.match(refusal({ failover: FAILOVER_DEFAULTS })!, why)
  assert.equal(refusal({ minAvailable: 0, healthCheck: { ...CHECK, intervalMs: 500 } }), null)
  assert.match(world.plane.refusal({ ...world.plan, pools: [] })!, why)
  const more = { ...pool, name: 'db2', slot: 1, backends: [backend('x', 1, { slot: 7 })] }
  const added = world.plane.refusal(plansOf(world.pool, more))
  assert.match(added!, /^pool 'db2' with `agreement: etcd` can't be added/)
})

test('mode and cluster can’t change', () => {
  const world = started(standby())
  const other = planOf({ ...world.pool, mode: 'active-active', failover: null })
  assert.match(world.plane.refusal(other)!, /^the mode of pool 'db' can't change/)
  const cluster = { ...world.plan, cluster: { name: 'x' } as never }
  assert.match(world.plane.refusal(cluster)!, /^`cluster` can't change/)
})

test('a pool can go, and come back', () => {
  const world = started(standby())
  move(world, 'b')
  const { plan } = world
  const web = poolPlan(1, { name: 'web', slot: 1, backends: [backend('x', 1, { slot: 5 })] })
  world.adopt(planOf(web))
  assert.deepEqual(
    world.plane.status().map(({ name }) => name),
    ['web'],
  )
  world.run(500)
  world.adopt(plan)
  world.run(500)
  assert.equal(world.plane.status()[0]!.name, 'db')
})

test('the read side follows its pool', () => {
  const world = started(standby({}, { healthCheck: CHECK }))
  const reads = (source: PoolPlan, first: number) =>
    poolPlan(2, {
      name: 'reads',
      slot: 1,
      replicasOf: 0,
      backends: source.backends.map((one, i) => ({ ...one, slot: first + i })),
    })
  world.adopt(plansOf(world.pool, reads(world.pool, 8)))
  world.run(200)
  const eligible = () => {
    const own = world.plane.current().pools.find(({ pool }) => pool === 1)!
    return world.plan.pools[1]!.backends.filter((_, i) => own.eligibility[i] === ELIGIBILITY.yes)
  }
  assert.deepEqual(
    eligible().map(({ name }) => name),
    ['b'],
  )
  const [a, b] = world.pool.backends
  const turned = { ...world.pool, backends: [b!, { ...backend('n', 1), slot: 2 }, a!] }
  const next = plansOf(turned, {
    ...reads(turned, 0),
    backends: turned.backends.map((one, i) => ({ ...one, slot: [9, 10, 8][i]! })),
  })
  assert.equal(world.plane.refusal(next), null)
  world.adopt(next)
  world.run(500)
  assert.deepEqual(
    eligible().map(({ name }) => name),
    ['b', 'n'],
  )
  const strange = plansOf(turned, { ...next.pools[1]!, backends: next.pools[1]!.backends.slice(1) })
  assert.match(
    world.plane.refusal(strange)!,
    /'reads' serves the reads of 'db' and must have the same/,
  )
})

test('those who serve reads share them by their weights, and nobody else has one', () => {
  const pool = standby({}, { healthCheck: CHECK })
  const weights = [5, 3, 2, 0]
  const backends = weights.map((weight, slot) =>
    backend('abcd'[slot]!, slot + 1, { weight, slot: slot + 4 }),
  )
  const world = started({ ...pool, backends: backends.map((one, slot) => ({ ...one, slot })) })
  const reads = poolPlan(2, { name: 'reads', slot: 1, replicasOf: 0, backends })
  world.adopt(plansOf(world.pool, reads))
  world.run(200)
  const own = world.plane.current().pools.find(({ pool }) => pool === 1)!
  assert.deepEqual([...own.weight], [0, 3, 2, 0])
  const told = () =>
    world.plane
      .status()[1]!
      .backends.map(({ effectiveWeight, reason }) => `${effectiveWeight}: ${reason}`)
  const none = '0: serves no reads: not a replica that is fit and keeps up'
  const reader = 'a replica that keeps up: serves reads'
  assert.deepEqual(told(), [none, `3: ${reader}`, `2: ${reader}`, none])
  for (const { slot } of reads.backends.slice(1, 3)) world.break(slot, 'refuse', 'refuse')
  world.run(10_000)
  assert.deepEqual(told(), ['5: the active: serves reads because no replica can', none, none, none])
})

test('what reads from an active that is left finishes, or ends, with its other sessions', () => {
  const world = started(standby({ drainMs: 1_000 }, { healthCheck: CHECK }))
  const backends = world.pool.backends.map((one, i) => ({ ...one, slot: 8 + i }))
  const reads = poolPlan(2, { name: 'reads', slot: 1, replicasOf: 0, backends })
  world.adopt(plansOf(world.pool, reads))
  // A session that was given to the active for want of a replica, and stays when there is one.
  const row = world.table.rows[0]!
  row[world.table.backendBase(8) + BACKEND.inFlight] = 1
  const told = (): string[] => {
    const { pools } = world.plane.current()
    const nameOf = (code: number) => Object.entries(ELIGIBILITY).find(([, is]) => is === code)![0]
    return pools.map(({ eligibility }) => [...eligibility].map(nameOf).join(' '))
  }
  world.run(200)
  assert.deepEqual(told(), ['yes cut', 'no yes'])
  const from = world.snapshots.length
  move(world, 'b', 900)
  assert.deepEqual(told(), ['finish cut', 'finish yes'])
  world.run(300)
  const stops = world.snapshots.slice(from).filter(({ isAwaited }) => isAwaited === true)
  const [finishes, cuts] = stops.map(({ pools }) => pools.map((one) => one.eligibility[0]!))
  assert.deepEqual(finishes, [ELIGIBILITY.finish, ELIGIBILITY.finish])
  assert.deepEqual(cuts, [ELIGIBILITY.cut, ELIGIBILITY.cut])
  assert.deepEqual(world.moves.at(-1)!.sessions, { at: 1, finished: 0, cut: 1 })
  assert.equal(reign(world), 'b 2')
  assert.deepEqual(told(), ['cut yes', 'yes no'])
})

test('reads that nobody can serve wait for the move with everything else', () => {
  const world = started(standby({}, { healthCheck: CHECK }))
  const backends = world.pool.backends.map((one, i) => ({ ...one, slot: 8 + i, weight: 1 - i }))
  world.adopt(plansOf(world.pool, poolPlan(2, { name: 'reads', slot: 1, replicasOf: 0, backends })))
  world.run(200)
  const before = world.snapshots.length
  world.backends[0]!.traffic = 400
  world.threads[0]!.request()
  world.run(10)
  move(world, 'b', 200)
  const holds = world.snapshots.slice(before).flatMap(({ pools }) => {
    return [pools.map(({ holdUntilMs }) => holdUntilMs > world.nowMs)]
  })
  assert.deepEqual(holds.at(-1), [true, true])
  world.run(1_000)
  assert.deepEqual(
    world.plane.current().pools.map(({ holdUntilMs }) => holdUntilMs),
    [0, 0],
  )
})

test('who may not send to the active has it serve no reads either', () => {
  const world = started(standby({}, { healthCheck: CHECK }))
  const backends = world.pool.backends.map((one, i) => ({ ...one, slot: 8 + i }))
  const reads = poolPlan(2, { name: 'reads', slot: 1, replicasOf: 0, backends })
  world.adopt(plansOf(world.pool, reads))
  world.setAdmin('db', 'b', 'drain', '', true)
  world.run(200)
  const readers = (): string[] => {
    const { backends } = world.plane.status()[1]!
    return backends.flatMap(({ name, availability }) => (availability === 'standby' ? [] : [name]))
  }
  assert.deepEqual(readers(), ['a'])
  const cell = world.table.controlPoolBase(0) + CONTROL_POOL.sendUntilMs
  world.table.control[cell] = world.nowMs + 500
  world.run(400)
  assert.deepEqual(readers(), ['a'])
  world.run(300)
  assert.deepEqual(readers(), [])
  world.table.control[cell] = Infinity
  world.run(200)
  assert.deepEqual(readers(), ['a'])
})

test('a read side is told who is the active, for that one is guarded', () => {
  const world = started(standby({}, { healthCheck: CHECK }))
  const backends = world.pool.backends.map((one, i) => ({ ...one, slot: 8 + i }))
  const reads = poolPlan(2, { name: 'reads', slot: 1, replicasOf: 0, backends })
  world.adopt(plansOf(world.pool, reads))
  const told = (): readonly unknown[] => world.plane.current().pools.map(({ active }) => active)
  assert.deepEqual(told(), [undefined, 0])
  const before = world.snapshots.length
  move(world, 'b', 200)
  const actives = world.snapshots.slice(before).flatMap(({ pools }) => {
    return pools.flatMap(({ active }) => (active === undefined ? [] : [active]))
  })
  // On its way out the old one still is; then nothing runs on it any more.
  assert.deepEqual(
    actives.filter((active, i) => active !== actives[i - 1]),
    [0, -1, 1],
  )
})

// --- sites ---------------------------------------------------------------------------------------

function sites(names: readonly (readonly [string, SitePlan['kind'], number])[]): PoolPlan {
  const all = names.map(([name, kind]): SitePlan => ({ name, kind, minHealthy: 1 }))
  const backends = names.flatMap(([name, , count], site) =>
    Array.from({ length: count }, (_, i) =>
      backend(`${name}${i}`, 10 * name.codePointAt(0)! + i, { site }),
    ),
  )
  return poolPlan(1, {
    name: 'db',
    sites: all,
    failover: { ...FAILOVER_DEFAULTS, failback: 'auto', allDown: 'any' },
    slowStart: { durationMs: 0, from: 1 },
    backends: backends.map((one, slot) => Object.assign(one, { slot })),
  })
}

test('a site goes on serving while others come, go and grow', () => {
  const world = started(
    sites([
      ['seoul', 'hot', 2],
      ['busan', 'hot', 2],
    ]),
  )
  assert.equal(reign(world), 'seoul 1')
  const next = sites([
    ['jeju', 'hot', 1],
    ['seoul', 'hot', 3],
    ['busan', 'hot', 1],
  ])
  world.reload(next)
  assert.equal(reign(world), 'seoul 1')
  assert.match(seats(world), /jeju0 no, seoul0 yes, seoul1 yes, seoul2 no, busan0 finish/)
  world.run(500)
  assert.match(seats(world), /jeju0 finish, seoul0 yes, seoul1 yes, seoul2 yes, busan0 finish/)
  assert.equal(reign(world), 'seoul 1')
})

test('the active site can’t be removed, and a pool keeps or lacks sites as it began', () => {
  const world = started(
    sites([
      ['seoul', 'hot', 1],
      ['busan', 'hot', 1],
    ]),
  )
  const refusal = (pool: PoolPlan) => world.plane.refusal(planOf(world.slotted(pool)))
  assert.match(refusal(sites([['busan', 'hot', 1]]))!, /^'seoul' is the active of pool 'db'/)
  const plain = { ...world.pool, sites: [], failover: null }
  assert.match(refusal(plain)!, /can't be given sites, or lose them all/)
})

test('one mirror more is no other active', () => {
  const world = started(
    sites([
      ['seoul', 'mirror', 1],
      ['busan', 'mirror', 1],
      ['cold', 'cold', 1],
    ]),
  )
  assert.equal(reign(world), 'seoul+busan 1')
  const next = sites([
    ['seoul', 'mirror', 1],
    ['busan', 'mirror', 1],
    ['cold', 'cold', 1],
    ['jeju', 'mirror', 1],
  ])
  world.reload(next)
  assert.equal(reign(world), 'seoul+busan+jeju 1')
  world.run(500)
  assert.match(seats(world), /seoul0 yes, busan0 yes, cold0 finish, jeju0 yes/)
})

test('a newcomer without a verdict does not make an active site unjudged', () => {
  const world = started(
    sites([
      ['seoul', 'hot', 1],
      ['busan', 'hot', 1],
    ]),
  )
  world.break(1, 'refuse', 'refuse')
  world.run(8_000)
  world.break(0, 'refuse', 'refuse')
  world.run(8_000)
  assert.equal(reign(world), 'seoul 1', 'nobody could take over')
  world.break(2, 'hang', 'hang')
  const next = sites([
    ['seoul', 'hot', 2],
    ['busan', 'hot', 1],
  ])
  world.reload({ ...next, healthCheck: { ...CHECK, timeoutMs: 60_000, fall: 30 } })
  world.heal(1)
  world.run(15_000)
  assert.match(world.states(), /seoul1 checking/)
  assert.equal(reign(world), 'busan 2')
})

test('the time to find a failure counts from its first sign, also over a reload', () => {
  const world = started(standby())
  world.break(0, 'sick', 5)
  const lastProbe = () => world.plane.status()[0]!.backends[0]!.lastProbe!
  while (!lastProbe().includes('503')) world.run(10)
  world.run(800)
  assert.match(world.states(), /^a available/)
  world.reload({ minAvailable: 0 })
  world.run(3_000)
  assert.equal(reign(world), 'b 2')
  assert.ok(world.moves.at(-1)!.detectionMs > 900, `${world.moves.at(-1)!.detectionMs}`)
})

const mirrors = (count: number) =>
  sites((['seoul', 'busan', 'jeju'] as const).slice(0, count).map((name) => [name, 'mirror', 1]))

test('what is kept over a restart names the members of the new plan', () => {
  const kept: FailoverRecord[] = []
  const soon = (then: () => void) => world.at(0.1, then)
  const world: World = new World(mirrors(2), {
    slots: 16,
    failover: {
      store: {
        restore: () => null,
        claim: (_pool, _record, done) => soon(() => done(null)),
        stopped: (_pool, _epoch, done) => soon(done),
        commit: (_pool, _record, done) => soon(() => done(null)),
        acknowledge: () => {},
        freeze: () => {},
        save: (_pool, record) => kept.push(record),
        recover: () => null,
        views: () => {},
        sees: () => 'own',
      },
    },
  })
  world.begin(12_000).reload(mirrors(3))
  const { active, epoch, movingTo } = kept.at(-1)!
  assert.deepEqual(
    { active, epoch, movingTo },
    { active: 'seoul+busan+jeju', epoch: 1, movingTo: null },
  )
})

test('requests wait for the first active of a new pool', () => {
  const web = poolPlan(1, { name: 'web', backends: [backend('x', 1, { slot: 9 })] })
  const world = new World(web, { slots: 16 }).begin(1_000)
  world.backends[0]!.probeMs = 80
  const before = world.snapshots.length
  world.adopt(plansOf(web, { ...standby(), slot: 1 }))
  world.run(1_000)
  assert.equal(world.plane.status()[1]!.failover!.active, 'a')
  const told = world.snapshots.slice(before).flatMap(({ pools }) => pools)
  const isOpen = ({ eligibility }: PoolSnapshot) => eligibility.includes(ELIGIBILITY.yes)
  for (const one of told.filter(({ pool }) => pool === 1)) {
    assert.ok(isOpen(one) || one.holdUntilMs > world.nowMs - 1_000, 'nobody is refused')
  }
})
