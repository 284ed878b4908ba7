import assert from 'node:assert/strict'
import { once } from 'node:events'
import { get } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { test } from 'node:test'
import { CLIENTS_MAX } from '../../src/admin/event-stream.ts'
import type { PoolStatus } from '../../src/core/status.ts'
import { readEvents } from '../support/event-reader.ts'
import type { FakeAdmin } from '../support/fake-admin.ts'
import { startFakeAdmin } from '../support/fake-admin.ts'
import { waitFor } from '../support/wait.ts'

async function start(): Promise<FakeAdmin & { port: number }> {
  const admin = await startFakeAdmin()
  return Object.assign(admin, { port: Number(admin.host.split(':')[1]) })
}

function warn(admin: FakeAdmin, message: string, fields = {}): void {
  admin.events.publish({ kind: 'warning', message, fields })
}

function pool(name: string, sinceMs: number): PoolStatus {
  return { name, backends: [{ sinceMs }] } as unknown as PoolStatus
}

async function status(port: number, path: string): Promise<number> {
  const [response] = (await once(
    get({ host: '127.0.0.1', port, path, agent: false }),
    'response',
  )) as [IncomingMessage]
  response.destroy()
  return response.statusCode!
}

test('what happens is told as it happens, with a number to come back with', async () => {
  const admin = await start()
  warn(admin, 'before')
  const reader = await readEvents(admin.port, '/v1/events')
  const { headers } = reader.response
  assert.deepEqual(
    [headers['content-type'], headers['cache-control'], headers['content-length']],
    ['text/event-stream', 'no-store', undefined],
  )
  warn(admin, 'one\ndata: two')
  assert.deepEqual(await reader.next(), {
    id: 'run-2',
    kind: 'warning',
    data: { kind: 'warning', message: 'one\ndata: two', fields: {}, id: 2, at: 1000, atMs: 0 },
  })
  assert.equal(reader.asides[0], 'retry: 2000')
  reader.close()
})

test('who was away gets what was missed, and is told when some of it is lost', async () => {
  const admin = await start()
  for (let i = 1; i <= 3; i++) warn(admin, `${i}`)
  const names = async (count: number, path: string, last?: string): Promise<string[]> => {
    const headers = last === undefined ? {} : { 'last-event-id': last }
    const reader = await readEvents(admin.port, path, headers)
    const found: string[] = []
    while (found.length < count) {
      const event = await reader.next()
      found.push(event!.kind === 'gap' ? 'gap' : String(event!.data['message']))
    }
    reader.close()
    return found
  }
  assert.deepEqual(await names(2, '/v1/events', 'run-1'), ['2', '3'])
  assert.deepEqual(await names(2, '/v1/events?since=1'), ['2', '3'])
  assert.deepEqual(await names(3, '/v1/events?since=0'), ['1', '2', '3'])
  // The process before this one numbered from 1, too.
  assert.deepEqual(await names(4, '/v1/events', 'other-1'), ['gap', '1', '2', '3'])
  assert.deepEqual(await names(4, '/v1/events', 'nonsense\u00e9'), ['gap', '1', '2', '3'])
  for (let i = 4; i <= 9; i++) warn(admin, `${i}`)
  assert.deepEqual(await names(6, '/v1/events', 'run-2'), ['gap', '5', '6', '7', '8', '9'])
})

test('only the kinds that are asked for are told', async () => {
  const admin = await start()
  const reader = await readEvents(admin.port, '/v1/events?kinds=process,operator')
  warn(admin, 'x')
  admin.events.publish({ kind: 'process', state: 'draining', message: 'y', fields: {} })
  assert.equal((await reader.next())!.kind, 'process')
  reader.close()
  assert.equal(await status(admin.port, '/v1/events?kinds=proces'), 400)
  assert.equal(await status(admin.port, '/v1/events?kinds='), 400)
  assert.equal(await status(admin.port, '/v1/events?kind=process'), 400)
  assert.equal(await status(admin.port, '/v1/events?since=x'), 400)
})

test('the pools are told at first and when they have changed, not when they aged', async () => {
  const admin = await start()
  admin.pools = [pool('a', 1)]
  const reader = await readEvents(admin.port, '/v1/events?status=true')
  const first = await reader.next()
  assert.deepEqual([first?.kind, first?.id, first?.data['at']], ['status', null, 1000])
  assert.deepEqual(first?.data['pools'], admin.pools)
  admin.pools = [pool('a', 2)]
  const heartbeats = (): number => reader.asides.filter((line) => line === ': here').length
  const pending = reader.next()
  await waitFor(() => heartbeats() >= 1)
  admin.pools = [pool('b', 3)]
  assert.deepEqual((await pending)?.data['pools'], admin.pools)
  reader.close()
})

test('a client that reads nothing is cut, and costs the others nothing', async () => {
  const admin = await start()
  const slow = connect(admin.port, '127.0.0.1')
  slow.on('error', () => {})
  slow.write('GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await once(slow, 'readable')
  const reader = await readEvents(admin.port, '/v1/events')
  const cut = once(slow, 'close')
  const sent = 100
  let heard = 0
  for (let i = 0; i < sent; i++) {
    warn(admin, 'x'.repeat(200_000))
    await reader.next()
    heard++
  }
  assert.equal(heard, sent)
  slow.resume()
  await cut
  assert.ok(slow.bytesRead < sent * 200_000)
  reader.close()
  assert.deepEqual(admin.errors, [])
})

test('so many may follow and no more, and a place is free again when one leaves', async () => {
  const admin = await start()
  const readers = await Promise.all(
    Array.from({ length: CLIENTS_MAX }, () => readEvents(admin.port, '/v1/events')),
  )
  assert.equal(await status(admin.port, '/v1/events'), 503)
  assert.equal(await status(admin.port, '/v1/events/recent'), 200)
  readers[0]!.close()
  await waitFor(async () => {
    const reader = await readEvents(admin.port, '/v1/events')
    const isIn = reader.response.statusCode === 200
    reader.close()
    return isIn
  })
  for (const reader of readers) reader.close()
})

test('the stream ends when the API does, and HEAD gets no stream', async () => {
  const admin = await start()
  const head = get({ host: '127.0.0.1', port: admin.port, path: '/v1/events', method: 'HEAD' })
  const [response] = (await once(head, 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  const reader = await readEvents(admin.port, '/v1/events')
  await admin.close()
  assert.equal(await reader.next(), null)
  // It was ended, and not cut with the connections that are left after a while.
  assert.equal(reader.response.complete, true)
})
