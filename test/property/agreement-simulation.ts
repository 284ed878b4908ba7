// Replicas that agree about the active of a pool, under random faults in simulated time: links are
// cut and healed, processes stopped, continued, killed and restarted with and without memory, etcd
// stopped and set back, backends killed. The real machines run (core/agreement.ts with
// core/failover.ts on top); etcd, the network, the threads and the probes are models.
// A seed repeats a run exactly.
//
// The judge looks at what threads could send, at every event: under an older epoch never after the
// first under a newer one, and to one backend per epoch. After everything is healed all replicas
// must send again, within a bound.

import assert from 'node:assert/strict'
import type {
  AgreementEffect,
  AgreementEvent,
  AgreementSetup,
  AgreementState,
  Reign,
} from '../../src/core/agreement-contract.ts'
import { quorumSees } from '../../src/core/agreement-votes.ts'
import { initialAgreement, reduceAgreement } from '../../src/core/agreement.ts'
import type {
  FailoverEffect,
  FailoverEvent,
  OperatorWord,
  FailoverMachine,
  FailoverState,
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
import { failoverMachine } from '../support/failover-machine.ts'
import { ModelEtcd } from './agreement-etcd.ts'

const TTL_MS = 5_000
const POOL = 'db'
const BACKENDS = ['a', 'b', 'c'] as const
const ETCD = 'etcd'

const machine: FailoverMachine = failoverMachine(BACKENDS, {
  failback: 'auto',
  stableForMs: 3_000,
  holdDownMs: 500,
  holdDownMaxMs: 2_000,
  readyForMs: 500,
  sessions: 'destroy',
  pauseMaxMs: 0,
  proveMs: 2_000,
  allDown: 'any',
  agreement: 'etcd',
})

/** What is asked of a run beyond its seed. */
interface Scenario {
  readonly replicas: number
  readonly faults: number
  /** Processes lose their state file when they are killed; etcd is then never set back. */
  readonly forgets: boolean
}

/** Things to come, in order of their time. */
class Agenda {
  nowMs = 1_000
  #entries: { atMs: number; order: number; work: () => void }[] = []
  #order = 0

  at(atMs: number, work: () => void): void {
    const entry = { atMs: Math.max(atMs, this.nowMs), order: ++this.#order, work }
    let index = this.#entries.length
    while (index > 0 && this.#entries[index - 1]!.atMs > entry.atMs) index--
    this.#entries.splice(index, 0, entry)
  }

  /** Does what is due until then. */
  run(untilMs: number, after: () => void): void {
    while (this.#entries.length > 0 && this.#entries[0]!.atMs <= untilMs) {
      const entry = this.#entries.shift()!
      this.nowMs = entry.atMs
      entry.work()
      after()
    }
    this.nowMs = untilMs
  }
}

/** Everything but the replicas. */
class World {
  readonly agenda = new Agenda()
  readonly etcd = new ModelEtcd()
  readonly random: Random
  readonly scenario: Scenario
  readonly replicas: Replica[]
  readonly #cuts = new Set<string>()
  readonly #dead = new Set<string>()
  readonly log: string[] = []
  /** Highest epoch that was ever sent under, and who got it. */
  readonly #reigns = new Map<number, string>()
  #epoch = 0

  constructor(seed: number, scenario: Scenario) {
    this.random = seededRandom(seed)
    this.scenario = scenario
    const names = Array.from({ length: scenario.replicas }, (_, i) => `r${i + 1}`)
    this.replicas = names.map((name) => new Replica(this, name, names))
  }

  get nowMs(): number {
    return this.agenda.nowMs
  }

  note(text: string): void {
    this.log.push(`${(this.nowMs / 1_000).toFixed(3)} ${text}`)
  }

  between(min: number, max: number): number {
    return min + this.random.next() * (max - min)
  }

  chance(share: number): boolean {
    return this.random.next() < share
  }

  choose<T>(from: readonly T[]): T {
    return from[Math.floor(this.random.next() * from.length)]!
  }

  // --- network -----------------------------------------------------------------------------

  cut(one: string, other: string): void {
    this.#cuts.add(`${one} ${other}`).add(`${other} ${one}`)
  }

  heal(one: string, other: string): void {
    this.#cuts.delete(`${one} ${other}`)
    this.#cuts.delete(`${other} ${one}`)
  }

  reaches(one: string, other: string): boolean {
    return !this.#cuts.has(`${one} ${other}`)
  }

  /** Brings something over a link, if it stands both when it is sent and when it arrives. */
  send(from: string, to: string, arrived: () => void): void {
    if (!this.reaches(from, to)) return
    const slow = this.chance(0.03) ? this.between(50, 800) : 0
    this.agenda.at(this.nowMs + this.between(0.2, 5) + slow, () => {
      if (this.reaches(from, to)) arrived()
    })
  }

  // --- etcd ----------------------------------------------------------------------------------

  /** A request to etcd and its answer; `failed` once nothing has come for too long. */
  ask<T>(
    from: string,
    work: () => T,
    answered: (value: T) => void,
    failed: (reason: string) => void,
  ): void {
    let open = true
    const fail = (reason: string) => {
      if (open) failed(reason)
      open = false
    }
    this.agenda.at(this.nowMs + TTL_MS / 4, () => fail('no answer'))
    this.send(from, ETCD, () => {
      if (!this.etcd.isUp) {
        if (this.chance(0.5)) this.send(ETCD, from, () => fail('connection refused'))
        return
      }
      const before = this.etcd.revision
      const value = work()
      if (this.etcd.revision > before) this.changed()
      this.send(ETCD, from, () => {
        if (open) answered(value)
        open = false
      })
    })
  }

  /** Tells all mirrors, and looks again when the next lease ends. */
  changed(): void {
    const { revision, generation } = this.etcd
    for (const replica of this.replicas) {
      const { life } = replica
      // One watch in a hundred messages hangs; only a range finds that out.
      if (this.chance(0.01)) continue
      this.send(ETCD, replica.name, () => {
        replica.whenAwake(life, () => replica.mirror(revision, generation))
      })
    }
  }

  tick(): void {
    const before = this.etcd.revision
    const nextMs = this.etcd.expire(this.nowMs)
    if (this.etcd.revision > before) this.changed()
    this.agenda.at(Math.min(nextMs, this.nowMs + 100), () => this.tick())
  }

  // --- backends ------------------------------------------------------------------------------

  kill(backend: string): void {
    this.#dead.add(backend)
    this.lookAround()
  }

  revive(backend: string): void {
    this.#dead.delete(backend)
    this.lookAround()
  }

  isFit(replica: string, backend: string): boolean {
    return !this.#dead.has(backend) && this.reaches(replica, backend)
  }

  /** Every replica finds out in its own time. */
  lookAround(): void {
    for (const replica of this.replicas) {
      const { life } = replica
      this.agenda.at(this.nowMs + this.between(20, 900), () => {
        replica.whenAwake(life, () => replica.probe())
      })
    }
  }

  // --- the judge -----------------------------------------------------------------------------

  judge(): void {
    for (const replica of this.replicas) {
      const sending = replica.sends()
      if (sending === null) continue
      const { epoch, backend } = sending
      if (epoch < this.#epoch) {
        assert.fail(`${replica.name} can send under ${epoch} after the first under ${this.#epoch}`)
      }
      this.#epoch = epoch
      const known = this.#reigns.get(epoch)
      if (known === undefined) this.note(`epoch ${epoch} is ${backend}'s (${replica.name} first)`)
      this.#reigns.set(epoch, known ?? backend)
      assert.equal(backend, known ?? backend, `two actives in epoch ${epoch}`)
    }
  }
}

class Replica {
  readonly name: string
  readonly #world: World
  readonly #names: readonly string[]
  /** Grows with each start: what belongs to a former process is void. */
  life = 0
  isRunning = false
  isPaused = false
  /** What outlives the process. */
  #file: FailoverRecord | null = null
  #setup!: AgreementSetup
  #agreement!: AgreementState
  #failover!: FailoverState
  #wakeMs = Infinity
  #failoverWakeMs = Infinity
  #rightMs = -Infinity
  /** Where threads send: what they have applied. */
  #seat = { sending: -1, epoch: 0 }
  /** When threads apply the last snapshot. */
  #applyMs = 0
  #revision = 0
  #generation = 0
  #views: readonly (boolean | null)[] = []
  #late: (() => void)[] = []
  #questions = 0
  readonly #answers = new Map<number, (pools: Readonly<Record<string, string | null>>) => void>()
  #events: FailoverEvent[] = []
  #busy = false

  constructor(world: World, name: string, names: readonly string[]) {
    this.#world = world
    this.name = name
    this.#names = names
  }

  // --- the process ---------------------------------------------------------------------------

  start(): void {
    const world = this.#world
    this.life++
    this.isRunning = true
    this.isPaused = false
    this.#late = []
    this.#setup = {
      replica: this.name,
      replicas: this.#names,
      ttlMs: TTL_MS,
      incarnation: `${this.life}`,
      pools: [{ name: POOL, members: BACKENDS }],
    }
    const file = this.#file
    this.#agreement = initialAgreement(this.#setup, [file?.epoch ?? 0], world.nowMs)
    this.#failover = initialFailover(machine, restoredFrom(machine, file), world.nowMs)
    this.#wakeMs = Infinity
    this.#failoverWakeMs = Infinity
    this.#rightMs = -Infinity
    this.#seat = { sending: -1, epoch: 0 }
    this.#revision = 0
    this.#generation = 0
    this.#views = BACKENDS.map(() => null)
    this.#answers.clear()
    this.#events = []
    this.hear({ kind: 'due' })
    this.later(world.between(20, 900), () => this.probe())
  }

  kill(): void {
    this.isRunning = false
    this.life++
    if (this.#world.scenario.forgets) this.#file = null
  }

  pause(): void {
    this.isPaused = true
  }

  resume(): void {
    this.isPaused = false
    const late = this.#late
    this.#late = []
    for (const work of late) work()
  }

  /** Does something as the process of that life, once it runs. */
  whenAwake(life: number, work: () => void): void {
    if (life !== this.life || !this.isRunning) return
    if (this.isPaused) this.#late.push(() => this.whenAwake(life, work))
    else work()
  }

  later(ms: number, work: () => void): void {
    const { life } = this
    this.#world.agenda.at(this.#world.nowMs + ms, () => this.whenAwake(life, work))
  }

  /** What a thread of this replica could send now. */
  sends(): { readonly epoch: number; readonly backend: string } | null {
    const { sending, epoch } = this.#seat
    if (!this.isRunning || this.isPaused || sending < 0) return null
    if (this.#world.nowMs >= this.#rightMs) return null
    return { epoch, backend: BACKENDS[sending]! }
  }

  status(): string {
    const { phase, reason, active, epoch } = this.#failover
    const right = ((this.#rightMs - this.#world.nowMs) / 1_000).toFixed(1)
    const { leads, ok, reason: why } = this.#agreement.pools[0]!
    const words = `${phase} (${reason}) active ${active} epoch ${epoch} right ${right} s`
    return `${this.name} life ${this.life}: ${words}${leads ? ' leads' : ''}${ok ? '' : ` apart: ${why}`}`
  }

  get knownEpoch(): number {
    return this.#agreement.pools[0]!.known?.epoch ?? 0
  }

  get leads(): boolean {
    return this.isRunning && this.#agreement.pools[0]!.leads
  }

  /** An operator says something; mostly it is refused. */
  operate(word: OperatorWord): void {
    const event: FailoverEvent = { kind: 'operator', word, reason: 'drill', by: 'kim' }
    this.whenAwake(this.life, () => this.#told(event))
  }

  /** An operator ends what a loss in etcd has begun. */
  recover(): void {
    this.hear({ kind: 'recover', pool: 0 })
  }

  // --- the agreement machine -------------------------------------------------------------------

  hear(event: AgreementEvent): void {
    const world = this.#world
    const step = reduceAgreement(this.#setup, this.#agreement, event, world.nowMs)
    this.#agreement = step.state
    for (const effect of step.effects) this.#execute(effect)
    this.#wakeAt(step.deadlineMs)
  }

  #wakeAt(atMs: number): void {
    if (atMs === Infinity || (atMs >= this.#wakeMs && this.#wakeMs > this.#world.nowMs)) return
    this.#wakeMs = atMs
    const { life } = this
    this.#world.agenda.at(atMs, () => {
      if (this.#wakeMs === atMs) this.#wakeMs = Infinity
      this.whenAwake(life, () => this.hear({ kind: 'due' }))
    })
  }

  #execute(effect: AgreementEffect): void {
    const { etcd } = this.#world
    const world = this.#world
    switch (effect.kind) {
      case 'grant':
        this.#ask(
          () => etcd.grant(TTL_MS, world.nowMs),
          (lease) => this.hear({ kind: 'granted', lease }),
          (reason) => this.hear({ kind: 'grant-failed', reason }),
        )
        break
      case 'cycle':
        this.#cycle(effect.lease)
        break
      case 'put-member': {
        const { era, lease, member, ifRevision } = effect
        const key = `members/${this.name}`
        this.#ask(
          () => etcd.put({ key, value: JSON.stringify(member), lease, ifRevision }),
          (revision) =>
            this.hear(
              revision < 0
                ? { kind: 'member-failed', lease, isLeaseGone: true, reason: 'no such lease' }
                : { kind: 'member-put', era, lease, member, revision },
            ),
          (reason) => this.hear({ kind: 'member-failed', lease, isLeaseGone: false, reason }),
        )
        break
      }
      case 'campaign': {
        const { lease, holder } = effect
        const value = JSON.stringify(holder)
        this.#ask(
          () => etcd.put({ key: 'holder', value, lease, ifRevision: 0 }),
          () => this.hear({ kind: 'campaigned' }),
          () => this.hear({ kind: 'campaigned' }),
        )
        break
      }
      case 'write': {
        const { era, value, ifRevision, ifHolder } = effect
        const put = { key: `pools/${POOL}`, value: JSON.stringify(value), lease: null, ifRevision }
        const ifCreated = { key: 'holder', revision: ifHolder }
        this.#ask(
          () => etcd.put({ ...put, ifCreated }),
          (revision) => this.hear({ kind: 'wrote', era, pool: 0, value, revision }),
          (reason) => this.hear({ kind: 'write-failed', pool: 0, reason }),
        )
        break
      }
      case 'ask':
        this.#askPeer(effect.round, effect.replica, effect.pools)
        break
      case 'answer':
        this.#answers.get(effect.id)?.(effect.pools)
        this.#answers.delete(effect.id)
        break
      case 'right':
        this.#rightMs = effect.untilMs
        break
      case 'tell':
        this.#told(effect.event)
        break
      case 'revoke':
      case 'warning':
        break
      default:
        effect satisfies never
    }
  }

  #ask<T>(work: () => T, answered: (value: T) => void, failed: (reason: string) => void): void {
    const { life } = this
    this.#world.ask(
      this.name,
      work,
      (value) => this.whenAwake(life, () => answered(value)),
      (reason) => this.whenAwake(life, () => failed(reason)),
    )
  }

  /** Renewal and range go side by side, each in its own time; the earlier sending counts. */
  #cycle(lease: string | null): void {
    const { etcd } = this.#world
    const sentMs = this.#world.nowMs
    const { life } = this
    let ttlMs: number | null = null
    let open = lease === null ? 1 : 2
    let failure: string | null = null
    const ended = () => {
      if (--open > 0) return
      if (failure === null) this.hear({ kind: 'cycled', sentMs, ttlMs })
      else this.hear({ kind: 'cycle-failed', reason: failure })
    }
    const fail = (reason: string) => {
      failure = reason
      ended()
    }
    if (lease !== null) {
      const renewed = (value: number) => {
        ttlMs = value
        ended()
      }
      this.#ask(() => etcd.keepAlive(lease, this.#world.nowMs), renewed, fail)
    }
    const read = ({ revision, generation }: { revision: number; generation: number }) => {
      if (life === this.life) this.mirror(revision, generation, true)
      ended()
    }
    this.#ask(() => ({ revision: etcd.revision, generation: etcd.generation }), read, fail)
  }

  mirror(revision: number, generation: number, byRange = false): void {
    const { etcd } = this.#world
    // A message of the etcd that was; its watch is dead.
    if (generation !== etcd.generation) return
    if (generation !== this.#generation) {
      // A watch knows of nothing before the first range.
      if (!byRange) return
      const isAnew = this.#generation !== 0
      this.#generation = generation
      this.#revision = etcd.revision
      this.hear({ kind: 'changed', changes: etcd.everything(), isAnew })
      return
    }
    if (revision <= this.#revision) return
    const changes = etcd.changes(this.#revision, revision)
    this.#revision = revision
    if (changes.length > 0) this.hear({ kind: 'changed', changes, isAnew: false })
  }

  #askPeer(round: number, to: string, pools: Readonly<Record<string, Reign>>): void {
    const world = this.#world
    const peer = world.replicas.find((replica) => replica.name === to)!
    const { life } = this
    const peerLife = peer.life
    let open = true
    const end = (event: AgreementEvent) => {
      if (open) this.whenAwake(life, () => this.hear(event))
      open = false
    }
    world.agenda.at(world.nowMs + TTL_MS / 4, () =>
      end({ kind: 'unanswered', round, replica: to, reason: 'no answer' }),
    )
    world.send(this.name, to, () => {
      peer.whenAwake(peerLife, () => {
        peer.asked(this.name, `${life}`, pools, (answers) => {
          world.send(to, this.name, () =>
            end({ kind: 'answered', round, replica: to, pools: answers }),
          )
        })
      })
    })
  }

  asked(
    from: string,
    incarnation: string,
    pools: Readonly<Record<string, Reign>>,
    answered: (pools: Readonly<Record<string, string | null>>) => void,
  ): void {
    const id = ++this.#questions
    this.#answers.set(id, answered)
    this.hear({ kind: 'asked', id, from, incarnation, pools })
  }

  // --- the failover machine and its shell --------------------------------------------------------

  /** What the agreement says is heard in order, after what is being done. */
  #told(event: FailoverEvent): void {
    this.#events.push(event)
    if (this.#busy) return
    this.later(0, () => this.#drive())
  }

  #drive(): void {
    this.#busy = true
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      const step = reduceFailover(machine, this.#failover, event, this.#world.nowMs)
      this.#failover = step.state
      for (const effect of step.effects) this.#carryOut(effect)
      this.#failoverWakeAt(step.deadlineMs)
    }
    this.#busy = false
  }

  #failoverWakeAt(atMs: number): void {
    if (atMs === Infinity) return
    if (atMs >= this.#failoverWakeMs && this.#failoverWakeMs > this.#world.nowMs) return
    this.#failoverWakeMs = atMs
    const { life } = this
    this.#world.agenda.at(atMs, () => {
      if (this.#failoverWakeMs === atMs) this.#failoverWakeMs = Infinity
      this.whenAwake(life, () => this.#told({ kind: 'due' }))
    })
  }

  #carryOut(effect: FailoverEffect): void {
    switch (effect.kind) {
      case 'claim': {
        const { active, pinned } = this.#record()
        const to = BACKENDS[effect.to] ?? null
        this.hear({ kind: 'claim', pool: 0, epoch: effect.epoch, active, to, pinned })
        break
      }
      case 'commit': {
        // As the store does it: first in the file, then in etcd. A claim is in etcd alone.
        this.#file = this.#record()
        const { active, pinned } = this.#file
        this.hear({ kind: 'commit', pool: 0, epoch: effect.epoch, active, pinned })
        break
      }
      case 'stop':
        this.#apply({ sending: -1, epoch: this.#seat.epoch }, () => {
          if (this.#failover.following !== null) {
            this.#told({ kind: 'stopped', epoch: effect.epoch })
          } else this.hear({ kind: 'acknowledge', pool: 0, epoch: effect.epoch })
        })
        break
      case 'start': {
        const { index: sending, epoch } = effect
        this.#apply({ sending, epoch }, () => this.hear({ kind: 'acknowledge', pool: 0, epoch }))
        break
      }
      case 'acknowledge':
        this.hear({ kind: 'acknowledge', pool: 0, epoch: effect.epoch })
        break
      case 'prove': {
        const { epoch, index } = effect
        this.later(20, () => {
          const passed = this.#world.isFit(this.name, BACKENDS[index]!)
          this.#told({ kind: 'proved', epoch, passed, role: null, text: '' })
        })
        break
      }
      case 'freeze':
        this.hear({ kind: 'freeze', pool: 0, frozen: effect.frozen })
        break
      case 'ended':
      case 'save':
        this.#file = this.#record()
        break
      default:
        break
    }
  }

  #record(): FailoverRecord {
    return recordOf(machine, this.#failover, reignOf(machine, this.#failover), [])
  }

  /** Threads apply a snapshot in their own time, but in order. */
  #apply(seat: { sending: number; epoch: number }, applied: () => void): void {
    const { nowMs } = this.#world
    this.#applyMs = Math.max(this.#applyMs, nowMs + this.#world.between(0, 20))
    this.later(this.#applyMs - nowMs, () => {
      this.#seat = seat
      applied()
    })
  }

  /** The checks come to what is so at the moment; what the others see counts for the active. */
  probe(): void {
    const views = BACKENDS.map((backend) => this.#world.isFit(this.name, backend))
    this.#views = views
    this.hear({ kind: 'views', pool: 0, members: views })
    this.look()
  }

  /** Members as the failover machine is to see them. */
  look(): void {
    for (const index of BACKENDS.keys()) {
      const own = this.#views[index] ?? null
      const seen = quorumSees(this.#setup, this.#agreement, 0, index)
      const isActive = index === this.#failover.active
      const fit = isActive ? seen !== 'unfit' : seen === 'fit'
      const before = this.#failover.members[index]!
      if (before.judged && before.fit === fit) continue
      const facts = {
        fit,
        judged: own !== null,
        doubtful: false,
        withdrawn: false,
        siteHolds: true,
        role: null,
        reason: fit ? 'it is up' : 'it is down',
      }
      this.#told({ kind: 'member', index, facts })
    }
  }
}

// --- the run ---------------------------------------------------------------------------------

/**
 * Runs a row of seeds. Every third run forgets its state files.
 * @throws Error on the first thing that must not be, with the seed and what was done
 */
export function simulateAgreements(row: {
  readonly from: number
  readonly to: number
  readonly replicas: number
  readonly faults: number
}): void {
  for (let seed = row.from; seed <= row.to; seed++) {
    simulateAgreement(seed, { ...row, forgets: seed % 3 === 0 })
  }
}

function simulateAgreement(seed: number, scenario: Scenario): void {
  const world = new World(seed, scenario)
  try {
    run(world)
  } catch (error) {
    const text = `seed ${seed}: ${(error as Error).message}\n${world.log.join('\n')}`
    throw new Error(text, { cause: error })
  }
}

function run(world: World): void {
  const { agenda, scenario } = world
  world.tick()
  const look = (): void => {
    for (const replica of world.replicas) {
      if (replica.isRunning && !replica.isPaused) replica.look()
    }
    agenda.at(world.nowMs + 250, look)
  }
  for (const replica of world.replicas) {
    agenda.at(world.nowMs + world.between(0, 2_000), () => replica.start())
  }
  agenda.at(world.nowMs + 2_001, look)
  const judge = () => world.judge()
  for (let i = 0; i < 30 && !allSend(world); i++) agenda.run(world.nowMs + 1_000, judge)
  expectAll(world, 'at the start')
  for (let i = 0; i < scenario.faults; i++) {
    hurt(world)
    agenda.run(world.nowMs + world.between(10, world.chance(0.5) ? 1_500 : 9_000), judge)
  }
  healAll(world)
  // Automatic moves that failed are tried again after up to half a minute.
  for (let i = 0; i < 60 && !allSend(world); i++) {
    agenda.run(world.nowMs + 1_000, judge)
    if (i % 5 !== 4) continue
    for (const replica of world.replicas) {
      replica.recover()
      replica.operate({ verb: 'unfreeze' })
    }
  }
  expectAll(world, 'after everything was healed')
}

function hurt(world: World): void {
  const { etcd, random, nowMs } = world
  const replica = world.choose(world.replicas)
  const names = [...world.replicas.map(({ name }) => name), ETCD, ETCD, ...BACKENDS]
  if (world.chance(0.3)) operate(world)
  const kind = Math.floor(random.next() * 12)
  if (world.chance(0.2)) etcd.backUp()
  if (kind <= 2) {
    const other = world.choose(names.filter((name) => name !== replica.name))
    world.note(`cut ${replica.name} ${other}`)
    world.cut(replica.name, other)
    world.lookAround()
  } else if (kind <= 4) {
    const other = world.choose(names.filter((name) => name !== replica.name))
    world.heal(replica.name, other)
    world.lookAround()
  } else if (kind === 5 && replica.isRunning) {
    world.note(`pause ${replica.name}`)
    replica.pause()
    const ms = world.between(100, world.chance(0.3) ? 15_000 : 4_000)
    const { life } = replica
    world.agenda.at(nowMs + ms, () => {
      if (replica.life !== life) return
      world.note(`resume ${replica.name}`)
      replica.resume()
    })
  } else if (kind === 6 && world.etcd.generation === 1) {
    // With one who may have been the only one to know of an epoch, nobody could tell an old etcd.
    world.note(`kill ${replica.name}`)
    if (replica.isRunning) replica.kill()
    const { life } = replica
    world.agenda.at(nowMs + world.between(50, 9_000), () => {
      if (replica.life !== life) return
      world.note(`start ${replica.name}`)
      replica.start()
    })
  } else if (kind === 7) {
    world.note('stop etcd')
    etcd.stop(nowMs)
  } else if (kind === 8) {
    world.note('start etcd')
    etcd.start(nowMs)
  } else if (kind === 9 && mayRestore(world)) {
    world.note('set etcd back')
    etcd.restore(random.next(), nowMs)
  } else if (kind === 10) {
    const backend = world.choose(BACKENDS)
    world.note(`kill ${backend}`)
    world.kill(backend)
  } else if (kind === 11) for (const backend of BACKENDS) world.revive(backend)
}

function operate(world: World): void {
  const to = Math.floor(world.random.next() * BACKENDS.length)
  const force = world.chance(0.3)
  const replica = world.choose(world.replicas)
  const word = world.choose<OperatorWord>([
    { verb: 'switchover', to, force },
    { verb: 'failback', force },
    { verb: 'freeze' },
    { verb: 'unfreeze' },
    { verb: 'unfreeze' },
  ])
  world.note(`${word.verb} at ${replica.name}`)
  replica.operate(word)
}

function mayRestore(world: World): boolean {
  const { scenario, replicas, random } = world
  if (scenario.forgets || random.next() >= 0.3) return false
  const newest = Math.max(...replicas.map(({ knownEpoch }) => knownEpoch))
  // If all who know of the last reign are cut off from etcd, nobody can tell that it is an old one.
  const notices = ({ name, isPaused, knownEpoch }: Replica): boolean =>
    knownEpoch === newest && !isPaused && world.reaches(name, ETCD)
  return replicas.every(({ isRunning }) => isRunning) && replicas.some(notices)
}

function healAll(world: World): void {
  world.note('heal everything')
  const names = [...world.replicas.map(({ name }) => name), ETCD, ...BACKENDS]
  for (const one of names) for (const other of names) world.heal(one, other)
  for (const backend of BACKENDS) world.revive(backend)
  world.etcd.start(world.nowMs)
  for (const replica of world.replicas) {
    if (!replica.isRunning) replica.start()
    else if (replica.isPaused) replica.resume()
  }
}

function allSend(world: World): boolean {
  const sent = world.replicas.map((replica) => replica.sends()?.epoch)
  return sent.every((epoch) => epoch !== undefined && epoch === sent[0])
}

function expectAll(world: World, when: string): void {
  if (allSend(world)) return
  const states = world.replicas.map((replica) => replica.status()).join('\n')
  assert.fail(`not everybody sends ${when}:\n${states}\n${world.etcd.value(`pools/${POOL}`)}`)
}
