import assert from 'node:assert/strict'
import { test } from 'node:test'
import { planText } from '../../../src/core/agreement-text.ts'
import { quorumSees } from '../../../src/core/agreement-votes.ts'
import { AgreementHand, KEY, kinds, memberKey, rightOf, told } from '../../support/agreement.ts'

const MOVING = { ...KEY, epoch: 2, id: 'r2/two/2', to: 'b', moving: true }
const ACKED = { db: { epoch: 1, id: KEY.id } }

test('a replica reads first, then registers, and only then renews, campaigns and counts', () => {
  const hand = new AgreementHand()
  assert.deepEqual(kinds(hand.hear({ kind: 'due' })), ['cycle', 'tell'])
  hand.mirror({ 'members/r2': memberKey(), 'members/r3': memberKey() })
  assert.deepEqual(kinds(hand.hear({ kind: 'cycled', sentMs: 1_000, ttlMs: null })), ['grant'])
  const registering = hand.hear({ kind: 'granted', lease: 'lease' })
  assert.deepEqual(kinds(registering), ['put-member'])
  assert.deepEqual(kinds(hand.put(registering)), ['cycle'])
  const effects = hand.hear({ kind: 'cycled', sentMs: 1_000, ttlMs: 6_000 })
  assert.deepEqual(kinds(effects), ['campaign', 'tell'])
  assert.deepEqual(told(effects), [{ kind: 'agreement', ok: true, reason: '' }])
  // The campaign's own answer says nothing; the mirror says who has won.
  assert.deepEqual(told(hand.hear({ kind: 'campaigned' })), [])
  const won = hand.mirror({ holder: { replica: 'r1', incarnation: 'one' } })
  assert.deepEqual(told(won), [{ kind: 'lead', leads: true }])
  const lost = hand.mirror({ holder: null })
  assert.deepEqual(told(lost), [{ kind: 'lead', leads: false }])
})

test('somebody else who has our name and the say does not make us the holder', () => {
  const hand = new AgreementHand()
  hand.join()
  assert.deepEqual(told(hand.mirror({ holder: { replica: 'r1', incarnation: 'other' } })), [])
})

test('the right lasts 2/3 of a TTL from when the renewal was sent, once the key is acknowledged', () => {
  const hand = new AgreementHand()
  const effects = hand.join({ 'pools/db': KEY })
  assert.equal(rightOf(effects), null)
  const acknowledged = hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 })
  assert.equal(rightOf(acknowledged), 5_000)
  hand.put(acknowledged)
  assert.equal(hand.deadlineMs, 3_000)
  assert.deepEqual(kinds(hand.wait(2_000)), ['cycle'])
  hand.nowMs += 700
  assert.equal(rightOf(hand.hear({ kind: 'cycled', sentMs: 3_000, ttlMs: 6_000 })), 7_000)
})

test('a cycle that was begun before the registration gives no right', () => {
  const hand = new AgreementHand()
  hand.hear({ kind: 'due' })
  hand.mirror({ 'members/r2': memberKey(), 'members/r3': memberKey(), 'pools/db': KEY })
  hand.hear({ kind: 'cycled', sentMs: 1_000, ttlMs: null })
  const registering = hand.hear({ kind: 'granted', lease: 'lease' })
  assert.deepEqual(kinds(hand.wait(2_000)), ['cycle'])
  hand.put(registering)
  hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 })
  assert.equal(rightOf(hand.hear({ kind: 'cycled', sentMs: 3_000, ttlMs: 6_000 })), null)
  assert.equal(rightOf(hand.renew()), 7_000)
})

test('a key that moves stops the right from growing until it is acknowledged', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  const followed = { kind: 'followed', epoch: 2, active: 0, moving: true, to: 1 }
  assert.deepEqual(told(hand.mirror({ 'pools/db': MOVING })), [
    { ...followed, frozen: null, pinned: false },
  ])
  assert.equal(rightOf(hand.renew()), null)
  hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 })
  assert.equal(rightOf(hand.renew()), null, 'an old acknowledgement says nothing')
  assert.notEqual(rightOf(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 })), null)
})

test('a lease that is gone is replaced, and nothing counts until the key is there again', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.wait(2_000)
  const gone = hand.hear({ kind: 'cycled', sentMs: 3_000, ttlMs: 0 })
  assert.deepEqual([kinds(gone), rightOf(gone)], [['grant'], null])
  const again = hand.put(hand.hear({ kind: 'granted', lease: 'next' }))
  assert.deepEqual(kinds(again), ['cycle'])
  assert.equal(rightOf(hand.hear({ kind: 'cycled', sentMs: 3_100, ttlMs: 6_000 })), 7_100)
})

test('a move: claimed, acknowledged by the living, and only then committed', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  const order = { pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  const claiming = hand.hear({ kind: 'claim', ...order })
  const value = { ...MOVING, id: 'r1/one/2', by: 'r1' }
  const [write] = claiming
  assert.ok(write?.kind === 'write')
  assert.deepEqual(write.value, value)
  assert.equal(write.ifHolder, hand.state.holder!.createRevision)
  assert.deepEqual(told(hand.wrote(claiming))[0], { kind: 'claimed', epoch: 2 })
  assert.deepEqual(told(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 })), [])
  const acks = { db: { epoch: 2, id: 'r1/one/2' } }
  assert.deepEqual(told(hand.mirror({ 'members/r2': memberKey({ acks }) })), [])
  // The same epoch of another claim is not an acknowledgement of this one.
  const other = { db: { epoch: 2, id: 'r3/old/2' } }
  assert.deepEqual(told(hand.mirror({ 'members/r3': memberKey({ acks: other }) })), [])
  const stopped = hand.mirror({ 'members/r3': memberKey({ acks }) })
  assert.deepEqual(told(stopped), [{ kind: 'stopped', epoch: 2 }])
  const commit = { pool: 0, epoch: 2, active: 'b', pinned: true } as const
  const committing = hand.hear({ kind: 'commit', ...commit })
  const ended = told(hand.wrote(committing))
  assert.deepEqual(ended.slice(0, 2), [
    { kind: 'committed', epoch: 2 },
    { kind: 'followed', epoch: 2, active: 1, moving: false, to: -1, frozen: null, pinned: true },
  ])
})

test('the holder judges by what is as new as its claim, not by what it knew before', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  const acks = { db: { epoch: 2, id: 'r1/one/2' } }
  const [write] = hand.hear(claim)
  assert.ok(write?.kind === 'write')
  const { era, pool, value } = write
  assert.deepEqual(told(hand.hear({ kind: 'wrote', era, pool, value, revision: 100 }))[0], {
    kind: 'claimed',
    epoch: 2,
  })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 }))
  hand.mirror({ 'members/r2': memberKey({ acks }), 'members/r3': memberKey({ acks }) })
  assert.deepEqual(told(hand.wait(100)), [], 'somebody may have registered in between')
  const change = { key: 'pools/db', value: JSON.stringify(value), createRevision: 1, lease: null }
  const changes = [{ ...change, modRevision: 100 }]
  const shown = hand.hear({ kind: 'changed', changes, isAnew: false })
  assert.deepEqual(told(shown), [{ kind: 'stopped', epoch: 2 }])
})

test('a replica that has vanished is waited for as long as it may be sending', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  hand.mirror({ 'members/r3': null })
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  hand.wrote(hand.hear(claim))
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 }))
  const acks = { db: { epoch: 2, id: 'r1/one/2' } }
  hand.put(hand.mirror({ 'members/r2': memberKey({ acks }) }))
  for (let i = 0; i < 3; i++) hand.renew()
  assert.equal(hand.nowMs, 7_000)
  assert.deepEqual(told(hand.wait(499)), [])
  assert.equal(hand.deadlineMs, 7_500)
  assert.deepEqual(told(hand.wait(1)), [{ kind: 'stopped', epoch: 2 }])
})

test('a process that took over a name is waited for: the one before it may still be sending', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  hand.wrote(hand.hear(claim))
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 }))
  const acks = { db: { epoch: 2, id: 'r1/one/2' } }
  hand.mirror({ 'members/r2': memberKey({ acks }) })
  hand.put(hand.mirror({ 'members/r3': memberKey({ acks, incarnation: 'three' }) }))
  for (let i = 0; i < 3; i++) hand.renew()
  assert.deepEqual(told(hand.wait(499)), [])
  assert.deepEqual(told(hand.wait(1)), [{ kind: 'stopped', epoch: 2 }])
})

test('a claim is refused without the say, below a known epoch, and while one is under way', () => {
  const hand = new AgreementHand()
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  hand.join({ 'pools/db': KEY })
  const refused = (effects: ReturnType<AgreementHand['hear']>) => told(effects)[0]
  const lost = { kind: 'claim-lost', epoch: 2 }
  assert.deepEqual(refused(hand.hear(claim)), { ...lost, reason: 'another replica decides' })
  hand.mirror({ holder: { replica: 'r1', incarnation: 'one' } })
  hand.mirror({ 'members/r2': memberKey({ seen: { db: 1 } }) })
  assert.deepEqual(refused(hand.hear({ ...claim, epoch: 1 })), {
    kind: 'claim-lost',
    epoch: 1,
    reason: 'epoch 1 was seen already',
  })
  const claiming = hand.hear(claim)
  assert.deepEqual(kinds(claiming), ['write'])
  const reason = 'etcd has not answered the last writing yet'
  assert.deepEqual(refused(hand.hear(claim)), { ...lost, reason })
  // An answer that never came: nobody knows, and the key will say.
  const unknown = hand.hear({ kind: 'write-failed', pool: 0, reason: 'no answer' })
  assert.deepEqual(refused(unknown), {
    ...lost,
    reason: 'nobody knows whether it was written: no answer',
  })
  assert.deepEqual(told(hand.mirror({ 'pools/db': { ...MOVING, id: 'r1/one/2' } })), [
    { kind: 'followed', epoch: 2, active: 0, moving: true, to: 1, frozen: null, pinned: false },
  ])
})

test('who loses the say within a move hears that nothing goes out here, and no more', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  hand.wrote(hand.hear(claim))
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 }))
  assert.deepEqual(told(hand.mirror({ holder: { replica: 'r2', incarnation: 'two' } })), [
    { kind: 'lead', leads: false },
    { kind: 'stopped', epoch: 2 },
  ])
})

test('a lower epoch than was seen is a lost etcd: frozen, until an operator begins a higher one', () => {
  const hand = new AgreementHand({}, [5])
  const effects = hand.join({ 'pools/db': KEY })
  const [verdict] = told(effects)
  assert.deepEqual(verdict, {
    kind: 'agreement',
    ok: false,
    reason:
      "etcd holds epoch 1 for it, but epoch 5 was seen: etcd was set back or emptied. Nothing moves until an operator says 'unfreeze'",
  })
  assert.equal(rightOf(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 })), null)
  assert.equal(hand.refusal(), 'another replica decides; ask that one')
  assert.deepEqual(kinds(hand.hear({ kind: 'recover', pool: 0 })), [], 'only the holder may')
  hand.hear({ kind: 'campaigned' })
  assert.deepEqual(told(hand.mirror({ holder: { replica: 'r1', incarnation: 'one' } })), [])
  assert.equal(hand.refusal(), null)
  const recovering = hand.hear({ kind: 'recover', pool: 0 })
  assert.equal(hand.refusal(), 'etcd has not answered the last writing yet')
  const value = { ...KEY, epoch: 6, id: 'r1/one/6', to: 'a', moving: true, by: 'r1' }
  const write = recovering.find(({ kind }) => kind === 'write')
  assert.ok(write?.kind === 'write')
  assert.deepEqual(write.value, value)
  const events = told(hand.wrote(recovering))
  assert.deepEqual(events.at(0), {
    kind: 'followed',
    epoch: 6,
    active: 0,
    moving: true,
    to: 0,
    frozen: null,
    pinned: false,
  })
  assert.ok(events.some((event) => 'leads' in event && event.leads === true))
})

test('what is no loss of etcd is not for an operator to recover from', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  hand.wait(3_600)
  const { ok, reason } = hand.state.pools[0]!
  assert.equal(ok, false)
  assert.equal(hand.refusal(), `the replicas do not agree at present: ${reason}`)
})

test('a move that was over and is not any more shows a lost etcd as well', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  const events = told(hand.mirror({ 'pools/db': { ...KEY, to: 'b', moving: true } }))
  assert.match(JSON.stringify(events), /etcd was set back or emptied/)
  assert.ok(!JSON.stringify(events).includes('followed'))
})

test('an emptied etcd is a lost one, too', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  const emptied = hand.hear({ kind: 'changed', changes: [], isAnew: true })
  assert.match(JSON.stringify(told(emptied)), /etcd holds no key for it, but epoch 1 was seen/)
  // Who knows the latest epoch goes on under it: nobody can have begun a later one.
  hand.hear({ kind: 'cycled', sentMs: hand.nowMs, ttlMs: 0 })
  hand.hear({ kind: 'granted', lease: 'next' })
  // The put under the old lease is answered only now: it must not pass for one under the new.
  const again = hand.put(emptied)
  assert.deepEqual(kinds(again), ['cycle'])
  hand.put(hand.hear({ kind: 'cycled', sentMs: 1_100, ttlMs: 6_000 }))
  assert.equal(rightOf(hand.hear({ kind: 'due' })), null)
  assert.equal(rightOf(hand.hear({ kind: 'cycled', sentMs: 1_200, ttlMs: 6_000 })), 5_200)
})

test('a replica whose name another process has taken sends nothing and puts nothing', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  const taken = hand.mirror({ 'members/r1': memberKey({ incarnation: 'other' }) })
  const reason = "another process is registered in etcd as replica 'r1'"
  assert.deepEqual(told(taken), [{ kind: 'agreement', ok: false, reason }])
  const renewed = hand.renew()
  assert.deepEqual([kinds(renewed), rightOf(renewed)], [[], null])
  const freed = hand.mirror({ 'members/r1': null })
  assert.deepEqual(kinds(freed), ['put-member', 'tell'])
})

test('a start beside a replica that is missing waits for it as long as it may be sending', () => {
  const hand = new AgreementHand()
  const effects = hand.join({ 'pools/db': KEY, 'members/r3': null })
  const reason = 'it has just started; replica r3 has a while to say what it knows'
  assert.deepEqual(told(effects), [{ kind: 'agreement', ok: false, reason }])
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  for (let i = 0; i < 3; i++) assert.equal(rightOf(hand.renew()), null)
  assert.equal(rightOf(hand.wait(500)), 11_000)
})

test('configurations that differ: the odd one does not decide, and an unknown backend stops it', () => {
  const hand = new AgreementHand()
  const odd = memberKey({ plans: { db: '[["a","c"],["r1","r2","r3"]]' } })
  hand.join({ 'pools/db': KEY, 'members/r2': odd, 'members/r3': odd })
  hand.mirror({ holder: { replica: 'r1', incarnation: 'one' } })
  assert.equal(hand.state.pools[0]!.leads, false)
  const unknown = hand.mirror({ 'pools/db': { ...KEY, epoch: 2, id: 'r2/two/2', active: 'c' } })
  const reason =
    "the replicas' configurations differ: etcd names backend 'c', this one has none of that name"
  assert.deepEqual(told(unknown), [{ kind: 'agreement', ok: false, reason }])
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  assert.equal(rightOf(hand.renew()), null)
})

test('without etcd a replica goes on as long as all others confirm', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.wait(2_000)
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  assert.equal(hand.deadlineMs, 3_500)
  const asking = hand.wait(500).filter(({ kind }) => kind === 'ask')
  const pools = { db: { epoch: 1, id: KEY.id } }
  assert.deepEqual(asking, [
    { kind: 'ask', round: 1, replica: 'r2', pools },
    { kind: 'ask', round: 1, replica: 'r3', pools },
  ])
  const yes = { kind: 'answered', round: 1, pools: { db: null } } as const
  assert.equal(rightOf(hand.hear({ ...yes, replica: 'r2' })), null)
  assert.equal(rightOf(hand.hear({ ...yes, replica: 'r2' })), null, 'nobody counts twice')
  assert.equal(rightOf(hand.hear({ ...yes, replica: 'r3' })), 3_500 + 4_000)
  const [lost] = told(hand.wait(1_000))
  assert.deepEqual(lost, {
    kind: 'agreement',
    ok: false,
    reason: 'etcd is out of reach (no etcd); the replicas go on as they are',
  })
})

test('a replica that is not configured here is not asked, and nobody goes on without it', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY, 'members/r4': memberKey({ incarnation: 'four' }) })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.wait(2_000)
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  const asking = hand.wait(500).flatMap((one) => (one.kind === 'ask' ? [one.replica] : []))
  assert.deepEqual(asking, ['r2', 'r3'])
  const yes = { kind: 'answered', round: 1, pools: { db: null } } as const
  hand.hear({ ...yes, replica: 'r2' })
  assert.equal(rightOf(hand.hear({ ...yes, replica: 'r3' })), null)
  const [lost] = told(hand.wait(1_000))
  assert.deepEqual(lost, {
    kind: 'agreement',
    ok: false,
    reason:
      "etcd is out of reach (no etcd); it will stop sending: replica r4 takes part too, and can't be asked: it is not configured here",
  })
})

test('one who does not confirm, or does not answer, ends it, and is named', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.wait(2_000)
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  hand.wait(500)
  hand.hear({ kind: 'answered', round: 1, replica: 'r2', pools: { db: null } })
  const reason = 'connection refused'
  const effects = hand.hear({ kind: 'unanswered', round: 1, replica: 'r3', reason })
  assert.equal(rightOf(effects), null)
  const told3 = JSON.stringify(told(hand.wait(1_500)))
  assert.match(told3, /it sends nothing: replica r3 does not confirm it: connection refused/)
})

test('a replica confirms what it knows itself while etcd is away for it as well', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  const asked = { kind: 'asked', from: 'r2', incarnation: 'two' } as const
  const pools = { db: { epoch: 1, id: KEY.id } }
  const answer = (effects: ReturnType<AgreementHand['hear']>) =>
    effects.find(({ kind }) => kind === 'answer')
  // It asks etcd at once; as etcd answers, there is no need to go on without it.
  assert.deepEqual(kinds(hand.hear({ ...asked, id: 1, pools })), ['cycle'])
  const atHand = hand.hear({ kind: 'cycled', sentMs: hand.nowMs, ttlMs: 6_000 })
  const no = { db: 'etcd answers it' }
  assert.deepEqual(answer(atHand), { kind: 'answer', id: 1, pools: no })
  // Silence is an answer, too, after a sixth of a TTL.
  hand.hear({ ...asked, id: 2, pools })
  assert.equal(answer(hand.wait(999)), undefined)
  assert.deepEqual(answer(hand.wait(1)), { kind: 'answer', id: 2, pools: { db: null } })
  assert.equal(hand.state.others[0]!.confirmMs, hand.nowMs + 6_500)
  // Once etcd has failed, later questions are answered at once.
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  const other = { db: { epoch: 2, id: 'r2/two/2' }, more: { epoch: 1, id: '' } }
  assert.deepEqual(answer(hand.hear({ ...asked, id: 3, pools: other })), {
    kind: 'answer',
    id: 3,
    pools: { db: 'it knows of epoch 1', more: 'it has no such pool' },
  })
  const stranger = hand.hear({ ...asked, id: 4, from: 'r9', pools })
  assert.deepEqual(answer(stranger), {
    kind: 'answer',
    id: 4,
    pools: { db: "it knows no replica 'r9'" },
  })
})

test('within a move, or without ever having heard from etcd, nothing is confirmed', () => {
  const asked = { kind: 'asked', from: 'r2', incarnation: 'two', id: 1 } as const
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  hand.mirror({ 'pools/db': MOVING })
  hand.renew()
  hand.wait(2_000)
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  const pools = { db: { epoch: 2, id: MOVING.id } }
  const answer = hand.hear({ ...asked, pools }).find(({ kind }) => kind === 'answer')
  const why = { db: 'it knows of a move under way' }
  assert.deepEqual(answer, { kind: 'answer', id: 1, pools: why })

  const fresh = new AgreementHand({}, [1])
  fresh.hear({ kind: 'due' })
  fresh.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  const first = fresh.hear({ ...asked, pools: ACKED }).find(({ kind }) => kind === 'answer')
  const unknown = { db: 'it has not heard from etcd since it started' }
  assert.deepEqual(first, { kind: 'answer', id: 1, pools: unknown })
})

test('who gave a confirmation ends no move until it has run out', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.mirror({ 'members/r2': null })
  hand.nowMs += 6_000
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  hand.hear({ kind: 'asked', id: 1, from: 'r2', incarnation: 'two', pools: ACKED })
  const confirmedMs = hand.nowMs
  hand.wait(500)
  hand.put(hand.hear({ kind: 'cycled', sentMs: hand.nowMs, ttlMs: 6_000 }))
  hand.put(hand.renew())
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  hand.wrote(hand.hear(claim))
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 2 }))
  const acks = { db: { epoch: 2, id: 'r1/one/2' } }
  hand.mirror({ 'members/r3': memberKey({ acks }) })
  while (hand.nowMs < confirmedMs + 6_500 - 2_000) hand.put(hand.renew())
  assert.deepEqual(told(hand.wait(confirmedMs + 6_499 - hand.nowMs)), [])
  assert.deepEqual(told(hand.wait(1)), [{ kind: 'stopped', epoch: 2 }])
})

test('with a claim of its own under way a replica confirms nothing', () => {
  const asked = { kind: 'asked', id: 1, from: 'r2', incarnation: 'two', pools: ACKED } as const
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  hand.hear(claim)
  // The claim is on its way: etcd may have taken it.
  assert.equal(hand.state.pools[0]!.known?.moving, false)
  hand.hear({ kind: 'cycle-failed', reason: 'no etcd' })
  const answer = hand.hear(asked).find(({ kind }) => kind === 'answer')
  const why = { kind: 'answer', id: 1, pools: { db: 'it knows of a move under way' } }
  assert.deepEqual(answer, why)
})

test('what etcd answers after it was set back belongs to the state that is gone', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  hand.put(hand.hear({ kind: 'acknowledge', pool: 0, epoch: 1 }))
  const claim = { kind: 'claim', pool: 0, epoch: 2, active: 'a', to: 'b', pinned: false } as const
  const [write] = hand.hear(claim)
  assert.ok(write?.kind === 'write')
  const { era, pool, value } = write
  hand.hear({ kind: 'changed', changes: [], isAnew: true })
  const answered = told(hand.hear({ kind: 'wrote', era, pool, value, revision: 100 }))
  const reason = 'another replica was faster'
  assert.deepEqual(answered[0], { kind: 'claim-lost', epoch: 2, reason })
  assert.deepEqual(hand.state.pools[0]!.key, null)
})

test('a freeze is written into the key, for all', () => {
  const hand = new AgreementHand()
  hand.hold({ 'pools/db': KEY })
  const frozen = { by: 'mia', reason: 'backup' }
  const freezing = hand.hear({ kind: 'freeze', pool: 0, frozen })
  const write = freezing.find(({ kind }) => kind === 'write')
  assert.ok(write?.kind === 'write')
  assert.deepEqual(write.value, { ...KEY, frozen, by: 'r1' })
  const followed = told(hand.wrote(freezing))[0]
  assert.deepEqual(followed, {
    kind: 'followed',
    epoch: 1,
    active: 0,
    moving: false,
    to: -1,
    frozen,
    pinned: false,
  })
  assert.deepEqual(kinds(hand.wait(0)), [], 'and only once')
})

test('a freeze that etcd did not take is written later, but not after another replica has decided', () => {
  const frozen = { by: 'mia', reason: 'backup' }
  for (const other of [false, true]) {
    const hand = new AgreementHand()
    hand.hold({ 'pools/db': KEY })
    hand.hear({ kind: 'freeze', pool: 0, frozen })
    hand.wait(3_600)
    hand.hear({ kind: 'write-failed', pool: 0, reason: 'no answer' })
    assert.equal(hand.state.pools[0]!.leads, false)
    if (!other) {
      // The lease has outlived the outage, and so has the say.
      const again = hand.renew().find(({ kind }) => kind === 'write')
      assert.ok(again?.kind === 'write')
      assert.deepEqual(again.value.frozen, frozen)
      continue
    }
    const lost = hand.mirror({ holder: { replica: 'r2', incarnation: 'two' } })
    const reason = "'freeze' of pool db by mia came to nothing: the say has passed on since"
    assert.deepEqual(
      lost.filter(({ kind }) => kind === 'warning'),
      [{ kind: 'warning', reason }],
    )
    hand.renew()
    const won = hand.mirror({ holder: { replica: 'r1', incarnation: 'one' } })
    assert.equal(hand.state.pools[0]!.leads, true)
    assert.ok(!kinds(won).includes('write'), 'what was meant for another time')
  }
})

test('a verdict takes more than half of the live replicas, this one among them', () => {
  const hand = new AgreementHand()
  hand.join()
  const sees = () => quorumSees(hand.setup, hand.state, 0, 0)
  const views = (own: boolean | null, two: boolean, three: boolean | 'gone') => {
    hand.hear({ kind: 'views', pool: 0, members: [own, true] })
    hand.mirror({
      'members/r2': memberKey({ views: { db: [two, true] } }),
      'members/r3': three === 'gone' ? null : memberKey({ views: { db: [three, true] } }),
    })
    return sees()
  }
  assert.equal(views(false, false, true), 'unfit')
  assert.equal(views(false, true, true), 'unknown')
  assert.equal(views(true, false, false), 'unknown')
  assert.equal(views(true, true, false), 'fit')
  assert.equal(views(null, false, false), 'unknown')
  assert.equal(views(false, true, 'gone'), 'unknown')
  assert.equal(views(false, false, 'gone'), 'unfit')
})

test('a vote is about a member by its name, whatever its place in the configuration of who votes', () => {
  const hand = new AgreementHand()
  hand.join()
  const sees = (members: readonly string[], votes: readonly boolean[]) => {
    const plan = planText(hand.setup, { name: 'db', members })
    const member = memberKey({ plans: { db: plan }, views: { db: votes } })
    hand.mirror({ 'members/r2': member, 'members/r3': null })
    return quorumSees(hand.setup, hand.state, 0, 0)
  }
  hand.hear({ kind: 'views', pool: 0, members: [false, true] })
  assert.equal(sees(['b', 'a'], [false, true]), 'unknown', 'a is up for r2')
  assert.equal(sees(['b', 'a'], [true, false]), 'unfit')
  assert.equal(sees(['c', 'a', 'b'], [true, false, true]), 'unfit')
  assert.equal(sees(['c', 'b'], [false, true]), 'unknown', 'r2 has no a')
})

test('what does not read as a key of ours counts as none', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': { epoch: 'high' }, 'members/r2': { incarnation: 7 } })
  assert.equal(hand.state.pools[0]!.key, null)
  assert.equal(hand.state.others[0]!.member, null)
  hand.mirror({ holder: {} })
  assert.equal(hand.state.holder?.replica, '', 'somebody holds it, but nobody we know')
})

test('whoever leaves revokes its lease, and says and asks nothing more', () => {
  const hand = new AgreementHand()
  hand.join({ 'pools/db': KEY })
  assert.deepEqual(hand.hear({ kind: 'leave' })[0], { kind: 'revoke', lease: 'lease' })
  assert.deepEqual(
    kinds(hand.wait(60_000)).filter((kind) => kind !== 'tell'),
    [],
  )
  assert.equal(hand.deadlineMs, Infinity)
})
