// The control plane of an active-standby pool, in simulated time: what the data threads are told, in
// which order, and what an operator gets to hear.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import type { FailoverPlan, PoolPlan } from '../../../src/core/plan.ts'
import type { CheckPlan } from '../../../src/core/check-plan.ts'
import { BACKEND } from '../../../src/core/shared-layout.ts'
import { ELIGIBILITY } from '../../../src/core/snapshot.ts'
import type { ActAnswer, OperatorRequest } from '../../../src/core/operator.ts'
import type { FailoverStore } from '../../../src/ha/failover-store.ts'
import { CHECK, poolPlan, World, type WorldOptions } from './control-world.ts'
import { FAILOVER_DEFAULTS } from '../../support/failover-machine.ts'

function standbyPool(failover: Partial<FailoverPlan> = {}, pool: Partial<PoolPlan> = {}): PoolPlan {
  return poolPlan(2, {
    mode: 'active-standby',
    failover: { ...FAILOVER_DEFAULTS, ...failover },
    objective: { rtoMs: 5_000, availability: null },
    ...pool,
  })
}

function started(pool: PoolPlan, options: WorldOptions = {}): World {
  return new World(pool, options).begin(12_000)
}

/** What every thread may do with each backend: `yes cut`. */
function seats(world: World): string[] {
  const nameOf = (code: number) => Object.entries(ELIGIBILITY).find(([, is]) => is === code)![0]
  return world.threads.map((thread) =>
    world.backends.map((_, backend) => nameOf(thread.eligibility(backend))).join(' '),
  )
}

const by = { reason: 'a test', by: 'kim' }
const toB: OperatorRequest = { verb: 'switchover', to: 'b', force: false, dryRun: false, ...by }

/** Asks, lets time pass, and returns the answer. */
async function ask(world: World, request: OperatorRequest, ms = 8_000): Promise<ActAnswer> {
  const answer = world.plane.act('web', request)
  world.run(ms)
  return answer
}

test('the most preferred backend becomes the first active, the other one stands by', () => {
  const world = started(standbyPool(), { threads: 2 })
  assert.deepEqual(seats(world), ['yes cut', 'yes cut'])
  assert.equal(world.states(), 'a available, b standby')
  const [status] = world.plane.status()
  assert.equal(status!.available, 1)
  assert.equal(status!.failover!.state, 'steady')
  assert.equal(status!.failover!.active, 'a')
  assert.equal(status!.failover!.epoch, 1)
  assert.deepEqual(status!.failover!.standbys, [
    { name: 'b', ready: true, reason: 'it is fit and has been for long enough' },
  ])
  const last = world.snapshots.at(-1)!.pools[0]!
  assert.equal(last.epoch, 1)
  assert.equal(last.holdUntilMs, 0)
})

test('the new active starts only when every data thread has given up the old one', () => {
  const world = started(standbyPool(), { threads: 2 })
  world.threads[1]!.applyMs = 120
  world.break(0, 'refuse', 'refuse')
  const before = world.nowMs
  world.threads[0]!.request()
  world.run(50)
  // One thread has applied the stop, the other hasn't heard of it yet.
  assert.deepEqual(seats(world), ['cut cut', 'yes cut'])
  world.run(300)
  assert.deepEqual(seats(world), ['cut yes', 'cut yes'])
  const [, move] = world.moves
  assert.equal(move!.kind, 'failover')
  assert.equal(move!.outcome, 'moved')
  assert.ok(move!.moveMs >= 115 && move!.moveMs < 140, `${move!.moveMs}`)
  assert.ok(move!.detectionMs < 10, `${move!.detectionMs}`)
  assert.equal(move!.metObjective, true)
  const stop = world.snapshots.findLast(({ pools }) => pools[0]!.holdUntilMs > 0)
  assert.ok(stop!.pools[0]!.holdUntilMs > before + 1_000)
  assert.equal(world.snapshots.at(-1)!.pools[0]!.holdUntilMs, 0)
})

test('a move waits for its two snapshots, and for no other', () => {
  const world = started(standbyPool())
  const awaitedSince = (from: number): number =>
    world.snapshots.slice(from).filter(({ isAwaited }) => isAwaited === true).length
  const before = world.snapshots.length
  world.break(1, 'refuse', 'refuse')
  world.run(4_000)
  world.heal(1)
  world.run(12_000)
  assert.match(world.states(), /a available, b standby/)
  assert.ok(world.snapshots.length > before)
  assert.equal(awaitedSince(before), 0)
  const moveAt = world.snapshots.length
  world.break(0, 'refuse', 'refuse')
  world.threads[0]!.request()
  world.run(300)
  assert.equal(world.moves.at(-1)!.outcome, 'moved')
  assert.equal(awaitedSince(moveAt), 2)
})

test('a dead thread is not waited for', () => {
  const world = started(standbyPool(), { threads: 2 })
  world.threads[1]!.applyMs = 100_000
  world.break(0, 'refuse', 'refuse')
  world.threads[0]!.request()
  world.run(200)
  assert.deepEqual(seats(world)[0], 'cut cut')
  world.threads[1]!.die()
  world.run(50)
  assert.deepEqual(seats(world)[0], 'cut yes')
})

test('a switchover lets running requests finish before the new active starts', async () => {
  const world = started(standbyPool())
  world.backends[0]!.traffic = 400
  world.threads[0]!.request()
  world.run(10)
  const answer = world.plane.act('web', toB)
  world.run(200)
  assert.deepEqual(seats(world), ['finish cut'])
  world.run(300)
  assert.deepEqual(seats(world), ['cut yes'])
  const done = await answer
  assert.ok(done.ok)
  assert.deepEqual(done.report!.sessions, { at: 1, finished: 1, cut: 0 })
  assert.match(
    done.message,
    /^moved web from a to b in (39|40|41)\d ms, epoch 2; 1 session finished, 0 cut$/,
  )
  assert.equal(world.finished.at(-1)!.ok, true)
})

test('what has not finished within the drain time is cut, and said to be', async () => {
  const world = started(standbyPool())
  world.backends[0]!.traffic = 20_000
  world.threads[0]!.request()
  world.run(10)
  const answer = world.plane.act('web', toB)
  world.run(900)
  assert.deepEqual(seats(world), ['finish cut'])
  world.run(200)
  assert.deepEqual(seats(world), ['cut yes'])
  const done = await answer
  assert.ok(done.ok)
  assert.deepEqual(done.report!.sessions, { at: 1, finished: 0, cut: 1 })
})

test('a switchover to a target that is not proven in time is rolled back', async () => {
  const world = started(standbyPool({ proveMs: 2_000 }))
  const answer = world.plane.act('web', toB)
  // Passing until the move began, and hanging from then on.
  world.backends[1]!.probe = 'hang'
  world.run(500)
  assert.deepEqual(seats(world), ['cut cut'])
  world.run(4_000)
  assert.deepEqual(seats(world), ['yes cut'])
  const done = await answer
  assert.ok(!done.ok)
  assert.equal(done.code, 'failed')
  assert.match(done.message, /^the move of web to b was undone: b (was not proven in time|failed)/)
  const [status] = world.plane.status()
  assert.equal(status!.failover!.active, 'a')
  assert.equal(status!.failover!.epoch, 2)
})

test('an unsafe switchover is refused with the reason, and nothing moves', async () => {
  const world = started(standbyPool())
  world.break(1, 'refuse', 'refuse')
  world.run(5_000)
  const refused = await ask(world, toB)
  assert.ok(!refused.ok)
  assert.equal(refused.code, 'refused')
  assert.match(refused.message, /^b can't take over: 3 probes in a row failed/)
  const unknown = await ask(world, { ...toB, to: 'c' })
  assert.ok(!unknown.ok)
  assert.deepEqual([unknown.code, unknown.names], ['no-backend', ['a', 'b']])
  const noPool = await world.plane.act('wbe', toB)
  assert.ok(!noPool.ok)
  assert.equal(noPool.code, 'no-pool')
  assert.deepEqual(seats(world), ['yes cut'])
  assert.equal(world.moves.length, 1)
})

test('a dry run says what would happen and changes nothing', async () => {
  const world = started(standbyPool())
  const versions = world.snapshots.length
  const said = await ask(world, { ...toB, dryRun: true }, 0)
  assert.deepEqual(said, {
    ok: true,
    message: 'would move web from a to b under epoch 2; 0 sessions run on a now',
    report: null,
  })
  world.run(1_000)
  assert.equal(world.snapshots.length, versions)
  assert.equal(world.plane.status()[0]!.failover!.epoch, 1)
})

test('taking the active out moves to the standby first; without one it is refused', () => {
  const world = started(standbyPool())
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', 'kernel'), { ok: true })
  world.run(1_000)
  assert.deepEqual(seats(world), ['cut yes'])
  assert.equal(world.moves.at(-1)!.kind, 'switchover')
  assert.deepEqual(world.setAdmin('web', 'b', 'maint', 'too'), {
    ok: false,
    code: 'refused',
    message:
      "'b' is the active of pool 'web', and nobody could take over from it now: a (draining, no new requests: kernel); switch over first, once that is possible",
  })
  // Neither can both go at once.
  const both = started(standbyPool())
  const refused = both.plane.setAdminStates(
    'web',
    ['a', 'b'],
    { state: 'drain', reason: '' },
    false,
  )
  assert.equal(refused.ok ? '' : refused.code, 'refused')
})

test('a primary is not taken out for a replica that nobody here can promote', () => {
  const roles = { primary: '/primary', replica: '/replica' }
  const healthCheck = { ...CHECK, check: { ...CHECK.check, roles } as CheckPlan }
  const world = new World(standbyPool({}, { healthCheck }))
  world.roles = ['primary', 'replica']
  world.begin(12_000)
  const answer = world.setAdmin('web', 'a', 'drain', 'kernel')
  assert.deepEqual(answer, {
    ok: false,
    code: 'refused',
    message:
      "'a' is the active of pool 'web', and nobody could take over from it now: b (it is fit, and taken once its check says primary); switch over first, once that is possible",
  })
})

test('with agreement the active can be taken out where it is decided who follows, not elsewhere', () => {
  const world = started(standbyPool({ agreement: 'etcd' }))
  const key = { epoch: 1, active: 0, moving: false, to: -1, frozen: null }
  world.plane.hear('web', { kind: 'followed', ...key })
  world.run(1_000)
  assert.deepEqual(seats(world), ['yes cut'])
  const refused = {
    ok: false,
    code: 'refused',
    message:
      "'a' is the active of pool 'web', and another replica decides who takes over from it; ask that one first",
  }
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', 'kernel'), refused)
  assert.deepEqual(world.setAdmin('web', 'b', 'drain', 'kernel'), { ok: true })
  assert.deepEqual(world.setAdmin('web', 'b', 'ready', ''), { ok: true })
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', 'kernel', true), { ok: true })
  world.setAdmin('web', 'a', 'ready', '')
  world.run(12_000)
  world.plane.hear('web', { kind: 'lead', leads: true })
  assert.deepEqual(world.setAdmin('web', 'a', 'drain', 'kernel'), { ok: true })
})

test('an active whose checks pass but whose traffic fails is left, if somebody can take over', () => {
  const world = started(standbyPool())
  world.backends[0]!.traffic = 'error'
  world.load(50, 1_000)
  assert.deepEqual(seats(world), ['cut yes'])
  assert.match(world.moves.at(-1)!.reason, /^a: ejected for/)

  const alone = started(standbyPool())
  alone.break(1, 'refuse', 'refuse')
  alone.run(5_000)
  alone.backends[0]!.traffic = 'error'
  alone.load(50, 1_000)
  assert.deepEqual(seats(alone), ['yes cut'])
})

test('what only this replica sees in its traffic does not keep it from an active that all agree on', () => {
  let seen: 'fit' | 'unfit' = 'fit'
  const views: (readonly (boolean | null)[])[] = []
  const world = new World(standbyPool({ agreement: 'etcd' }), {
    failover: {
      store: {
        restore: () => null,
        claim: (_pool, _record, done) => world.at(1, () => done(null)),
        stopped: (_pool, _epoch, done) => world.at(1, done),
        commit: (_pool, _record, done) => world.at(1, () => done(null)),
        acknowledge: () => {},
        freeze: () => {},
        save: () => {},
        recover: () => null,
        views: (_pool, members) => void views.push(members),
        sees: (_pool, member) => (member === 0 ? seen : 'fit'),
      },
    },
  })
  world.begin(1_000)
  const key = { epoch: 1, active: 0, moving: false, to: -1, frozen: null }
  world.plane.hear('web', { kind: 'followed', ...key })
  world.plane.hear('web', { kind: 'lead', leads: true })
  world.run(12_000)
  const failing = '5 weighted failures in a row'
  world.backends[0]!.traffic = 'error'
  world.load(50, 200)
  assert.deepEqual(seats(world), ['yes cut'])
  assert.deepEqual(views.at(-1), [false, true], 'it votes against it')
  const { state, reason } = world.plane.status()[0]!.failover!
  assert.deepEqual(
    [state, reason],
    ['suspect', `a: its traffic fails: ${failing}, but the replicas do not agree on that`],
  )
  world.backends[0]!.traffic = 5
  world.load(50, 12_000)
  assert.deepEqual(views.at(-1), [true, true], 'not for longer than an ejection lasts')
  assert.equal(world.plane.status()[0]!.failover!.state, 'steady')

  world.backends[0]!.traffic = 'error'
  seen = 'unfit'
  world.load(50, 200)
  assert.deepEqual(seats(world), ['cut yes'])
  assert.equal(world.moves.at(-1)!.reason, `a: its traffic fails: ${failing}`)
})

test('after a restart the last active goes on under its epoch', () => {
  const record: FailoverRecord = {
    active: 'b',
    epoch: 7,
    movingTo: null,
    frozen: null,
    pinned: false,
    fresh: ['a', 'b'],
    lastMoves: [],
  }
  const kept: FailoverRecord[] = []
  const world = new World(standbyPool(), {
    failover: {
      store: {
        restore: () => record,
        claim: (_pool, next, done) => {
          kept.push(next)
          world.at(1, () => done(null))
        },
        stopped: (_pool, _epoch, done) => world.at(1, done),
        commit: (_pool, next, done) => {
          kept.push(next)
          world.at(1, () => done(null))
        },
        acknowledge: () => {},
        freeze: () => {},
        save: () => {},
        recover: () => null,
        views: () => {},
        sees: () => 'own',
      },
    },
  }).begin(12_000)
  assert.deepEqual(seats(world), ['cut yes'])
  assert.equal(world.plane.status()[0]!.failover!.epoch, 7)
  assert.equal(world.moves.length, 0)
  // What is made durable: the intention first, then the outcome.
  world.break(1, 'refuse', 'refuse')
  world.threads[0]!.request()
  world.run(100)
  assert.deepEqual(seats(world), ['yes cut'])
  assert.deepEqual(
    kept.map(({ active, epoch, movingTo }) => ({ active, epoch, movingTo })),
    [
      { active: 'b', epoch: 8, movingTo: 'a' },
      { active: 'a', epoch: 8, movingTo: null },
    ],
  )
})

test('a promotion is awaited, and the target must call itself primary', () => {
  const world = started(
    standbyPool(
      { promote: { kind: 'exec', command: ['/bin/promote'], timeoutMs: 5_000 } },
      {
        healthCheck: {
          ...CHECK,
          check: { kind: 'postgres', user: 'u', password: null, database: 'd' },
        },
      },
    ),
    {
      failover: {
        hook: (_plan, facts, done) => {
          assert.deepEqual(
            [facts.hook, facts.epoch, facts.from!.name, facts.to.name, facts.to.address],
            ['promote', 2, 'a', 'b', '10.0.0.1:8001'],
          )
          world.at(700, () => {
            done({ ok: true, sentence: '', output: '', tookMs: 700 })
            world.at(300, () => (world.roles[1] = 'primary'))
          })
        },
      },
    },
  )
  world.roles = ['primary', 'replica']
  world.run(12_000)
  assert.deepEqual(seats(world), ['yes cut'])
  world.break(0, 'refuse', 'refuse')
  world.threads[0]!.request()
  world.run(900)
  assert.deepEqual(seats(world), ['cut cut'])
  world.run(300)
  assert.deepEqual(seats(world), ['cut yes'])
  assert.ok(world.moves.at(-1)!.moveMs > 1_000)
})

test('gauges of sessions count what runs on the old active', async () => {
  const world = started(standbyPool({ sessions: 'destroy' }))
  world.backends[0]!.traffic = 5_000
  for (let i = 0; i < 3; i++) world.threads[0]!.request()
  world.run(10)
  assert.equal(world.table.sum(world.table.backendBase(0) + BACKEND.inFlight), 3)
  const done = await ask(world, toB, 100)
  assert.ok(done.ok)
  assert.deepEqual(done.report!.sessions, { at: 3, finished: 0, cut: 3 })
})

test('one failed probe of the primary is doubt, not the loss of its role', () => {
  const world = started(
    standbyPool(
      { elect: 'role' },
      {
        healthCheck: {
          ...CHECK,
          check: { kind: 'redis', user: null, password: null },
        },
      },
    ),
  )
  world.roles = ['primary', 'replica']
  world.run(12_000)
  assert.deepEqual(seats(world), ['yes cut'])
  const moves = world.moves.length
  world.backends[0]!.probe = 'sick'
  world.run(2_200)
  world.backends[0]!.probe = 'pass'
  assert.equal(world.plane.status()[0]!.failover!.state, 'suspect')
  world.run(5_000)
  assert.deepEqual(seats(world), ['yes cut'])
  assert.equal(world.plane.status()[0]!.failover!.state, 'steady')
  assert.equal(world.moves.length, moves)
})

test('a replica that is fit is ready where somebody else makes the primary', () => {
  const check = { kind: 'redis', user: null, password: null } as const
  const world = started(standbyPool({ elect: 'role' }, { healthCheck: { ...CHECK, check } }))
  world.roles = ['primary', 'replica']
  world.run(12_000)
  const standby = () => world.plane.status()[0]!.failover!.standbys[0]
  const reason = 'it is fit, and taken once its check says primary'
  assert.deepEqual(standby(), { name: 'b', ready: true, reason })
  world.roles = ['primary', null]
  world.run(3_000)
  assert.equal(standby()!.ready, false)
  world.roles = ['primary', 'replica']
  world.break(0, 'refuse', 'refuse')
  world.run(12_000)
  const wrongRole = 'its check says replica, not primary'
  assert.deepEqual(standby(), { name: 'b', ready: false, reason: wrongRole })
  world.heal(0)
  world.run(12_000)
  assert.equal(standby()!.ready, true)
  world.roles = ['primary', 'replica']
  world.break(1, 'refuse', 'refuse')
  world.run(12_000)
  assert.equal(standby()!.ready, false)
})

test('since when a backend is the active, or stands by, counts from the move, also over a reload', async () => {
  const world = started(standbyPool())
  const since = () => world.plane.status()[0]!.backends.map(({ sinceMs }) => sinceMs)
  assert.ok(since().every((ms) => ms > 11_000))
  const movedMs = world.nowMs
  await ask(world, toB, 3_000)
  assert.equal(world.states(), 'a standby, b available')
  for (const ms of since()) assert.ok(ms > 2_000 && ms <= world.nowMs - movedMs, String(ms))
  world.reload({ minAvailable: 0 })
  world.run(1_000)
  for (const ms of since()) assert.ok(ms > 3_000 && ms <= world.nowMs - movedMs, String(ms))
})

test('requests are held as soon as the active is lost, while the claim is being written', () => {
  const kept = {
    restore: () => null,
    acknowledge: () => {},
    freeze: () => {},
    save: () => {},
    recover: () => null,
    views: () => {},
    sees: () => 'own' as const,
  }
  let claim: (lost: string | null) => void = () => {}
  const world = new World(standbyPool(), {
    failover: {
      store: {
        ...kept,
        claim: (_pool, record, done) => {
          claim = done
          if (record.epoch === 1) world.at(1, () => done(null))
        },
        stopped: (_pool, _epoch, done) => world.at(1, done),
        commit: (_pool, _record, done) => world.at(1, () => done(null)),
      },
    },
  })
  world.begin(12_000)
  world.break(0, 'refuse', 'refuse')
  world.threads[0]!.request()
  world.run(50)
  const [held] = world.snapshots.at(-1)!.pools
  assert.equal(held!.eligibility.includes(ELIGIBILITY.yes), false)
  assert.ok(held!.holdUntilMs > world.nowMs)
  // A move that does not come about holds nobody any longer.
  claim('no space is left')
  world.run(10)
  assert.equal(world.moves.at(-1)!.outcome, 'failed')
  assert.equal(world.snapshots.at(-1)!.pools[0]!.holdUntilMs, 0)
})

test('an unfreeze is answered at once, whatever becomes of the move that it lets begin', async () => {
  const world = started(standbyPool({ sessions: 'drain', drainMs: 5_000 }))
  assert.ok((await ask(world, { verb: 'freeze', ...by })).ok)
  world.break(0, 'refuse', 'refuse')
  world.run(5_000)
  assert.equal(world.plane.status()[0]!.failover!.active, 'a')
  world.threads[0]!.applyMs = 100_000
  let answer: ActAnswer | null = null
  void world.plane.act('web', { verb: 'unfreeze', ...by }).then((is) => (answer = is))
  await Promise.resolve()
  await new Promise(setImmediate)
  assert.equal(world.plane.status()[0]!.failover!.state, 'failing-over')
  const message = 'web is unfrozen: moves are made again'
  assert.deepEqual(answer, { ok: true, message, report: null })
})

test('who waits for a move hears of it when the balancer stops, and who comes later at once', async () => {
  const world = started(standbyPool())
  world.threads[0]!.applyMs = 100_000
  const answer = world.plane.act('web', toB)
  world.run(100)
  world.plane.stop()
  const stopping = { ok: false, code: 'refused', message: 'Evenkeel is stopping' }
  assert.deepEqual(await answer, stopping)
  assert.deepEqual(await world.plane.act('web', toB), stopping)
})

test('an unfreeze that can not bring the replicas to agree is not told as done', async () => {
  const store: FailoverStore = {
    restore: () => null,
    claim: (_pool, _record, done) => done(null),
    stopped: (_pool, _epoch, done) => done(),
    commit: (_pool, _record, done) => done(null),
    acknowledge: () => {},
    freeze: () => {},
    save: () => {},
    recover: () => 'another replica decides; ask that one',
    views: () => {},
    sees: () => 'own',
  }
  const world = started(standbyPool({ agreement: 'etcd' }), { failover: { store } })
  world.plane.hear('web', { kind: 'agreement', ok: false, reason: 'etcd was set back' })
  const message = 'another replica decides; ask that one'
  const refused = { ok: false, code: 'refused', message }
  assert.deepEqual(await ask(world, { verb: 'unfreeze', ...by }), refused)
})
