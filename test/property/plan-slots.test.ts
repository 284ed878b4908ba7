import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { Plan } from '../../src/core/plan.ts'
import { isEmptyDiff, planDiff } from '../../src/config/plan-diff.ts'
import type { GoneSlots } from '../../src/config/plan-slots.ts'
import {
  NONE_GONE,
  assignSlots,
  backendKey,
  joinSlots,
  listenerKey,
  slotsLeft,
  withoutSlots,
} from '../../src/config/plan-slots.ts'
import { smallPlan } from '../support/plans.ts'

const room = { listeners: 5, pools: 5, slots: 14 }

// Everything but names and addresses is the same; reading thousands of texts would take seconds.
const template = smallPlan({ l: ':81 p' }, { p: 'a=10.0.0.1:80' })
const [listener, pool] = [template.listeners[0]!, template.pools[0]!]
const backend = pool.backends[0]!

// Few names and addresses, so that things come, go, come back and move.
const addresses = fc
  .integer({ min: 1, max: 2 })
  .map((host) => ({ kind: 'tcp', host: `10.0.0.${host}`, port: 80 }) as const)
const binds = fc
  .integer({ min: 81, max: 84 })
  .map((port) => ({ kind: 'tcp', host: '', port }) as const)
const pools = fc.dictionary(
  fc.constantFrom('web', 'api', 'img'),
  fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), addresses, { minKeys: 1 }),
  { minKeys: 1 },
)
const listeners = fc.dictionary(fc.constantFrom('l1', 'l2', 'l3'), binds, { minKeys: 1 })
const plans = fc.tuple(listeners, pools).map(([listeners, pools]): Plan => {
  const place = { slot: -1 }
  return Object.assign(
    { ...template },
    {
      listeners: Object.entries(listeners).map(([name, address], index) =>
        Object.assign({ ...listener }, { name, address, index, slot: index }),
      ),
      pools: Object.entries(pools).map(([name, backends], index) => {
        const list = Object.entries(backends).map(([name, address]) =>
          Object.assign({ ...backend }, { name, address, slot: ++place.slot }),
        )
        return Object.assign({ ...pool }, { name, index, slot: index, backends: list })
      }),
    },
  )
})

interface Owners {
  readonly listeners: ReadonlyMap<string, number>
  readonly pools: ReadonlyMap<string, number>
  readonly backends: ReadonlyMap<string, number>
}

function ownersOf(plan: Plan): Owners {
  return {
    listeners: new Map(plan.listeners.map((one) => [listenerKey(one), one.slot])),
    pools: new Map(plan.pools.map((pool) => [pool.name, pool.slot])),
    backends: new Map(
      plan.pools.flatMap((pool) =>
        pool.backends.map((one) => [`${pool.name} ${backendKey(one)}`, one.slot] as const),
      ),
    ),
  }
}

const kinds = ['listeners', 'pools', 'backends'] as const

test('slots are unique, kept things keep theirs, and none is given away before it is free', () => {
  const steps = fc.array(fc.tuple(plans, fc.boolean()), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(steps, (sequence) => {
      let current = null as Plan | null
      let gone: GoneSlots = NONE_GONE
      for (const [wanted, isFreed] of sequence) {
        const result = assignSlots(current, wanted, gone, room)
        if (result.ok) {
          const now = ownersOf(result.plan)
          const before: Owners | null = current === null ? null : ownersOf(current)
          for (const kind of kinds) {
            const taken = [...now[kind].values()]
            const most = room[kind === 'backends' ? 'slots' : kind]
            assert.equal(new Set(taken).size, taken.length)
            assert.ok(taken.every((slot) => slot >= 0 && slot < most))
            assert.ok(taken.every((slot) => !gone[kind].includes(slot)))
            const old = new Set(before?.[kind].values())
            for (const [key, slot] of now[kind]) {
              const own: number | undefined = before?.[kind].get(key)
              if (own === undefined) assert.ok(!old.has(slot), `${kind} ${key} took slot ${slot}`)
              else assert.equal(slot, own)
            }
          }
          if (current !== null) gone = joinSlots(gone, slotsLeft(current, result.plan))
          current = result.plan
        }
        if (isFreed) gone = withoutSlots(gone, gone)
      }
    }),
    { numRuns: 300 },
  )
})

test('a plan differs from itself in nothing, and from another one the other way round', () => {
  fc.assert(
    fc.property(plans, plans, (one, two) => {
      assert.ok(isEmptyDiff(planDiff(one, structuredClone(one))))
      const [there, back] = [planDiff(one, two), planDiff(two, one)]
      assert.deepEqual(there.listeners.added.toSorted(), back.listeners.removed.toSorted())
      assert.deepEqual(there.pools.added.toSorted(), back.pools.removed.toSorted())
      const names = (diff: typeof there): string[] =>
        diff.pools.changed.map(({ name }) => name).toSorted()
      assert.deepEqual(names(there), names(back))
    }),
    { numRuns: 200 },
  )
})
