import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { FULL, Tried } from '../../src/core/balancer/contract.ts'
import { WaitQueue, type Waiter } from '../../src/core/queue.ts'
import { seededRandom } from '../../src/core/random.ts'
import { POOL, SharedTable } from '../../src/core/shared-layout.ts'
import { PoolWorld } from '../unit/core/pool-world.ts'

class Probe implements Waiter {
  readonly picky = false
  queuedAtMs = -1
  queueDeadlineMs = 0
  queueNext: Waiter | null = null
  queuePrevious: Waiter | null = null
  readonly id: number
  readonly served: number[]
  readonly late: number[]
  readonly room: { free: number }

  constructor(id: number, served: number[], late: number[], room: { free: number }) {
    this.id = id
    this.served = served
    this.late = late
    this.room = room
  }

  onTurn(): boolean {
    if (this.room.free === 0) return false
    this.room.free--
    this.served.push(this.id)
    return true
  }

  onQueueTimeout(): void {
    this.late.push(this.id)
  }
}

test('against a plain list: the same order, bound, deadlines and gauges', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('push' as const), n: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant('remove' as const), n: fc.nat(20) }),
    fc.record({ kind: fc.constant('serve' as const), n: fc.nat(3) }),
    fc.record({ kind: fc.constant('tick' as const), n: fc.nat(20) }),
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const table = SharedTable.allocate({ threads: 1, listeners: 0, pools: 1, slots: 0 })
      const queue = new WaitQueue(table, 0, 0, 8)
      const served: number[] = []
      const late: number[] = []
      const room = { free: 0 }
      let model: Probe[] = []
      let nowMs = 1
      for (const { kind, n } of steps) {
        const servedBefore = served.length
        const lateBefore = late.length
        if (kind === 'push') {
          const probe = new Probe(served.length + late.length + steps.length, served, late, room)
          assert.equal(queue.push(probe, nowMs, nowMs + n), model.length < 8)
          if (model.length < 8) model.push(probe)
        } else if (kind === 'remove') {
          const probe = model[n]
          if (probe === undefined) continue
          queue.remove(probe)
          model = model.filter((other) => other !== probe)
        } else {
          if (kind === 'tick') nowMs += n
          room.free = kind === 'serve' ? n : 0
          const due = model.filter(({ queueDeadlineMs }) => queueDeadlineMs <= nowMs)
          const rest = model.filter(({ queueDeadlineMs }) => queueDeadlineMs > nowMs)
          if (kind === 'tick') queue.tick(nowMs)
          else queue.serve(nowMs)
          const taken = rest.splice(0, kind === 'serve' ? n : 0)
          assert.deepEqual(
            served.slice(servedBefore),
            taken.map(({ id }) => id),
          )
          if (kind === 'tick')
            assert.deepEqual(
              late.slice(lateBefore),
              due.map(({ id }) => id),
            )
          model = model.filter(({ queuedAtMs }) => queuedAtMs >= 0)
          assert.ok(rest.every((probe) => model.includes(probe)))
        }
        const cell = table.poolBase(0)
        assert.equal(queue.length, model.length)
        assert.equal(table.sum(cell + POOL.queued), model.length)
        assert.equal(table.sum(cell + POOL.queuedSinceMs), model[0]?.queuedAtMs ?? 0)
      }
    }),
    { numRuns: 500 },
  )
})

interface Client extends Waiter {
  startedMs: number
}

/**
 * Closed loops of clients on each thread, one backend with `perBackend: 1`, service times from 1 to
 * `serviceMs`; the threads tick every 4 ms. Returns the waits by thread and the share of time in
 * which the backend worked.
 */
function contend(clients: readonly number[], serviceMs: number, seed: number, untilMs: number) {
  const threads = clients.length
  const world = new PoolWorld({ weights: [1], perBackend: 1, threads })
  const random = seededRandom(seed)
  const nobody = new Tried()
  const waits: number[][] = clients.map(() => [])
  const timedOut: number[] = clients.map(() => 0)
  const queues = clients.map((_, thread) => new WaitQueue(world.table, thread, 0, 1_000))
  const running: { thread: number; client: Client; endMs: number }[] = []
  const ready: { thread: number; client: Client }[] = []
  let busyMs = 0
  let nowMs = 1
  const begin = (thread: number, client: Client) => {
    world.pools[thread]!.begin(world.pools[thread]!.backends[0]!)
    waits[thread]!.push(nowMs - client.startedMs)
    running.push({ thread, client, endMs: nowMs + 1 + Math.floor(random.next() * serviceMs) })
  }
  for (const [thread, count] of clients.entries()) {
    for (let i = 0; i < count; i++) {
      const client: Client = {
        picky: false,
        queuedAtMs: -1,
        queueDeadlineMs: 0,
        queueNext: null,
        queuePrevious: null,
        startedMs: 0,
        onTurn() {
          if (world.pools[thread]!.pick(nobody, nowMs) === FULL) return false
          begin(thread, client)
          return true
        },
        onQueueTimeout() {
          timedOut[thread]!++
          ready.push({ thread, client })
        },
      }
      ready.push({ thread, client })
    }
  }
  for (; nowMs < untilMs; nowMs++) {
    busyMs += Math.min(1, running.length)
    for (const done of running.splice(0)) {
      if (done.endMs > nowMs) running.push(done)
      else {
        world.pools[done.thread]!.end(world.pools[done.thread]!.backends[0]!)
        ready.push(done)
        queues[done.thread]!.serve(nowMs)
      }
    }
    for (const { thread, client } of ready.splice(0)) {
      client.startedMs = nowMs
      const queue = queues[thread]!
      if (!queue.mustWait(nowMs) && world.pools[thread]!.pick(nobody, nowMs) !== FULL) {
        begin(thread, client)
      } else assert.ok(queue.push(client, nowMs, nowMs + 5_000))
    }
    assert.ok(running.length <= 1, 'the limit holds in a simulation without races')
    for (const [thread, queue] of queues.entries()) {
      if ((nowMs + thread) % 4 === 0) queue.tick(nowMs)
    }
  }
  return { waits, timedOut, utilization: busyMs / untilMs }
}

test('with one slot for all threads nobody starves, and the slot stays busy', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 2, maxLength: 4 }),
      fc.integer({ min: 5, max: 40 }),
      fc.nat(),
      (clients, serviceMs, seed) => {
        const { waits, timedOut, utilization } = contend(clients, serviceMs, seed, 8_000)
        const all = clients.reduce((sum, n) => sum + n, 0)
        assert.ok(
          timedOut.every((n) => n === 0),
          `${timedOut.join(' ')} timed out`,
        )
        for (const wait of waits) {
          // One round of everybody at the slowest service, with a step back each.
          const bound = 1.5 * all * (serviceMs + 14) + 100
          assert.ok(Math.max(...wait) <= bound, `waited ${Math.max(...wait)} > ${bound}`)
        }
        assert.ok(utilization > 0.5, `busy ${utilization}`)
        // What each client gets does not depend on its thread.
        const each = waits.map((wait, thread) => wait.length / clients[thread]!)
        assert.ok(Math.max(...each) <= 2 * Math.min(...each) + 4, each.join(' '))
      },
    ),
    { numRuns: 25 },
  )
})
