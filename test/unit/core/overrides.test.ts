import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { readWeight } from '../../../src/core/override-request.ts'
import type { Overrides, OverrideChange } from '../../../src/core/overrides.ts'
import {
  GONE_KEPT_MS,
  adminWordOf,
  changeOverride,
  describeAdmin,
  describeOverride,
  findOverride,
  overrideStatus,
  planOverrides,
  settleOverrides,
} from '../../../src/core/overrides.ts'

const kim = { by: 'kim', reason: 'kernel update', at: 1_000 }
const drained = { admin: { state: 'drain', ...kim } } as const
const halved = { weight: { wish: { kind: 'share', value: 0.5 }, ...kim } } as const
const address = { kind: 'tcp', host: '10.0.0.4', port: 80 } as const
const added = {
  member: { wish: { kind: 'added', address, weight: 2, zone: null, site: null }, ...kim },
} as const
const removed = { member: { wish: { kind: 'removed' }, ...kim } } as const

test('a change replaces its part, and an override without parts is none', () => {
  let all: Overrides = []
  all = changeOverride(all, 'web', 'b', drained)
  all = changeOverride(all, 'web', 'a', halved)
  all = changeOverride(all, 'web', 'b', halved)
  assert.deepEqual(
    all.map((one) => [one.pool, one.backend, describeOverride(one)]),
    [
      ['web', 'a', 'weight 50 % by kim: kernel update'],
      ['web', 'b', 'drain by kim: kernel update; weight 50 % by kim: kernel update'],
    ],
  )
  assert.deepEqual(adminWordOf(findOverride(all, 'web', 'b')!), {
    state: 'drain',
    reason: 'kernel update (kim)',
  })
  all = changeOverride(all, 'web', 'b', { admin: null })
  all = changeOverride(all, 'web', 'b', { weight: null })
  all = changeOverride(all, 'web', 'a', { weight: null })
  assert.deepEqual(all, [])
  assert.deepEqual(changeOverride(all, 'web', 'a', { admin: null }), [])
})

test('whatever is changed, each backend has one override at most, in order, and never an empty one', () => {
  const name = fc.constantFrom('a', 'b', '__proto__', 'a/b')
  const change = fc.constantFrom<OverrideChange>(
    drained,
    halved,
    added,
    removed,
    { admin: null },
    { weight: null },
    { member: null },
    { admin: null, weight: null, member: null },
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(name, name, change), { maxLength: 40 }), (steps) => {
      let all: Overrides = []
      const model = new Map<string, OverrideChange>()
      for (const [pool, backend, part] of steps) {
        all = changeOverride(all, pool, backend, part)
        const key = JSON.stringify([pool, backend])
        model.set(key, { ...model.get(key), ...part })
      }
      const expected = [...model].filter(([, { admin, weight, member }]) => {
        return (admin ?? weight ?? member ?? null) !== null
      })
      assert.deepEqual(
        all.map(({ pool, backend }) => JSON.stringify([pool, backend])).sort(),
        expected.map(([key]) => key).sort(),
      )
      for (const [i, one] of all.entries()) {
        const next = all[i + 1]
        if (next === undefined) continue
        assert.ok(one.pool < next.pool || (one.pool === next.pool && one.backend < next.backend))
      }
    }),
  )
})

test('an override waits 7 days for a backend that is gone, and holds again when that is back', () => {
  const here = changeOverride([], 'web', 'a', drained)
  const there = (): boolean => true
  const nowhere = (): boolean => false
  assert.deepEqual(settleOverrides(here, there, 5), {
    overrides: here,
    gone: [],
    back: [],
    dropped: [],
  })
  const left = settleOverrides(here, nowhere, 5)
  assert.deepEqual(
    left.gone.map(({ goneSince }) => goneSince),
    [5],
  )
  assert.deepEqual(left.overrides, left.gone)
  const later = settleOverrides(left.overrides, nowhere, 5 + GONE_KEPT_MS)
  assert.deepEqual([later.overrides, later.gone, later.dropped], [left.overrides, [], []])
  const back = settleOverrides(left.overrides, there, 5 + 2 * GONE_KEPT_MS)
  assert.deepEqual([back.overrides, back.back], [here, here])
  const dropped = settleOverrides(left.overrides, nowhere, 6 + GONE_KEPT_MS)
  assert.deepEqual([dropped.overrides, dropped.dropped], [[], left.overrides])
})

test('weights and members go into the plan, admin states do not', () => {
  let all = changeOverride([], 'web', 'a', { ...drained, ...halved })
  all = changeOverride(all, 'web', 'b', removed)
  all = changeOverride(all, 'web', 'd', added)
  assert.deepEqual(planOverrides(all), {
    weights: [{ pool: 'web', backend: 'a', weight: { kind: 'share', value: 0.5 } }],
    added: [{ pool: 'web', name: 'd', address, weight: 2, zone: null, site: null }],
    removed: [{ pool: 'web', backend: 'b' }],
  })
  assert.deepEqual(overrideStatus(findOverride(all, 'web', 'd')!), {
    admin: null,
    weight: null,
    added: kim,
  })
  assert.deepEqual(overrideStatus(findOverride(all, 'web', 'a')!), {
    admin: { state: 'drain', ...kim },
    weight: { text: '50 %', ...kim },
    added: null,
  })
})

test('the sentence says who, when, why, and what still runs', () => {
  const admin = { state: 'drain', by: 'kim', reason: 'kernel update', at: 0 } as const
  const minute = 60_000
  for (const [running, ageMs, text] of [
    [null, 5 * minute, 'drain by kim 5 min ago: kernel update; drained'],
    [3, 59_999, 'drain by kim just now: kernel update; 3 still run there'],
    [1, -5, 'drain by kim just now: kernel update; 1 still runs there'],
    [null, 59 * minute, 'drain by kim 59 min ago: kernel update; drained'],
    [null, 60 * minute, 'drain by kim 1 h ago: kernel update; drained'],
    [null, 49 * 60 * minute, 'drain by kim 2 days ago: kernel update; drained'],
  ] as const) {
    assert.equal(describeAdmin(admin, running, ageMs), text)
  }
  assert.equal(
    describeAdmin({ ...admin, state: 'maint', reason: '' }, null, 0),
    'maintenance by kim just now; drained',
  )
})

test('a weight is a whole number or a share', () => {
  for (const [text, wish] of [
    ['0', { kind: 'absolute', value: 0 }],
    ['65535', { kind: 'absolute', value: 65_535 }],
    ['50%', { kind: 'share', value: 0.5 }],
    [' 12.5 % ', { kind: 'share', value: 0.125 }],
    ['1000%', { kind: 'share', value: 10 }],
    ['65536', null],
    ['1001%', null],
    ['-1', null],
    ['1.5', null],
    ['1e3', null],
    ['', null],
    ['%', null],
    ['50 percent', null],
  ] as const) {
    assert.deepEqual(readWeight(text), wish, text)
  }
})
