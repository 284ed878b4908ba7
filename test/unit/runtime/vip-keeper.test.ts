import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { silentLog } from '../../../src/observe/log.ts'
import { handOver } from '../../../src/runtime/handover.ts'
import type { HandoverOptions } from '../../../src/runtime/handover.ts'
import { VipKeeper } from '../../../src/runtime/vip-keeper.ts'

const vip = '10.0.0.100'

/** A node, with a clock and a network that a test moves. */
class World {
  nowMs = 0
  ready = true
  here = true
  writes: number[] = []
  writeError: Error | null = null
  said: string[] = []
  ended = 0
  running = 3
  readonly keeper = new VipKeeper({
    plan: { trackFile: '/run/track', vip, handoverMs: 10_000 },
    log: {
      ...silentLog,
      info: (message: string) => this.said.push(message),
      error: (message: string) => this.said.push(message),
    },
    nowMs: () => this.nowMs,
    readiness: () => ({ ready: this.ready, reason: '' }),
    interfaceOf: () => (this.here ? 'eth0' : null),
    write: (value) => {
      if (this.writeError !== null) throw this.writeError
      if (this.writes.at(-1) !== value) this.writes.push(value)
    },
  })
  readonly options: HandoverOptions = {
    vip,
    keeper: this.keeper,
    running: () => this.running,
    finish: async () => {
      this.pass(700)
      return 1
    },
    end: () => this.ended++,
    isStopping: () => false,
    nowMs: () => this.nowMs,
  }

  pass(ms: number): void {
    for (let past = 0; past < ms; past += 10) {
      this.nowMs += 10
      mock.timers.tick(10)
    }
  }
}

/** Lets what waits for promises go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) await Promise.resolve()
}

beforeEach(() => mock.timers.enable({ apis: ['setInterval', 'setTimeout', 'setImmediate'] }))
afterEach(() => mock.timers.reset())

test('keepalived hears not ready, ready, not ready again, and at the end not ready', () => {
  const world = new World()
  world.ready = false
  world.keeper.start()
  assert.deepEqual(world.writes, [-254])
  world.ready = true
  world.pass(100)
  assert.deepEqual(world.writes, [-254, 0])
  world.ready = false
  world.pass(100)
  world.ready = true
  world.pass(100)
  world.keeper.stop()
  assert.deepEqual(world.writes, [-254, 0, -254, 0, -254])
})

test('a track file that cannot be written is an error at the start, and a complaint later', () => {
  const world = new World()
  world.writeError = new Error('ENOENT: no such file')
  assert.throws(() => world.keeper.start(), {
    message: "keepalived.trackFile /run/track can't be written: ENOENT: no such file",
  })
  world.writeError = null
  world.keeper.start()
  world.keeper.look()
  world.said.length = 0
  world.writeError = new Error('ENOSPC')
  world.ready = false
  world.pass(5_000)
  assert.deepEqual(world.said, ['keepalived cannot be told how this Evenkeel is'])
  world.pass(5_100)
  assert.equal(world.said.length, 2)
  world.writeError = null
  world.pass(100)
  assert.equal(world.writes.at(-1), -254)
  world.keeper.stop()
})

test('the log says when the address comes and goes', () => {
  const world = new World()
  world.here = false
  world.keeper.start()
  world.pass(500)
  world.here = true
  world.pass(500)
  world.here = false
  world.pass(500)
  assert.deepEqual(world.said, [
    'the virtual IP address is here',
    'the virtual IP address has left',
  ])
  world.keeper.stop()
})

test('a handover lowers the word, waits until the address has left, settles, finishes and ends', async () => {
  const world = new World()
  world.keeper.start()
  world.keeper.look()
  const answer = handOver({ wish: 'stop', timeoutMs: 60_000 }, world.options)
  await settle()
  assert.deepEqual(world.writes, [-254, 0, -50])
  world.pass(900)
  await settle()
  world.here = false
  world.pass(20)
  await settle()
  world.pass(1_100)
  assert.deepEqual(await answer, {
    ok: true,
    message:
      '10.0.0.100 left after 0.9 s; what ran was finished in 0.7 s, 1 cut. This Evenkeel stops.',
    report: {
      vip,
      wasHere: true,
      leftMs: 920,
      exchanges: { at: 3, finished: 2, cut: 1 },
      drainMs: 700,
    },
  })
  assert.equal(world.ended, 0, 'the answer goes first')
  mock.timers.tick(0)
  assert.equal(world.ended, 1)
  world.keeper.stop()
})

test('an address that nobody takes stays, and the word is as before', async () => {
  const world = new World()
  world.keeper.start()
  world.keeper.look()
  const answer = handOver({ wish: 'stop', timeoutMs: 2_000 }, world.options)
  world.pass(2_000)
  assert.deepEqual(await answer, {
    ok: false,
    code: 'failed',
    message:
      '10.0.0.100 has not left within 2.0 s: no other node is ready to have it. All is as before.',
  })
  assert.deepEqual(world.writes, [-254, 0, -50, 0])
  assert.equal(world.ended, 0)
  world.keeper.stop()
})

test('a node without the address rests at once, and is ready again when that is asked for', async () => {
  const world = new World()
  world.here = false
  world.keeper.start()
  const rest = await handOver({ wish: 'stay', timeoutMs: 1_000 }, world.options)
  assert.equal(
    rest.message,
    '10.0.0.100 was not here. This Evenkeel goes on; it will not have the address until: evenkeel handover --back',
  )
  assert.deepEqual(world.writes, [-254, -50])
  world.ready = false
  world.pass(100)
  world.ready = true
  world.pass(100)
  assert.deepEqual(world.writes, [-254, -50, -254, -50], 'resting outlives a spell of unreadiness')
  const back = await handOver({ wish: 'back', timeoutMs: 0 }, world.options)
  assert.equal(
    back.message,
    'This node may have 10.0.0.100 again, when the other one gives it away or fails.',
  )
  assert.equal(world.writes.at(-1), 0)
  const again = await handOver({ wish: 'back', timeoutMs: 0 }, world.options)
  assert.equal(again.message, 'This node could have 10.0.0.100 all the time.')
  world.keeper.stop()
})

test('taking it back ends a handover that still waits', async () => {
  const world = new World()
  world.keeper.start()
  const first = handOver({ wish: 'stop', timeoutMs: 60_000 }, world.options)
  world.pass(200)
  const second = await handOver({ wish: 'stay', timeoutMs: 1_000 }, world.options)
  assert.deepEqual(second, {
    ok: false,
    code: 'refused',
    message: 'A handover is in progress already.',
  })
  const back = await handOver({ wish: 'back', timeoutMs: 0 }, world.options)
  assert.equal(back.message, '10.0.0.100 stays on this node.')
  assert.deepEqual(await first, {
    ok: false,
    code: 'failed',
    message: 'Something else was asked for meanwhile.',
  })
  assert.equal(world.writes.at(-1), 0)
  world.keeper.stop()
})

test('a stop that comes while a handover waits takes it over, and the word stays low', async () => {
  const world = new World()
  world.keeper.start()
  const first = world.keeper.giveAway(60_000)
  world.pass(200)
  const second = world.keeper.giveAway(1_000)
  assert.equal((await first).outcome, 'superseded')
  assert.equal(world.writes.at(-1), -50)
  world.here = false
  world.pass(20)
  await settle()
  world.pass(1_100)
  assert.equal((await second).outcome, 'left')
  world.keeper.stop()
})

test('an Evenkeel that is stopping hands nothing over', async () => {
  const world = new World()
  const options = { ...world.options, isStopping: () => true }
  assert.deepEqual(await handOver({ wish: 'stop', timeoutMs: 1 }, options), {
    ok: false,
    code: 'refused',
    message: 'This Evenkeel is stopping already.',
  })
})

test('from one process to the next keepalived hears nothing at all', () => {
  const [old, next] = [new World(), new World()]
  old.keeper.start()
  old.pass(100)
  assert.deepEqual(old.writes, [-254, 0])
  old.keeper.release()
  old.ready = false
  old.pass(200)
  old.keeper.look()
  old.keeper.stop()
  assert.deepEqual(old.writes, [-254, 0])
  next.keeper.start(false)
  next.pass(200)
  assert.deepEqual(next.writes, [0])
})

test('an address that was sent away stays away in the next process', () => {
  const world = new World()
  world.keeper.start(true)
  world.pass(200)
  assert.deepEqual(world.writes, [-50])
  assert.ok(world.keeper.isAway)
})
