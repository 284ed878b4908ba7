// Cases that the stories don't tell and the simulations find only by luck. The rest of the machine
// is proven in test/transcripts and test/property.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Restored } from '../../../src/core/failover-contract.ts'
import { recordOf, restoredFrom } from '../../../src/core/failover-record.ts'
import type { FailoverPlan } from '../../../src/core/plan.ts'
import { readiness, type Purpose } from '../../../src/core/standby.ts'
import { Hand } from '../../support/failover-hand.ts'
import { DOWN, failoverMachine, HOOK } from '../../support/failover-machine.ts'

const restored: Restored = {
  active: 0,
  epoch: 7,
  movingTo: -1,
  frozen: null,
  pinned: false,
  fresh: [true, true, true],
  rivals: [false, false, false],
  gone: null,
}

/** The first is the active under epoch 7, and both have been fit for a minute. */
function steady(plan: Parameters<typeof failoverMachine>[1] = {}, asksRole = false): Hand {
  const hand = new Hand(failoverMachine(['a', 'b'], plan, asksRole), restored)
  hand.member(0, { role: asksRole ? 'primary' : null })
  hand.member(1, { role: asksRole ? 'replica' : null })
  return hand.at(60_000)
}

test('an answer that is not what the step waits for is void, even under the epoch of the move', () => {
  const hand = steady({ promote: HOOK }).switchover(1).claimed().stopped()
  assert.equal(hand.state.move?.step, 'promote')
  for (const step of ['claimed', 'stopped', 'committed'] as const) {
    hand.hear({ kind: step, epoch: 8 })
    assert.deepEqual(hand.asked, [])
  }
  hand.hear({ kind: 'hooked', epoch: 8, hook: 'fence', failure: null })
  hand.proved(true)
  assert.equal(hand.state.move?.step, 'promote')
  assert.deepEqual(hand.hooked('promote').asked, ['prove'])
})

test('a target is proven only by a probe that says primary, where roles are asked for', () => {
  const hand = steady({ promote: HOOK }, true).switchover(1).claimed().stopped().hooked('promote')
  assert.deepEqual(hand.proved(false).asked, [])
  assert.deepEqual(hand.proved(true, 'replica').asked, [])
  assert.deepEqual(hand.proved(true, null).asked, [])
  assert.deepEqual(hand.proved(true, 'primary').asked, ['commit'])
})

test('a target that fails while it is proven is given up at once', () => {
  const hand = steady().switchover(1).claimed().stopped()
  assert.equal(hand.state.move?.step, 'prove')
  assert.deepEqual(hand.member(1, DOWN).asked, ['commit'])
  assert.equal(hand.state.move?.step, 'roll-back')
})

test('a target that fails for a moment after its promotion has its time to be proven', () => {
  const hand = steady({ promote: HOOK }).switchover(1).claimed().stopped().hooked('promote')
  assert.deepEqual(hand.member(1, DOWN).asked, [])
  assert.equal(hand.state.move?.step, 'prove')
  hand.member(1)
  assert.deepEqual(hand.proved(true).asked, ['commit'])
})

test('a target that dies while the fence hook runs is not started', () => {
  const hand = steady({ fence: HOOK }).member(0, DOWN).claimed().stopped()
  assert.equal(hand.state.move?.step, 'fence')
  hand.member(1, DOWN)
  assert.deepEqual(hand.hooked('fence').asked, ['release', 'ended'])
  assert.equal(hand.state.active, -1)
})

test('what is fit beside the active becomes fresh also while nothing wakes the machine', () => {
  const hand = steady({ readyForMs: 5_000 }).operator({ verb: 'freeze' })
  hand.member(1, DOWN)
  assert.equal(hand.state.members[1]!.fresh, false)
  hand.nowMs = 70_000
  hand.member(1)
  assert.equal(hand.deadlineMs, Infinity)
  hand.nowMs = 80_000
  hand.member(0, DOWN)
  assert.equal(hand.state.members[1]!.fresh, true)
  assert.deepEqual(hand.operator({ verb: 'unfreeze' }).asked, ['freeze', 'claim'])
})

test('after a restart the active holds since its first verdict, not since the start', () => {
  const machine = failoverMachine(['a', 'b'], { readyForMs: 5_000 })
  const hand = new Hand(machine, { ...restored, fresh: [true, false] }).member(1)
  hand.nowMs = 60_000
  hand.member(0)
  assert.equal(hand.state.members[1]!.fresh, false)
  hand.at(65_000)
  assert.equal(hand.state.members[1]!.fresh, true)
})

test('after a restart nobody is moved away from an active that has had no verdict', () => {
  const hand = new Hand(failoverMachine(['a', 'b']), restored).member(1).at(60_000)
  assert.equal(hand.state.active, 0)
  assert.equal(hand.state.move, null)
  assert.deepEqual(hand.member(0, DOWN).asked, ['claim'])
})

test('a lost active is not replaced before there is a verdict on everybody who may be preferred', () => {
  const hand = new Hand(failoverMachine(['a', 'b', 'c']), restored).member(2).at(60_000)
  assert.deepEqual(hand.member(0, DOWN).asked, [])
  assert.deepEqual(hand.member(1, DOWN).asked, ['claim'])
  assert.equal(hand.state.move?.to, 2)
})

test('a preferred backend whose site does not hold is not returned to', () => {
  const plan = { failback: 'auto', stableForMs: 10_000 } as const
  const hand = new Hand(failoverMachine(['a', 'b'], plan), { ...restored, active: 1 })
  hand.member(1).member(0, { siteHolds: false }).at(60_000)
  assert.equal(hand.state.move, null)
  assert.equal(hand.state.phase, 'steady')
})

test('automatic failback waits until the active, too, has been stable for stableFor', () => {
  const plan = { failback: 'auto', stableForMs: 10_000 } as const
  const hand = new Hand(failoverMachine(['a', 'b'], plan), { ...restored, active: 1 })
  hand.member(0)
  hand.nowMs = 60_000
  hand.member(1)
  assert.equal(hand.state.phase, 'failback-wait')
  assert.equal(hand.deadlineMs, 70_000)
  assert.deepEqual(hand.at(69_999).asked, [])
  assert.deepEqual(hand.at(70_000).asked, ['claim'])
})

test('one that was left because it failed is not returned to before the hold-down is over', () => {
  const plan = { allDown: 'any', holdDownMs: 20_000, readyForMs: 1_000 } as const
  const hand = steady(plan).member(0, DOWN).claimed().stopped().committed()
  assert.equal(hand.state.active, 1)
  hand.member(0).at(65_000)
  assert.deepEqual(hand.member(1, DOWN).asked, [])
  assert.equal(hand.deadlineMs, 80_000)
  assert.deepEqual(hand.at(79_999).asked, [])
  assert.deepEqual(hand.at(80_000).asked, ['claim'])
})

test('one that was left while it served well may be returned to at once', () => {
  const plan = { holdDownMs: 20_000, readyForMs: 1_000 }
  const hand = steady(plan).switchover(1).claimed().stopped().proved(true).committed()
  assert.equal(hand.state.active, 1)
  assert.deepEqual(hand.member(1, DOWN).asked, ['claim'])
})

test('a failed automatic failback is held down like a flap, for it interrupted the service', () => {
  const plan = { failback: 'auto', stableForMs: 5_000, holdDownMs: 60_000 } as const
  const machine = failoverMachine(['a', 'b'], { ...plan, holdDownMaxMs: 600_000, promote: HOOK })
  const hand = new Hand(machine, { ...restored, active: 1 }).member(1).member(0).at(5_000)
  hand.claimed().stopped().hooked('promote', 'exit 1').committed()
  assert.equal(hand.state.active, 1)
  // First comes the pause after any failed move, then it has to be stable again, then the hold-down.
  assert.equal(hand.deadlineMs, 5_500)
  assert.equal(hand.at(5_500).deadlineMs, 10_000)
  assert.equal(hand.at(10_000).deadlineMs, 65_000)
  assert.deepEqual(hand.at(65_000).asked, ['claim'])
})

test('a second move is refused while one is in progress, whoever asks', () => {
  const hand = steady().switchover(1)
  const refused = hand.switchover(1).effects.find(({ kind }) => kind === 'refused')
  assert.deepEqual(refused, {
    kind: 'refused',
    reason: 'a move to b is in progress (claim); wait until it has ended',
  })
})

test('after a roll-back the old active is the writer, whatever became of the promotion', () => {
  const hand = steady({ promote: HOOK }).switchover(1).claimed().stopped()
  hand.hooked('promote', 'exit 1')
  assert.equal(hand.state.promotedTo, 1)
  hand.committed()
  assert.equal(hand.state.active, 0)
  assert.equal(hand.state.promotedTo, -1)
})

test('a claim that is lost is not held against its target, a failed promotion is', () => {
  const hand = new Hand(failoverMachine(['a', 'b', 'c'], { promote: HOOK }), restored)
  hand.member(0).member(1).member(2).at(60_000).member(0, DOWN)
  assert.equal(hand.state.move?.to, 1)
  hand.hear({ kind: 'claim-lost', epoch: 8, reason: 'no space left on device' })
  hand.at(hand.deadlineMs)
  assert.equal(hand.state.move?.to, 1)
  hand.claimed().stopped().hooked('promote', 'exit 1')
  hand.at(hand.deadlineMs)
  assert.equal(hand.state.move?.to, 2)
})

test('a lost active is replaced from a site that holds before one that does not', () => {
  const hand = new Hand(failoverMachine(['a', 'b', 'c']), restored)
  hand.member(0).member(1, { siteHolds: false }).member(2).at(60_000).member(0, DOWN)
  assert.equal(hand.state.move?.to, 2)
})

/** a was lost, b was promoted, and a came back as the primary it was before. */
function beside(change: Partial<FailoverPlan> = {}, names = ['a', 'b']): Hand {
  const hand = new Hand(failoverMachine(names, { promote: HOOK, ...change }, true), restored)
  hand.member(0, { role: 'primary' })
  for (let index = 1; index < names.length; index++) hand.member(index, { role: 'replica' })
  hand.at(60_000).member(0, DOWN).claimed().stopped().hooked('promote')
  hand.member(1, { role: 'primary' }).proved(true, 'primary').committed()
  assert.equal(hand.state.active, 1)
  hand.at(70_000).member(0, { role: 'primary' }).at(200_000)
  assert.deepEqual(hand.state.conflict, [0, 1])
  return hand
}

test('an old primary that came back as one is not taken when the new one is lost', () => {
  const hand = beside()
  assert.equal(hand.state.members[0]!.fresh, false)
  assert.deepEqual(hand.at(300_000).member(1, DOWN).asked, [])
  const { reason } = readiness(hand.machine, hand.state, 0, 'failover', 300_000)
  assert.equal(
    reason,
    'it called itself the primary beside the active and may lack what was written there; an operator can take it',
  )
  assert.deepEqual(hand.switchover(0).asked, ['claim'], 'an operator may')

  // Nor after a restart in the meantime.
  const record = recordOf(hand.machine, hand.state, { active: 1, epoch: 2, movingTo: -1 }, [])
  assert.deepEqual(record.rivals, ['a'])
  const later = new Hand(hand.machine, restoredFrom(hand.machine, record))
  later.member(1, DOWN).member(0, { role: 'primary' })
  assert.equal(later.at(900_000).asked.includes('claim'), false)
  assert.equal(later.state.move, null)

  // Once it has followed the new one it is a standby like any other.
  const again = beside()
  again.at(250_000).member(0, { role: 'replica' }).at(300_000)
  assert.equal(again.state.members[0]!.fresh, true)
  assert.deepEqual(again.member(1, DOWN).asked, ['claim'])
})

test('nor is another one promoted beside it', () => {
  const hand = beside({}, ['a', 'b', 'c'])
  assert.deepEqual(hand.at(300_000).member(1, DOWN).asked, [])
  assert.deepEqual(hand.member(0, DOWN).asked, ['claim'])
  assert.equal(hand.state.move?.to, 2)
})

test('where somebody else elects, or nobody keeps data, the last primary is taken all the same', () => {
  for (const change of [{ elect: 'role' }, { allDown: 'any' }] as const) {
    const hand = beside(change)
    assert.deepEqual(hand.at(300_000).member(1, DOWN).asked, ['claim'])
  }
})

test('an active that lives is not stopped for a replica that nobody here can promote', () => {
  for (const plan of [{ failback: 'auto' }, { failback: 'manual' }] as const) {
    const hand = new Hand(failoverMachine(['a', 'b'], plan, true), { ...restored, active: 1 })
    hand.member(0, { role: 'replica' }).member(1, { role: 'primary' }).at(60_000)
    assert.equal(hand.state.phase, 'steady')
    hand.member(1, { role: 'primary', siteHolds: false }).at(600_000)
    assert.deepEqual([hand.asked, hand.state.phase], [[], 'steady'])
    const ready = (purpose: Purpose) =>
      readiness(hand.machine, hand.state, 0, purpose, hand.nowMs).ready
    assert.deepEqual([ready('leaving'), ready('failover')], [false, true])
    // After a loss there is nothing to stop, and whoever promotes it is waited for.
    assert.deepEqual(hand.member(1, DOWN).asked, ['claim'])
  }
})
