import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Plan } from '../../../src/core/plan.ts'
import type { GoneSlots, Room } from '../../../src/config/plan-slots.ts'
import { NONE_GONE, assignSlots, slotsLeft, withoutSlots } from '../../../src/config/plan-slots.ts'
import { slotsByName, smallPlan } from '../../support/plans.ts'

const room: Room = { listeners: 4, pools: 4, slots: 6 }

function assign(current: Plan | null, next: Plan, gone: GoneSlots = NONE_GONE): Plan {
  const result = assignSlots(current, next, gone, room)
  if (!result.ok) assert.fail(result.message)
  return result.plan
}

const before = smallPlan(
  { front: ':80 web', back: ':81 api' },
  { web: 'a=10.0.0.1:80 b=10.0.0.2:80', api: 'a=10.0.0.3:80' },
)

test('what is kept keeps its slot wherever it stands, what is new gets the lowest free one', () => {
  const next = smallPlan(
    { extra: ':82 new', back: ':81 api', front: ':80 web' },
    { new: 'a=10.0.0.3:80', api: 'a=10.0.0.3:80 c=10.0.0.9:80', web: 'b=10.0.0.2:80' },
  )
  assert.deepEqual(slotsByName(assign(before, next)), {
    front: 0,
    back: 1,
    extra: 2,
    'web/': 0,
    'api/': 1,
    'new/': 2,
    'web/b': 1,
    'api/a': 2,
    'new/a': 3,
    'api/c': 4,
  })
})

test('a thing under another address is another thing; under another spelling it is the same', () => {
  const next = smallPlan(
    { front: ':90 web', back: ':81 api' },
    { web: 'a=10.0.0.1:81 b=10.0.0.2:80', api: 'a=10.0.0.3:80' },
  )
  const slots = slotsByName(assign(before, next))
  assert.equal(slots['front'], 2)
  assert.equal(slots['back'], 1)
  assert.equal(slots['web/a'], 3)
  const one = smallPlan({ f: ':80 web' }, { web: 'a=[2001:db8::1]:80 b=Host.example:80' })
  const two = smallPlan({ f: '*:80 web' }, { web: 'a=[2001:0DB8:0:0::1]:80 b=host.example.:80' })
  assert.deepEqual(slotsByName(assign(one, two)), slotsByName(one))
})

test('slots of what is gone are not given away before they are free', () => {
  const without = smallPlan({ front: ':80 web' }, { web: 'b=10.0.0.2:80' })
  const gone = slotsLeft(before, assign(before, without))
  assert.deepEqual(gone, { listeners: [1], pools: [1], backends: [0, 2] })
  const current = assign(before, without)
  const again = slotsByName(assign(current, before, gone))
  assert.deepEqual([again['back'], again['api/'], again['web/a'], again['api/a']], [2, 2, 3, 4])
  const freed = withoutSlots(gone, { listeners: [1], pools: [], backends: [2] })
  assert.deepEqual(freed, { listeners: [], pools: [1], backends: [0] })
  const later = slotsByName(assign(current, before, freed))
  assert.deepEqual([later['back'], later['api/'], later['web/a'], later['api/a']], [1, 2, 2, 3])
})

test('a plan that does not fit is refused with what to do', () => {
  const many = smallPlan(
    { front: ':80 web' },
    { web: Array.from({ length: 7 }, (_, i) => `b${i}=10.0.1.${i}:80`).join(' ') },
  )
  assert.deepEqual(assignSlots(before, many, NONE_GONE, room), {
    ok: false,
    message:
      '7 backends are more than this process has room for (6, set aside when it started); restart it to make room',
  })
  const six = smallPlan(
    { front: ':80 web' },
    { web: Array.from({ length: 6 }, (_, i) => `b${i}=10.0.1.${i}:80`).join(' ') },
  )
  assert.equal(assignSlots(null, six, NONE_GONE, room).ok, true)
  const full =
    'there is room for 6 backends, but some of it is taken by those that are finishing what they had; try again when they are done'
  const gone = { listeners: [], pools: [], backends: [5] }
  assert.deepEqual(assignSlots(null, six, gone, room), { ok: false, message: full })
  assert.deepEqual(assignSlots(before, six, NONE_GONE, room), { ok: false, message: full })
})
