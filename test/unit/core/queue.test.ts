import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WaitQueue, type Waiter } from '../../../src/core/queue.ts'
import { POOL, SharedTable } from '../../../src/core/shared-layout.ts'

class Request implements Waiter {
  readonly name: string
  picky = false
  queuedAtMs = -1
  queueDeadlineMs = 0
  queueNext: Waiter | null = null
  queuePrevious: Waiter | null = null
  /** What its turn comes to; counts down the room by default. */
  take: (nowMs: number) => boolean
  readonly log: string[]

  constructor(name: string, log: string[], take: (nowMs: number) => boolean) {
    this.name = name
    this.log = log
    this.take = take
  }

  onTurn(nowMs: number): boolean {
    const taken = this.take(nowMs)
    if (taken) this.log.push(`${this.name} served`)
    return taken
  }

  onQueueTimeout(nowMs: number): void {
    this.log.push(`${this.name} timed out at ${nowMs}`)
  }
}

function setUp(max = 10, threads = 1) {
  const table = SharedTable.allocate({ threads, listeners: 0, pools: 2, slots: 0 })
  const queues = Array.from(
    { length: threads },
    (_, thread) => new WaitQueue(table, thread, 1, max),
  )
  const log: string[] = []
  const room = { free: 0 }
  const make = (name: string): Request =>
    new Request(name, log, () => {
      if (room.free === 0) return false
      room.free--
      return true
    })
  const queued = (thread = 0) => table.rows[thread]![table.poolBase(1) + POOL.queued]
  const since = (thread = 0) => table.rows[thread]![table.poolBase(1) + POOL.queuedSinceMs]
  return { table, queues, queue: queues[0]!, log, room, make, queued, since }
}

test('waiters are served in the order they came, as far as there is room', () => {
  const { queue, log, room, make, queued, since } = setUp()
  for (const [i, name] of ['a', 'b', 'c'].entries()) queue.push(make(name), 100 + i, 1_000)
  assert.deepEqual([queue.length, queued(), since()], [3, 3, 100])
  queue.serve(110)
  assert.deepEqual(log, [])
  assert.equal(since(), 100)
  room.free = 2
  queue.serve(120)
  assert.deepEqual(log, ['a served', 'b served'])
  assert.deepEqual([queue.length, queued(), since()], [1, 1, 102])
  room.free = 2
  queue.tick(130)
  assert.deepEqual(log.slice(2), ['c served'])
  assert.deepEqual([queue.length, queued(), since()], [0, 0, 0])
})

test('the bound holds over all threads together', () => {
  const { queues, make } = setUp(3, 2)
  assert.ok(queues[0]!.push(make('a'), 1, 100))
  assert.ok(queues[1]!.push(make('b'), 1, 100))
  assert.ok(queues[0]!.push(make('c'), 1, 100))
  const late = make('d')
  assert.equal(queues[1]!.push(late, 1, 100), false)
  assert.equal(late.queuedAtMs, -1)
  assert.equal(queues[1]!.length, 1)
  assert.equal(setUp(0).queue.push(make('e'), 1, 100), false, 'a queue of 0 takes nobody')
})

test('a waiter leaves from anywhere, once', () => {
  const { queue, log, room, make, queued } = setUp()
  const waiters = ['a', 'b', 'c', 'd'].map(make)
  for (const waiter of waiters) queue.push(waiter, 1, 100)
  queue.remove(waiters[1]!)
  queue.remove(waiters[1]!)
  queue.remove(waiters[3]!)
  queue.remove(waiters[0]!)
  assert.equal(queued(), 1)
  room.free = 9
  queue.serve(2)
  assert.deepEqual(log, ['c served'])
  queue.push(waiters[1]!, 3, 100)
  queue.serve(4)
  assert.deepEqual(log, ['c served', 'b served'])
})

test('each deadline is met at its own time, whatever the order', () => {
  const { queue, log, make, queued } = setUp()
  queue.push(make('long'), 0, 500)
  queue.push(make('short'), 1, 200)
  queue.push(make('middle'), 2, 300)
  queue.tick(199)
  assert.deepEqual(log, [])
  queue.tick(200)
  queue.tick(299)
  assert.deepEqual(log, ['short timed out at 200'])
  queue.tick(600)
  assert.deepEqual(log.slice(1), ['long timed out at 600', 'middle timed out at 600'])
  assert.equal(queued(), 0)
})

test('a waiter past its deadline is not served, even if a backend frees first', () => {
  const { queue, log, room, make } = setUp()
  queue.push(make('a'), 0, 100)
  queue.push(make('b'), 0, 200)
  room.free = 1
  queue.serve(150)
  assert.deepEqual(log, ['a timed out at 150', 'b served'])
})

test('who refuses because it has tried a backend does not hold up the others', () => {
  const { queue, log, room, make } = setUp()
  const picky = make('picky')
  picky.picky = true
  picky.take = () => false
  queue.push(make('first'), 0, 900)
  queue.push(picky, 1, 900)
  queue.push(make('second'), 2, 900)
  queue.push(make('third'), 3, 900)
  room.free = 2
  queue.serve(10)
  assert.deepEqual(log, ['first served', 'second served'])
  picky.take = () => true
  room.free = 1
  queue.serve(11)
  assert.deepEqual(log.slice(2), ['picky served', 'third served'], 'it has kept its place')
})

test('turns may push, remove and serve without upsetting the order', () => {
  const { queue, log, room, make, queued } = setUp()
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map(make) as [
    Request,
    Request,
    Request,
    Request,
    Request,
  ]
  a.take = (nowMs) => {
    queue.remove(b)
    queue.push(e, nowMs, 900)
    queue.serve(nowMs)
    return true
  }
  c.take = () => false
  for (const waiter of [a, b, c, d]) queue.push(waiter, 1, 900)
  room.free = 5
  queue.serve(2)
  assert.deepEqual(log, ['a served'])
  assert.equal(queued(), 3)
  c.take = () => true
  queue.serve(3)
  assert.deepEqual(log, ['a served', 'c served', 'd served', 'e served'])
})

test('a timeout that takes the next one out does not let the one behind it pass its deadline', () => {
  const { queue, log, make } = setUp()
  const [a, b, c] = ['a', 'b', 'c'].map(make) as [Request, Request, Request]
  a.onQueueTimeout = () => {
    log.push('a timed out')
    queue.remove(b)
  }
  queue.push(make('patient'), 1, 900)
  for (const waiter of [a, b, c]) queue.push(waiter, 1, 100)
  queue.tick(100)
  assert.deepEqual(log, ['a timed out', 'c timed out at 100'])
  queue.tick(900)
  assert.deepEqual(log.slice(2), ['patient timed out at 900'])
})

test('a turn that fails at once and queues anew goes to the end', () => {
  const { queue, log, room, make, queued } = setUp()
  const a = make('a')
  let failures = 1
  a.take = (nowMs) => {
    if (failures-- > 0) queue.push(a, nowMs, 900)
    return true
  }
  queue.push(a, 1, 900)
  queue.push(make('b'), 1, 900)
  room.free = 5
  queue.serve(2)
  assert.deepEqual(log, ['a served', 'b served', 'a served'])
  assert.equal(queued(), 0)
})

test('clearing ends every wait', () => {
  const { queue, log, make, queued } = setUp()
  queue.push(make('a'), 0, 900)
  queue.push(make('b'), 0, 900)
  queue.clear(5)
  assert.deepEqual(log, ['a timed out at 5', 'b timed out at 5'])
  assert.equal(queued(), 0)
})

test('newcomers wait behind this thread’s queue, and behind one that is passed over elsewhere', () => {
  const { queues, make } = setUp(10, 2)
  const [one, two] = queues as [WaitQueue, WaitQueue]
  assert.equal(one.mustWait(100), false)
  const waiter = make('a')
  one.push(waiter, 100, 900)
  assert.equal(one.mustWait(100), true)
  assert.equal(two.mustWait(105), false, 'the other may only just have missed its tick')
  assert.equal(two.mustWait(111), true)
  one.remove(waiter)
  assert.equal(two.mustWait(111), false)
})

test('a thread leaves room to another whose first waiter is older, but not for ever', () => {
  const { queues, log, room, make } = setUp(10, 2)
  const [one, two] = queues as [WaitQueue, WaitQueue]
  one.push(make('old'), 100, 9_000)
  two.push(make('new'), 150, 9_000)
  room.free = 1
  two.serve(160)
  assert.deepEqual(log, [])
  one.tick(165)
  assert.deepEqual(log, ['old served'])
  room.free = 1
  two.serve(166)
  assert.deepEqual(log, ['old served', 'new served'])
  // The older one never takes what it is left.
  one.push(make('stuck'), 200, 9_000)
  two.push(make('patient'), 300, 9_000)
  room.free = 1
  two.serve(400)
  two.tick(409)
  assert.equal(log.length, 2)
  two.tick(410)
  assert.deepEqual(log.slice(2), ['patient served'])
})
