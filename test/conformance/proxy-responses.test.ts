// What a client gets to see of a response, and what becomes of one that is not as it should be.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FaultCode } from '../../src/core/fault.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { TestPlane } from '../support/plane.ts'
import { ok, request, response } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'

const DATE = 'Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n'
const GET = 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n'
const once =
  (text: string): Script =>
  async (peer) => {
    await request(peer)
    peer.write(text)
  }

interface Passed {
  readonly what: string
  readonly sent: string
  readonly got: string
  /** By default a GET of HTTP/1.1. */
  readonly ask?: string
  /** The backend ends after its answer. */
  readonly ends?: boolean
  /** The client sees the end after its answer. */
  readonly closes?: boolean
}

const PASSED: readonly Passed[] = [
  {
    what: 'status, reason and fields pass byte for byte, framing and hop-by-hop fields do not',
    sent: `HTTP/1.1 299 Quite fine\r\nContent-Length: 003\r\nServer: x\r\n${DATE}Connection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nX: \xe9\xff\r\nSet-Cookie: a\r\nset-cookie:  b\r\n\r\nabc`,
    got: `HTTP/1.1 299 Quite fine\r\nServer: x\r\n${DATE}X: \xe9\xff\r\nSet-Cookie: a\r\nset-cookie:  b\r\nContent-Length: 3\r\n\r\nabc`,
  },
  {
    what: 'Upgrade, Proxy-Connection and TE of a backend are dropped',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Upgrade: h2c\r\nProxy-Connection: close\r\nTE: gzip\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 0\r\n\r\n`,
  },
  {
    what: 'a response of HTTP/1.0 goes on as 1.1',
    sent: `HTTP/1.0 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
  },
  {
    what: 'an empty reason stays legal',
    sent: `HTTP/1.1 200 \r\n${DATE}Content-Length: 0\r\n\r\n`,
    got: `HTTP/1.1 200 \r\n${DATE}Content-Length: 0\r\n\r\n`,
  },
  {
    what: 'Connection: close of a backend is not the client’s',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Connection: close\r\nContent-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
  },
  {
    what: 'a HEAD answer tells the length of what is not sent',
    ask: 'HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 5\r\n\r\n`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 5\r\n\r\n`,
  },
  {
    what: 'a HEAD answer has no body whatever the backend sends',
    ask: 'HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 5\r\n\r\nabcde`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 5\r\n\r\n`,
  },
  {
    what: 'a HEAD answer in chunks has no body and no framing',
    ask: 'HEAD / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n`,
    got: `HTTP/1.1 200 OK\r\n${DATE}\r\n`,
  },
  {
    what: 'a 204 has neither body nor length whatever the backend sends',
    sent: `HTTP/1.1 204 No Content\r\n${DATE}Content-Length: 3\r\n\r\nabc`,
    got: `HTTP/1.1 204 No Content\r\n${DATE}\r\n`,
  },
  {
    what: 'a 304 has no body, but may tell the length',
    sent: `HTTP/1.1 304 Not Modified\r\n${DATE}Content-Length: 3\r\n\r\nabc`,
    got: `HTTP/1.1 304 Not Modified\r\n${DATE}Content-Length: 3\r\n\r\n`,
  },
  {
    what: 'chunks are passed without extensions, with the trailers that may pass',
    sent: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${DATE}\r\n3;a=b\r\nabc\r\n00\r\nX-Sum: 1\r\nSet-Cookie: no\r\n\r\n`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n`,
  },
  {
    what: 'a body ended by the close becomes chunks',
    sent: `HTTP/1.1 200 OK\r\n${DATE}\r\nabc`,
    ends: true,
    got: `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`,
  },
  {
    what: '103 and 100 pass to an HTTP/1.1 client',
    sent: `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${DATE}Content-Length: 0\r\n\r\n`,
    got: `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${DATE}Content-Length: 0\r\n\r\n`,
  },
  {
    what: 'no 1xx goes to an HTTP/1.0 client, and its connection is closed',
    ask: 'GET / HTTP/1.0\r\nHost: a.example\r\n\r\n',
    sent: `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Connection: close\r\nContent-Length: 2\r\n\r\nab`,
    closes: true,
  },
  {
    what: 'an HTTP/1.0 client that asks for it keeps its connection and is told so',
    ask: 'GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Connection: keep-alive\r\nContent-Length: 2\r\n\r\nab`,
  },
  {
    what: 'an HTTP/1.0 client gets no chunks but the close',
    ask: 'GET / HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX: 1\r\n\r\n`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Connection: close\r\n\r\nabcde`,
    closes: true,
  },
  {
    what: 'a client that asks for the close gets it',
    ask: 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Connection: close\r\nContent-Length: 2\r\n\r\nab`,
    closes: true,
  },
  {
    what: 'a client that half-closes after its request still gets its answer',
    ask: 'half-close',
    sent: `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 2\r\n\r\nab`,
    got: `HTTP/1.1 200 OK\r\n${DATE}Connection: close\r\nContent-Length: 2\r\n\r\nab`,
    closes: true,
  },
]

const BAD: readonly (readonly [string, string, FaultCode])[] = [
  ['what is no HTTP', 'hello there\r\n\r\n', 'backend-bad-response'],
  ['a bare LF', 'HTTP/1.1 200 OK\nContent-Length: 0\n\n', 'backend-bad-response'],
  [
    'an obsolete folding',
    'HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n',
    'backend-bad-response',
  ],
  [
    'a space before the colon',
    'HTTP/1.1 200 OK\r\nX : a\r\nContent-Length: 0\r\n\r\n',
    'backend-bad-response',
  ],
  [
    'a NUL in a value',
    'HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n',
    'backend-bad-response',
  ],
  [
    'two Content-Lengths',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'backend-bad-response',
  ],
  [
    'Content-Length with Transfer-Encoding',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'backend-bad-response',
  ],
  [
    'an unknown transfer coding',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n',
    'backend-bad-response',
  ],
  ['a status of two digits', 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n', 'backend-bad-response'],
  ['a status beyond 599', 'HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n', 'backend-bad-response'],
  ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n', 'backend-bad-response'],
  [
    'a head beyond 64 KiB',
    `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`,
    'backend-head-too-large',
  ],
  [
    'a 101 that nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n',
    'backend-unasked-upgrade',
  ],
  ['a 1xx and then no HTTP', 'HTTP/1.1 103 Hints\r\n\r\nnothing\r\n', 'backend-bad-response'],
]

/** Cut in the middle: what was promised, what came of it. */
const CUT: readonly (readonly [string, string])[] = [
  ['a fixed length', `HTTP/1.1 200 OK\r\n${DATE}Content-Length: 10\r\n\r\nabc`],
  [
    'chunks, between two',
    `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
  ],
  ['chunks, within one', `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n9\r\nabc`],
  [
    'chunks, within the trailers',
    `HTTP/1.1 200 OK\r\n${DATE}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n`,
  ],
]

for (const readInto of READ_INTO) {
  describe(`responses that pass, reading into ${readInto} buffers`, () => {
    for (const { what, sent, got, ask, ends, closes } of PASSED) {
      for (const split of [false, true]) {
        test(split ? `${what}, byte by byte` : what, async () => {
          const script: Script = async (peer) => {
            await request(peer)
            if (split) for (const byte of sent) await peer.send(byte)
            else peer.write(sent)
            if (ends === true) peer.finish()
          }
          await withPlane({ readInto, backends: [script] }, async (plane) => {
            const client = await plane.connect()
            if (ask === 'half-close') client.finish(GET)
            else client.write(ask ?? GET)
            if (split) {
              const want = got.replaceAll(
                /\r\n\d\r\nabc\r\n/g,
                '\r\n1\r\na\r\n1\r\nb\r\n1\r\nc\r\n',
              )
              // How the chunks are cut is up to the reads.
              if (want === got) assert.equal(await client.text(got.length), got)
              else {
                const head = got.slice(0, got.indexOf('\r\n\r\n') + 4)
                assert.equal(await client.text(head.length), head)
                await client.until('\r\n0\r\n')
                await client.until('\r\n')
                if (got.includes('X-Sum')) assert.equal(await client.text(2), '\r\n')
              }
            } else assert.equal(await client.text(got.length), got)
            if (closes === true) {
              assert.equal(await client.end(), '')
              client.finish()
              assert.equal(await client.close(), '')
            } else {
              // Nothing follows that a next request could take for its answer.
              client.write('TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n')
              assert.match(await client.until('\r\n'), /^HTTP\/1\.1 405 /)
            }
          })
        })
      }
    }

    test('a response without Date gets one', async () => {
      await withPlane({ readInto, backends: [once(ok('x'))] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const date = (await response(client)).field('date')!
        assert.match(date, /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/)
        assert.ok(Math.abs(Date.parse(date) - Date.now()) < 2_500, date)
      })
    })

    test('server-sent events arrive one by one', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n')
        await client.until('\r\n\r\n')
        for (let event = 0; event < 3; event++) {
          backend.write(`data: ${event}\n\n`)
          assert.equal(await client.until('\n\n\r\n'), `9\r\ndata: ${event}\n\n\r\n`)
        }
      })
    })
  })

  describe(`responses that do not pass, reading into ${readInto} buffers`, () => {
    for (const [what, sent, code] of BAD) {
      test(`${what} becomes a 502, and the connection goes on`, async () => {
        const pool = { retry: false }
        await withPlane({ readInto, pool, backends: [once(sent)] }, async (plane) => {
          const client = await plane.connect()
          client.write(GET)
          if (what.includes('1xx')) await client.until('\r\n\r\n')
          const answer = await response(client)
          assert.match(answer.start, /^HTTP\/1\.1 502 /)
          assert.equal(answer.field('evenkeel-fault'), code)
          assert.equal(answer.field('connection'), null)
          await (await plane.servers[0]!.peer(0)).gone()
          assert.equal(plane.faults(code), 1)
          assert.equal(plane.backend(0, 'failures'), 1)
          assert.equal(plane.backend(0, 'idleConnections'), 0)
        })
      })
    }

    for (const [what, sent] of CUT) {
      for (const how of ['ends', 'resets'] as const) {
        test(`${what}: a backend that ${how} in the middle cuts the client`, async () => {
          await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
            const client = await plane.connect()
            client.write(GET)
            const backend = await plane.servers[0]!.peer(0)
            await request(backend)
            backend.write(sent)
            await client.until('abc')
            if (how === 'ends') backend.finish()
            else backend.reset()
            assert.equal(await client.close(), 'ECONNRESET')
            assert.ok(!client.takeAll().includes('0\r\n'))
            assert.equal(plane.faults('backend-truncated'), 1)
            assert.equal(plane.backend(0, 'failures'), 1)
          })
        })
      }
    }

    test('broken chunks of a backend cut the client', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
        await client.until('abc')
        backend.write('xyz\r\n')
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('backend-bad-body'), 1)
      })
    })

    test('a body ended by a reset instead of the close is cut', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.write('HTTP/1.1 200 OK\r\n\r\nabc')
        await client.until('abc')
        backend.reset()
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('backend-truncated'), 1)
      })
    })

    test('a head cut in the middle is a 502', async () => {
      await withPlane({ readInto, pool: { retry: false }, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const backend = await plane.servers[0]!.peer(0)
        await request(backend)
        backend.finish('HTTP/1.1 200 OK\r\nConte')
        const answer = await response(client)
        assert.equal(answer.field('evenkeel-fault'), 'backend-bad-response')
      })
    })
  })

  describe(`100-continue and early answers, reading into ${readInto} buffers`, () => {
    const EXPECT = `POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n`
    const ask = async (plane: TestPlane): Promise<{ client: Peer; backend: Peer }> => {
      const client = await plane.connect()
      client.write(EXPECT)
      const backend = await plane.servers[0]!.peer(0)
      assert.match(await backend.until('\r\n\r\n'), /\r\nExpect: 100-continue\r\n/)
      return { client, backend }
    }

    test('the client gets no 100 before the backend said so, and then its body goes on', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const { client, backend } = await ask(plane)
        assert.equal(client.received, 0)
        backend.write('HTTP/1.1 100 Continue\r\n\r\n')
        assert.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
        client.write('hello')
        assert.equal(await backend.text(5), 'hello')
        backend.write(ok('done'))
        assert.equal((await response(client)).body, 'done')
        client.write(GET)
        await request(backend)
        backend.write(ok('again'))
        assert.equal((await response(client)).body, 'again')
      })
    })

    test('a final answer instead of the 100 passes at once, and the connection is closed', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const { client, backend } = await ask(plane)
        backend.write('HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')
        const answer = await response(client)
        assert.equal(answer.start, 'HTTP/1.1 417 Expectation Failed')
        assert.equal(answer.field('connection'), 'close')
        assert.equal(await client.end(), '')
        await backend.gone()
      })
    })

    test('the expectation of an HTTP/1.0 client is not passed on', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(
          'POST / HTTP/1.0\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\nhello',
        )
        const backend = await plane.servers[0]!.peer(0)
        const got = await request(backend)
        assert.equal(got.field('expect'), null)
        assert.equal(got.body, 'hello')
        backend.write(ok('x'))
        assert.equal((await response(client)).body, 'x')
      })
    })

    for (const how of ['resets', 'ends', 'goes on'] as const) {
      test(`an early answer is kept though the backend then ${how}`, async () => {
        await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
          const client = await plane.connect()
          client.write('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4000000\r\n\r\n')
          client.write('x'.repeat(100_000))
          const backend = await plane.servers[0]!.peer(0)
          await backend.until('\r\n\r\n')
          await backend.bytes(1_000)
          await backend.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much')
          if (how === 'resets') backend.reset()
          if (how === 'ends') backend.finish()
          client.write('x'.repeat(100_000))
          const answer = await response(client)
          assert.equal(answer.start, 'HTTP/1.1 413 Content Too Large')
          assert.equal(answer.body, 'too much')
          assert.equal(answer.field('connection'), 'close')
          await client.end()
          assert.equal(plane.backend(0, 'failures'), 0)
        })
      })
    }

    test('an early answer is kept though the upload is stuck and the backend resets', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50000000\r\n\r\n')
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        backend.stop()
        client.write(Buffer.alloc(16_000_000))
        await plane.settled(() => plane.listener('bytesIn'))
        await backend.send('HTTP/1.1 413 Content Too Large\r\nContent-Length: 8\r\n\r\ntoo much')
        backend.reset()
        const answer = await response(client)
        assert.equal(answer.body, 'too much')
      })
    })

    test('a large early answer passes whole after the upload has failed', async () => {
      const body = 'y'.repeat(3_000_000)
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write('POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 50000000\r\n\r\n')
        const backend = await plane.servers[0]!.peer(0)
        await backend.until('\r\n\r\n')
        client.write(Buffer.alloc(200_000))
        backend.write(ok(body))
        const answer = await response(client)
        assert.equal(answer.body.length, body.length)
        assert.equal(answer.field('connection'), 'close')
      })
    })
  })
}
