// The same world as in the simulation, with steps that fast-check chooses and shortens: what fails
// here fails with the shortest story that shows it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type {
  FailoverMachine,
  MemberFacts,
  OperatorWord,
} from '../../src/core/failover-contract.ts'
import { seededRandom } from '../../src/core/random.ts'
import { DOWN, failoverMachine, HOOK, UP } from '../support/failover-machine.ts'
import { randomMachine } from './failover-simulation.ts'
import { FailoverWorld } from './failover-world.ts'

interface Act {
  /** For the report of a failure. */
  readonly step: string
  readonly play: (world: FailoverWorld) => void
}

const role = fc.constantFrom<MemberFacts['role']>('primary', 'replica', null)
const place = fc.nat(3)

function facts(asksRole: boolean): fc.Arbitrary<Partial<MemberFacts>> {
  const up = fc.record({
    fit: fc.constant(true),
    withdrawn: fc.constant(false),
    siteHolds: fc.constant(true),
    role: asksRole ? role : fc.constant(null),
    doubtful: fc.boolean(),
    reason: fc.constant('up'),
  })
  return fc.oneof(
    up,
    fc.constant({ ...UP, siteHolds: false }),
    fc.constant({ ...DOWN, role: null }),
    fc.constant({ ...DOWN, role: null, withdrawn: true, reason: 'drain' }),
  )
}

const word: fc.Arbitrary<OperatorWord> = fc.oneof(
  fc.record({ verb: fc.constant('switchover' as const), to: place, force: fc.boolean() }),
  fc.record({ verb: fc.constant('failback' as const), force: fc.boolean() }),
  fc.constantFrom<OperatorWord>({ verb: 'freeze' }, { verb: 'unfreeze' }),
)

function acts(machine: FailoverMachine, crashes: boolean): fc.Arbitrary<readonly Act[]> {
  const size = machine.members.length
  const member = fc.tuple(place, facts(machine.asksRole))
  const one = fc.oneof(
    { weight: 6, arbitrary: member.map(([at, change]) => told(at % size, change)) },
    { weight: 8, arbitrary: fc.boolean().map((fails) => answered(fails && crashes)) },
    { weight: 3, arbitrary: word.map((said) => asked(said, size)) },
    {
      weight: 1,
      arbitrary: fc.nat(50).map(repeated),
    },
    { weight: 5, arbitrary: fc.constantFrom(1, 100, 700, 3_000).map(passed) },
    ...(crashes ? [{ weight: 1, arbitrary: fc.constant(crashed) }] : []),
  )
  return fc.array(one, { maxLength: 60, size: 'max' })
}

const told = (index: number, change: Partial<MemberFacts>): Act => ({
  step: `${index}: ${JSON.stringify(change)}`,
  play: (world) => world.member(index, change),
})

const passed = (ms: number): Act => ({ step: `wait ${ms}`, play: (world) => world.pass(ms) })

const asked = (said: OperatorWord, size: number): Act => {
  const fitting = said.verb === 'switchover' ? { ...said, to: said.to % size } : said
  return { step: JSON.stringify(fitting), play: (world) => world.operator(fitting) }
}

/** The oldest ask gets its answer. */
const answered = (fails: boolean): Act => ({
  step: fails ? 'refuse' : 'answer',
  play: (world) => {
    const [ask] = world.asks
    if (ask !== undefined)
      world.answer(ask, fails && ask.kind !== 'stop' ? 'it was not to be' : null)
  },
})

const repeated = (at: number): Act => ({
  step: `repeat ${at}`,
  play: (world) => world.repeat(at),
})

const crashed: Act = { step: 'crash', play: (world) => world.crash() }

/** Time in which everything that is asked for is done. */
function serve(world: FailoverWorld, ms: number): void {
  for (let passedMs = 0; passedMs < ms; passedMs += 100) {
    for (const ask of world.asks.slice()) world.answer(ask)
    world.pass(100)
  }
}

test('whatever happens in whatever order, no promise of the failover machine is broken', () => {
  const story = fc
    .integer({ min: 1, max: 5_000 })
    .map((seed) => randomMachine(seededRandom(seed)))
    .chain((machine) => fc.tuple(fc.constant(machine), acts(machine, true)))
  fc.assert(
    fc.property(story, ([machine, steps]) => {
      const world = new FailoverWorld(machine)
      for (const { play } of steps) play(world)
    }),
    { numRuns: 400 },
  )
})

test('one fit backend is enough: it serves within a bound, unless it may be stale', () => {
  const machines = fc.record({
    size: fc.integer({ min: 2, max: 3 }),
    allDown: fc.constantFrom('stay' as const, 'any' as const),
    failback: fc.constantFrom('auto' as const, 'manual' as const),
    fence: fc.constantFrom(null, { ...HOOK, timeoutMs: 800 }),
    readyForMs: fc.constantFrom(0, 1_000),
  })
  const story = machines
    .map(({ size, ...plan }) =>
      failoverMachine(['a', 'b', 'c'].slice(0, size), {
        ...plan,
        stableForMs: 2_000,
        holdDownMs: 200,
        holdDownMaxMs: 2_000,
      }),
    )
    .chain((machine) => fc.tuple(fc.constant(machine), acts(machine, false), place))
  fc.assert(
    fc.property(story, ([machine, steps, one]) => {
      const world = new FailoverWorld(machine)
      for (const { play } of steps) play(world)
      if (world.state.frozen !== null) world.operator({ verb: 'unfreeze' })
      const survivor = one % machine.members.length
      world.member(survivor, UP)
      for (const index of machine.members.keys()) {
        if (index !== survivor) world.member(index, { ...DOWN, role: null })
      }
      // A move to one that has died may have to fail first, and what follows waits a little.
      const inStep = world.watch.isInStep(survivor, world.nowMs)
      serve(world, 120_000)
      const isLast = world.watch.lastServed < 0 || world.watch.lastServed === survivor
      const may = isLast || inStep || machine.plan.allDown === 'any'
      assert.equal(serves(world, survivor), may, world.state.reason)
    }),
    { numRuns: 300 },
  )
})

function serves({ watch, state }: FailoverWorld, index: number): boolean {
  return state.move === null && watch.sending.has(index) && watch.reigns(index)
}
