import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { ServerResponse } from 'node:http'
import { mock, test } from 'node:test'
import { EventStream } from '../../../src/admin/event-stream.ts'
import type { PoolStatus } from '../../../src/core/status.ts'
import { EventLog } from '../../../src/observe/event-log.ts'

class FakeResponse extends EventEmitter {
  writableLength = 0
  destroyed = false
  written = ''

  write(text: string): void {
    this.written += text
  }

  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

/** @param tell what is told of the pools when they are asked for, counted from 1 */
function start(tell: (asked: number) => unknown = (asked) => ({ name: `a${asked}` })) {
  const events = new EventLog({ wallMs: () => 0, nowMs: () => 0, failed: () => {} })
  let asked = 0
  const pools = (): readonly PoolStatus[] => {
    asked++
    return [tell(asked) as PoolStatus]
  }
  const stream = new EventStream({ events, pools, wallMs: () => 0, run: 'r' })
  const follow = (status: boolean): FakeResponse => {
    const response = new FakeResponse()
    stream.follow({ kinds: null, status, after: null })(response as unknown as ServerResponse)
    return response
  }
  return { events, follow, asked: () => asked }
}

test('who has not read everything between two heartbeats is cut', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { follow } = start()
  const [good, bad] = [follow(false), follow(false)]
  bad.writableLength = 1
  mock.timers.tick(15_000)
  assert.match(bad.written, /: here\n\n$/)
  good.writableLength = 1
  mock.timers.tick(15_000)
  assert.deepEqual([good.destroyed, bad.destroyed], [false, true])
  good.writableLength = 0
  mock.timers.tick(15_000)
  assert.equal(good.destroyed, false)
  good.destroy()
  mock.timers.reset()
})

test('the pools are read only while somebody asked for them, and not for who is behind', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { follow, asked } = start()
  const plain = follow(false)
  mock.timers.tick(3_000)
  assert.equal(asked(), 0)
  const curious = follow(true)
  assert.equal(asked(), 1)
  mock.timers.tick(1_000)
  assert.equal(asked(), 2)
  assert.equal(curious.written.match(/event: status/g)?.length, 2)
  curious.writableLength = 1
  mock.timers.tick(1_000)
  assert.equal(curious.written.match(/event: status/g)?.length, 2)
  curious.writableLength = 0
  mock.timers.tick(1_000)
  assert.ok(curious.written.includes('"a4"'))
  assert.ok(!plain.written.includes('status'))
  curious.destroy()
  mock.timers.tick(5_000)
  assert.equal(asked(), 4)
  plain.destroy()
  mock.timers.reset()
})

test('an age that has grown is no change', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { follow } = start((asked) => ({
    failover: { sinceMs: asked, move: { forMs: asked } },
    backends: [{ sinceMs: asked, ejectedForMs: asked }],
    discovery: [{ sinceMs: asked, answeredMs: asked, members: asked < 3 ? 1 : 2 }],
  }))
  const curious = follow(true)
  mock.timers.tick(1_000)
  assert.equal(curious.written.match(/event: status/g)?.length, 1)
  mock.timers.tick(1_000)
  assert.equal(curious.written.match(/event: status/g)?.length, 2)
  curious.destroy()
  mock.timers.reset()
})

test('nothing is written to a client that is gone', () => {
  const { events, follow } = start()
  const response = follow(false)
  events.publish({ kind: 'warning', message: 'one', fields: {} })
  response.destroy()
  events.publish({ kind: 'warning', message: 'two', fields: {} })
  assert.ok(response.written.includes('one') && !response.written.includes('two'))
})
