// Operators' words among reloads, discovery and plans that fail half-way: whatever comes in between,
// in the end what is kept, what the plan is made of and what the backends were told say the same.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import * as fc from 'fast-check'
import type { OverrideRequest } from '../../src/core/override-request.ts'
import type { Overrides } from '../../src/core/overrides.ts'
import type { Plan } from '../../src/core/plan.ts'
import { applicable } from '../../src/runtime/override-members.ts'
import { RunningOverrides } from '../../src/runtime/overrides.ts'
import { PlanKeeper } from '../../src/runtime/plan-keeper.ts'
import { planOf } from '../support/embedded.ts'

const NAMES = ['a', 'b'] as const
const names = fc.subarray([...NAMES], { minLength: 1 })

interface Config {
  readonly web: readonly string[]
  readonly api: readonly string[] | null
  /** Last byte of all addresses. */
  readonly host: number
}

const config: fc.Arbitrary<Config> = fc.record({
  web: names,
  api: fc.option(names),
  host: fc.constantFrom(1, 2),
})

type Step =
  | { readonly kind: 'reload'; readonly config: Config }
  | { readonly kind: 'found'; readonly members: readonly string[] }
  | { readonly kind: 'ask'; readonly request: OverrideRequest }
  | { readonly kind: 'fail' }
  | { readonly kind: 'turn' }

const pool = fc.constantFrom('web', 'api')
const backend = fc.constantFrom(...NAMES, 'd', 'm')
const said = { by: fc.constant('kim'), reason: fc.constant('test'), pool }
const words = fc.oneof(
  fc.record({
    ...said,
    verb: fc.constantFrom('drain' as const, 'maintenance' as const),
    backends: fc.tuple(backend),
    force: fc.constant(true),
    cutAfterMs: fc.constant(null),
  }),
  fc.record({ ...said, verb: fc.constant('enable' as const), backends: fc.tuple(backend) }),
  fc.record({
    ...said,
    verb: fc.constant('weight' as const),
    backend,
    weight: fc.constantFrom(null, { kind: 'absolute' as const, value: 7 }),
    force: fc.constant(true),
  }),
  fc.record({
    ...said,
    verb: fc.constant('add' as const),
    backend,
    address: fc.constantFrom(null, '10.0.2.1:80'),
    weight: fc.constant(null),
    zone: fc.constant(null),
    site: fc.constant(null),
  }),
  fc.record({
    ...said,
    verb: fc.constant('remove' as const),
    backend,
    force: fc.constant(true),
  }),
)

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reload' as const), config }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('found' as const),
      members: fc.subarray(['d', 'm']),
    }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('ask' as const), request: words }) },
  { weight: 2, arbitrary: fc.constant<Step>({ kind: 'fail' }) },
  { weight: 4, arbitrary: fc.constant<Step>({ kind: 'turn' }) },
)

function planFrom({ web, api, host }: Config): Plan {
  const poolOf = (names: readonly string[]) => {
    const at = names.map((name) => [name, `10.0.0.${host}:8${name.charCodeAt(0)}`])
    return { backends: Object.fromEntries(at) as object, healthCheck: false }
  }
  const pools = { web: poolOf(web), ...(api === null ? {} : { api: poolOf(api) }) }
  return planOf({ listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } }, pools })
}

/** What the control plane was told of each backend, by its row. */
class Told {
  readonly #states = new Map<number, string>()

  set(slot: number, state: string): void {
    this.#states.set(slot, state)
  }

  of(slot: number): string {
    return this.#states.get(slot) ?? 'ready'
  }

  /** Who is new is told what is known of him; who is gone is forgotten. */
  adopt({ pools }: Plan, recall: (pool: string, backend: string) => string): void {
    const before = new Map(this.#states)
    this.#states.clear()
    for (const { name, backends } of pools) {
      for (const { name: backend, slot } of backends) {
        this.#states.set(slot, before.get(slot) ?? recall(name, backend))
      }
    }
  }
}

function world(first: Plan) {
  const told = new Told()
  const followed = new Set<string>()
  const state = { failing: false, saved: [] as Overrides }
  const keeper = new PlanKeeper({ configured: first })
  const recall = (pool: string, backend: string) => overrides.recall(pool, backend)?.state
  keeper.begin(
    { listeners: 4, pools: 99, slots: 9_999 },
    {
      refusal: () => null,
      settle: async (listener) => listener,
      prepare: () => {},
      apply: async (plan) => {
        told.adopt(plan, (pool, backend) => recall(pool, backend) ?? 'ready')
        await setImmediate()
        const isFailing = state.failing
        state.failing = false
        if (isFailing) throw new Error('a data thread has not adopted it')
      },
      failed: (_, error) => assert.fail(String(error)),
    },
  )
  const overrides = new RunningOverrides(
    {
      loaded: { overrides: [], warnings: [] },
      isKept: true,
      save: async (all) => void (state.saved = all),
    },
    {
      plan: () => keeper.plan,
      exists: (pool, backend) => keeper.knows(pool, backend),
      setAdminStates: (pool, backends, word) => {
        const own = keeper.plan.pools.find(({ name }) => name === pool)!.backends
        const meant = own.filter(({ name }) => backends.includes(name))
        if (meant.length < backends.length) {
          return { ok: false, code: 'no-backend', message: 'there is none', names: [] }
        }
        for (const { slot } of meant) told.set(slot, word.state)
        return { ok: true }
      },
      maySpare: () => ({ ok: true }),
      setPlanOverrides: (wished) => keeper.setOverrides(wished),
      drains: {
        begin: (pool, backend) => void followed.add(`${pool}/${backend}`),
        resume: (pool, backend) => void followed.add(`${pool}/${backend}`),
        end: (pool, backend) => void followed.delete(`${pool}/${backend}`),
        isDrained: () => false,
        stop: () => {},
      },
      inFlight: () => 0,
      wallMs: () => 1_000,
      warn: () => {},
    },
  )
  keeper.onApplied(() => overrides.replanned())
  return { keeper, overrides, told, followed, state }
}

type World = ReturnType<typeof world>

async function carryOut({ keeper, overrides, state }: World, one: Step): Promise<void> {
  if (one.kind === 'turn') await setImmediate()
  else if (one.kind === 'fail') state.failing = true
  else if (one.kind === 'reload') void keeper.setConfigured(planFrom(one.config))
  else if (one.kind === 'ask') void overrides.change(one.request)
  else {
    const address = { kind: 'tcp', host: '10.0.3.1', port: 80 } as const
    const members = one.members.map((name, i) => ({ name, address: { ...address, port: 80 + i } }))
    void keeper.setMembers('web', members)
  }
}

/** Lets everything come to its end; with the next plan it is tried again what could not be taken. */
async function settle({ keeper, overrides, state }: World): Promise<void> {
  state.failing = false
  for (const level of ['warn', 'error'] as const) {
    const { configured } = keeper
    await keeper.setConfigured({ ...configured, log: { ...configured.log, level } })
    await overrides.change({ verb: 'enable', pool: 'web', backends: ['x'], by: '', reason: '' })
    await setImmediate()
  }
  await overrides.stop()
}

test('what operators said is what is kept, what the plan holds and what backends were told', async () => {
  await fc.assert(
    fc.asyncProperty(
      config,
      fc.array(step, { maxLength: 60, size: 'max' }),
      async (first, steps) => {
        const one = world(planFrom(first))
        for (const next of steps) await carryOut(one, next)
        await settle(one)
        const { keeper, overrides, told, followed, state } = one
        assert.deepEqual(state.saved, overrides.all)
        assert.deepEqual(keeper.overrides, applicable(overrides.all, keeper.plan).wished)
        for (const { name, backends } of keeper.plan.pools) {
          for (const { name: backend, slot } of backends) {
            const word = overrides.recall(name, backend)
            assert.equal(told.of(slot), word?.state ?? 'ready', `${name}/${backend}`)
            assert.equal(word === null || followed.has(`${name}/${backend}`), true, 'followed')
          }
        }
      },
    ),
    { numRuns: 300, seed: 7 },
  )
})
