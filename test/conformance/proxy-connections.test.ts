// What becomes of connections on either side: their order, their reuse, their ends, their upgrades.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { TestPlane } from '../support/plane.ts'
import { always, ok, request, response } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'

const get = (path: string, lines = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n`
const post = (path: string, body: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** Answers with the path, and the body if there is one. */
const echo: Script = async (peer) => {
  for (;;) {
    const got = await request(peer)
    peer.write(ok(`${got.start.split(' ')[1]}${got.body}`))
  }
}

async function ask(client: Peer, text: string): Promise<string> {
  client.write(text)
  return (await response(client)).body
}

for (const readInto of READ_INTO) {
  describe(`pipelining and keep-alive of clients, reading into ${readInto} buffers`, () => {
    test('pipelined requests are answered in order, also behind bodies', async () => {
      await withPlane({ readInto, backends: [echo, echo] }, async (plane) => {
        const client = await plane.connect()
        const chunked =
          'POST /5 HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n'
        client.write(
          get('/1') + post('/2', 'xyz') + get('/3') + post('/4', '') + chunked + get('/6'),
        )
        const bodies: string[] = []
        for (let i = 0; i < 6; i++) bodies.push((await response(client)).body)
        assert.deepEqual(bodies, ['/1', '/2xyz', '/3', '/4', '/5ab', '/6'])
        assert.equal(plane.listener('requests'), 6)
      })
    })

    test('only one of several pipelined requests is with the backends at a time', async () => {
      await withPlane({ readInto, backends: [() => {}, () => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/1') + get('/2'))
        const first = await plane.servers[0]!.peer(0)
        await request(first)
        assert.equal(plane.thread(3), 1)
        assert.equal(plane.servers[1]!.peers.length, 0)
        first.write(ok('one'))
        assert.equal((await response(client)).body, 'one')
        const second = await plane.servers[1]!.peer(0)
        assert.match((await request(second)).start, /^GET \/2 /)
        second.write(ok('two'))
        assert.equal((await response(client)).body, 'two')
      })
    })

    test('a head that is split behind a pipelined request is read on', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${get('/1')}GET /2 HT`)
        assert.equal((await response(client)).body, '/1')
        assert.equal(await ask(client, 'TP/1.1\r\nHost: a.example\r\n\r\n'), '/2')
        client.write(`${get('/3')}${post('/4', 'abc').slice(0, -2)}`)
        assert.equal((await response(client)).body, '/3')
        assert.equal(await ask(client, 'bc'), '/4abc')
      })
    })

    test('all of several pipelined requests are answered though the client half-closes', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        client.finish(get('/1') + get('/2') + post('/3', 'abc'))
        assert.equal((await response(client)).body, '/1')
        assert.equal((await response(client)).body, '/2')
        const last = await response(client)
        assert.equal(last.body, '/3abc')
        assert.equal(await client.end(), '')
      })
    })

    test('a client that pipelines and does not read stops its requests, and gets all answers later', async () => {
      const body = 'x'.repeat(30_000)
      const count = 2_000
      await withPlane({ readInto, backends: [always(ok(body))] }, async (plane) => {
        const client = await plane.connect()
        client.stop()
        client.write(get('/').repeat(count))
        const seen = await plane.settled(() => plane.listener('requests'))
        assert.ok(seen < count / 2, `${seen} of ${count} requests were made for nobody who reads`)
        client.go()
        for (let i = 0; i < count; i++)
          assert.equal((await response(client)).body.length, body.length)
      })
    })

    test('bytes after a request that closes the connection are not read as a request', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/1', 'Connection: close\r\n') + get('/2'))
        assert.equal((await response(client)).body, '/1')
        assert.equal(await client.end(), '')
        assert.equal(plane.listener('requests'), 1)
      })
    })

    test('a head that comes too slowly is answered with 408', async () => {
      const listener = { timeouts: { requestHead: '30s' } }
      await withPlane({ readInto, listener, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        assert.equal(await ask(client, get('/1')), '/1')
        const before = client.received
        client.write('GET /2 HTTP/1.1\r\nHost: a.ex')
        await plane.until('the end of its time', () => {
          plane.skip(1_000)
          return client.received > before
        })
        const answer = await response(client)
        assert.match(answer.start, /^HTTP\/1\.1 408 /)
        assert.equal(answer.field('evenkeel-fault'), 'client-head-timeout')
        assert.equal(answer.field('connection'), 'close')
        await client.end()
        assert.equal(plane.faults('client-head-timeout'), 1)
      })
    })

    test('a client without a request is let go after its time, without a word', async () => {
      const listener = { timeouts: { keepAlive: '30s' } }
      await withPlane({ readInto, listener, backends: [echo] }, async (plane) => {
        const silent = await plane.connect()
        const client = await plane.connect()
        assert.equal(await ask(client, get('/1')), '/1')
        await plane.until('both to be here', () => plane.listener('connections') === 2)
        plane.skip(30_000)
        assert.equal(await silent.end(), '')
        assert.equal(await client.end(), '')
      })
    })

    test('a request that arrives as the connection is let go is not half answered', async () => {
      const listener = { timeouts: { keepAlive: '60ms' } }
      await withPlane({ readInto, listener, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        assert.equal(await client.end(), '')
        client.finish(get('/late'))
        assert.equal(await client.close(), '')
        assert.equal(plane.listener('requests'), 0)
      })
    })

    for (const what of ['resets', 'half-closes within its body'] as const) {
      test(`a client that ${what} ends its attempt at once`, async () => {
        await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
          const client = await plane.connect()
          client.write(what === 'resets' ? get('/') : post('/', 'abc').slice(0, -1))
          const backend = await plane.servers[0]!.peer(0)
          await backend.until('\r\n\r\n')
          if (what === 'resets') client.reset()
          else client.finish()
          await backend.gone()
          assert.equal(plane.faults('client-closed'), 1)
          assert.equal(plane.backend(0, 'failures'), 0)
          assert.equal(plane.backend(0, 'attempts'), 0)
        })
      })
    }

    test('a client that resets after an upload which had to wait ends its attempt at once', async () => {
      const size = 12_000_000
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(`PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: ${size}\r\n\r\n`)
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        backend.stop()
        client.write(Buffer.alloc(size))
        // All but what the kernel holds of it is stuck on its way.
        await plane.settled(() => plane.listener('bytesIn'))
        backend.go()
        await backend.hash(size)
        client.reset()
        await backend.gone()
        assert.equal(plane.faults('client-closed'), 1)
      })
    })

    test('a POST whose client resets counts as of unknown outcome, a GET does not', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        for (const text of [get('/'), post('/', 'abc')]) {
          const client = await plane.connect()
          client.write(text)
          const backend = await plane.servers[0]!.peer(plane.servers[0]!.peers.length)
          await request(backend)
          client.reset()
          await backend.gone()
        }
        assert.equal(plane.pool('unknownOutcomes'), 1)
      })
    })
  })

  describe(`connections to backends, reading into ${readInto} buffers`, () => {
    test('they are kept and used again, the last one first', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        for (let i = 0; i < 5; i++) assert.equal(await ask(client, get(`/${i}`)), `/${i}`)
        assert.equal(plane.servers[0]!.peers.length, 1)
        assert.equal(plane.backend(0, 'connects'), 1)
        assert.equal(plane.backend(0, 'idleConnections'), 1)
      })
    })

    test('one that a HEAD or 204 answer was followed by bytes on is not used again', async () => {
      for (const [ask, answer] of [
        ['HEAD', 'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n'],
        ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
        ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
        ['GET', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab'],
        ['GET', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
      ] as const) {
        const script: Script = async (peer, index) => {
          await request(peer)
          peer.write(index === 0 ? `${answer}${ok('poison')}` : ok('good'))
        }
        await withPlane({ readInto, backends: [script] }, async (plane) => {
          const client = await plane.connect()
          client.write(`${ask} / HTTP/1.1\r\nHost: a.example\r\n\r\n`)
          await response(client, ask)
          client.write(get('/'))
          assert.equal((await response(client)).body, 'good')
        })
      }
    })

    test('bytes on an idle one destroy it and reach no client', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/1'))
        const first = await plane.servers[0]!.peer(0)
        await request(first)
        first.write(ok('one'))
        assert.equal((await response(client)).body, 'one')
        first.write(ok('poison'))
        await first.gone()
        assert.equal(plane.backend(0, 'idleConnections'), 0)
        client.write(get('/2'))
        const second = await plane.servers[0]!.peer(1)
        await request(second)
        second.write(ok('two'))
        assert.equal((await response(client)).body, 'two')
      })
    })

    test('the end of an idle one is noticed', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        await ask(client, get('/1'))
        plane.servers[0]!.peers[0]!.finish()
        await plane.until('the connection to go', () => plane.backend(0, 'connections') === 0)
        assert.equal(await ask(client, get('/2')), '/2')
        assert.equal(plane.backend(0, 'failures'), 0)
      })
    })

    /** The first connection dies just as its second request has come. */
    const racy =
      (how: 'ends' | 'resets'): Script =>
      async (peer, index) => {
        await request(peer)
        peer.write(ok('one'))
        const second = await request(peer)
        if (index > 0) peer.write(ok(`again${second.body}`))
        else if (how === 'ends') peer.finish()
        else peer.reset()
      }
    for (const how of ['ends', 'resets'] as const) {
      test(`a GET on a kept connection that ${how} goes again on a fresh one`, async () => {
        const script: Script = async (peer, index) => {
          if (index === 0) {
            await racy(how)(peer, 0)
          } else {
            await request(peer)
            peer.write(ok('again'))
          }
        }
        await withPlane({ readInto, backends: [script] }, async (plane) => {
          const client = await plane.connect()
          assert.equal(await ask(client, get('/1')), 'one')
          assert.equal(await ask(client, get('/2')), 'again')
          assert.equal(plane.pool('retries'), 1)
          assert.equal(plane.pool('unknownOutcomes'), 0)
          assert.equal(plane.backend(0, 'failures'), 0)
        })
      })

      test(`a POST on a kept connection that ${how} is a 502, counted and never replayed`, async () => {
        await withPlane({ readInto, backends: [racy(how)] }, async (plane) => {
          const client = await plane.connect()
          assert.equal(await ask(client, get('/1')), 'one')
          client.write(post('/2', 'pay'))
          const answer = await response(client)
          assert.match(answer.start, /^HTTP\/1\.1 502 /)
          assert.equal(answer.field('evenkeel-fault'), 'backend-reused-closed')
          assert.equal(plane.pool('unknownOutcomes'), 1)
          assert.equal(plane.pool('retries'), 0)
          assert.equal(plane.servers[0]!.peers.length, 1)
          assert.equal(plane.faults('backend-reused-closed'), 1)
        })
      })
    }

    test('what cannot be replayed takes a fresh connection or one used a moment ago', async () => {
      const pool = { limits: { idleConnections: { timeout: '10s' } } }
      await withPlane({ readInto, pool, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        await ask(client, get('/1'))
        await ask(client, post('/2', 'x'))
        assert.equal(plane.servers[0]!.peers.length, 1)
        const since = performance.now()
        await plane.until('the connection to be old', () => performance.now() - since > 1_010)
        await ask(client, post('/3', 'x'))
        assert.equal(plane.servers[0]!.peers.length, 2)
      })
    })

    test('the backend’s own keep-alive time is honoured', async () => {
      const script: Script = async (peer) => {
        for (;;) {
          await request(peer)
          peer.write(ok('x', 'Keep-Alive: timeout=1\r\n'))
        }
      }
      await withPlane({ readInto, backends: [script] }, async (plane) => {
        const client = await plane.connect()
        await ask(client, get('/1'))
        await ask(client, get('/2'))
        assert.equal(plane.servers[0]!.peers.length, 2)
      })
    })

    const limits: readonly (readonly [string, Record<string, unknown>, number])[] = [
      ['the number of its requests', { maxRequests: 2 }, 2],
      ['the number of idle ones', { max: 0 }, 4],
      ['the age', { maxAge: '1ms' }, 4],
    ]
    for (const [what, idleConnections, connections] of limits) {
      test(`${what} ends a kept connection`, async () => {
        await withPlane(
          { readInto, pool: { limits: { idleConnections } }, backends: [echo] },
          async (plane) => {
            const client = await plane.connect()
            for (let i = 0; i < 4; i++) {
              await ask(client, get(`/${i}`))
              if (what === 'the age') await plane.settled(() => 0)
            }
            assert.equal(plane.servers[0]!.peers.length, connections)
            for (const peer of plane.servers[0]!.peers.slice(0, -1)) await peer.gone()
          },
        )
      })
    }

    test('an idle one is closed after its time', async () => {
      const pool = { limits: { idleConnections: { timeout: '60ms' } } }
      await withPlane({ readInto, pool, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        await ask(client, get('/1'))
        await (await plane.servers[0]!.peer(0)).gone()
        assert.equal(plane.backend(0, 'connections'), 0)
      })
    })

    test('Connection: close and HTTP/1.0 of a backend end the connection after the answer', async () => {
      for (const text of [ok('x', 'Connection: close\r\n'), ok('x').replace('1.1', '1.0')]) {
        await withPlane({ readInto, backends: [always(text)] }, async (plane) => {
          const client = await plane.connect()
          await ask(client, get('/1'))
          await ask(client, get('/2'))
          assert.equal(plane.servers[0]!.peers.length, 2)
          await plane.servers[0]!.peers[0]!.gone()
        })
      }
    })

    test('large pipelined answers of two backends do not get into one another', async () => {
      const body = (letter: string, size: number): string => letter.repeat(size)
      const script =
        (letter: string): Script =>
        async (peer) => {
          for (;;) {
            const got = await request(peer)
            peer.write(ok(body(letter, Number(got.start.split(' ')[1]!.slice(1)))))
          }
        }
      await withPlane({ readInto, backends: [script('a'), script('b')] }, async (plane) => {
        const client = await plane.connect()
        const sizes = [70_000, 200_000, 40_000, 150_000, 65_536, 33_000, 1, 300_000]
        client.write(sizes.map((size) => get(`/${size}`)).join(''))
        for (const [index, size] of sizes.entries()) {
          assert.equal((await response(client)).body, body(index % 2 === 0 ? 'a' : 'b', size))
        }
      })
    })
  })

  describe(`upgrades, reading into ${readInto} buffers`, () => {
    const UPGRADE = get(
      '/ws',
      'Connection: Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Key: x\r\n',
    )
    const ACCEPTED =
      'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: y\r\n\r\n'
    const join = async (plane: TestPlane, early = '', greeting = '') => {
      const client = await plane.connect()
      client.write(UPGRADE + early)
      const backend = await plane.servers[0]!.peer(0)
      const head = await backend.until('\r\n\r\n')
      assert.match(head, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
      assert.match(head, /\r\nSec-WebSocket-Key: x\r\n/)
      backend.write(ACCEPTED + greeting)
      const answer = await client.until('\r\n\r\n')
      assert.match(answer, /^HTTP\/1\.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\n/)
      assert.match(answer, /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
      return { client, backend }
    }

    test('a WebSocket becomes a tunnel, early bytes of both sides kept', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const { client, backend } = await join(plane, 'early from client', 'early from backend')
        assert.equal(await backend.text(17), 'early from client')
        assert.equal(await client.text(18), 'early from backend')
        client.write('ping')
        assert.equal(await backend.text(4), 'ping')
        backend.write('pong')
        assert.equal(await client.text(4), 'pong')
        client.finish()
        assert.equal(await backend.end(), '')
        backend.finish('last words')
        assert.equal(await client.end(), 'last words')
        assert.equal(await client.close(), '')
        assert.equal(await backend.close(), '')
        assert.equal(plane.backend(0, 'successes'), 1)
      })
    })

    for (const side of ['client', 'backend'] as const) {
      test(`a reset of the ${side} resets the other side`, async () => {
        await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
          const { client, backend } = await join(plane)
          const [one, other] = side === 'client' ? [client, backend] : [backend, client]
          one.reset()
          assert.equal(await other.close(), 'ECONNRESET')
          assert.equal(plane.faults(side === 'client' ? 'client-closed' : 'backend-truncated'), 1)
        })
      })
    }

    test('a client that half-closed before the 101 has ended its direction of the tunnel', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.finish(UPGRADE)
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        backend.write(`${ACCEPTED}hello`)
        await client.until('\r\n\r\n')
        assert.equal(await client.text(5), 'hello')
        assert.equal(await backend.end(), '')
        backend.finish()
        assert.equal(await client.end(), '')
      })
    })

    test('an upgrade that is declined is an ordinary answer', async () => {
      await withPlane({ readInto, backends: [echo] }, async (plane) => {
        const client = await plane.connect()
        assert.equal(await ask(client, UPGRADE), '/ws')
        assert.equal(await ask(client, get('/2')), '/2')
        assert.equal(plane.servers[0]!.peers.length, 1)
      })
    })

    test('a tunnel without a byte is cut after its time', async () => {
      const pool = { timeouts: { tunnelIdle: '10m' } }
      await withPlane({ readInto, pool, backends: [() => {}] }, async (plane) => {
        const { client, backend } = await join(plane)
        plane.skip(600_000)
        await client.close()
        await backend.close()
        assert.equal(plane.faults('tunnel-idle'), 1)
      })
    })

    test('the end of the data plane ends tunnels and what else is in progress', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const { client, backend } = await join(plane)
        const waiting = await plane.connect()
        waiting.write(get('/'))
        const second = await plane.servers[0]!.peer(1)
        await request(second)
        plane.plane.receive({ kind: 'close' })
        await Promise.all([client.close(), backend.close(), waiting.gone(), second.gone()])
        assert.deepEqual(plane.gauges(false), {})
      })
    })
  })
}
