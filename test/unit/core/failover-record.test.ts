import assert from 'node:assert/strict'
import { test } from 'node:test'
import { adoptFailover } from '../../../src/core/failover-adopt.ts'
import { recordOf, reignOf, restoredFrom } from '../../../src/core/failover-record.ts'
import { Hand } from '../../support/failover-hand.ts'
import { DOWN, failoverMachine, HOOK } from '../../support/failover-machine.ts'

const restored = {
  active: 0,
  epoch: 7,
  movingTo: -1,
  frozen: null,
  pinned: false,
  fresh: [true, true],
  rivals: [false, false],
  gone: null,
}

function steady(plan: Parameters<typeof failoverMachine>[1] = {}): Hand {
  const hand = new Hand(failoverMachine(['a', 'b'], plan), restored)
  return hand.member(0).member(1).at(60_000)
}

const reign = ({ machine, state }: Hand) => reignOf(machine, state)
const moving = { active: 0, epoch: 8, movingTo: 1 }

test('what is kept beside the steps of a move never contradicts them', () => {
  const hand = steady({ promote: HOOK })
  assert.deepEqual(reign(hand), { active: 0, epoch: 7, movingTo: -1 })
  assert.deepEqual(reign(hand.switchover(1)), moving)
  // Nobody is the active now; the record names who was.
  const names = (one: Hand) => recordOf(one.machine, one.state, reign(one), [])
  assert.deepEqual([names(hand.claimed()).active, names(hand).movingTo], ['a', 'b'])
  assert.deepEqual([names(hand.stopped()).active, names(hand).movingTo], ['a', 'b'])
  hand.hooked('promote').proved(true)
  assert.deepEqual(reign(hand), { active: 1, epoch: 8, movingTo: -1 })
  assert.deepEqual(reign(hand.committed()), { active: 1, epoch: 8, movingTo: -1 })
})

test('a roll-back is kept as one', () => {
  const hand = steady({ promote: HOOK }).switchover(1).claimed().stopped()
  hand.hooked('promote', 'exit 1')
  assert.deepEqual(reign(hand), { active: 0, epoch: 8, movingTo: -1 })
})

test('after a failed move it is kept whose promotion was begun', () => {
  const hand = steady({ promote: HOOK }).member(0, DOWN).claimed().stopped()
  hand.hooked('promote', 'exit 1')
  assert.equal(hand.state.active, -1)
  const record = recordOf(hand.machine, hand.state, reign(hand), [])
  assert.deepEqual([record.active, record.movingTo], ['a', 'b'])
  assert.equal(new Hand(hand.machine, restoredFrom(hand.machine, record)).state.promotedTo, 1)
})

test('after a failed move without a promotion the last active may resume', () => {
  const hand = steady({ promote: HOOK, fence: HOOK }).member(0, DOWN).claimed().stopped()
  hand.hooked('fence', 'exit 1')
  const record = recordOf(hand.machine, hand.state, reign(hand), [])
  assert.deepEqual([record.active, record.movingTo], ['a', 'a'])
  const { state } = new Hand(hand.machine, restoredFrom(hand.machine, record))
  assert.deepEqual([state.active, state.last, state.promotedTo], [-1, 0, -1])
})

test('with agreement a claim that is not answered yet is not kept', () => {
  const hand = new Hand(failoverMachine(['a', 'b'], { agreement: 'etcd' }))
  hand.followed({ epoch: 7, active: 0 }).member(0).member(1)
  hand.hear({ kind: 'lead', leads: true }).at(60_000).switchover(1)
  assert.deepEqual(reign(hand), { active: 0, epoch: 7, movingTo: -1 })
  hand.hear({ kind: 'claim-lost', epoch: 8, reason: 'etcd timed out' })
  assert.deepEqual(reign(hand), { active: 0, epoch: 7, movingTo: -1 })
})

test('who was the last active is remembered after it was taken out of the configuration', () => {
  const hand = steady()
  const record = recordOf(hand.machine, hand.state, reign(hand), [])
  const without = new Hand(
    failoverMachine(['b', 'c']),
    restoredFrom(failoverMachine(['b', 'c']), record),
  )
  assert.deepEqual([without.state.last, without.state.gone], [-1, 'a'])
  // Also by the next process, whatever was kept meanwhile.
  const { machine, state } = without.operator({ verb: 'freeze' })
  const later = recordOf(machine, state, reignOf(machine, state), [])
  assert.deepEqual([later.active, later.epoch], ['a', 7])
  assert.equal(restoredFrom(machine, later)!.gone, 'a')
})

test('a pool that has none of the members it had is another one', () => {
  const hand = steady()
  const record = recordOf(hand.machine, hand.state, reign(hand), [])
  assert.equal(restoredFrom(failoverMachine(['x', 'y']), record)!.gone, null)
})

test('the last active that a reload brings back is known again, and who comes beside may be stale', () => {
  const hand = steady()
  const record = recordOf(hand.machine, hand.state, reign(hand), [])
  const machine = failoverMachine(['b', 'c'])
  const { state } = new Hand(machine, restoredFrom(machine, record))
  const adopted = adoptFailover(failoverMachine(['b', 'c', 'd', 'a']), state, [0, 1])
  assert.deepEqual([adopted.last, adopted.gone], [3, null])
  assert.deepEqual(
    adopted.members.map(({ fresh }) => fresh),
    [true, false, false, false],
  )
})
