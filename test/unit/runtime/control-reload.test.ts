// The control plane takes another plan: what is known of what stays goes on, what is new has to show
// itself first, and rows are given back only when nobody uses them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPlan, PoolPlan } from '../../../src/core/plan.ts'
import { BACKEND, CONTROL, POOL } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, SUSPICION } from '../../../src/core/snapshot.ts'
import { CHECK, OUTLIER, planOf, plansOf, poolPlan, World } from './control-world.ts'

const { no, yes } = ELIGIBILITY
const failed = (world: World) => world.finished.filter(({ ok }) => !ok).length
const last = (world: World) => world.snapshots.at(-1)!

/** A pool in use, with room for more backends. */
function inUse(backends = 3, changes: Partial<PoolPlan> = {}, threads = 2): World {
  const world = new World(poolPlan(backends, changes), { threads, slots: 16 }).begin()
  world.load(400, 2_000)
  world.transcript(0)
  world.finished.length = 0
  return world
}

/** The backends of the world's pool with others beside them. */
function withMore(world: World, ...names: readonly string[]): BackendPlan[] {
  const more = names.map((name, i): BackendPlan => {
    const address = { kind: 'tcp', host: '10.0.0.2', port: 9_000 + i } as const
    return { name, slot: -1, address, weight: 1, zone: null, site: -1 }
  })
  return [...world.pool.backends, ...more]
}

function without(world: World, name: string): BackendPlan[] {
  return world.pool.backends.filter((backend) => backend.name !== name)
}

test('a plan is told in one snapshot, with all of its pools, and only once', () => {
  const world = inUse()
  const before = world.snapshots.length
  world.reload({ minAvailable: 2 })
  assert.equal(world.snapshots.length, before + 1, 'before adopt returns')
  assert.equal(last(world).plan, world.plan)
  assert.deepEqual(
    last(world).pools.map(({ pool, eligibility }) => [pool, [...eligibility]]),
    [[0, [yes, yes, yes]]],
  )
  world.run(5_000)
  assert.equal(world.snapshots.filter(({ plan }) => plan !== undefined).length, 1)
  assert.deepEqual(world.transcript(0), [])
})

test('a backend that is down stays down, whatever else of it changes', () => {
  const world = inUse()
  world.break(1, 'refuse', 'refuse')
  world.load(400, 3_000)
  const since = () => world.nowMs - world.plane.status()[0]!.backends[1]!.sinceMs
  const before = since()
  const [a, b, c] = world.pool.backends
  world.reload({ backends: [c!, { ...b!, weight: 7, zone: 'z' }, a!], minAvailable: 0 })
  assert.equal(world.states(), 'c available, b down, a available')
  assert.equal(since(), before)
  assert.deepEqual([...last(world).pools[0]!.eligibility], [yes, no, yes])
  assert.match(world.plane.status()[0]!.backends[1]!.reason, /connection refused/)
})

test('a reload does not restart the row of failed probes', () => {
  const downAfter = (reload: boolean) => {
    const world = inUse()
    const startMs = world.nowMs
    world.break(2, 'sick', 5)
    for (let i = 0; i < 60; i++) {
      world.run(100)
      if (reload) world.reload({ minAvailable: i % 3 })
    }
    return world.transitions.filter(({ to }) => to === 'down').map(({ atMs }) => atMs - startMs)
  }
  assert.equal(downAfter(true).length, 1)
  assert.ok(Math.abs(downAfter(true)[0]! - downAfter(false)[0]!) < 400)
})

test('an ejection runs its time over a reload, and its length keeps growing', () => {
  const world = inUse()
  world.break(1, 'pass', 'error')
  world.load(400, 1_000)
  assert.match(world.states(), /b ejected/)
  const left = () => world.plane.status()[0]!.backends[1]!.ejectedForMs!
  const before = left()
  world.reload({ backends: [...world.pool.backends].toReversed() })
  assert.equal(world.states(), 'c available, b ejected, a available')
  assert.equal(left(), before)
  world.load(400, 12_000)
  assert.ok(left() > 15_000, `the second one lasts twice as long: ${left()}`)
})

test('an operator’s word and its reason stay', () => {
  const world = inUse()
  world.setAdmin('web', 'a', 'maint', 'new disks')
  world.reload({ backends: [...world.pool.backends].toReversed() })
  assert.equal(world.states(), 'c available, b available, a maint')
  assert.match(world.plane.status()[0]!.backends[2]!.reason, /new disks/)
})

test('a slow start goes on where it was', () => {
  const world = inUse()
  world.break(1, 'refuse', 'refuse')
  world.load(400, 3_000)
  world.heal(1)
  world.run(5_000)
  const weight = last(world).pools[0]!.weight[1]!
  assert.ok(weight > 0.1 && weight < 1, `${weight}`)
  world.reload({ minAvailable: 0 })
  assert.equal(last(world).pools[0]!.weight[1], weight)
})

test('the history of traffic stays: a streak that began before the reload ejects after it', () => {
  const world = inUse(3, {}, 1)
  world.run(100)
  const [thread] = world.threads
  const fail = (count: number) => {
    thread!.add(1, BACKEND.attempts, count)
    thread!.add(1, BACKEND.failures, count)
    thread!.add(1, BACKEND.streak, count)
  }
  fail(3)
  world.run(200)
  world.reload({ minAvailable: 0 })
  fail(2)
  world.run(200)
  assert.match(world.states(), /b ejected/)
})

test('a new backend gets nothing before its first pass, and then a slow start', () => {
  const world = inUse()
  world.break(3, 'hang', 5)
  world.reload({ backends: withMore(world, 'n') })
  assert.equal(world.pool.backends[3]!.slot, 3)
  assert.match(world.states(), /n checking/)
  world.run(900)
  assert.equal(last(world).pools[0]!.eligibility[3], no)
  world.heal(3)
  world.run(1_200)
  assert.match(world.states(), /n starting/)
  const weight = last(world).pools[0]!.weight[3]!
  assert.ok(weight > 0 && weight < 0.3, `${weight}`)
  assert.equal(world.plane.ready(), true, 'a reload never makes the process unready')
})

test('a new backend is probed at once', () => {
  const world = inUse()
  const startMs = world.nowMs
  world.reload({ backends: withMore(world, 'n') })
  world.run(100)
  const first = world.probes.find(({ backend }) => backend === 3)!
  assert.ok(first.atMs - startMs < 10, `${first.atMs - startMs}`)
  assert.match(world.states(), /n starting/)
})

test('without a health check a new backend serves at once, slowly if others do', () => {
  const world = inUse(2, { healthCheck: null })
  world.reload({ backends: withMore(world, 'n') })
  assert.equal(world.states(), 'a available, b available, n starting')
  assert.deepEqual([...last(world).pools[0]!.weight], [1, 1, 0.1])
  world.reload({ backends: withMore(world, 'x', 'y').slice(3) })
  assert.equal(world.states(), 'x available, y available', 'nobody else serves')
})

test('a reload that replaces all backends refuses no request', () => {
  const world = inUse(3, {}, 2)
  world.load(400, 300)
  world.reload({ backends: withMore(world, 'x', 'y').slice(3) })
  const { holdUntilMs } = last(world).pools[0]!
  assert.ok(holdUntilMs > world.nowMs, 'requests wait for the first verdicts')
  world.run(100)
  assert.equal(world.states(), 'x available, y available')
  assert.equal(last(world).pools[0]!.holdUntilMs, 0)
  world.finished.length = 0
  world.load(400, 500)
  assert.equal(failed(world), 0)
})

test('requests do not wait for verdicts that do not come', () => {
  const world = inUse(1)
  world.break(1, 'hang', 'hang')
  world.reload({ backends: withMore(world, 'x').slice(1) })
  world.run(1_600)
  assert.equal(last(world).pools[0]!.holdUntilMs, 0)
  assert.equal(world.states(), 'x checking')
})

test('a removed backend leaves without a transition, and its probes end', () => {
  const world = inUse()
  world.break(2, 'hang', 5)
  world.run(2_500)
  world.reload({ backends: without(world, 'c') })
  assert.equal(world.states(), 'a available, b available')
  const probes = world.probes.length
  world.run(5_000)
  assert.deepEqual(world.transcript(0), [])
  assert.ok(world.probes.slice(probes).every(({ backend }) => backend < 2))
})

test('a probe that is under way finds its backend where the reload has put it', () => {
  const world = inUse()
  for (const backend of world.backends) backend.probeMs = 400
  world.run(3_000)
  world.break(0, 'sick', 5)
  for (let i = 0; i < 80; i++) {
    const [first, ...others] = world.pool.backends
    world.run(77)
    world.reload({ backends: [...others, first!] })
  }
  const byName = (one: string, other: string) => one.localeCompare(other)
  const states = world.states().split(', ').toSorted(byName)
  assert.deepEqual(states, ['a down', 'b available', 'c available'])
})

test('another health check keeps the verdict and is asked soon', () => {
  const world = inUse()
  world.break(1, 'refuse', 'refuse')
  world.load(400, 3_000)
  const probes = world.probes.length
  const check = { ...CHECK, intervalMs: 60_000, timeoutMs: 700 }
  world.reload({ healthCheck: check })
  assert.equal(world.states(), 'a available, b down, c available')
  world.run(50)
  const after = world.probes.slice(probes)
  assert.deepEqual(new Set(after.map(({ backend }) => backend)), new Set([0, 1, 2]))
  assert.deepEqual(
    after.map(({ timeoutMs }) => timeoutMs),
    [700, 700, 700],
  )
})

test('a health check that is switched off trusts everybody, and one that is switched on asks', () => {
  const world = inUse()
  world.break(1, 'refuse', 5)
  world.run(8_000)
  assert.match(world.states(), /b down/)
  world.transcript(0)
  world.reload({ healthCheck: null })
  assert.equal(world.states(), 'a available, b starting, c available')
  assert.match(world.transitions.at(-1)!.reason, /no health check any more/)
  world.run(12_000)
  assert.equal(world.states(), 'a available, b available, c available')
  world.reload({ healthCheck: CHECK })
  assert.equal(world.states(), 'a available, b available, c available')
  assert.equal(world.why(1), 'trusted until its first check has ended')
  assert.equal(world.plane.ready(), true)
  world.run(3_000)
  assert.equal(world.states(), 'a available, b down, c available')
})

test('outlier detection that is switched off lets those who were ejected return', () => {
  const world = inUse()
  world.break(1, 'pass', 'error')
  world.load(400, 1_000)
  world.heal(1)
  assert.match(world.states(), /b ejected/)
  world.reload({ outlierDetection: null })
  assert.equal(world.states(), 'a available, b starting, c available')
  world.load(400, 12_000)
  assert.equal(world.states(), 'a available, b available, c available')
  world.reload({ outlierDetection: { ...OUTLIER, consecutiveFailures: 2 } })
  world.break(1, 'pass', 'error')
  world.load(400, 300)
  assert.match(world.states(), /b ejected/)
  assert.equal(world.spoilt[1]! > 0, true)
})

test('a weight of 0 takes a backend out of the rotation, and another one brings it back', () => {
  const world = inUse()
  const weigh = (weight: number) =>
    world.pool.backends.map((one) => (one.name === 'b' ? { ...one, weight } : one))
  world.reload({ backends: weigh(0) })
  assert.equal(world.states(), 'a available, b weightless, c available')
  assert.equal(world.transitions.at(-1)!.to, 'weightless')
  world.reload({ backends: weigh(3) })
  assert.equal(world.states(), 'a available, b starting, c available')
  assert.equal(world.transitions.at(-1)!.reason, 'slow start at 10 % of its weight')
  world.run(10_100)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.deepEqual([...last(world).pools[0]!.weight], [1, 3, 1])
  // From one weight to another there is nothing to come back from.
  world.reload({ backends: weigh(2) })
  assert.deepEqual([...last(world).pools[0]!.weight], [1, 2, 1])
})

test('who gets a weight again gets all of it where nobody else serves', () => {
  const world = inUse(1)
  const weigh = (weight: number) => world.pool.backends.map((one) => ({ ...one, weight }))
  world.reload({ backends: weigh(0) })
  assert.equal(world.states(), 'a weightless')
  world.reload({ backends: weigh(3) })
  assert.equal(world.states(), 'a available')
  assert.deepEqual([...last(world).pools[0]!.weight], [3])
})

test('pools come and go', () => {
  const world = inUse()
  const other = poolPlan(2, { name: 'api', slot: 1 })
  const backends = other.backends.map((backend, i) => {
    const address = { kind: 'tcp', host: '10.0.1.1', port: i } as const
    return { ...backend, slot: 3 + i, address }
  })
  world.adopt(plansOf(world.pool, { ...other, backends }))
  assert.deepEqual(
    last(world).pools.map(({ pool, holdUntilMs }) => [pool, holdUntilMs > 0]),
    [
      [0, false],
      [1, true],
    ],
    'what is new is worth waiting for',
  )
  assert.equal(world.plane.ready(), true)
  world.run(200)
  assert.equal(world.plane.status()[1]!.available, 2)
  world.adopt(planOf(world.pool))
  assert.equal(world.plane.status().length, 1)
  world.run(5_000)
  assert.equal(world.states(), 'a available, b available, c available')
})

test('a row is given back only when every thread has the plan and nothing goes on there', () => {
  const world = inUse()
  world.backends[2]!.traffic = 30_000
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.threads[0]!.request()
  world.run(10)
  world.reload({ backends: without(world, 'c') })
  world.run(25_000)
  assert.deepEqual(world.freed, [], 'a request still runs')
  world.run(5_000)
  const ended = world.nowMs
  world.run(9_000)
  assert.deepEqual(world.freed, [], 'a listener or a rollback may need it yet')
  world.run(2_000)
  assert.deepEqual(world.freed, [{ listeners: [], pools: [], backends: [2] }])
  assert.ok(world.nowMs - ended > 9_000)
})

test('a thread that is late with the plan, or with what is freed, holds the row up', () => {
  const world = inUse()
  world.threads[1]!.applyMs = 15_000
  world.reload({ backends: without(world, 'c') })
  world.run(24_000)
  assert.equal(world.snapshots.filter(({ freed }) => freed !== undefined).length, 0)
  world.run(4_000)
  assert.equal(world.snapshots.filter(({ freed }) => freed !== undefined).length, 1)
  assert.deepEqual(world.freed, [])
  world.run(15_000)
  assert.deepEqual(world.freed, [{ listeners: [], pools: [], backends: [2] }])
})

test('who gets a row begins with nothing', () => {
  const world = inUse()
  world.load(400, 1_000)
  world.threads[1]!.die()
  world.table.retired.fill(7)
  world.reload({ backends: without(world, 'c') })
  world.run(15_000)
  assert.equal(world.freed.length, 1)
  const { table } = world
  const base = table.backendBase(2)
  assert.equal(table.sum(base + BACKEND.attempts), 0)
  assert.equal(table.sum(base + BACKEND.status), 0)
  assert.equal(table.control[table.controlBase(2) + CONTROL.silentMs], 0)
  assert.equal(table.retired[table.poolBase(0) + POOL.requests], 7, 'others keep theirs')
  world.reload({ backends: withMore(world, 'n') })
  assert.equal(world.pool.backends[2]!.slot, 2)
  assert.equal(table.control[table.controlBase(2) + CONTROL.silentMs], 300)
  assert.equal(world.plane.status()[0]!.backends[2]!.attempts, 0)
})

test('whoever comes back before his row was freed has it still, without his past', () => {
  const world = inUse(3, {}, 1)
  world.run(100)
  world.threads[0]!.add(2, BACKEND.attempts, 500)
  world.threads[0]!.add(2, BACKEND.failures, 500)
  world.threads[0]!.add(2, BACKEND.streak, 500)
  const { plan } = world
  world.reload({ backends: without(world, 'c') })
  world.run(3_000)
  assert.doesNotMatch(world.states(), /c /)
  world.adopt(plan)
  world.run(200)
  world.load(400, 3_000)
  assert.equal(world.states(), 'a available, b available, c starting')
  world.run(15_000)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.deepEqual(world.freed, [])
})

test('slots that contradict those in use change nothing', () => {
  const world = inUse()
  const [a, b, c] = world.pool.backends
  const before = world.snapshots.length
  const adopt = (backends: readonly BackendPlan[]) => () =>
    world.plane.adopt(planOf({ ...world.pool, backends }))
  assert.throws(adopt([a!, b!, { ...c!, name: 'n' }]), /backends 2 is given to web\/n and still/)
  assert.throws(adopt([a!, b!, { ...c!, slot: 1 }]), /web\/b and web\/c both have backends 1/)
  assert.throws(adopt([a!, b!, { ...c!, slot: 99 }]), /there is no backends 99/)
  world.reload({ backends: [a!, b!] })
  const [, , n] = withMore(world, 'n')
  assert.throws(
    adopt([a!, b!, { ...n!, slot: 2 }]),
    /backends 2 is given to web\/n and not free yet/,
  )
  assert.equal(world.snapshots.length, before + 1)
  assert.equal(world.states(), 'a available, b available')
})

test('100 reloads under load cost no request, whoever comes and goes', () => {
  const world = new World(poolPlan(3), { threads: 2, slots: 128 }).begin()
  for (let i = 0; i < 100; i++) {
    world.load(1_000, 60)
    const backends = i % 2 === 0 ? withMore(world, 'n') : without(world, 'n')
    world.reload({ backends: backends.toReversed(), minAvailable: i % 3 })
  }
  world.run(15_000)
  assert.equal(failed(world), 0)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.deepEqual([...world.left], [], 'every row was given back')
})

test('who qualifies for ejection stays the same one, wherever he stands now', () => {
  const world = inUse(2, { minAvailable: 2 })
  world.break(1, 'pass', 'error')
  world.load(400, 1_000)
  assert.match(world.why(1), /^not ejected, too few others/)
  world.reload({ backends: [...world.pool.backends].toReversed(), minAvailable: 0 })
  assert.equal(world.states(), 'b ejected, a available')
})

test('settings of the pool hold for backends that stay', () => {
  const world = inUse()
  world.break(1, 'refuse', 'refuse')
  world.load(400, 3_000)
  world.heal(1)
  world.run(4_000)
  assert.match(world.states(), /b starting/)
  world.reload({ slowStart: { durationMs: 0, from: 1 } })
  assert.match(world.states(), /b available/)
  world.break(1, 'pass', 'error')
  world.reload({ outlierDetection: { ...OUTLIER, ejectMs: 60_000 } })
  world.load(400, 1_000)
  assert.ok(world.plane.status()[0]!.backends[1]!.ejectedForMs! > 50_000)
})

test('a backend under suspicion can go', () => {
  const world = inUse()
  world.plane.suspect([2], [SUSPICION.failure])
  world.reload({ backends: without(world, 'c') })
  world.run(2_000)
  world.plane.suspect([2], [SUSPICION.connect])
  world.run(2_000)
  assert.equal(world.states(), 'a available, b available')
})

test('a pool that needs no verdict is told of, and a big one that has just been', () => {
  const world = new World(poolPlan(300), { slots: 400 }).begin(1_000)
  const extra = poolPlan(1, { name: 'api', slot: 1, healthCheck: null })
  const address = { kind: 'tcp', host: '10.0.1.1', port: 1 } as const
  const backends = extra.backends.map((one) => ({ ...one, slot: 399, address }))
  world.break(7, 'refuse', 'refuse')
  world.plane.suspect([7], [SUSPICION.connect])
  world.run(1)
  world.adopt(plansOf(world.pool, { ...extra, backends }))
  assert.deepEqual(
    last(world).pools.map(({ pool, eligibility }) => [pool, eligibility.length]),
    [
      [0, 300],
      [1, 1],
    ],
  )
})

test('the row of a pool is given back after those of its backends', () => {
  const world = inUse(1)
  world.backends[0]!.traffic = 25_000
  world.threads[0]!.request()
  world.run(10)
  const other = poolPlan(1, { name: 'api', slot: 1 })
  const address = { kind: 'tcp', host: '10.0.1.1', port: 1 } as const
  world.adopt(planOf({ ...other, backends: [{ ...other.backends[0]!, slot: 5, address }] }))
  world.run(20_000)
  assert.deepEqual(world.freed, [], 'what runs is counted in the row of the pool, too')
  world.run(20_000)
  assert.deepEqual(world.freed, [{ listeners: [], pools: [0], backends: [0] }])
})

test('a plan that came before the start is told with the first snapshot', () => {
  const world = new World(poolPlan(1), { slots: 4 })
  world.reload({ backends: withMore(world, 'n') })
  assert.equal(world.snapshots.length, 0)
  world.begin()
  assert.equal(world.snapshots[0]!.plan, world.plan)
  assert.equal(world.snapshots[0]!.pools[0]!.eligibility.length, 2)
  assert.equal(world.states(), 'a available, n available')
})
