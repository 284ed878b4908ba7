// A pool that is reloaded again and again, in whatever state it is: nothing that a reload does not
// speak of may change by it, nobody serves because of it, and no row has two owners. A seed repeats a
// run exactly.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendPlan, FailoverPlan, PoolPlan, SitePlan } from '../../src/core/plan.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { BACKEND, BACKEND_CELLS, type SharedTable } from '../../src/core/shared-layout.ts'
import { ELIGIBILITY } from '../../src/core/snapshot.ts'
import type { BackendStatus } from '../../src/core/status.ts'
import {
  CHECK,
  OUTLIER,
  poolPlan,
  World,
  type ProbeBehaviour,
  type TrafficBehaviour,
} from '../unit/runtime/control-world.ts'
import { FAILOVER_DEFAULTS } from '../support/failover-machine.ts'

const ROOM = 24
const PROBES: readonly ProbeBehaviour[] = ['pass', 'pass', 'refuse', 'hang', 'sick', 'void']
const TRAFFIC: readonly TrafficBehaviour[] = [
  ...([5, 5, 400, 'refuse', 'reset', 'hang', 'error', 'cut'] as const),
]
const FAILOVER: FailoverPlan = {
  ...FAILOVER_DEFAULTS,
  stableForMs: 5_000,
  holdDownMs: 500,
  holdDownMaxMs: 10_000,
  readyForMs: 1_000,
  sessions: 'destroy',
  drainMs: 500,
  pauseMaxMs: 500,
  proveMs: 1_000,
}

const BETWEEN_SITES: FailoverPlan = { ...FAILOVER, failback: 'auto', allDown: 'any' }
const SITES: readonly SitePlan[] = [
  { name: 'seoul', kind: 'hot', minHealthy: 1 },
  { name: 'busan', kind: 'hot', minHealthy: 1 },
]

const nameOf = (code: number) => String.fromCodePoint(97 + code)

class Story {
  readonly world: World
  readonly #random: Random
  /** Who had which row last. */
  readonly #owners = new Map<number, string>()
  #freed = 0
  #seen = 0
  #names = 0

  constructor(seed: number) {
    this.#random = seededRandom(seed)
    const dice = this.#random.next()
    const standby = dice < 0.35
    const sites = dice > 0.7 ? SITES : []
    const size = 2 + this.#under(3)
    const pool = poolPlan(size, {
      mode: standby ? 'active-standby' : 'active-active',
      failover: standby ? FAILOVER : sites.length > 0 ? BETWEEN_SITES : null,
      sites,
      healthCheck: standby || this.#random.next() < 0.8 ? { ...CHECK, intervalMs: 1_000 } : null,
      outlierDetection: { ...OUTLIER, ejectMs: 2_000 },
      slowStart: { durationMs: 2_000, from: 0.1 },
      timeouts: { ...poolPlan(1).timeouts, responseMs: 2_000 },
    })
    this.#names = size
    const backends = pool.backends.map((one, index) => this.#sited(one, sites, index))
    this.world = new World({ ...pool, backends }, { threads: 2, seed, slots: ROOM }).begin(500)
    this.#own()
  }

  /** One thing happens. */
  step(): void {
    const { world } = this
    const dice = this.#random.next()
    if (dice < 0.35) world.load(200, 50 + this.#under(800))
    else if (dice < 0.5) world.run(this.#under(4_000))
    else if (dice < 0.65) this.#turn()
    else if (dice < 0.72) this.#order()
    else if (dice < 0.74) this.#dieAndReturn()
    else this.#reload()
    this.#look()
  }

  #turn(): void {
    const { world } = this
    const slot = this.#one(world.pool.backends).slot
    if (this.#random.next() < 0.4) world.heal(slot)
    else world.break(slot, this.#one(PROBES), this.#one(TRAFFIC))
  }

  #order(): void {
    const { name } = this.#one(this.world.pool.backends)
    const state = this.#one(['ready', 'ready', 'drain', 'maint'] as const)
    this.world.setAdmin('web', name, state, 'a test', this.#random.next() < 0.2)
  }

  #dieAndReturn(): void {
    const thread = this.#one(this.world.threads)
    thread.die()
    this.world.run(this.#under(500))
    thread.revive()
  }

  #reload(): void {
    const { world } = this
    let backends: BackendPlan[] = [...world.pool.backends]
    const isTight = world.left.size + backends.length > ROOM - 2
    if (!isTight && this.#random.next() < 0.4) backends.push(this.#fresh())
    const removed = backends.length > 1 && this.#random.next() < 0.4 ? this.#one(backends) : null
    backends = backends.filter((one) => one !== removed)
    if (this.#random.next() < 0.3) backends = backends.toReversed()
    const weighs = this.#random.next() < 0.3 ? this.#one(backends).name : ''
    const weight = this.#under(4)
    backends = backends.map((one) => (one.name === weighs ? { ...one, weight } : one))
    const changes = { backends, minAvailable: world.pool.minAvailable }
    if (this.#random.next() < 0.2) changes.minAvailable = this.#under(3)
    this.#reloadTo(changes, weighs)
  }

  #reloadTo(changes: Pick<PoolPlan, 'backends' | 'minAvailable'>, weighs: string): void {
    const { world } = this
    const before = world.plane.status()[0]!
    const snapshots = world.snapshots.length
    const transitions = world.transitions.length
    const refusal = world.plane.refusal({
      ...world.plan,
      pools: [world.slotted({ ...world.pool, ...changes })],
    })
    const { failover } = before
    if (refusal !== null) {
      const { active, move } = failover!
      const isGone = !changes.backends.some(({ name }) => name === active)
      assert.ok(move !== null || isGone || active === null, refusal)
      return
    }
    world.reload(changes)
    this.#own()
    assert.equal(world.snapshots.length, snapshots + 1, 'one snapshot')
    const after = world.plane.status()[0]!
    assert.equal(after.failover?.active, failover?.active)
    assert.equal(after.failover?.epoch, failover?.epoch)
    const known = new Map(before.backends.map((one) => [`${one.name} ${one.address}`, one]))
    for (const now of after.backends) {
      const was = known.get(`${now.name} ${now.address}`)
      if (was === undefined) this.#checkNew(now)
      else if (now.name !== weighs) this.#checkKept(was, now, transitions)
    }
    const { eligibility } = world.snapshots.at(-1)!.pools[0]!
    for (const [index, one] of after.backends.entries()) {
      const serves = ([ELIGIBILITY.yes, ELIGIBILITY.probation] as number[]).includes(
        eligibility[index]!,
      )
      assert.equal(
        serves && isOut(one),
        false,
        `${one.name} serves though it is ${one.availability}`,
      )
    }
  }

  #checkNew({ availability, health }: BackendStatus): void {
    const isChecked = this.world.pool.healthCheck !== null
    assert.equal(health, isChecked ? 'checking' : 'none')
    const open = isChecked ? [] : ['available', 'starting', 'weightless', 'standby']
    assert.ok(['checking', ...open].includes(availability), availability)
  }

  #checkKept(was: BackendStatus, now: BackendStatus, seen: number): void {
    // The floor, or a look at the others, may call an ejected one back in any turn.
    const isCalled = this.world.transitions.slice(seen).some(({ backend, reason }) => {
      return backend === now.name && /^(called back|ejection taken back)/.test(reason)
    })
    const { reason: _, ...other } = now
    const { reason: __, ...same } = was
    // What its traffic had shown may eject it as soon as there are enough others.
    const isLetGo = now.traffic === 'ejected' && was.attempts + was.inFlight > 0
    // A step of its slow start may just have been due.
    const isRamping = was.availability === 'starting' && now.effectiveWeight > was.effectiveWeight
    if (!isCalled && !isLetGo && !isRamping) assert.deepEqual(other, same)
    assert.equal(now.health, was.health)
    assert.equal(now.admin, was.admin)
    assert.equal(now.lastProbe, was.lastProbe)
  }

  /** Rows that have another owner now must have been freed, and be empty. */
  #own(): void {
    const { world } = this
    const owners = new Set<number>()
    for (const { name, address, slot } of world.pool.backends) {
      const owner = JSON.stringify([name, address])
      assert.equal(owners.has(slot), false, 'one row, one owner')
      owners.add(slot)
      const last = this.#owners.get(slot)
      this.#owners.set(slot, owner)
      if (last === owner) continue
      assert.equal(last, undefined, 'freed before')
      world.heal(slot)
      assert.equal(sumOf(world.table, slot), 0, 'who begins, begins with nothing')
    }
  }

  #look(): void {
    const { world } = this
    for (; this.#freed < world.freed.length; this.#freed++) {
      for (const slot of world.freed[this.#freed]!.backends) {
        assert.ok(!world.slots().includes(slot), 'nobody has it')
        for (const { row } of world.threads) {
          const base = world.table.backendBase(slot)
          assert.ok(row.slice(base, base + BACKEND_CELLS).every((cell) => cell === 0))
        }
        this.#owners.delete(slot)
      }
    }
    let size = -1
    for (const snapshot of world.snapshots.slice(this.#seen)) {
      if (snapshot.plan !== undefined) size = snapshot.plan.pools[0]!.backends.length
      for (const { eligibility, weight, probationThread } of snapshot.pools) {
        if (size < 0) continue
        assert.deepEqual(
          [eligibility.length, weight.length, probationThread.length],
          [size, size, size],
        )
      }
    }
    this.#seen = world.snapshots.length
    assert.equal(world.snapshots.at(-1)!.version, world.snapshots.length)
    for (const thread of world.threads) {
      for (let slot = 0; slot < ROOM; slot++) {
        assert.ok(thread.row[thread.cell(slot, BACKEND.inFlight)]! >= 0)
      }
    }
  }

  /** All is well again, and everybody serves. */
  end(): void {
    const { world } = this
    for (const { slot, name } of world.pool.backends) {
      world.heal(slot)
      world.setAdmin('web', name, 'ready', '', true)
    }
    world.run(30_000)
    world.load(20, 30_000)
    world.run(20_000)
    const open = new Set(['available', 'standby', 'weightless'])
    for (const { name, availability } of world.plane.status()[0]!.backends) {
      assert.ok(open.has(availability), `${name} is ${availability} in the end`)
    }
    this.#look()
    assert.deepEqual([...world.left], [], 'every row was given back')
  }

  #fresh(): BackendPlan {
    const address = { kind: 'tcp', host: '10.0.5.1', port: this.#names } as const
    // Sometimes a name that was there before, at another address.
    const name = nameOf(this.#random.next() < 0.3 ? this.#under(4) : this.#names % 26)
    const taken = this.world.pool.backends.some((one) => one.name === name)
    this.#names++
    const free = taken ? `n${this.#names}` : name
    const backend = { name: free, slot: -1, address, weight: 1, zone: null, site: -1 }
    return this.#sited(backend, this.world.pool.sites, this.#under(2))
  }

  #sited(backend: BackendPlan, sites: readonly SitePlan[], site: number): BackendPlan {
    return sites.length === 0 ? backend : { ...backend, site: site % sites.length }
  }

  #one<T>(from: readonly T[]): T {
    return from[this.#under(from.length)]!
  }

  #under(limit: number): number {
    return Math.floor(this.#random.next() * limit)
  }
}

function isOut({ health, admin }: BackendStatus): boolean {
  return health === 'down' || health === 'checking' || admin !== 'ready'
}

function sumOf(table: SharedTable, slot: number): number {
  let sum = 0
  const base = table.backendBase(slot)
  for (let cell = base; cell < base + BACKEND_CELLS; cell++) sum += Math.abs(table.sum(cell))
  return sum
}

test('whatever happens, a reload changes what it says and nothing else (30 seeds)', () => {
  for (let seed = 1; seed <= 30; seed++) {
    try {
      const story = new Story(seed)
      for (let i = 0; i < 40; i++) story.step()
      story.end()
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
})
