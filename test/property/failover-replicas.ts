// Several replicas of one pool's failover machine around a modelled key: writes are compared with
// what the writer knows, its echoes come late, answers are lost, replicas die and come back, and two
// may believe for a while that they decide. A seed repeats a run exactly.

import assert from 'node:assert/strict'
import type {
  FailoverEffect,
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  Frozen,
  MemberFacts,
} from '../../src/core/failover-contract.ts'
import {
  recordOf,
  reignOf,
  restoredFrom,
  type FailoverRecord,
} from '../../src/core/failover-record.ts'
import { initialFailover } from '../../src/core/failover-initial.ts'
import { reduceFailover } from '../../src/core/failover.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { DOWN, failoverMachine, HOOK, UP } from '../support/failover-machine.ts'

interface Key {
  readonly revision: number
  readonly epoch: number
  readonly active: number
  readonly moving: boolean
  readonly to: number
  readonly frozen: Frozen | null
}

type Write = Pick<Key, 'epoch' | 'active' | 'moving' | 'to'>

function choose<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.next() * from.length)]!
}

/** Time, the key, and what is under way between the replicas. */
class Cluster {
  readonly random: Random
  readonly machine: FailoverMachine
  readonly replicas: Replica[]
  nowMs = 0
  key: Key | null = null
  /** Who may write the key; −1 for nobody. */
  holder = -1
  /** How badly things go: 0 is a calm network. */
  trouble = 1
  readonly #queue: { readonly atMs: number; readonly order: number; readonly run: () => void }[] =
    []
  #order = 0
  readonly #owners = new Map<number, number>()

  constructor(random: Random) {
    this.random = random
    const size = 1 + Math.floor(random.next() * 3)
    this.machine = failoverMachine(['a', 'b', 'c'].slice(0, size), {
      agreement: 'etcd',
      failback: choose(random, ['auto', 'manual']),
      stableForMs: 3_000,
      holdDownMs: choose(random, [0, 500]),
      holdDownMaxMs: 2_000,
      readyForMs: choose(random, [0, 1_000]),
      drainMs: 300,
      proveMs: 1_000,
      allDown: choose(random, ['stay', 'any']),
      promote: choose(random, [null, { ...HOOK, timeoutMs: 500 }]),
    })
    this.replicas = [0, 1, 2].map((index) => new Replica(this, index))
  }

  chance(share: number): boolean {
    return this.random.next() < share * this.trouble
  }

  /** Does it some time soon, now and then much later. */
  soon(run: () => void, mostMs = 50): void {
    const late = this.chance(0.1) ? 3_000 : 0
    this.at(this.nowMs + this.random.next() * (mostMs + late), run)
  }

  at(atMs: number, run: () => void): void {
    this.#queue.push({ atMs, order: this.#order++, run })
  }

  run(forMs: number): void {
    const untilMs = this.nowMs + forMs
    for (;;) {
      let next = this.#queue[0]
      for (const one of this.#queue) {
        if (one.atMs < next!.atMs || (one.atMs === next!.atMs && one.order < next!.order))
          next = one
      }
      if (next === undefined || next.atMs > untilMs) break
      this.#queue.splice(this.#queue.indexOf(next), 1)
      this.nowMs = Math.max(this.nowMs, next.atMs)
      next.run()
      this.check()
    }
    this.nowMs = untilMs
  }

  /** A write of the holder; refused if the writer does not know the key as it is. */
  write(replica: Replica, known: number, change: Partial<Key>): boolean {
    if (this.holder !== replica.index || known !== (this.key?.revision ?? 0)) return false
    const before = this.key ?? { epoch: 0, active: -1, moving: false, to: -1, frozen: null }
    const revision = (this.key?.revision ?? 0) + 1
    this.key = { ...before, ...change, revision }
    for (const other of this.replicas) other.tell(this.key)
    return true
  }

  /** Whatever the order of things: one is sent to, and one in each epoch. */
  check(): void {
    const sent = new Set(this.replicas.flatMap(({ sending }) => [...sending]))
    assert.ok(sent.size <= 1, `sent to ${[...sent].join(' and ')} at once`)
  }

  started(index: number, epoch: number): void {
    assert.equal(this.#owners.get(epoch) ?? index, index, `two actives in epoch ${epoch}`)
    this.#owners.set(epoch, index)
  }
}

class Replica {
  readonly index: number
  readonly #cluster: Cluster
  state: FailoverState
  alive = true
  /** Who a thread of this replica may be sending to. */
  readonly sending = new Set<number>()
  /** The highest epoch below which this replica has said that it sends to nobody. */
  acknowledged = 0
  #deadlineMs = Infinity
  /** Begun anew with each life: what was under way in the last one is lost. */
  #life = 0
  #known = 0
  #toldRevision = 0
  #durable: FailoverRecord | null = null
  #stops: FailoverEvent[] = []

  constructor(cluster: Cluster, index: number) {
    this.#cluster = cluster
    this.index = index
    this.state = initialFailover(cluster.machine, null, 0)
  }

  /** Does it later, if this replica still lives then. */
  #later(run: () => void, mostMs = 50): void {
    const life = this.#life
    this.#cluster.soon(() => {
      if (this.alive && life === this.#life) run()
    }, mostMs)
  }

  hear(event: FailoverEvent): void {
    if (!this.alive) return
    const { machine, nowMs } = this.#cluster
    const before = this.state
    const step = reduceFailover(machine, before, event, nowMs)
    this.state = step.state
    assert.ok(step.state.epoch >= before.epoch, 'the epoch falls')
    assert.ok(step.state.move === null || step.state.following === null)
    for (const effect of step.effects) this.#execute(effect, event)
    this.#wake(step.deadlineMs)
  }

  #wake(deadlineMs: number): void {
    this.#deadlineMs = deadlineMs
    if (deadlineMs === Infinity) return
    const life = this.#life
    this.#cluster.at(deadlineMs, () => {
      if (!this.alive || life !== this.#life || this.#deadlineMs !== deadlineMs) return
      assert.ok(this.#cluster.nowMs >= deadlineMs)
      this.hear({ kind: 'due' })
      assert.ok(this.#deadlineMs > this.#cluster.nowMs, 'busy')
    })
  }

  /** It decides, or no longer; the key is read anew. */
  lead(leads: boolean): void {
    const { key } = this.#cluster
    if (leads === this.state.leads) return
    this.hear({ kind: 'lead', leads })
    this.#toldRevision = 0
    if (key !== null) this.tell(key)
  }

  /** The key has changed: this replica hears of it, in order, perhaps not of each change. */
  tell(key: Key): void {
    this.#later(() => {
      if (key.revision <= this.#toldRevision) return
      this.#toldRevision = key.revision
      this.#known = Math.max(this.#known, key.revision)
      const { epoch, active, moving, to, frozen } = key
      this.hear({ kind: 'followed', epoch, active, moving, to, frozen })
    })
  }

  die(): void {
    this.alive = false
    this.#life++
    this.sending.clear()
  }

  rise(): void {
    const { machine, nowMs, key } = this.#cluster
    this.alive = true
    this.#known = 0
    this.#toldRevision = 0
    this.acknowledged = 0
    this.#stops = []
    this.state = initialFailover(machine, restoredFrom(machine, this.#durable), nowMs)
    this.#wake(nowMs)
    if (key !== null) this.tell(key)
  }

  /** Something that was said before is said again. */
  stutter(): void {
    const stop = this.#stops[Math.floor(this.#cluster.random.next() * this.#stops.length)]
    if (stop !== undefined) this.hear(stop)
  }

  #execute(effect: FailoverEffect, cause: FailoverEvent): void {
    switch (effect.kind) {
      case 'claim': {
        const { epoch, to } = effect
        const active = effect.from >= 0 ? effect.from : this.state.last
        assert.ok(this.state.leads, 'a claim of one that does not decide')
        assert.equal(this.state.frozen, null, 'a claim while frozen')
        this.#write({ epoch, active, moving: true, to }, 'claim')
        break
      }
      case 'commit': {
        const { epoch, active } = effect
        this.#write({ epoch, active, moving: false, to: active }, 'commit')
        break
      }
      case 'stop':
        this.#later(() => this.#stopped(effect.index, effect.epoch))
        break
      case 'start':
        this.sending.add(effect.index)
        this.#cluster.started(effect.index, effect.epoch)
        break
      case 'acknowledge':
        assert.equal(this.sending.size, 0, 'acknowledged while somebody is sent to')
        this.acknowledged = Math.max(this.acknowledged, effect.epoch)
        break
      case 'hook': {
        const failure = this.#cluster.chance(0.2) ? 'exit 1' : null
        const { epoch, hook } = effect
        this.#later(() => this.hear({ kind: 'hooked', epoch, hook, failure }), 300)
        break
      }
      case 'prove': {
        const { epoch, index } = effect
        this.#later(() => {
          const passed = this.state.members[index]!.fit
          this.hear({ kind: 'proved', epoch, passed, role: null, text: '' })
        })
        break
      }
      case 'freeze':
        this.#freeze(effect.frozen)
        break
      case 'save':
      case 'ended':
        this.#durable = recordOf(
          this.#cluster.machine,
          this.state,
          reignOf(this.#cluster.machine, this.state),
          [],
        )
        break
      default:
        assert.notEqual(effect.kind === 'refused' && cause.kind !== 'operator', true)
    }
  }

  /** Written again until it is, for as long as this one decides. */
  #freeze(frozen: Frozen | null): void {
    this.#later(() => {
      if (!this.state.leads || this.#cluster.write(this, this.#known, { frozen })) return
      this.#freeze(this.state.frozen)
    })
  }

  #write(change: Write, asks: 'claim' | 'commit'): void {
    const known = this.#known
    this.#later(() => {
      const done = this.#cluster.write(this, known, change)
      if (done) this.#known = Math.max(this.#known, this.#cluster.key!.revision)
      if (this.#cluster.chance(0.05)) return
      const { epoch } = change
      this.#later(() => {
        const reason = 'the key was another one'
        if (done) this.hear({ kind: asks === 'claim' ? 'claimed' : 'committed', epoch })
        else this.hear({ kind: asks === 'claim' ? 'claim-lost' : 'commit-lost', epoch, reason })
      })
    })
  }

  /** This replica's threads have stopped. The one that decides waits for the others, too. */
  #stopped(index: number, epoch: number): void {
    this.sending.delete(index)
    const answer: FailoverEvent = { kind: 'stopped', epoch }
    if (this.state.following !== null) {
      this.#stops.push(answer)
      this.hear(answer)
      return
    }
    this.#awaitOthers(answer, epoch)
  }

  #awaitOthers(answer: FailoverEvent, epoch: number): void {
    if (this.state.following !== null || this.state.move === null) {
      this.hear(answer)
      return
    }
    const others = this.#cluster.replicas.filter((one) => one !== this && one.alive)
    if (others.every(({ acknowledged }) => acknowledged >= epoch)) {
      this.#stops.push(answer)
      this.hear(answer)
    } else this.#later(() => this.#awaitOthers(answer, epoch), 20)
  }
}

// --- what happens ------------------------------------------------------------------------------------

function storm(cluster: Cluster, turns: number): void {
  const { random, replicas, machine } = cluster
  for (let turn = 0; turn < turns; turn++) {
    const what = random.next()
    const replica = choose(random, replicas)
    if (what < 0.45) {
      const index = Math.floor(random.next() * machine.members.length)
      const facts: MemberFacts = choose(random, [UP, UP, DOWN, { ...UP, doubtful: true }])
      // Each replica has its own view, and sees it a little later or earlier.
      for (const one of replicas) if (random.next() < 0.8) tellFacts(cluster, one, index, facts)
    } else if (what < 0.6) {
      const to = Math.floor(random.next() * machine.members.length)
      const word = choose(random, [
        { verb: 'switchover', to, force: true },
        { verb: 'switchover', to, force: false },
        { verb: 'freeze' },
        { verb: 'unfreeze' },
      ] as const)
      replica.hear({ kind: 'operator', word, reason: 'drill', by: 'ann' })
    } else if (what < 0.7) handOver(cluster, replica)
    else if (what < 0.74) {
      if (replica.alive) replica.die()
      else replica.rise()
    } else if (what < 0.8) replica.stutter()
    else if (what < 0.84) {
      replica.hear({ kind: 'agreement', ok: random.next() < 0.5, reason: 'etcd is gone' })
    }
    cluster.run(random.next() * choose(random, [5, 50, 500, 2_000]))
  }
}

function tellFacts(cluster: Cluster, replica: Replica, index: number, facts: MemberFacts): void {
  cluster.soon(() => replica.hear({ kind: 'member', index, facts }))
}

/** Another one may write from now on; both hear of it at their own time. */
function handOver(cluster: Cluster, replica: Replica): void {
  if (!replica.alive) return
  const old = cluster.replicas[cluster.holder]
  cluster.holder = replica.index
  if (old !== undefined && old !== replica) {
    cluster.soon(() => {
      if (cluster.holder !== old.index) old.lead(false)
    })
  }
  cluster.soon(() => {
    if (cluster.holder === replica.index) replica.lead(true)
  })
}

/** All live, see the same, agree, and one decides: after a while all send to the same one. */
function calm(cluster: Cluster): void {
  cluster.trouble = 0
  for (const replica of cluster.replicas) {
    if (!replica.alive) replica.rise()
    replica.hear({ kind: 'agreement', ok: true, reason: '' })
  }
  cluster.run(10_000)
  handOver(cluster, cluster.replicas[0]!)
  for (const replica of cluster.replicas) {
    for (const index of cluster.machine.members.keys()) tellFacts(cluster, replica, index, UP)
  }
  cluster.run(1_000)
  const unfreeze = { verb: 'unfreeze' } as const
  if (cluster.replicas[0]!.state.frozen !== null) {
    cluster.replicas[0]!.hear({ kind: 'operator', word: unfreeze, reason: 'drill', by: 'ann' })
  }
  cluster.run(90_000)
  const told = cluster.replicas.map(({ state }) => `${state.phase} (${state.reason})`).join(', ')
  for (const { sending, state } of cluster.replicas) {
    assert.equal(sending.size, 1, `not all serve: ${told}`)
    assert.ok(sending.has(state.active))
    assert.equal(state.active, cluster.key!.active, 'a replica does not follow the key')
    assert.equal(state.frozen, null, 'frozen, and nobody said so')
  }
  cluster.trouble = 1
}

/** @throws AssertionError on the first thing that must not be */
export function simulateReplicas(seed: number): void {
  const cluster = new Cluster(seededRandom(seed))
  for (let round = 0; round < 2; round++) {
    storm(cluster, 60)
    calm(cluster)
  }
}
