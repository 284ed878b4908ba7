import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EventBody } from '../../../src/core/events.ts'
import type { Member } from '../../../src/core/membership.ts'
import type { KeptAnswer } from '../../../src/ha/member-file.ts'
import { type Answered, KeptMembers } from '../../../src/runtime/kept-members.ts'
import { DNS_SOURCE as DNS, ManualTime } from '../../support/discovery.ts'

const identity = { kind: 'dns', name: 'api.internal', type: 'address', port: 80, servers: [] }
const address = { kind: 'tcp', host: '10.0.0.1', port: 80 } as const
const MEMBERS: readonly Member[] = [{ name: 'one', address, weight: 1, zone: null }]
/** Wall clock when the monotonic one is at 0. */
const EPOCH = 1_700_000_000_000

function world(answers: readonly KeptAnswer[] = [], warnings: readonly string[] = []) {
  const time = new ManualTime()
  const saved: (readonly KeptAnswer[])[] = []
  const warned: string[] = []
  const state = { failure: null as string | null, answers: [] as readonly Answered[] }
  const store = {
    loaded: { answers, warnings },
    save: async (next: readonly KeptAnswer[]) => {
      if (state.failure !== null) throw new Error(state.failure)
      saved.push(next)
    },
  }
  const ports = {
    clock: time.clock,
    timers: time,
    wallMs: () => EPOCH + time.clock.nowMs(),
    publish: (event: EventBody) => {
      if (event.kind === 'warning') warned.push(event.message)
    },
  }
  const kept = new KeptMembers(store, ports, () => state.answers)
  const startMs = time.clock.nowMs()
  return { time, kept, saved, warned, state, startMs }
}

test('a source is recalled with its age, whatever its manners, and no other one', () => {
  const at = EPOCH - 60_000
  const { kept, startMs, warned } = world([{ pool: 'web', source: identity, at, members: MEMBERS }])
  const recalled = { members: MEMBERS, ageMs: 60_000 + startMs }
  assert.deepEqual(kept.recall('web', DNS), recalled)
  assert.deepEqual(kept.recall('web', { ...DNS, ttlMinMs: 5_000 }), recalled)
  assert.equal(kept.recall('api', DNS), null)
  assert.equal(kept.recall('web', { ...DNS, port: 81 }), null)
  assert.equal(kept.recall('web', { kind: 'file', path: '/etc/list' }), null)
  kept.tellUnused(new Set(['web', 'api']))
  assert.deepEqual(warned, [])
})

test('an answer from the future has no age', () => {
  const at = EPOCH + 3_600_000
  const { kept } = world([{ pool: 'web', source: identity, at, members: MEMBERS }])
  assert.equal(kept.recall('web', DNS)!.ageMs, 0)
})

test('what is kept of another source is not used, and said; of another pool it is nothing', () => {
  const old = { pool: 'web', source: { kind: 'file', path: '/old' }, at: 1, members: MEMBERS }
  const { kept, warned } = world([old, { ...old, pool: 'gone' }], ['it is damaged'])
  kept.recall('web', DNS)
  kept.tellUnused(new Set(['web']))
  assert.deepEqual(warned, [
    'it is damaged',
    'what is kept of pool web is of a source that it does not have any more, so it is not used: {"kind":"file","path":"/old"}',
  ])
})

test('a change is kept within a second, the age every five minutes, and the last of it at the end', async () => {
  const { kept, time, saved, state, startMs } = world()
  const say = (isNews: boolean): void => {
    const answeredMs = time.clock.nowMs()
    state.answers = [{ pool: 'web', source: DNS, answeredMs, members: MEMBERS }]
    kept.answered(isNews)
  }
  say(true)
  await time.pass(900)
  say(true)
  assert.equal(saved.length, 0)
  await time.pass(100)
  const at = EPOCH + startMs + 900
  assert.deepEqual(saved.splice(0), [[{ pool: 'web', source: identity, at, members: MEMBERS }]])
  say(false)
  await time.pass(200_000)
  say(false)
  await time.pass(99_999)
  assert.equal(saved.length, 0)
  await time.pass(1)
  assert.equal(saved.splice(0)[0]![0]!.at, EPOCH + startMs + 201_000)
  // News come first.
  say(false)
  say(true)
  await time.pass(1_000)
  assert.equal(saved.splice(0).length, 1)
  say(false)
  kept.stop()
  await time.pass(0)
  assert.equal(saved.splice(0).length, 1)
  state.answers = []
  kept.answered(true)
  kept.stop()
  await time.pass(600_000)
  assert.deepEqual([saved, time.waiting], [[], 0])
})

test('what can not be kept is said once for each reason', async () => {
  const { kept, time, saved, warned, state } = world()
  state.failure = 'the disk is full'
  for (let i = 0; i < 3; i++) {
    kept.answered(true)
    await time.pass(1_000)
  }
  assert.deepEqual(warned.splice(0), ['what discovery was told is not kept: the disk is full'])
  state.failure = null
  kept.answered(true)
  await time.pass(1_000)
  assert.equal(saved.length, 1)
  state.failure = 'the disk is full'
  kept.answered(true)
  await time.pass(1_000)
  assert.equal(warned.length, 1)
})

test('what could not be kept is kept later, also if its source says nothing new', async () => {
  const { kept, time, saved, state } = world()
  state.failure = 'the disk is full'
  kept.answered(true)
  await time.pass(1_000)
  state.failure = null
  await time.pass(300_000)
  assert.equal(saved.length, 1)
  assert.equal(time.waiting, 0)
})
