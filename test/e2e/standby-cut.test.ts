// What is in progress on a backend that is cut, in each phase: nothing goes on there, what may be
// done again is done on the new active, and nobody is blamed.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { fullPort } from '../support/full-port.ts'
import type { FullPort } from '../support/full-port.ts'
import { READ_INTO } from '../support/plane.ts'
import type { TestPlane } from '../support/plane.ts'
import { request, response, serve } from '../support/raw.ts'
import type { Script } from '../support/raw.ts'
import { answering, message, publishActive, silent, withStandby } from '../support/standby.ts'
import { echo, SWITCHED, upgrade } from '../support/tunnels.ts'

/** Enough for one retry. */
const poor = { retry: { budget: { ratio: '0%', minPerSecond: 0, burst: 1 } } }

let full: FullPort
before(async () => {
  full = await fullPort()
})
after(() => full.stop())

/** The move is nobody's failure. */
function assertBlameless(plane: TestPlane): void {
  for (const slot of [0, 1]) {
    assert.equal(plane.backend(slot, 'failures'), 0)
    assert.equal(plane.backend(slot, 'streak'), 0)
    assert.equal(plane.backend(slot, 'connectFailures'), 0)
  }
  assert.equal(plane.pool('budgetEmpty'), 0)
}

for (const readInto of READ_INTO) {
  describe(`a backend that is cut, reading into ${readInto} buffers`, () => {
    test('a replayable request that waits for its answer goes to the new active, uncharged', async () => {
      for (const [method, body] of [
        ['GET', null],
        ['PUT', 'data'],
      ] as const) {
        const backends = [silent, answering('b')]
        await withStandby({ readInto, pool: poor, backends }, async (plane) => {
          const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
          for (const client of clients) client.write(message(method, body))
          await plane.until('the wait', () => plane.backend(0, 'waiting') === 3)
          publishActive(plane, 'b', { epoch: 2 })
          for (const client of clients) {
            assert.equal((await response(client)).body, `b ${method} ${body ?? ''}`)
          }
          for (const peer of plane.servers[0]!.peers) await peer.gone()
          assert.deepEqual([plane.pool('moved'), plane.pool('cut')], [3, 0])
          assert.equal(plane.pool('unknownOutcomes'), 0)
          assert.equal(plane.faults('active-moved'), 0)
          assertBlameless(plane)
        })
      }
    })

    test('one that was sent and cannot be repeated gets a 503, its outcome unknown', async () => {
      for (const retry of [{}, { retry: false }]) {
        const method = 'retry' in retry ? 'GET' : 'POST'
        const backends = [silent, answering('b')]
        await withStandby({ readInto, pool: retry, backends }, async (plane) => {
          const client = await plane.connect()
          client.write(message(method, method === 'GET' ? null : 'pay'))
          await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
          publishActive(plane, 'b', { epoch: 2 })
          const answer = await response(client)
          assert.match(answer.start, / 503 /)
          assert.equal(answer.field('evenkeel-fault'), 'active-moved')
          assert.equal(answer.field('retry-after'), '1')
          assert.deepEqual([plane.pool('moved'), plane.pool('cut')], [0, 1])
          assert.equal(plane.pool('unknownOutcomes'), method === 'POST' ? 1 : 0)
          assert.equal(plane.servers[1]!.peers.length, 0)
          assertBlameless(plane)
          client.write(message('GET'))
          assert.equal((await response(client)).body, 'b GET ')
        })
      }
    })

    test('one whose connection is still being opened goes to the new active, whatever it is', async () => {
      for (const retry of [{}, { retry: false }]) {
        const b = await serve(answering('b'))
        try {
          const addresses = [full.address, b.address]
          await withStandby({ readInto, pool: retry, addresses }, async (plane) => {
            const client = await plane.connect()
            client.write(message('POST', 'pay'))
            await plane.until('the connect', () => plane.backend(0, 'connections') === 1)
            publishActive(plane, 'b', { epoch: 2 })
            assert.equal(plane.backend(0, 'connections'), 0)
            assert.equal((await response(client)).body, 'b POST pay')
            assert.equal(plane.pool('unknownOutcomes'), 0)
            assertBlameless(plane)
          })
        } finally {
          await b.stop()
        }
      }
    })

    test('an upload in progress begins again if it may and is kept, else it ends', async () => {
      const cases = [
        ['PUT', 1_000, 200],
        ['PUT', 100_000, 503],
        ['POST', 1_000, 503],
      ] as const
      for (const [method, size, status] of cases) {
        const backends = [silent, answering('b')]
        await withStandby({ readInto, backends }, async (plane) => {
          const client = await plane.connect()
          const whole = 'x'.repeat(size)
          client.write(message(method, whole).slice(0, -1))
          const peer = await plane.servers[0]!.peer(0)
          await peer.until('\r\n\r\n')
          await peer.bytes(size - 1)
          publishActive(plane, 'b', { epoch: 2 })
          await peer.gone()
          if (status === 200) client.write('x')
          const answer = await response(client)
          assert.match(answer.start, new RegExp(` ${status} `))
          if (status === 200) assert.equal(answer.body, `b ${method} ${whole}`)
          else assert.equal(answer.field('evenkeel-fault'), 'active-moved')
          assert.equal(plane.pool('unknownOutcomes'), method === 'POST' ? 1 : 0)
          assertBlameless(plane)
        })
      }
    })

    test('a response that has begun is cut so that the client sees it', async () => {
      const heads = [
        'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc',
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n',
      ]
      for (const head of heads) {
        const begins: Script = async (peer) => {
          await request(peer)
          peer.write(head)
        }
        await withStandby({ readInto, backends: [begins, answering('b')] }, async (plane) => {
          const client = await plane.connect()
          client.write(message('GET'))
          await client.until('abc')
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal(await client.close(), 'ECONNRESET')
          assert.equal(await plane.servers[0]!.peers[0]!.close(), 'ECONNRESET')
          assert.equal(plane.faults('active-moved'), 1)
          assert.equal(plane.pool('cut'), 1)
          assertBlameless(plane)
        })
      }
    })

    test('a WebSocket and a TCP tunnel are reset on both sides', async () => {
      for (const protocol of ['http', 'tcp']) {
        const accepts: Script = async (peer) => {
          if (protocol === 'http') {
            await request(peer)
            peer.write(SWITCHED)
          }
          echo(peer, 0)
        }
        const options = { readInto, listener: { protocol }, backends: [accepts, silent] }
        await withStandby(options, async (plane) => {
          const client = await plane.connect()
          if (protocol === 'http') {
            client.write(upgrade)
            await client.until('\r\n\r\n')
          }
          client.write('hello')
          assert.equal(await client.text(5), 'hello')
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal(await client.close(), 'ECONNRESET')
          assert.equal(await plane.servers[0]!.peers[0]!.close(), 'ECONNRESET')
          assert.equal(plane.faults('active-moved'), 1)
          assert.equal(plane.pool('cut'), 1)
          assertBlameless(plane)
        })
      }
    })

    test('a TCP client that still waits for its connect gets to the new active', async () => {
      for (const retry of [{}, { retry: false }]) {
        const b = await serve(echo)
        try {
          const addresses = [full.address, b.address]
          const options = { readInto, listener: { protocol: 'tcp' }, pool: retry, addresses }
          await withStandby(options, async (plane) => {
            const client = await plane.connect()
            client.write('hello')
            await plane.until('the connect', () => plane.backend(0, 'connections') === 1)
            publishActive(plane, 'b', { epoch: 2 })
            assert.equal(await client.text(5), 'hello')
            assert.deepEqual([plane.pool('moved'), plane.pool('cut')], [1, 0])
            assertBlameless(plane)
          })
        } finally {
          await b.stop()
        }
      }
    })

    test('idle connections are broken, and none of them is used again', async () => {
      const backends = [answering('a'), answering('b')]
      await withStandby({ readInto, backends }, async (plane) => {
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'a GET ')
        assert.equal(plane.backend(0, 'idleConnections'), 1)
        publishActive(plane, 'b', { epoch: 2 })
        assert.equal(plane.backend(0, 'idleConnections'), 0)
        const [peer] = plane.servers[0]!.peers
        await plane.until('the break', () => peer!.ended || peer!.closed)
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'b GET ')
        assert.equal(plane.servers[0]!.peers.length, 1)
      })
    })

    test('what the kernel still holds of a request does not reach the old active', async () => {
      const slow: Script = (peer) => peer.stop()
      await withStandby({ readInto, backends: [slow, silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('POST', 'x'.repeat(30_000_000)))
        const sent = await plane.settled(() => plane.backend(0, 'bytesTo'))
        publishActive(plane, 'b', { epoch: 2 })
        const [peer] = plane.servers[0]!.peers
        peer!.go()
        await peer!.gone()
        // It has what is in its own buffer; ours held far more than the one read that Node may hold.
        assert.ok(peer!.received < sent - 200_000, `${peer!.received} of ${sent}`)
      })
    })

    test('pipelined requests behind one that is cut go to the new active', async () => {
      const backends = [silent, answering('b')]
      await withStandby({ readInto, backends }, async (plane) => {
        const client = await plane.connect()
        client.write(message('POST', 'pay') + message('GET') + message('PUT', 'x'))
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        publishActive(plane, 'b', { epoch: 2 })
        assert.match((await response(client)).start, / 503 /)
        assert.equal((await response(client)).body, 'b GET ')
        assert.equal((await response(client)).body, 'b PUT x')
        assert.equal(plane.servers[0]!.peers.length, 1)
      })
    })

    test('finish lets everything go on to its end, and takes nothing new', async () => {
      const later: Script = async (peer) => {
        await request(peer)
        peer.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n')
      }
      await withStandby({ readInto, backends: [later, answering('b')] }, async (plane) => {
        const waiting = await plane.connect()
        waiting.write(message('GET'))
        await waiting.until('\r\n\r\n')
        plane.publish({ a: 'finish' }, { epoch: 2 })
        const fresh = await plane.connect()
        fresh.write(message('GET'))
        assert.equal((await response(fresh)).body, 'b GET ')
        plane.servers[0]!.peers[0]!.write('done')
        assert.equal(await waiting.text(4), 'done')
        assert.equal(plane.servers[0]!.peers.length, 1)
        assert.deepEqual([plane.pool('moved'), plane.pool('cut')], [0, 0])
      })
    })

    test('so are the readers of a read side that a reload has left out', async () => {
      for (const protocol of ['http', 'tcp']) {
        const backends = [protocol === 'http' ? silent : echo, silent]
        const listener = { protocol, role: 'replica' }
        await withStandby({ readInto, backends, listener }, async (plane) => {
          publishActive(plane, 'a', { epoch: 1, active: 0 })
          const client = await plane.connect()
          client.write(protocol === 'http' ? message('GET') : 'hello')
          const peer = await plane.servers[0]!.peer(0)
          if (protocol === 'http') {
            await plane.until('the wait', () => plane.backend(2, 'waiting') === 1)
          } else assert.equal(await client.text(5), 'hello')
          await plane.reload({ listener: { role: undefined } }, { b: 'cut' })
          assert.equal(plane.backend(2, 'inFlight'), 1)
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal(plane.backend(2, 'inFlight'), 0)
          if (protocol === 'http') assert.match((await response(client)).start, / 503 /)
          else assert.equal(await client.close(), 'ECONNRESET')
          await plane.until('the break', () => peer.ended || peer.closed)
          assert.equal(plane.servers[0]!.peers.length, 1)
        })
      }
    })
  })
}
