// What once went wrong on the data path, one test each, over both ways of reading.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { THREAD } from '../../src/core/shared-layout.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { PlaneOptions, TestPlane } from '../support/plane.ts'
import { always, ok, request, response, serve } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'

const HOST = 'Host: a.example\r\n'
const POISON = ok('POISON')

function get(target: string, headers = ''): string {
  return `GET ${target} HTTP/1.1\r\n${HOST}${headers}\r\n`
}

function post(headers: string): string {
  return `POST / HTTP/1.1\r\n${HOST}${headers}\r\n\r\n`
}

/** Plays no part: the test drives the connections itself. */
const driven: Script = () => {}

/** Whether the plane has bytes for a client that the kernel does not take. */
function holdsBytes(plane: TestPlane): boolean {
  for (const one of plane.plane['listeners'].connections()) {
    if ('pending' in one && one.pending) return true
  }
  return false
}

/** The backend has done nothing that counts against it. */
function assertBlameless(plane: TestPlane, slot = 0): void {
  const counted = {
    failures: plane.backend(slot, 'failures'),
    timeouts: plane.backend(slot, 'timeouts'),
    streak: plane.backend(slot, 'streak'),
    waiting: plane.backend(slot, 'waiting'),
  }
  assert.deepEqual(counted, { failures: 0, timeouts: 0, streak: 0, waiting: 0 })
}

/** A directory for sockets, gone when the test is over. */
async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), 'evenkeel-'))
  try {
    await body(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** Answers every request with `size` bytes. */
function bulk(size: () => number): Script {
  return async (peer) => {
    for (;;) {
      await request(peer)
      peer.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size()}\r\n\r\n`)
      peer.write(Buffer.alloc(size(), 120))
    }
  }
}

/** How much the plane takes from the backend for a client that reads nothing. */
async function capacity(plane: TestPlane, text: string): Promise<number> {
  const before = plane.backend(0, 'bytesFrom')
  const client = await plane.connect()
  client.stop()
  client.write(text)
  await plane.until('the client to be full', () => holdsBytes(plane))
  const taken = plane.backend(0, 'bytesFrom') - before
  client.destroy()
  await plane.until('the client to be gone', () => plane.listener('connections') === 0)
  return taken
}

/** A client that has asked, reads nothing, and whose answer is complete but partly still here. */
async function withEndHeld(
  options: Pick<PlaneOptions, 'readInto'>,
  body: (plane: TestPlane, client: Peer, size: number) => Promise<void>,
): Promise<void> {
  let size = 60_000_000
  await withPlane({ ...options, backends: [bulk(() => size)] }, async (plane) => {
    const text = get('/', 'Connection: close\r\n')
    const taken = await capacity(plane, text)
    // What the kernel takes varies from one connection to the next, so the size is felt out.
    size = taken
    for (let round = 0; round < 200; round++) {
      const client = await plane.connect()
      client.stop()
      const before = plane.backend(0, 'attempts')
      client.write(text)
      await plane.until(
        'the answer to be taken',
        () => plane.backend(0, 'attempts') > before || holdsBytes(plane),
      )
      if (plane.thread(THREAD.exchanges) === 0 && holdsBytes(plane)) {
        await body(plane, client, size)
        return
      }
      size += plane.thread(THREAD.exchanges) === 0 ? 9_000 : -13_000
      client.destroy()
      await plane.until('the client to be gone', () => plane.listener('connections') === 0)
    }
    assert.fail('the end of no answer was held back')
  })
}

for (const readInto of READ_INTO) {
  describe(`whose bytes are whose, reading into ${readInto} buffers`, () => {
    test('a connection opened within a read of bulk mixes no bytes', async () => {
      // Every multiple of 64 in the first answer begins what would pass for an answer.
      const bulky = POISON.padEnd(64, '!').repeat(4_096)
      const start = `HTTP/1.1 200 OK\r\nContent-Length: ${bulky.length}\r\nX: \r\n\r\n`
      const big = start.replace('X: ', `X: ${'p'.repeat(128 - start.length)}`) + bulky
      const script: Script = async (peer) => {
        for (;;) {
          const { start: line } = await request(peer)
          peer.write(line.startsWith('GET /big ') ? big : ok(line))
        }
      }
      await withPlane({ readInto, backends: [script, script] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/big') + get('/small'))
        assert.equal((await response(client)).body, bulky)
        assert.equal((await response(client)).body, 'GET /small HTTP/1.1')
        for (let i = 0; i < 6; i++) {
          const other = await plane.connect()
          other.write(get(`/${i}`))
          assert.equal((await response(other)).body, `GET /${i} HTTP/1.1`)
        }
        assert.equal(plane.backend(0, 'failures') + plane.backend(1, 'failures'), 0)
      })
    })

    const bodiless = [
      ['HEAD', `HTTP/1.1 200 OK\r\nContent-Length: ${POISON.length}\r\n\r\n`],
      ['GET', 'HTTP/1.1 204 No Content\r\n\r\n'],
      ['GET', `HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n`],
    ] as const
    for (const [method, head] of bodiless) {
      const what = method === 'HEAD' ? method : head.slice(9, 12)
      test(`bytes behind the answer to ${what} are nobody's answer`, async () => {
        const script: Script = async (peer) => {
          for (;;) {
            const { start } = await request(peer)
            peer.write(start.includes('/victim') ? ok('its own') : head + POISON)
          }
        }
        const pool = { limits: { perBackend: 1, queue: 10 } }
        await withPlane({ readInto, pool, backends: [script] }, async (plane) => {
          const client = await plane.connect()
          const victim = await plane.connect()
          client.write(`${method} / HTTP/1.1\r\n${HOST}\r\n${get('/victim')}`)
          victim.write(get('/victim'))
          assert.equal((await response(client, method)).body, '')
          assert.equal((await response(client)).body, 'its own')
          assert.equal((await response(victim)).body, 'its own')
          assert.equal(plane.servers[0]!.peers[0]!.received > 0, true)
          assert.equal(plane.servers[0]!.peers.length, 2, 'the first connection is not used again')
        })
      })
    }

    test('a head behind a pipelined request that comes in two reads is answered', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${get('/1')}GET /2 HTT`)
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write(ok('1'))
        assert.equal((await response(client)).body, '1')
        client.write(`P/1.1\r\n${HOST}\r\n`)
        assert.match((await request(backend)).start, /^GET \/2 /)
        backend.write(ok('2'))
        assert.equal((await response(client)).body, '2')
      })
    })

    test('what a TCP client says before its backend is connected arrives', async () => {
      const listener = { protocol: 'tcp' }
      const pool = { limits: { perBackend: 1, queue: 5 } }
      await withPlane({ readInto, listener, pool, backends: [driven] }, async (plane) => {
        const first = await plane.connect()
        first.write('one')
        const backend = await plane.servers[0]!.peer(0)
        assert.equal(await backend.text(3), 'one')
        const second = await plane.connect()
        await second.send('two')
        await plane.until('the second to wait', () => plane.pool('queued') === 1)
        first.reset()
        const other = await plane.servers[0]!.peer(1)
        assert.equal(await other.text(3), 'two')
        other.write('heard')
        assert.equal(await second.text(5), 'heard')
        second.reset()
      })
    })
  })

  describe(`who is to blame for a slow body, reading into ${readInto} buffers`, () => {
    test('an upload slower than the response timeout succeeds', async () => {
      const pool = { timeouts: { response: '10s', idle: '1m' } }
      await withPlane({ readInto, pool, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(post('Content-Length: 5'))
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        for (const byte of 'abcd') {
          plane.skip(9_000)
          client.write(byte)
          assert.equal(await backend.text(1), byte)
          assertBlameless(plane)
        }
        client.write('e')
        assert.equal(await backend.text(1), 'e')
        backend.write(ok('stored'))
        assert.equal((await response(client)).body, 'stored')
        assertBlameless(plane)
      })
    })

    test('a request waits for its backend only once it is complete', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const clients: Peer[] = []
        for (let i = 0; i < 6; i++) {
          const client = await plane.connect()
          client.write(post('Content-Length: 1'))
          const backend = await plane.servers[0]!.peer(i)
          await backend.until('\r\n\r\n')
          clients.push(client)
        }
        plane.skip(20_000)
        assertBlameless(plane)
        assert.equal(plane.backend(0, 'oldestWaitMs'), 0)
        for (const client of clients) client.write('x')
        await plane.until('all to wait', () => plane.backend(0, 'waiting') === 6)
        for (const client of clients) client.reset()
      })
    })

    test('a client that stops sending its body gets 408', async () => {
      const pool = { timeouts: { idle: '1m' } }
      await withPlane({ readInto, pool, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${post('Content-Length: 10')}abc`)
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('abc')
        plane.skip(61_000)
        const answer = await response(client)
        assert.match(answer.start, /^HTTP\/1\.1 408 /)
        assert.equal(answer.field('evenkeel-fault'), 'client-body-timeout')
        assert.equal(answer.field('connection'), 'close')
        assert.equal(await client.end(), '')
        assert.equal(plane.faults('client-body-timeout'), 1)
        assertBlameless(plane)
      })
    })

    test('a client that stops reading is the one that stalled', async () => {
      const pool = { timeouts: { idle: '1m' } }
      const backends = [bulk(() => 60_000_000)]
      await withPlane({ readInto, pool, backends }, async (plane) => {
        const client = await plane.connect()
        client.stop()
        client.write(get('/'))
        await plane.until('the client to be full', () => holdsBytes(plane))
        plane.skip(61_000)
        plane.skip(61_000)
        assert.equal(plane.faults('client-stalled'), 1)
        assert.equal(plane.thread(THREAD.exchanges), 0)
        assertBlameless(plane)
      })
    })

    test('an early answer survives an upload of many chunks and a reset', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(post('Transfer-Encoding: chunked'))
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        backend.stop()
        const before = plane.backend(0, 'bytesTo')
        client.write('1\r\na\r\n')
        await plane.until('a chunk to go on', () => plane.backend(0, 'bytesTo') > before)
        // The plane is told of the chunks first; a close with bytes unread is a reset.
        client.write('1\r\na\r\n'.repeat(200))
        backend.write('HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig')
        backend.destroy()
        const answer = await response(client)
        assert.match(answer.start, /^HTTP\/1\.1 413 /)
        assert.equal(answer.body, 'big')
        assert.equal(answer.field('connection'), 'close')
      })
    })
  })

  describe(`how connections end, reading into ${readInto} buffers`, () => {
    test('a truncated answer cuts a client of a unix socket', async () => {
      await withDirectory(async (directory) => {
        const listener = { bind: `unix:${directory}/listener` }
        await withPlane({ readInto, listener, backends: [driven] }, async (plane) => {
          const client = await plane.connect()
          client.write(get('/'))
          const backend = await plane.servers[0]!.peer(0)
          await request(backend)
          backend.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
          await client.until('half')
          backend.destroy()
          await client.end()
          assert.equal(plane.faults('backend-truncated'), 1)
          assert.deepEqual(plane.gauges(true), {})
        })
      })
    })

    test('a client that resets its tunnel ends it on a unix socket', async () => {
      await withDirectory(async (directory) => {
        const server = await serve(driven, `${directory}/backend`)
        const options = { readInto, listener: { protocol: 'tcp' }, addresses: [server.address] }
        await withPlane(options, async (plane) => {
          const client = await plane.connect()
          client.write('x')
          const backend = await server.peer(0)
          await backend.text(1)
          client.reset()
          await backend.end()
        })
        await server.stop()
      })
    })

    test('the end of a last answer reaches a client that stalls longer than we linger', async () => {
      await withEndHeld({ readInto }, async (plane, client, size) => {
        plane.skip(5_000)
        plane.skip(5_000)
        client.go()
        await client.until('\r\n\r\n')
        await client.hash(size)
        assert.equal(await client.end(), '')
      })
    })

    test('a client that never takes the end of a last answer loses it and its connection', async () => {
      await withEndHeld({ readInto }, async (plane, client, size) => {
        plane.skip(3_600_000)
        assert.equal(plane.listener('connections'), 0)
        client.go()
        // A reset; libuv may show one as the end when there were bytes before it.
        await plane.until('the reset', () => client.ended || client.closed)
        assert.ok(client.received < size)
      })
    })

    test('the close of a plane ends tunnels and exchanges in progress', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const tunnel = await plane.connect()
        tunnel.write(get('/ws', 'Connection: Upgrade\r\nUpgrade: websocket\r\n'))
        const upgraded = await plane.servers[0]!.peer(0)
        await request(upgraded)
        upgraded.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
        )
        await tunnel.until('\r\n\r\n')
        const asking = await plane.connect()
        asking.write(get('/'))
        const asked = await plane.servers[0]!.peer(1)
        await request(asked)
        const uploading = await plane.connect()
        uploading.write(post('Content-Length: 9'))
        await (await plane.servers[0]!.peer(2)).until('\r\n\r\n')
        plane.plane.receive({ kind: 'close' })
        assert.deepEqual(plane.gauges(false), {})
        asked.write(ok('too late'))
        for (const { socket } of [tunnel, asking, uploading]) socket.end()
        for (const peer of [tunnel, asking, uploading]) await peer.close()
        assert.deepEqual(plane.gauges(false), {})
      })
    })

    test('an answer that ends late in a drain closes its connection', async () => {
      const config = { runtime: { drain: '10s' } }
      await withPlane({ readInto, config, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/'))
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')
        await client.until('12345')
        plane.plane.receive({ kind: 'drain' })
        plane.skip(6_000)
        backend.write('67890')
        assert.equal(await client.end(), '67890')
        client.finish()
        await client.close()
        const drained = (): boolean => plane.messages.some(({ kind }) => kind === 'drained')
        await plane.until('the end of the drain to be told', drained)
      })
    })

    test('a client that ends its direction late gets the end of ours', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/'))
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')
        await client.until('12345')
        client.finish()
        backend.write('67890')
        assert.equal(await client.end(), '67890')
      })
    })
  })

  describe(`changes of eligibility under requests, reading into ${readInto} buffers`, () => {
    test('a backend on probation gets its request while others queue', async () => {
      const pool = { limits: { perBackend: 1, queue: 10 } }
      await withPlane({ readInto, pool, backends: [driven, driven] }, async (plane) => {
        plane.publish({ b: 'no' })
        const clients: Peer[] = []
        // Posts are nothing to try a backend with: they stay in the queue.
        for (let i = 0; i < 3; i++) {
          const client = await plane.connect()
          client.write(post('Content-Length: 0'))
          await plane.until('it to queue', () => plane.pool('requests') === i + 1)
          clients.push(client)
        }
        assert.equal(plane.pool('queued'), 2)
        plane.publish({ b: 'probation' })
        const client = await plane.connect()
        client.write(get('/tried'))
        const backend = await plane.servers[1]!.peer(0)
        assert.match((await request(backend)).start, /^GET \/tried /)
        assert.equal(plane.pool('queued'), 2)
        backend.write(ok('well again'))
        assert.equal((await response(client)).body, 'well again')
        assert.equal(plane.backend(1, 'probationSuccesses'), 1)
        for (const one of clients) one.reset()
      })
    })

    test('an answer of the only backend arrives though it is going down', async () => {
      await withPlane({ readInto, backends: [driven] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('/'))
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        plane.publish({ a: 'no' })
        backend.write(ok('the last one'))
        assert.equal((await response(client)).body, 'the last one')
        assert.equal(plane.pool('rescues'), 0)
      })
    })

    test('the deadline of a rescued attempt is not that of the next', async () => {
      const pool = { timeouts: { response: '2s', connect: '10s' } }
      const backends = [driven, always(ok('b'))]
      await withPlane({ readInto, pool, backends }, async (plane) => {
        plane.publish({ b: 'no' })
        const client = await plane.connect()
        client.write(get('/'))
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        plane.publish({ a: 'no' })
        // The next attempt is still connecting when the first one would have timed out.
        plane.skip(2_500)
        assert.equal((await response(client)).body, 'b')
        assert.equal(plane.pool('rescues'), 1)
        assertBlameless(plane, 1)
      })
    })
  })
}
