// A replica under agreement, event by event.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hand } from '../../support/failover-hand.ts'
import { DOWN, failoverMachine, HOOK } from '../../support/failover-machine.ts'

/** It follows epoch 7 with `a` as the active; everybody has been fit for a minute. */
function following(plan: Parameters<typeof failoverMachine>[1] = {}): Hand {
  const hand = new Hand(failoverMachine(['a', 'b', 'c'], { agreement: 'etcd', ...plan }))
  hand.followed({ epoch: 7, active: 0 }).member(0).member(1).member(2)
  return hand.at(60_000)
}

function leading(plan: Parameters<typeof failoverMachine>[1] = {}): Hand {
  return following(plan).hear({ kind: 'lead', leads: true })
}

test('an answer to an older stop does not count for a later one', () => {
  const hand = following().followed({ epoch: 8, active: 0, to: 1, moving: true })
  hand.hear({ kind: 'stopped', epoch: 8 }).followed({ epoch: 8, active: 1 })
  hand.followed({ epoch: 9, active: 1, to: 0, moving: true })
  assert.deepEqual(hand.asked, ['stop'])
  assert.deepEqual(hand.hear({ kind: 'stopped', epoch: 8 }).asked, [])
  assert.deepEqual(hand.hear({ kind: 'stopped', epoch: 9 }).asked, ['acknowledge'])
})

test('a key that goes on while a replica still stops waits for that answer', () => {
  const hand = following().followed({ epoch: 8, active: 0, to: 1, moving: true })
  assert.deepEqual(hand.followed({ epoch: 9, active: 0, to: 2, moving: true }).asked, [])
  assert.deepEqual(hand.followed({ epoch: 9, active: 2 }).asked, [])
  assert.deepEqual(hand.hear({ kind: 'stopped', epoch: 8 }).asked, ['start'])
  assert.equal(hand.state.active, 2)
})

test('a key that was heard within a claim is followed once the claim is lost', () => {
  const hand = leading().switchover(1)
  assert.deepEqual(hand.followed({ epoch: 8, active: 0, to: 2, moving: true }).asked, [])
  hand.hear({ kind: 'claim-lost', epoch: 8, reason: 'the key was another one' })
  assert.deepEqual(hand.asked, ['ended', 'stop'])
  assert.equal(hand.state.following?.to, 2)
})

test('a key newer than the move in progress ends it; who still decides goes on from there', () => {
  const hand = leading({ promote: HOOK }).switchover(1).claimed().stopped()
  hand.followed({ epoch: 9, active: 0, to: 2, moving: true })
  assert.deepEqual(hand.asked, ['ended', 'acknowledge', 'claim'])
  assert.equal(hand.state.agreedEpoch, 9)
  assert.equal(hand.state.move?.epoch, 10)
  assert.equal(hand.state.move?.to, 2)
})

test('the echo of a claim that comes after its commit does not stop the new active', () => {
  const hand = leading().switchover(1).claimed().stopped().proved(true).committed()
  assert.equal(hand.state.active, 1)
  assert.deepEqual(hand.followed({ epoch: 8, active: 0, to: 1, moving: true }).asked, [])
  assert.equal(hand.state.active, 1)
})

test('claims that came to nothing do not make a replica deaf to the agreed epoch', () => {
  const hand = leading().switchover(1)
  hand.hear({ kind: 'claim-lost', epoch: 8, reason: 'etcd timed out' }).switchover(1)
  hand.hear({ kind: 'claim-lost', epoch: 9, reason: 'etcd timed out' })
  assert.equal(hand.state.epoch, 9)
  hand.hear({ kind: 'lead', leads: false })
  assert.deepEqual(hand.followed({ epoch: 8, active: 0, to: 2, moving: true }).asked, ['stop'])
  assert.equal(hand.state.epoch, 9, 'and it does not fall')
})

test("an operator's freeze is not undone by what the key said before it", () => {
  const hand = leading().operator({ verb: 'freeze' })
  hand.followed({ epoch: 7, active: 0 })
  assert.deepEqual(hand.state.frozen, { by: 'ann', reason: 'drill' })
  hand.followed({ epoch: 7, active: 0, frozen: { by: 'ann', reason: 'drill' } })
  // It has arrived; from now on the key is right again.
  hand.followed({ epoch: 7, active: 0 })
  assert.equal(hand.state.frozen, null)
})

test('an operator waits until a move that another replica began has ended here', () => {
  const hand = following().followed({ epoch: 8, active: 0, to: 1, moving: true })
  hand.hear({ kind: 'lead', leads: true }).switchover(2, true)
  assert.deepEqual(hand.asked, ['refused'])
  assert.equal(hand.state.move, null)
})

test('a move that is taken over is ended by this one, after all have stopped once more', () => {
  const hand = following({ promote: HOOK }).followed({ epoch: 8, active: 0, to: 1, moving: true })
  hand.hear({ kind: 'stopped', epoch: 8 }).hear({ kind: 'lead', leads: true })
  assert.deepEqual(hand.asked, ['acknowledge', 'claim'])
  assert.equal(hand.state.promotedTo, 1)
  assert.deepEqual(hand.claimed().asked, ['stop'])
  assert.deepEqual(hand.stopped().asked, ['hook'])
})

test('once the key has settled, nobody is suspected of having been promoted', () => {
  const hand = following({ promote: HOOK }).followed({ epoch: 8, active: 0, to: 1, moving: true })
  hand.hear({ kind: 'stopped', epoch: 8 }).member(1, DOWN).hear({ kind: 'lead', leads: true })
  assert.equal(hand.state.promotedTo, 1)
  hand.hear({ kind: 'lead', leads: false }).followed({ epoch: 9, active: 0 })
  assert.equal(hand.state.active, 0)
  assert.equal(hand.state.promotedTo, -1)
  assert.equal(hand.state.interruptedTo, -1)
})

test('what an operator has chosen is known to the next one that decides', () => {
  const hand = following({ failback: 'auto', stableForMs: 1_000 })
  hand.followed({ epoch: 8, active: 1, pinned: true }).hear({ kind: 'stopped', epoch: 8 })
  hand.hear({ kind: 'lead', leads: true }).at(120_000)
  assert.equal(hand.state.active, 1)
  assert.equal(hand.state.pinned, true)
})
