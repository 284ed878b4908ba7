// The right to send: in a pool under agreement not a byte goes to a backend after its
// deadline, whatever was begun before it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fault } from '../../src/core/fault.ts'
import { THREAD } from '../../src/core/shared-layout.ts'
import type { Attempt } from '../../src/proxy/attempt.ts'
import { READ_INTO } from '../support/plane.ts'
import type { PlaneOptions, TestPlane } from '../support/plane.ts'
import { ok, request, response } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'
import {
  answering,
  CLUSTER,
  message,
  publishActive,
  silent,
  withStandby,
} from '../support/standby.ts'
import { echo, switching, upgrade } from '../support/tunnels.ts'

const TTL = 20_000

/** A pool under agreement whose right lasts for TTL; the plane looks at nothing by itself. */
async function withRight(
  options: PlaneOptions,
  body: (plane: TestPlane) => Promise<void>,
): Promise<void> {
  const pool = { failover: { agreement: 'etcd' }, timeouts: { queue: '10m', total: '10m' } }
  await withStandby({ ...options, pool, config: CLUSTER }, async (plane) => {
    plane.grant(TTL)
    plane.stopTicking()
    await body(plane)
  })
}

/** The same for its read side, whose backends are in slots 2 and 3: `a` is the active. */
async function withReads(
  options: PlaneOptions,
  body: (plane: TestPlane) => Promise<void>,
): Promise<void> {
  const listener = { ...options.listener, role: 'replica' }
  await withRight({ ...options, listener }, async (plane) => {
    publishActive(plane, 'a', { epoch: 1, active: 0 })
    await body(plane)
  })
}

/** A tunnel passes on nothing that comes after a standstill, and both sides are reset. */
async function goesNoFurther(plane: TestPlane, client: Peer, last: string | null): Promise<void> {
  client.write('early')
  assert.equal(await client.text(5), 'early')
  const [peer] = plane.servers[0]!.peers
  const seen = peer!.received
  plane.standStill(TTL)
  if (last === null) client.finish()
  else client.write(last)
  assert.equal(await client.close(), 'ECONNRESET')
  await plane.until('the break', () => peer!.ended || peer!.closed)
  assert.equal(peer!.received, seen)
}

async function refused(client: Peer): Promise<void> {
  const answer = await response(client)
  assert.match(answer.start, /^HTTP\/1\.1 503 /)
  assert.equal(answer.field('evenkeel-fault'), 'no-agreement')
}

for (const readInto of READ_INTO) {
  describe(`the right to send, reading into ${readInto} buffers`, () => {
    test('while it lasts requests go, after it none does, and later they go again', async () => {
      await withRight({ readInto, backends: [answering('a'), silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'a GET ')
        plane.standStill(TTL)
        client.write(message('GET'))
        await refused(client)
        const [peer] = plane.servers[0]!.peers
        assert.equal(plane.backend(0, 'attempts'), 1)
        assert.equal(peer!.available, 0)
        plane.grant(TTL)
        client.write(message('POST', 'x'))
        assert.equal((await response(client)).body, 'a POST x')
        assert.equal(plane.pool('unknownOutcomes'), 0)
      })
    })

    test('a pool without agreement has no such deadline until another process takes over', async () => {
      await withStandby({ readInto, backends: [answering('a')] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'a GET ')
        plane.grant(-1)
        client.write(message('GET'))
        await refused(client)
      })
    })

    test('it is asked for again when the connection stands', async () => {
      for (const protocol of ['http', 'tcp']) {
        const options = { readInto, listener: { protocol }, backends: [silent, silent] }
        await withRight(options, async (plane) => {
          let asked = 0
          plane.plane['context'].hasLapsed = () => ++asked > 1
          const client = await plane.connect()
          if (protocol === 'http') {
            client.write(message('POST', 'pay'))
            await refused(client)
          } else {
            client.write('pay')
            assert.equal(await client.close(), 'ECONNRESET')
          }
          const peer = await plane.servers[0]!.peer(0)
          await peer.gone()
          assert.equal(peer.received, 0)
          assert.equal(plane.pool('unknownOutcomes'), 0)
          assert.equal(plane.backend(0, 'failures'), 0)
          assert.equal(plane.faults('no-agreement'), 1)
        })
      }
    })

    test('a body goes no further, and what it means for a write is unknown', async () => {
      const bodies = [
        ['Content-Length: 6\r\n', 'abc', 'def'],
        ['Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n', '3\r\ndef\r\n0\r\n\r\n'],
        ['Transfer-Encoding: chunked\r\n', '3\r\nabc\r\n', '0\r\n\r\n'],
      ] as const
      for (const [lines, before, after] of bodies) {
        await withRight({ readInto, backends: [silent, silent] }, async (plane) => {
          const client = await plane.connect()
          client.write(message('POST', null, lines) + before)
          const peer = await plane.servers[0]!.peer(0)
          await peer.until('abc')
          await plane.settled(() => peer.received)
          const seen = peer.received
          plane.standStill(TTL)
          client.write(after)
          await refused(client)
          await peer.gone()
          assert.equal(peer.received, seen)
          assert.equal(plane.pool('unknownOutcomes'), 1)
        })
      }
    })

    test('a response that has begun while its request still goes up is cut', async () => {
      const early: Script = async (peer) => {
        await peer.until('\r\n\r\n')
        peer.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc')
      }
      await withRight({ readInto, backends: [early, silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${message('POST', null, 'Content-Length: 6\r\n')}abc`)
        await client.until('\r\n\r\nabc')
        plane.standStill(TTL)
        client.write('def')
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('no-agreement'), 1)
      })
    })

    test('bytes and the end of a tunnel go no further, and both sides are reset', async () => {
      for (const protocol of ['http', 'tcp']) {
        for (const last of ['late', null]) {
          const script = protocol === 'http' ? switching : echo
          const options = { readInto, listener: { protocol }, backends: [script, silent] }
          await withRight(options, async (plane) => {
            const client = await plane.connect()
            if (protocol === 'http') {
              client.write(upgrade)
              await client.until('\r\n\r\n')
            }
            await goesNoFurther(plane, client, last)
            assert.equal(plane.faults('no-agreement'), 1)
          })
        }
      }
    })

    test('a new TCP client is reset, and a backend that is never connected to', async () => {
      const options = { readInto, listener: { protocol: 'tcp' }, backends: [echo, silent] }
      await withRight(options, async (plane) => {
        plane.standStill(TTL)
        // The reset may come before Node has told the client that it is connected.
        const end = await plane.connect().then(
          (client) => client.close(),
          (error: NodeJS.ErrnoException) => error.code,
        )
        assert.equal(end, 'ECONNRESET')
        assert.equal(plane.servers[0]!.peers.length, 0)
      })
    })

    test('at the next tick tunnels and streams end, and a request that is out keeps its answer', async () => {
      const streams: Script = async (peer) => {
        const { start } = await request(peer)
        if (start.includes('/slow')) return
        peer.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
      }
      await withRight({ readInto, backends: [streams, silent] }, async (plane) => {
        const stream = await plane.connect()
        stream.write(message('GET'))
        await stream.until('abc')
        const upload = await plane.connect()
        upload.write(message('PUT', 'xy').slice(0, -1))
        const waits = await plane.connect()
        waits.write(message('POST', 'z').replace(' / ', ' /slow '))
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        await plane.until('the upload', () => plane.backend(0, 'inFlight') === 3)
        await plane.settled(() => plane.backend(0, 'bytesTo'))
        plane.skip(TTL)
        assert.equal(plane.backend(0, 'inFlight'), 1)
        assert.equal(await stream.close(), 'ECONNRESET')
        await refused(upload)
        const peers = plane.servers[0]!.peers.filter((peer) => !peer.closed && !peer.ended)
        for (const peer of peers) peer.write(ok('done'))
        assert.equal((await response(waits)).body, 'done')
        assert.equal(plane.thread(THREAD.faults + fault('no-agreement').index), 2)
      })
    })

    test('at the next tick idle tunnels are reset', async () => {
      const options = { readInto, listener: { protocol: 'tcp' }, backends: [echo, silent] }
      await withRight(options, async (plane) => {
        const client = await plane.connect()
        client.write('hello')
        assert.equal(await client.text(5), 'hello')
        plane.skip(TTL)
        assert.equal(plane.backend(0, 'inFlight'), 0)
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(await plane.servers[0]!.peers[0]!.close(), 'ECONNRESET')
      })
    })

    test('so does a request that is out but not wholly with the kernel', async () => {
      await withRight({ readInto, backends: [silent, silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('POST', 'pay'))
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        const { head } = plane.plane['context'].pools[0]!.backends[0]!.waiting
        Object.defineProperty((head as Attempt).stream, 'sendPending', { value: true })
        plane.skip(TTL)
        await refused(client)
        const [peer] = plane.servers[0]!.peers
        await plane.until('the break', () => peer!.ended || peer!.closed)
        assert.equal(plane.pool('unknownOutcomes'), 1)
      })
    })

    test('what Node had not written yet is dropped with its connection', async () => {
      const slow: Script = (peer) => peer.stop()
      await withRight({ readInto, backends: [slow, silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('POST', 'x'.repeat(30_000_000)))
        const sent = await plane.settled(() => plane.backend(0, 'bytesTo'))
        plane.skip(TTL)
        assert.equal(plane.backend(0, 'connections'), 0)
        const [peer] = plane.servers[0]!.peers
        peer!.go()
        await peer!.gone()
        assert.ok(peer!.received < sent, `${peer!.received} of ${sent}`)
        await refused(client)
        assert.equal(plane.pool('unknownOutcomes'), 1)
      })
    })

    test('who is held is told so', async () => {
      await withRight({ readInto, backends: [silent, silent] }, async (plane) => {
        publishActive(plane, null, { epoch: 2, holdMs: 60_000 })
        const client = await plane.connect()
        client.write(message('GET'))
        await plane.until('the wait', () => plane.pool('queued') === 1)
        plane.skip(TTL)
        await refused(client)
        assert.equal(plane.pool('queued'), 0)
      })
    })

    test('reads that the active serves need it as well', async () => {
      await withReads({ readInto, backends: [answering('a'), silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'a GET ')
        const sent = plane.backend(2, 'bytesTo')
        plane.standStill(TTL)
        client.write(message('GET'))
        await refused(client)
        assert.equal(plane.backend(2, 'bytesTo'), sent)
        assert.equal(plane.backend(2, 'failures'), 0)
        plane.grant(TTL)
        client.write(message('GET'))
        assert.equal((await response(client)).body, 'a GET ')
      })
    })

    test('so do their tunnels', async () => {
      const tcp = { readInto, listener: { protocol: 'tcp' }, backends: [echo, silent] }
      for (const last of ['late', null]) {
        await withReads(tcp, async (plane) => {
          const client = await plane.connect()
          await goesNoFurther(plane, client, last)
        })
      }
    })

    test('at the next tick idle tunnels of readers on the active are reset', async () => {
      const tcp = { readInto, listener: { protocol: 'tcp' }, backends: [echo, silent] }
      await withReads(tcp, async (plane) => {
        const client = await plane.connect()
        client.write('hello')
        assert.equal(await client.text(5), 'hello')
        plane.skip(TTL)
        assert.equal(plane.backend(2, 'inFlight'), 0)
        assert.equal(await client.close(), 'ECONNRESET')
      })
    })

    test('reads from a replica go on without it, until that has become the active', async () => {
      const tcp = { readInto, listener: { protocol: 'tcp' }, backends: [silent, echo] }
      await withReads(tcp, async (plane) => {
        publishActive(plane, 'b', { epoch: 1, active: 0 })
        const client = await plane.connect()
        client.write('hello')
        assert.equal(await client.text(5), 'hello')
        plane.skip(TTL)
        client.write('still')
        assert.equal(await client.text(5), 'still')
        plane.grant(TTL)
        publishActive(plane, 'b', { epoch: 2, active: 1 })
        client.write('there')
        assert.equal(await client.text(5), 'there')
        const [peer] = plane.servers[1]!.peers
        const seen = peer!.received
        plane.standStill(TTL)
        client.write('late')
        assert.equal(await client.close(), 'ECONNRESET')
        await plane.until('the break', () => peer!.ended || peer!.closed)
        assert.equal(peer!.received, seen)
      })
    })
  })
}
