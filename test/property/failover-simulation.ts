// A failover machine under random facts, operators, crashes and a shell that answers as it likes. A
// seed repeats a run exactly.

import assert from 'node:assert/strict'
import type {
  FailoverMachine,
  Member,
  MemberFacts,
  OperatorWord,
} from '../../src/core/failover-contract.ts'
import { seededRandom, type Random } from '../../src/core/random.ts'
import { DOWN, failoverMachine, HOOK, UP } from '../support/failover-machine.ts'
import { FailoverWorld, type Ask } from './failover-world.ts'

function choose<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random.next() * from.length)]!
}

const hook = { ...HOOK, timeoutMs: 800 }

export function randomMachine(random: Random): FailoverMachine {
  const size = 1 + Math.floor(random.next() * 4)
  const promote = choose(random, [null, hook])
  const asksRole = random.next() < 0.4
  const takeovers = ['auto', 'auto', 'auto', 'manual', promote === null ? 'auto' : 'promoted']
  const members = Array.from({ length: size }, (_, index) => ({
    name: 'abcd'[index]!,
    takeover: choose(random, index === 0 ? ['auto'] : takeovers) as Member['takeover'],
  }))
  return failoverMachine(
    members,
    {
      failback: choose(random, ['auto', 'auto', 'manual', 'never'] as const),
      stableForMs: choose(random, [500, 3_000, 6_000]),
      holdDownMs: choose(random, [0, 200, 1_000]),
      holdDownMaxMs: 4_000,
      readyForMs: choose(random, [0, 1_000, 2_000]),
      sessions: choose(random, ['drain', 'destroy'] as const),
      drainMs: choose(random, [0, 500]),
      pauseMaxMs: choose(random, [0, 600, 2_000]),
      proveMs: 1_500,
      elect: asksRole ? choose(random, ['priority', 'role'] as const) : 'priority',
      allDown: choose(random, ['stay', 'stay', 'any'] as const),
      promote,
      fence: choose(random, [null, null, hook]),
    },
    asksRole,
  )
}

/** How the shell of one run behaves. */
interface Manners {
  /** Chance that an ask is answered in a turn. */
  readonly answers: number
  readonly fails: number
  /** Chance that an answer is lost. */
  readonly loses: number
  readonly repeats: number
}

const GOOD: Manners = { answers: 0.9, fails: 0, loses: 0, repeats: 0 }

class Run {
  readonly world: FailoverWorld
  readonly #random: Random
  readonly #machine: FailoverMachine

  constructor(random: Random) {
    this.#random = random
    this.#machine = randomMachine(random)
    this.world = new FailoverWorld(this.#machine)
  }

  #below(n: number): number {
    return Math.floor(this.#random.next() * n)
  }

  /** A while with facts that flicker and operators who press everything. */
  storm(turns: number, manners: Manners): void {
    for (let turn = 0; turn < turns; turn++) {
      const what = this.#random.next()
      if (what < 0.3) this.#flicker()
      else if (what < 0.34) this.world.operator(this.#word())
      else if (what < 0.36 && this.world.state.frozen !== null) {
        this.world.operator({ verb: 'unfreeze' })
      } else if (what < 0.37) this.world.crash()
      this.#serve(manners)
      this.world.pass(choose(this.#random, [0, 1, 20, 200, 1_000, 3_000]) * this.#random.next())
    }
  }

  #flicker(): void {
    const index = this.#below(this.#machine.members.length)
    this.world.member(index, this.#facts())
  }

  #facts(): Partial<MemberFacts> {
    const what = this.#random.next()
    const role = this.#machine.asksRole
      ? choose(this.#random, ['primary', 'replica', 'replica', null] as const)
      : null
    if (what < 0.25) return { ...DOWN, role: null }
    if (what < 0.3) return { ...DOWN, role: null, withdrawn: true, reason: 'drain' }
    if (what < 0.4) return { ...UP, role, siteHolds: false }
    if (what < 0.5) return { ...UP, role, doubtful: true, reason: 'a probe failed' }
    return { ...UP, role }
  }

  #word(): OperatorWord {
    const to = this.#below(this.#machine.members.length)
    const force = this.#random.next() < 0.3
    return choose(this.#random, [
      { verb: 'switchover', to, force },
      { verb: 'switchover', to, force },
      { verb: 'failback', force },
      { verb: 'freeze' },
    ])
  }

  #serve(manners: Manners): void {
    const { world } = this
    for (const ask of world.asks.slice()) {
      if (this.#random.next() >= manners.answers) continue
      if (this.#random.next() < manners.loses && ask.kind !== 'stop') this.#lose(ask)
      else if (ask.kind === 'stop') world.answer(ask)
      else world.answer(ask, this.#random.next() < manners.fails ? 'it was not to be' : null)
    }
    if (this.#random.next() < manners.repeats) world.repeat(this.#below(1_000))
  }

  /** It is done, and nobody hears of it. */
  #lose(ask: Ask): void {
    this.world.land(ask)
    this.world.asks = this.world.asks.filter((one) => one !== ask)
  }

  /** Everybody is well, nobody is frozen, and the shell does what it is asked for. */
  calm(roles: readonly MemberFacts['role'][]): void {
    const { world } = this
    if (world.state.frozen !== null) world.operator({ verb: 'unfreeze' })
    for (const index of this.#machine.members.keys()) {
      world.member(index, { ...UP, role: roles[index] ?? null })
    }
    this.#wait()
    const isManual = this.#machine.members.some(({ takeover }) => takeover === 'manual')
    if (!this.serves() && isManual) {
      // Who is the primary, or may have been promoted, is an operator's to take.
      const writer = roles.indexOf('primary')
      const to = writer >= 0 ? writer : Math.max(0, world.watch.lastServed)
      world.operator({ verb: 'switchover', to, force: true })
      this.#wait()
    }
    assert.ok(this.serves(), `nobody serves: ${world.state.phase}, ${world.state.reason}`)
  }

  /** For as long as anything may take: a stop, a retry, the hold-down, and a few moves. */
  #wait(): void {
    for (let turn = 0; turn < 900 && !this.serves(); turn++) {
      this.#serve(GOOD)
      this.world.pass(200)
    }
  }

  serves(): boolean {
    const [active = -1] = this.world.watch.sending
    return this.world.state.move === null && active >= 0 && this.world.watch.reigns(active)
  }

  /** One primary, if roles are asked for: the one that serves or served, or any. */
  roles(): readonly MemberFacts['role'][] {
    if (!this.#machine.asksRole) return []
    const writer = Math.max(0, this.world.watch.lastServed)
    return this.#machine.members.map((_, index) => (index === writer ? 'primary' : 'replica'))
  }
}

/** @throws AssertionError on the first thing that must not be */
export function simulateFailover(seed: number): void {
  const random = seededRandom(seed)
  const run = new Run(random)
  const manners = choose(random, [
    GOOD,
    { answers: 0.6, fails: 0.2, loses: 0.05, repeats: 0.1 },
    { answers: 0.2, fails: 0.1, loses: 0.1, repeats: 0.3 },
  ])
  for (let round = 0; round < 3; round++) {
    run.storm(60, manners)
    run.calm(run.roles())
  }
}
