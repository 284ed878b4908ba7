import assert from 'node:assert/strict'
import { test } from 'node:test'
import { poolPlan, World, type ProbeBehaviour, type TrafficBehaviour } from './control-world.ts'

const slowest = (world: World) => Math.max(...world.finished.map(({ tookMs }) => tookMs))
const failed = (world: World) => world.finished.filter(({ ok }) => !ok).length

test('a pool with defaults is up within 300 ms of the start, without slow start', () => {
  const world = new World(poolPlan(3))
  assert.equal(world.states(), 'a checking, b checking, c checking')
  assert.equal(world.plane.ready(), false)
  world.begin(300)
  assert.equal(world.states(), 'a available, b available, c available')
  assert.equal(world.plane.ready(), true)
})

/** Runs 400 GET/s on three backends and breaks `b` after two seconds of it. */
function breakOne(probe: ProbeBehaviour, traffic: TrafficBehaviour, threads = 2): World {
  const world = new World(poolPlan(3), { threads }).begin()
  world.load(400, 2_000)
  world.transcript(0)
  world.finished.length = 0
  world.backends[1] = { probe, traffic, probeMs: 3 }
  world.load(400, 3_000)
  return world
}

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
