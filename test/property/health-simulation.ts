// A pool under random faults, operators and dying threads, with everything that must hold checked at
// every snapshot and transition. A seed repeats a run exactly.

import assert from 'node:assert/strict'
import type { PoolPlan } from '../../src/core/plan.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { BACKEND } from '../../src/core/shared-layout.ts'
import { ELIGIBILITY, type Snapshot } from '../../src/core/snapshot.ts'
import type { Availability, Transition } from '../../src/core/status.ts'
import {
  CHECK,
  OUTLIER,
  poolPlan,
  World,
  type ProbeBehaviour,
  type TrafficBehaviour,
} from '../unit/runtime/control-world.ts'

const PROBES: readonly ProbeBehaviour[] = ['pass', 'pass', 'refuse', 'hang', 'sick', 'void']
const TRAFFIC: readonly TrafficBehaviour[] = [
  ...([5, 20, 'refuse', 'reset', 'hang', 'error', 'cut', 700] as const),
]

function choose<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.next() * from.length)]!
}

function randomPlan(random: Random): PoolPlan {
  const size = 1 + Math.floor(random.next() * 6)
  return poolPlan(size, {
    healthCheck: random.next() < 0.75 ? CHECK : null,
    outlierDetection: { ...OUTLIER, ejectedMax: choose(random, [0, 0.2, 0.5, 1]) },
    minAvailable: Math.floor(random.next() * size),
    timeouts: { ...poolPlan(1).timeouts, responseMs: choose(random, [1_000, 5_000]) },
  })
}

/** Watches a world and complains about the first thing that must not be. */
class Watch {
  readonly world: World
  readonly #plan: PoolPlan
  readonly #states: Availability[]
  readonly #ejectedMs: number[]
  #seenTransitions = 0
  #seenSnapshots = 0

  constructor(world: World, plan: PoolPlan) {
    this.world = world
    this.#plan = plan
    this.#states = plan.backends.map(() => (plan.healthCheck === null ? 'available' : 'checking'))
    this.#ejectedMs = plan.backends.map(() => -Infinity)
  }

  check(): void {
    const { transitions, snapshots } = this.world
    while (this.#seenTransitions < transitions.length) {
      this.#checkTransition(transitions[this.#seenTransitions++]!)
    }
    const fresh = snapshots.slice(this.#seenSnapshots)
    fresh.forEach((snapshot, i) => assert.equal(snapshot.version, this.#seenSnapshots + i + 1))
    this.#seenSnapshots = snapshots.length
    // Only the last one belongs to the state of now.
    if (fresh.length > 0) this.#checkSnapshot(fresh.at(-1)!)
    this.#checkProbing()
  }

  #checkTransition(transition: Transition): void {
    const { from, to, reason, atMs } = transition
    const index = this.#plan.backends.findIndex(({ name }) => name === transition.backend)
    assert.equal(from, this.#states[index], 'each change starts where the last one ended')
    assert.notEqual(from, to)
    assert.notEqual(reason, '')
    this.#states[index] = to
    const available = this.#states.filter((s) => s === 'available' || s === 'starting').length
    assert.equal(transition.available, available)
    if (to === 'ejected') {
      if (from === 'available' || from === 'starting') this.#checkEjection(available)
      // Else an older ejection only shows again, e.g. when an operator's drain is over.
      if (/^ejected for [\d.]+ s:/.test(reason)) this.#ejectedMs[index] = atMs
    }
    if (to === 'probation' && from === 'ejected') {
      assert.ok(atMs >= this.#ejectedMs[index]! + OUTLIER.ejectMs, 'no restore before its time')
    }
    if (from === 'ejected' && (to === 'available' || to === 'starting')) {
      assert.match(reason, /^(called back|ejection taken back)/)
    }
    if (from === 'probation' && (to === 'available' || to === 'starting')) {
      assert.match(reason, /^(called back|restored)/)
    }
  }

  #checkEjection(available: number): void {
    const { ejectedMax } = this.#plan.outlierDetection!
    const out = this.#states.filter((s) => s === 'ejected' || s === 'probation').length
    const cap = Math.max(1, Math.floor(ejectedMax * this.#plan.backends.length + 1e-9))
    assert.ok(ejectedMax > 0, 'a share of 0 ejects nobody')
    assert.ok(out <= cap, `${out} out, ${cap} may be`)
    assert.ok(available >= Math.max(1, this.#plan.minAvailable), 'the floor stays')
  }

  #checkSnapshot(snapshot: Snapshot): void {
    const [pool] = snapshot.pools
    const backends = this.world.plane.status()[0]!.backends
    for (const [index, { health, admin, name }] of backends.entries()) {
      const eligibility = pool!.eligibility[index]!
      const sends = eligibility === ELIGIBILITY.yes || eligibility === ELIGIBILITY.probation
      assert.equal(pool!.weight[index]! > 0, sends, 'weight and eligibility agree')
      if (health === 'down' || health === 'checking') assert.ok(!sends, `${name} is ${health}`)
      if (admin !== 'ready') assert.ok(!sends, `${name} is ${admin}`)
      if (eligibility !== ELIGIBILITY.probation) assert.equal(pool!.probationThread[index], -1)
    }
  }

  #checkProbing(): void {
    for (const index of this.#plan.backends.keys()) {
      let probing = 0
      for (const thread of this.world.threads) {
        probing += thread.row[thread.cell(index, BACKEND.probing)]!
      }
      assert.ok(probing <= 1, `${probing} probation requests at a time`)
    }
  }
}

/** @throws AssertionError on the first thing that must not be */
export function simulate(seed: number): void {
  const random = seededRandom(seed)
  const plan = randomPlan(random)
  const world = new World(plan, { threads: 1 + Math.floor(random.next() * 4), seed })
  const watch = new Watch(world, plan)
  const look = (): void => {
    watch.check()
    world.at(1, look)
  }
  look()
  world.begin(500)
  for (let act = 0; act < 15; act++) {
    const backend = Math.floor(random.next() * plan.backends.length)
    const what = random.next()
    if (what < 0.6) world.break(backend, choose(random, PROBES), choose(random, TRAFFIC))
    else if (what < 0.8) world.heal(backend)
    else if (what < 0.9) {
      const state = choose(random, ['ready', 'ready', 'drain', 'maint'] as const)
      world.setAdmin('web', plan.backends[backend]!.name, state, 'drill', true)
    } else {
      const thread = choose(random, world.threads)
      if (thread.alive) thread.die()
      else thread.revive()
    }
    world.load(choose(random, [10, 100, 300]), 200 + random.next() * 3_000)
  }
  recover(world, plan)
}

/** Once everything works again, everything is available again. */
function recover(world: World, plan: PoolPlan): void {
  plan.backends.forEach(({ name }, index) => {
    world.heal(index)
    world.setAdmin('web', name, 'ready', '')
  })
  for (const thread of world.threads) if (!thread.alive) thread.revive()
  const done = () => world.plane.status()[0]!.available === plan.backends.length
  for (let i = 0; i < 100 && !done(); i++) world.load(20, 4_000)
  assert.ok(done(), `not recovered: ${world.states()}`)
  for (const index of plan.backends.keys()) assert.notEqual(world.why(index), '')
}
