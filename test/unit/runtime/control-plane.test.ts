import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BACKEND, CONTROL } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY, SUSPICION } from '../../../src/core/snapshot.ts'
import {
  CHECK,
  OUTLIER,
  poolPlan,
  World,
  type ProbeBehaviour,
  type TrafficBehaviour,
} from './control-world.ts'

const slowest = (world: World) => Math.max(...world.finished.map(({ tookMs }) => tookMs))
const failed = (world: World) => world.finished.filter(({ ok }) => !ok).length
const last = (world: World) => world.snapshots.at(-1)!.pools[0]!
const { no, yes, probation, finish } = ELIGIBILITY

/** A pool in use: up, and with two seconds of traffic seen. */
function inUse(backends = 3, threads = 2, changes: Parameters<typeof poolPlan>[1] = {}): World {
  const world = new World(poolPlan(backends, changes), { threads }).begin()
  world.load(400, 2_000)
  world.transcript(0)
  world.finished.length = 0
  return world
}

/** Breaks `b` of three under 400 GET/s. */
function breakOne(probe: ProbeBehaviour, traffic: TrafficBehaviour, threads = 2): World {
  const world = inUse(3, threads)
  world.break(1, probe, traffic)
  world.load(400, 3_000)
  return world
}

test('a pool with defaults is up within 300 ms of the start, without slow start', () => {
  const world = new World(poolPlan(3))
  assert.equal(world.states(), 'a checking, b checking, c checking')
  assert.equal(world.plane.ready(), false)
  world.begin(300)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.equal(world.plane.ready(), true)
  assert.deepEqual([...last(world).weight], [1, 1, 1])
})

test('an unknown backend gets no traffic until its first pass, and is then at full weight', () => {
  const world = new World(poolPlan(3))
  world.break(1, 'hang', 5)
  world.begin(300)
  assert.equal(world.states(), 'a available, b checking, c available')
  assert.equal(world.plane.ready(), false)
  world.run(1_000)
  assert.equal(world.plane.ready(), true, 'its first verdict is a failure')
  world.heal(1)
  world.run(1_100)
  assert.deepEqual([...last(world).eligibility], [yes, yes, yes])
  assert.equal(world.transitions.at(-1)!.to, 'available')
})

for (const threads of [1, 2, 4]) {
  test(`a stopped backend is out within 400 ms and no GET waits longer (${threads} threads)`, () => {
    const world = breakOne('hang', 'hang', threads)
    const [first] = world.transitions
    assert.equal(`${first!.backend} ${first!.to}`, 'b ejected')
    assert.match(
      first!.reason,
      /^ejected for 1\d\.\d s: \d+ (of the last 20 attempts took|attempts wait) longer than/,
    )
    assert.ok(slowest(world) < 450, `slowest ${slowest(world)} ms`)
    assert.equal(failed(world), 0)
  })

  test(`a backend that cuts its answers spoils no more than 10 of them (${threads} threads)`, () => {
    const world = breakOne('pass', 'cut', threads)
    assert.equal(world.transitions[0]!.to, 'ejected')
    assert.ok(world.spoilt[1]! <= 10, `${world.spoilt[1]}`)
  })

  test(`a backend that answers after 1 s is out before 60 clients waited (${threads} threads)`, () => {
    const world = breakOne('pass', 1_000, threads)
    assert.equal(world.transitions[0]!.to, 'ejected')
    const slow = world.finished.filter(({ tookMs }) => tookMs > 200).length
    assert.ok(slow <= 60, `${slow}`)
  })
}

test('a killed backend is down a few milliseconds after its first refusal', () => {
  const world = inUse()
  const killMs = world.nowMs
  world.break(1, 'refuse', 'refuse')
  world.load(400, 1_000)
  const [first] = world.transitions
  assert.equal(first!.to, 'down')
  assert.equal(first!.reason, 'live traffic failed and so did a probe: connection refused')
  assert.ok(first!.atMs - killMs < 20, `${first!.atMs - killMs} ms`)
  assert.equal(failed(world), 0)
  assert.equal(world.plane.status()[0]!.backends[1]!.failures, 1)
})

test('two resets after the request are enough', () => {
  const world = inUse(3, 1)
  world.break(1, 'pass', 'reset')
  world.load(400, 500)
  assert.match(world.transitions[0]!.reason, /6 weighted failures in a row/)
  assert.equal(world.plane.status()[0]!.backends[1]!.failures, 2)
})

test('one that is silent among few is asked, and down when the probe gets no answer either', () => {
  // Few requests, so never five that wait: the silent rule alone would have to wait for a timeout.
  const world = new World(poolPlan(2), { threads: 2 }).begin()
  world.load(10, 4_000)
  world.transcript(0)
  world.finished.length = 0
  const stopMs = world.nowMs
  world.break(0, 'hang', 'hang')
  world.load(10, 2_000)
  assert.equal(world.transitions[0]!.to, 'down')
  assert.match(
    world.transitions[0]!.reason,
    /^live traffic failed and so did a probe: no answer within 200 ms/,
  )
  assert.ok(world.transitions[0]!.atMs - stopMs < 900)
  assert.ok(slowest(world) < 800)
})

test('a gray failure stays ejected by its traffic, each time for longer, though checks pass', () => {
  const world = inUse(3, 2)
  const startMs = world.nowMs
  world.break(1, 'pass', 'error')
  world.load(200, 60_000)
  const lines = world.transitions.map(({ from, to }) => `${from} → ${to}`)
  assert.deepEqual(lines, [
    'available → ejected',
    ...Array.from({ length: 2 }, () => ['ejected → probation', 'probation → ejected']).flat(),
  ])
  const [one, two, three] = world.transitions.filter(({ to }) => to === 'ejected')
  assert.ok(one!.atMs - startMs < 200)
  assert.ok(two!.atMs - one!.atMs >= 10_000 && two!.atMs - one!.atMs < 11_500)
  assert.ok(three!.atMs - two!.atMs >= 20_000 && three!.atMs - two!.atMs < 22_500)
  assert.ok(world.spoilt[1]! <= 5 + 2 + 2, `${world.spoilt[1]} reached it in a minute`)
  const status = world.plane.status()[0]!.backends[1]!
  assert.deepEqual(
    [status.health, status.traffic, status.availability],
    ['up', 'ejected', 'ejected'],
  )
  assert.match(status.reason, /^ejected for \d+\.\d s more: a probation request failed$/)
})

test('an ejected backend that works again is restored by three probation requests', () => {
  const world = inUse(3, 2)
  world.break(1, 'pass', 'error')
  world.load(200, 1_000)
  world.heal(1)
  world.transcript(0)
  world.load(200, 25_000)
  const lines = world.transitions.map(({ from, to }) => `${from} → ${to}`)
  assert.deepEqual(lines, ['ejected → probation', 'probation → starting', 'starting → available'])
  const [proved, restored, done] = world.transitions
  assert.equal(restored!.reason, 'restored: 3 probation requests succeeded')
  assert.ok(restored!.atMs - proved!.atMs < 200)
  assert.equal(Math.round((done!.atMs - restored!.atMs) / 100), 100, 'slow start takes 10 s')
  const { length } = world.snapshots
  world.load(200, 3_000)
  assert.equal(world.snapshots.length, length, 'and then there is nothing more to say')
  assert.equal(failed(world), 0)
})

test('a slow backend has to be fast in probation, or it goes again', () => {
  const world = inUse(3, 2)
  world.break(1, 'pass', 250)
  world.load(200, 13_000)
  const again = world.transitions.filter(({ to }) => to === 'ejected')
  assert.equal(again.length, 2)
  assert.match(again[1]!.reason, /a probation request was slow again$/)
})

test('checks that fail and come up again absorb the ejection; its multiplier stays', () => {
  const world = inUse(3, 2)
  const stopMs = world.nowMs
  world.break(1, 'hang', 'hang')
  world.load(400, 3_000)
  world.heal(1)
  world.load(400, 4_000)
  const lines = world.transcript(stopMs).map((line) => line.replace(/^\d+ /, ''))
  assert.deepEqual(lines, ['b: available → ejected', 'b: ejected → down', 'b: down → starting'])
  world.break(1, 'pass', 'error')
  world.load(400, 500)
  assert.match(world.transitions[0]!.reason, /^ejected for 2\d\.\d s/)
})

test('a stop of 0.9 s costs seconds, not a whole ejection: a probe failed with the traffic', () => {
  const world = inUse(3, 2)
  const stopMs = world.nowMs
  world.break(1, 'hang', 'hang')
  world.load(400, 900)
  world.heal(1)
  world.load(400, 3_000)
  const back = world.transitions.find(({ to }) => to === 'starting')
  assert.ok(back !== undefined && back.atMs - stopMs < 3_500, world.states())
})

test('without traffic three probes take a silent backend down in less than 5 s', () => {
  const world = new World(poolPlan(3)).begin()
  const stopMs = world.nowMs
  world.break(1, 'hang', 'hang')
  world.run(5_000)
  const down = world.transitions.at(-1)!
  assert.equal(down.to, 'down')
  assert.equal(down.reason, '3 probes in a row failed, the last: no answer within 500 ms')
  assert.ok(down.atMs - stopMs <= 2_200 + 1_000 + 500 + 550, `${down.atMs - stopMs}`)
})

test('after all were down, the first serves at once at full weight, within a second of healing', () => {
  const world = inUse(3, 2)
  for (const index of [0, 1, 2]) world.break(index, 'refuse', 'refuse')
  world.load(400, 6_000)
  assert.equal(world.states(), 'a down, b down, c down')
  assert.deepEqual([...last(world).eligibility], [no, no, no])
  assert.equal(last(world).halfAvailable, false)
  world.transcript(0)
  const healMs = world.nowMs
  world.heal(2)
  world.run(1_000)
  const [back] = world.transitions
  assert.equal(`${back!.backend} ${back!.to}`, 'c available')
  assert.ok(back!.atMs - healMs < 900, `${back!.atMs - healMs} ms`)
  assert.equal(last(world).weight[2], 1)
  world.heal(0)
  world.run(3_000)
  assert.equal(world.states(), 'a starting, b down, c available')
})

test('a backend that comes back beside others climbs from a tenth in ten steps', () => {
  const world = inUse(2, 1)
  world.break(1, 'refuse', 'refuse')
  world.load(100, 500)
  world.heal(1)
  world.run(3_500)
  const from = world.snapshots.length
  world.run(12_000)
  const weights = world.snapshots.slice(from).map(({ pools }) => pools[0]!.weight[1]!.toFixed(2))
  const steps = '0.19 0.28 0.37 0.46 0.55 0.64 0.73 0.82 0.91 1.00'.split(' ')
  assert.deepEqual(weights, steps.slice(-weights.length))
  assert.ok(weights.length >= 8)
})

test('a dependency that fails for all ejects nobody, and says so once', () => {
  for (const traffic of ['error', 'cut', 'reset', 1_000] as const) {
    const world = inUse(3, 2)
    for (const index of [0, 1, 2]) world.break(index, 'pass', traffic)
    world.load(400, 5_000)
    assert.equal(world.states(), 'a available, b available, c available', String(traffic))
    assert.deepEqual(world.transcript(0), [])
    if (traffic === 1_000) continue
    assert.equal(world.warnings.length, 1)
    assert.match(world.warnings[0]!, /^\d of 3 backends of pool 'web' qualify for ejection at once/)
  }
})

test('a dependency that fails for one after the other takes back the first ejection', () => {
  const world = inUse(3, 1)
  world.break(0, 'pass', 'error')
  world.load(400, 300)
  assert.equal(world.states(), 'a ejected, b available, c available')
  world.break(1, 'pass', 'error')
  world.break(2, 'pass', 'error')
  world.load(400, 500)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.match(world.transitions.at(-1)!.reason, /^ejection taken back/)
})

test('of two backends one may go, and never the last', () => {
  const world = inUse(2, 2, { healthCheck: null })
  world.break(0, 'pass', 'refuse')
  world.load(400, 3_000)
  assert.equal(world.states(), 'a ejected, b available')
  world.break(1, 'pass', 'refuse')
  world.load(400, 3_000)
  assert.equal(world.states(), 'a ejected, b available')
  assert.match(
    world.why(1),
    /^not ejected, too few others are available: \d+ weighted failures in a row$/,
  )
})

test('a pool without health checks is up from the start, and all of it refusing ejects nobody', () => {
  const world = new World(poolPlan(2, { healthCheck: null }), { threads: 2 })
  assert.equal(world.states(), 'a available, b available')
  assert.equal(world.plane.ready(), true)
  assert.equal(world.why(0), 'no health check; traffic is fine')
  world.begin(0)
  world.break(0, 'pass', 'refuse')
  world.break(1, 'pass', 'refuse')
  world.load(400, 3_000)
  assert.equal(world.states(), 'a available, b available')
  assert.equal(world.probes.length, 0)
})

test('minAvailable is a floor that no ejection crosses', () => {
  const world = inUse(3, 2, { minAvailable: 3 })
  world.break(1, 'pass', 'error')
  world.load(400, 3_000)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.match(world.why(1), /^not ejected/)
  world.heal(1)
  world.load(400, 10_500)
  assert.match(world.why(1), /^checks pass/)
})

test('an ejected backend is called back when checks take all others', () => {
  const world = inUse(3, 2)
  world.break(1, 'pass', 'error')
  world.load(400, 2_000)
  world.transcript(0)
  world.break(0, 'refuse', 'refuse')
  world.break(2, 'refuse', 'refuse')
  world.load(400, 1_000)
  assert.equal(world.states(), 'a down, b available, c down')
  const back = world.transitions.find(({ backend }) => backend === 'b')!
  assert.equal(back.reason, 'called back: fewer than 1 other backends are available')
  assert.equal(last(world).weight[1], 1, 'at full weight: nothing else is there')
})

test('a backend that accepts and never answers costs a lone client one slow answer at most', () => {
  for (const threads of [1, 2]) {
    const timeouts = { ...poolPlan(1).timeouts, responseMs: 1_000 }
    const world = new World(poolPlan(3, { timeouts, healthCheck: null }), { threads }).begin()
    world.sequence(1_000)
    world.finished.length = 0
    world.break(1, 'pass', 'hang')
    world.sequence(9_000)
    const slow = world.finished.filter(({ tookMs }) => tookMs > 500).length
    assert.equal(slow, 1, `${slow} slow with ${threads} threads`)
    assert.match(world.transitions[0]!.reason, /an attempt got no byte within the response timeout/)
  }
})

test('suspicion is followed up before `suspect` returns', () => {
  const world = inUse(3, 1)
  const [thread] = world.threads
  const before = world.snapshots.length
  thread!.add(1, BACKEND.failures, 2)
  thread!.add(1, BACKEND.streak, 6)
  world.plane.suspect([1], [SUSPICION.reset])
  assert.equal(world.snapshots.length, before + 1)
  assert.deepEqual([...last(world).eligibility], [yes, no, yes])
  assert.ok(world.probes.at(-1)!.backend === 1 && world.probes.at(-1)!.atMs === world.nowMs)
})

test('suspicions about unknown slots are ignored', () => {
  const world = inUse()
  world.plane.suspect([99, -1], [SUSPICION.connect, SUSPICION.connect])
})

test('nothing is published while nothing changes', () => {
  const world = inUse()
  const before = world.snapshots.length
  world.load(200, 10_000)
  assert.equal(world.snapshots.length, before)
})

test('versions grow by one, and a new thread gets the latest of all pools', () => {
  const world = inUse()
  world.break(1, 'refuse', 'refuse')
  world.load(400, 1_000)
  world.snapshots.forEach(({ version }, i) => assert.equal(version, i + 1))
  const current = world.plane.current()
  assert.equal(current.version, world.snapshots.length)
  assert.deepEqual(current.pools, world.snapshots.at(-1)!.pools)
})

test('thresholds of slow and silent are published, from the medians and tails of the pool', () => {
  const world = new World(poolPlan(3), { threads: 1 })
  const read = (slot: number) => [
    world.table.control[slot * 2 + CONTROL.slowMs],
    world.table.control[slot * 2 + CONTROL.silentMs],
  ]
  assert.deepEqual(read(0), [Infinity, 300], 'nothing to compare with yet')
  world.begin()
  for (const [index, ms] of [100, 5, 8].entries()) world.backends[index]!.traffic = ms
  world.load(200, 2_000)
  assert.equal(read(0)[0], 200, 'five times 5 or 8 ms is less')
  assert.ok(read(0)[1]! > 300 && read(0)[1]! <= 500, 'five times its own p99')
  world.backends[1]!.traffic = 100
  world.backends[2]!.traffic = 100
  world.load(200, 2_000)
  assert.equal(Math.round(read(0)[0]!), 500)
})

test('exactly one thread may send probation requests, and one request at a time', () => {
  const world = inUse(3, 4)
  world.break(1, 'pass', 'error')
  world.load(400, 1_000)
  world.heal(1)
  world.backends[1]!.traffic = 30
  let most = 0
  const watch = () => {
    const probing = world.threads.reduce(
      (sum, thread) => sum + thread.row[thread.cell(1, BACKEND.probing)]!,
      0,
    )
    most = Math.max(most, probing)
    world.at(1, watch)
  }
  watch()
  world.load(400, 12_000)
  assert.equal(most, 1)
  for (const { pools } of world.snapshots) {
    const granted = pools[0]!.probationThread[1]! >= 0
    assert.ok(!granted || pools[0]!.eligibility[1] === probation)
  }
})

test('when the thread with the grant dies, another one gets it at once', () => {
  const world = inUse(3, 2)
  world.break(1, 'pass', 'error')
  world.load(400, 1_000)
  world.heal(1)
  world.run(10_500)
  assert.equal(world.states(), 'a available, b probation, c available')
  const holder = last(world).probationThread[1]!
  const other = 1 - holder
  world.threads[holder]!.die()
  world.threads[other]!.request()
  world.run(1_500)
  assert.equal(last(world).probationThread[1], other)
  for (let i = 0; i < 4; i++) {
    world.threads[other]!.request()
    world.run(50)
  }
  assert.equal(world.states(), 'a available, b starting, c available')
})

test('a stretch in which our own loop stood still takes nobody down', () => {
  const world = new World(poolPlan(3, { healthCheck: { ...CHECK, fall: 1 } })).begin()
  for (let i = 0; i < 12; i++) {
    // A probe that is under way while we sleep looks as if it had taken its whole timeout.
    const { length } = world.probes
    for (const index of [0, 1, 2]) world.break(index, 'hang', 5)
    while (world.probes.length === length) world.run(1)
    for (const index of [0, 1, 2]) world.heal(index)
    world.stall(1_200)
    world.run(20)
  }
  assert.deepEqual(world.transcript(0).slice(3), [])
  assert.equal(world.states(), 'a available, b available, c available')
  assert.ok(world.plane.status()[0]!.backends.every(({ lastProbe }) => lastProbe === '200 in 3 ms'))
  assert.match(world.warnings[0]!, /stood still/)
})

test('probes that fail while our loop is merely late still count', () => {
  const world = new World(poolPlan(3)).begin()
  world.break(1, 'hang', 5)
  for (let i = 0; i < 60; i++) {
    world.run(70)
    world.stall(150)
  }
  assert.equal(world.states(), 'a available, b down, c available')
})

test('a data thread that stood still does not make its backends look silent', () => {
  const world = inUse(3, 2)
  // The thread sleeps for 2 s with requests in flight; then it finds their answers all at once.
  const thread = world.threads[0]!
  for (let i = 0; i < 12; i++) thread.request()
  thread.alive = false
  world.run(2_000)
  thread.alive = true
  for (let backend = 0; backend < 3; backend++) {
    thread.row[thread.cell(backend, BACKEND.waitingSlow)] = 4
    thread.row[thread.cell(backend, BACKEND.waitingSilent)] = 4
  }
  thread.tick()
  world.run(40)
  assert.deepEqual(world.transcript(0), [])
})

test('a shortage of our own is no verdict', () => {
  const world = inUse(3, 1)
  for (const index of [0, 1, 2]) world.break(index, 'void', 5)
  world.load(100, 20_000)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.ok(world.probes.length > 100, 'and they are tried again')
})

test('a failing check wins over good traffic', () => {
  const world = inUse()
  world.break(1, 'sick', 5)
  world.load(400, 5_000)
  assert.equal(world.states(), 'a available, b down, c available')
  assert.equal(world.why(1), '3 probes in a row failed, the last: status 503, expected 200-299')
})

test('panic serve: with nothing available everyone is used, and only then', () => {
  const world = inUse(2, 1, { panic: 'serve' })
  world.break(0, 'sick', 5)
  world.load(100, 6_000)
  assert.deepEqual([...last(world).eligibility], [no, yes])
  world.break(1, 'sick', 5)
  world.load(100, 6_000)
  assert.equal(world.states(), 'a down, b down')
  assert.deepEqual([...last(world).eligibility], [yes, yes])
  assert.deepEqual([...last(world).weight], [1, 1])
  assert.equal(failed(world), 0)
  world.heal(0)
  world.run(1_000)
  assert.deepEqual([...last(world).eligibility], [yes, no])
})

test('an operator drains, takes out and brings back; slow start follows', () => {
  const world = inUse(3, 1)
  const set = (state: 'ready' | 'drain' | 'maint', reason = '') =>
    world.setAdmin('web', 'b', state, reason)
  assert.deepEqual(set('drain', 'new kernel'), { ok: true })
  assert.equal(last(world).eligibility[1], finish)
  assert.equal(world.why(1), 'draining, no new requests: new kernel')
  set('maint', 'new kernel')
  assert.equal(last(world).eligibility[1], no)
  set('ready')
  assert.deepEqual([last(world).eligibility[1], last(world).weight[1]], [yes, 0.1])
  assert.deepEqual(
    world.transitions.map(({ to }) => to),
    ['drain', 'maint', 'starting'],
  )
  assert.equal(world.transitions[0]!.reason, 'draining, no new requests: new kernel')
})

test('a drain below minAvailable is refused with a reason, unless forced', () => {
  const world = inUse(2, 1, { minAvailable: 2 })
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', ''), {
    ok: false,
    code: 'min-available',
    message: "pool 'web' would be left with 1 available backend, and its minAvailable is 2",
    shortage: { left: 1, minAvailable: 2, out: [] },
  })
  assert.equal(world.states(), 'a available, b available')
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', '', true), { ok: true })
  assert.equal(world.states(), 'a drain, b available')
  assert.deepEqual(world.setAdmin('shop', 'a', 'drain', ''), {
    ok: false,
    code: 'no-pool',
    message: "there is no pool 'shop'",
    names: ['web'],
  })
  assert.deepEqual(world.setAdmin('web', 'z', 'drain', ''), {
    ok: false,
    code: 'no-backend',
    message: "pool 'web' has no backend 'z'",
    names: ['a', 'b'],
  })
})

test('several backends are taken out together or not at all, and a refusal names those that are out', () => {
  const world = inUse(4, 1, { minAvailable: 2 })
  const word = { state: 'drain', reason: 'new kernel (kim)' } as const
  assert.deepEqual(world.plane.setAdminStates('web', ['a', 'b'], word, false), { ok: true })
  world.break(3, 'refuse', 'refuse')
  world.load(100, 5_000)
  assert.equal(world.states(), 'a drain, b drain, c available, d down')
  const refused = world.plane.setAdminStates('web', ['b', 'c'], word, false)
  assert.ok(!refused.ok)
  assert.equal(
    refused.message,
    `pool 'web' would be left with 0 available backends, and its minAvailable is 2; out already: a (draining, no new requests: new kernel (kim)), d (${world.why(3)})`,
  )
  assert.equal(world.states(), 'a drain, b drain, c available, d down')
  // Who takes no traffic anyway is not missed, and back is always possible.
  assert.deepEqual(world.plane.maySpare('web', ['a', 'd']), { ok: true })
  assert.deepEqual(world.plane.setAdminStates('web', ['d'], word, false), { ok: true })
  assert.ok(!world.plane.maySpare('web', ['c']).ok)
  const back = { state: 'ready', reason: '' } as const
  assert.deepEqual(world.plane.setAdminStates('web', ['a', 'b'], back, false), { ok: true })
})

test('what was said of a backend before the start holds before its first request', () => {
  const recall = (pool: string, backend: string) =>
    pool === 'web' && backend === 'b' ? ({ state: 'drain', reason: 'disk (kim)' } as const) : null
  const world = new World(poolPlan(2), { recall })
  world.begin()
  assert.ok(world.snapshots.every(({ pools }) => pools[0]!.eligibility[1] === finish))
  assert.equal(world.states(), 'a available, b drain')
  assert.equal(world.why(1), 'draining, no new requests: disk (kim)')
})

test('a backend in maintenance comes back only by the operator, whatever the checks say', () => {
  const world = inUse(3, 1)
  world.setAdmin('web', 'b', 'maint', '')
  world.break(1, 'refuse', 'refuse')
  world.run(5_000)
  world.heal(1)
  world.run(5_000)
  assert.equal(world.states(), 'a available, b maint, c available')
  assert.equal(world.plane.status()[0]!.backends[1]!.health, 'up')
})

test('half of the pool: counted over those that are meant to serve', () => {
  const world = inUse(4, 1)
  world.break(0, 'refuse', 'refuse')
  world.break(1, 'refuse', 'refuse')
  world.load(400, 1_000)
  assert.equal(last(world).halfAvailable, true)
  world.break(2, 'refuse', 'refuse')
  world.load(400, 1_000)
  assert.equal(last(world).halfAvailable, false)
  world.setAdmin('web', 'a', 'maint', '')
  world.setAdmin('web', 'b', 'maint', '')
  assert.equal(last(world).halfAvailable, true)
})

test('a backend of weight 0 finishes what it has, and is probed like the others', () => {
  const pool = poolPlan(2)
  const backends = pool.backends.map((backend, i) => ({ ...backend, weight: i }))
  const world = new World({ ...pool, backends }).begin()
  assert.deepEqual([...last(world).eligibility], [finish, yes])
  assert.equal(world.states(), 'a weightless, b available')
  assert.ok(world.probes.some(({ backend }) => backend === 0))
})

test('a flapping backend is ejected for longer and longer', () => {
  const world = inUse(3, 2)
  world.transcript(0)
  for (let i = 0; i < 60; i++) {
    world.break(1, 'pass', i % 2 === 0 ? 'error' : 5)
    world.load(200, 1_000)
  }
  assert.ok(world.transitions.length <= 8, world.transcript(0).join('; '))
  assert.equal(failed(world), 0)
})

test('the status tells everything that is known', () => {
  const world = inUse(2, 1)
  world.run(100)
  const [status] = world.plane.status()
  const { sinceMs, ...first } = status!.backends[0]!
  assert.deepEqual(first, {
    name: 'a',
    address: '10.0.0.1:8000',
    weight: 1,
    effectiveWeight: 1,
    availability: 'available',
    reason: 'checks pass, the last: 200 in 3 ms',
    health: 'up',
    lastProbe: '200 in 3 ms',
    role: null,
    lag: null,
    admin: 'ready',
    drained: false,
    override: null,
    traffic: 'ok',
    ejectedForMs: null,
    inFlight: 0,
    attempts: 400,
    failures: 0,
  })
  assert.ok(sinceMs > 2_000)
  const { name, mode, balance, available, total, minAvailable, queued } = status!
  assert.deepEqual(
    { name, mode, balance, available, total, minAvailable, queued },
    {
      name: 'web',
      mode: 'active-active',
      balance: 'round-robin',
      available: 2,
      total: 2,
      minAvailable: 1,
      queued: 0,
    },
  )
})

test('transitions count the available backends after the change', () => {
  const world = inUse(3, 1)
  world.break(0, 'refuse', 'refuse')
  world.break(1, 'refuse', 'refuse')
  world.load(400, 500)
  assert.deepEqual(
    world.transitions.map(({ to, available }) => `${to} ${available}`),
    ['down 2', 'down 1'],
  )
})

test('after stop nothing is probed, published or due any more', () => {
  const world = inUse(3, 1)
  world.plane.stop()
  const { length } = world.snapshots
  const probes = world.probes.length
  for (const index of [0, 1, 2]) world.break(index, 'refuse', 'refuse')
  world.run(5_000)
  assert.deepEqual([world.snapshots.length, world.probes.length], [length, probes])
})

test('ten thousand backends: probed evenly, judged in bounded work', () => {
  const check = { ...CHECK, intervalMs: 10_000 }
  const world = new World(poolPlan(10_000, { healthCheck: check, outlierDetection: OUTLIER }))
  for (const thread of world.threads) thread.alive = false
  world.plane.start()
  const startMs = world.nowMs
  const started = process.cpuUsage()
  world.run(2_100)
  assert.equal(world.plane.ready(), true)
  assert.equal(world.plane.status()[0]!.available, 10_000)
  const snapshots = world.snapshots.length
  assert.ok(snapshots < 500, `${snapshots} snapshots of 10,000 backends in 2 s`)
  const perSlice = new Float64Array(20)
  for (const { atMs } of world.probes) perSlice[Math.floor((atMs - startMs) / 100)]!++
  assert.ok(Math.max(...perSlice) < 700, 'no burst of probes')
  world.run(10_000)
  const { user } = process.cpuUsage(started)
  assert.ok(user < 6_000_000, `12 s of it took ${user / 1_000} ms`)
})
