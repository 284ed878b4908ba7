// The table of what is tried again, where, and what it costs.

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { FaultCode } from '../../src/core/fault.ts'
import { fullPort } from '../support/full-port.ts'
import type { FullPort } from '../support/full-port.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { PlaneOptions, TestPlane } from '../support/plane.ts'
import { always, ok, request, response, serve } from '../support/raw.ts'
import type { Message, RawServer, Script } from '../support/raw.ts'

const message = (method: string, body: string | null, lines = ''): string => {
  const length = body === null ? '' : `Content-Length: ${body.length}\r\n`
  return `${method} / HTTP/1.1\r\nHost: a.example\r\n${lines}${length}\r\n${body ?? ''}`
}
const GET = message('GET', null)
const status = (code: number, body = 'bad'): string =>
  `HTTP/1.1 ${code} Some\r\nContent-Length: ${body.length}\r\n\r\n${body}`
/** Answers with the method and the body it got. */
const good: Script = async (peer) => {
  for (;;) {
    const got = await request(peer)
    peer.write(ok(`${got.start.split(' ')[0]}${got.body}`))
  }
}
const after1 =
  (act: (peer: Parameters<Script>[0]) => void): Script =>
  async (peer) => {
    await request(peer)
    act(peer)
  }
/** The default of timeouts.idle. */
const IDLE_MS = 300_000
const quick = { retry: { backoff: { min: '0ms', max: '0ms' } } }

interface Row {
  readonly what: string
  readonly first: Script | 'closed port' | 'full port'
  /** Fault of the first attempt. */
  readonly code: FaultCode
  /** Methods whose request goes again. */
  readonly again: readonly string[]
  /** What the others get. */
  readonly otherwise: number
  /** A request that can't be replayed has an unknown outcome. */
  readonly unknown: boolean
  /** The first attempt ends only after so long. */
  readonly afterMs?: number
}

const ALL = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'POST', 'PATCH']
const REPLAYABLE = ['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']
const SAFE = ['GET', 'HEAD', 'OPTIONS']
const ROWS: readonly Row[] = [
  {
    what: 'a refused connect',
    first: 'closed port',
    code: 'backend-refused',
    again: ALL,
    otherwise: 502,
    unknown: false,
  },
  {
    what: 'a connect that takes too long',
    first: 'full port',
    code: 'backend-connect-timeout',
    again: ALL,
    otherwise: 504,
    unknown: false,
    afterMs: 1_000,
  },
  {
    what: 'a reset before the answer',
    first: after1((peer) => peer.reset()),
    code: 'backend-reset',
    again: REPLAYABLE,
    otherwise: 502,
    unknown: true,
  },
  {
    what: 'a close before the answer',
    first: after1((peer) => peer.finish()),
    code: 'backend-closed',
    again: REPLAYABLE,
    otherwise: 502,
    unknown: true,
  },
  {
    what: 'no answer in time',
    first: () => {},
    code: 'backend-response-timeout',
    again: REPLAYABLE,
    otherwise: 504,
    unknown: true,
    afterMs: 30_000,
  },
  {
    what: 'a bad answer',
    first: after1((peer) => peer.finish('nonsense\r\n')),
    code: 'backend-bad-response',
    again: REPLAYABLE,
    otherwise: 502,
    unknown: true,
  },
  {
    what: 'a 502',
    first: always(status(502)),
    code: 'backend-status',
    again: REPLAYABLE,
    otherwise: 502,
    unknown: false,
  },
  {
    what: 'a 503',
    first: always(status(503)),
    code: 'backend-status',
    again: REPLAYABLE,
    otherwise: 503,
    unknown: false,
  },
  {
    what: 'a 504',
    first: always(status(504)),
    code: 'backend-status',
    again: REPLAYABLE,
    otherwise: 504,
    unknown: false,
  },
  {
    what: 'a 500',
    first: always(status(500)),
    code: 'backend-status',
    again: SAFE,
    otherwise: 500,
    unknown: false,
  },
  {
    what: 'a 501',
    first: always(status(501)),
    code: 'backend-status',
    again: [],
    otherwise: 501,
    unknown: false,
  },
]

let full: FullPort
let closedAddress = ''
before(async () => {
  full = await fullPort()
  const server = await serve()
  closedAddress = server.address
  await server.stop()
})
after(() => full.stop())

/** A server that is stopped after the test even if that fails: an open one would keep us waiting. */
async function serveFor(t: TestContext, script: Script): Promise<RawServer> {
  const server = await serve(script)
  t.after(() => server.stop())
  return server
}

/** The address of a first backend as the row wants it. */
async function firstOf(t: TestContext, row: Row): Promise<string> {
  if (row.first === 'closed port') return closedAddress
  if (row.first === 'full port') return full.address
  return (await serveFor(t, row.first)).address
}

/** Lets `ms` pass once a backend has got the request (or the beginning of a connect). */
async function passTime(plane: TestPlane, slot: number, ms: number): Promise<void> {
  await plane.until('the attempt', () => plane.backend(slot, 'inFlight') === 1)
  if (ms > 1_000) await plane.until('the wait', () => plane.backend(slot, 'waiting') === 1)
  plane.skip(ms)
}

for (const readInto of READ_INTO) {
  describe(`what is tried again, reading into ${readInto} buffers`, () => {
    for (const row of ROWS) {
      const { what, code, again, otherwise, unknown } = row
      test(`${what}: ${again.length === 0 ? 'nothing' : again.join(' ')} goes again`, async (t) => {
        const address = await firstOf(t, row)
        const second = await serveFor(t, good)
        const pool = { ...quick, outlierDetection: false }
        const options: PlaneOptions = { readInto, pool, addresses: [address, second.address] }
        for (const method of ALL) {
          await withPlane(options, async (plane) => {
            const client = await plane.connect()
            const body = method === 'GET' || method === 'HEAD' ? null : 'data'
            client.write(message(method, body))
            if (row.afterMs !== undefined) await passTime(plane, 0, row.afterMs)
            const answer = await response(client, method)
            const goes = again.includes(method)
            assert.match(answer.start, new RegExp(`^HTTP/1\\.1 ${goes ? 200 : otherwise} `), method)
            if (goes && method !== 'HEAD') assert.equal(answer.body, `${method}${body ?? ''}`)
            assert.equal(plane.pool('retries'), goes ? 1 : 0, method)
            assert.equal(plane.pool('unknownOutcomes'), unknown && !goes ? 1 : 0, method)
            assert.equal(plane.faults(code), goes || otherwise === 501 ? 0 : 1, method)
            assert.equal(plane.backend(0, 'attempts'), 1, method)
            assert.equal(plane.backend(0, 'failures'), otherwise === 501 ? 0 : 1, method)
            assert.equal(plane.backend(1, 'successes'), goes ? 1 : 0, method)
          })
        }
      })
    }

    test('with Idempotency-Key and leave to do so a POST goes again', async () => {
      const reset = after1((peer) => peer.reset())
      for (const idempotencyKey of [true, false]) {
        const pool = { retry: { ...quick.retry, idempotencyKey } }
        await withPlane({ readInto, pool, backends: [reset, good] }, async (plane) => {
          const client = await plane.connect()
          client.write(message('POST', 'pay', 'Idempotency-Key: 1\r\n'))
          const answer = await response(client)
          assert.match(answer.start, idempotencyKey ? / 200 / : / 502 /)
        })
      }
    })

    test('a body of up to 64 KiB goes again, a longer one does not', async () => {
      for (const [size, chunked] of [
        [65_536, false],
        [65_536, true],
        [65_537, false],
        [65_537, true],
        [300_000, false],
      ] as const) {
        const reset = after1((peer) => peer.reset())
        await withPlane({ readInto, pool: quick, backends: [reset, good] }, async (plane) => {
          const client = await plane.connect()
          const body = 'x'.repeat(size)
          if (chunked) {
            client.write(message('PUT', null, 'Transfer-Encoding: chunked\r\n'))
            for (let at = 0; at < size; at += 8_192) {
              const part = body.slice(at, at + 8_192)
              client.write(`${part.length.toString(16)}\r\n${part}\r\n`)
            }
            client.write('0\r\n\r\n')
          } else client.write(message('PUT', body))
          const answer = await response(client)
          if (size > 65_536) {
            assert.equal(answer.field('evenkeel-fault'), 'backend-reset')
            assert.equal(plane.pool('retries'), 0)
          } else assert.equal(answer.body, `PUT${body}`)
        })
      }
    })

    test('a body of any length goes to the next backend when the first one refuses the connect', async (t) => {
      const second = await serveFor(t, good)
      await withPlane({ readInto, addresses: [closedAddress, second.address] }, async (plane) => {
        const client = await plane.connect()
        const body = 'x'.repeat(500_000)
        client.write(message('POST', body))
        assert.equal((await response(client)).body.length, body.length + 4)
      })
    })

    test('no backend is asked twice while another one is left, and then no more than the plan says', async () => {
      const bad = after1((peer) => peer.reset())
      await withPlane({ readInto, pool: quick, backends: [bad, bad, bad, bad] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        assert.match((await response(client)).start, / 502 /)
        assert.deepEqual(
          [0, 1, 2, 3].map((slot) => plane.backend(slot, 'attempts')),
          [1, 1, 1, 0],
        )
        assert.equal(plane.faults('backend-reset'), 1)
      })
      await withPlane({ readInto, pool: quick, backends: [bad] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        assert.match((await response(client)).start, / 502 /)
        assert.equal(plane.backend(0, 'attempts'), 3)
      })
    })

    test('with retry off nothing goes again', async () => {
      await withPlane(
        { readInto, pool: { retry: false }, addresses: [closedAddress, closedAddress] },
        async (plane) => {
          const client = await plane.connect()
          client.write(GET)
          assert.equal((await response(client)).field('evenkeel-fault'), 'backend-refused')
          assert.equal(plane.pool('retries'), 0)
        },
      )
    })

    test('an empty budget ends the retries, and is counted; refused connects are free', async (t) => {
      const retry = { ...quick.retry, budget: { ratio: '0%', minPerSecond: 0, burst: 1 } }
      const pool = { retry, outlierDetection: false }
      await withPlane({ readInto, pool, backends: [always(status(503)), good] }, async (plane) => {
        const seen: string[] = []
        for (let i = 0; i < 3; i++) {
          const client = await plane.connect()
          client.write(GET)
          seen.push((await response(client)).start.slice(9, 12))
        }
        // a (503, retried on b: 200), a (503, no budget), b.
        assert.deepEqual(seen, ['200', '503', '200'])
        assert.equal(plane.pool('budgetEmpty'), 1)
        assert.equal(plane.pool('retries'), 1)
      })
      const second = await serveFor(t, good)
      await withPlane(
        { readInto, pool, addresses: [closedAddress, second.address] },
        async (plane) => {
          for (let i = 0; i < 4; i++) {
            const client = await plane.connect()
            client.write(GET)
            assert.match((await response(client)).start, / 200 /)
          }
          assert.equal(plane.pool('budgetEmpty'), 0)
        },
      )
    })

    test('the total timeout ends all attempts', async () => {
      const pool = { ...quick, timeouts: { response: '30s', total: '40s' } }
      await withPlane({ readInto, pool, backends: [() => {}, () => {}, good] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        await passTime(plane, 0, 30_000)
        await passTime(plane, 1, 10_000)
        const answer = await response(client)
        assert.match(answer.start, / 504 /)
        assert.equal(answer.field('evenkeel-fault'), 'total-timeout')
        assert.equal(plane.faults('total-timeout'), 1)
        // The second one had less than half of its time.
        assert.equal(plane.backend(0, 'timeouts'), 1)
        assert.equal(plane.backend(1, 'timeouts'), 0)
        assert.equal(plane.backend(1, 'failures'), 0)
        assert.equal(plane.backend(2, 'attempts'), 0)
      })
    })

    test('an upload that takes longer than the response timeout is nobody’s fault', async () => {
      await withPlane({ readInto, backends: [good] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('PUT', null, 'Content-Length: 5\r\n'))
        for (const byte of 'hello') {
          await plane.until('the attempt', () => plane.backend(0, 'inFlight') === 1)
          const before = plane.backend(0, 'bytesTo')
          plane.skip(60_000)
          await client.send(byte)
          await plane.until('the byte', () => plane.backend(0, 'bytesTo') > before)
        }
        assert.equal((await response(client)).body, 'PUThello')
      })
    })

    test('a client that stops within its body is a 408, and not the backend’s failure', async () => {
      await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${message('POST', null, 'Content-Length: 9\r\n')}hel`)
        await plane.until('the request', () => plane.backend(0, 'bytesTo') > 0)
        plane.skip(IDLE_MS)
        const answer = await response(client)
        assert.match(answer.start, / 408 /)
        assert.equal(answer.field('evenkeel-fault'), 'client-body-timeout')
        assert.equal(plane.backend(0, 'failures'), 0)
      })
    })

    test('a backend that stops within its answer is cut, and it is its failure', async () => {
      const script = after1((peer) =>
        peer.write('HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nabc'),
      )
      await withPlane({ readInto, backends: [script] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        await client.until('abc')
        plane.skip(IDLE_MS)
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('backend-stalled'), 1)
        assert.equal(plane.backend(0, 'failures'), 1)
      })
    })

    test('a client that stops reading is cut, and it is not the backend’s failure', async () => {
      const script = after1((peer) => peer.write(ok('x'.repeat(30_000_000))))
      await withPlane({ readInto, backends: [script] }, async (plane) => {
        const client = await plane.connect()
        client.stop()
        client.write(GET)
        await plane.until('the answer', () => plane.backend(0, 'bytesFrom') > 0)
        await plane.settled(() => plane.backend(0, 'bytesFrom'))
        plane.skip(IDLE_MS)
        await plane.until('the cut', () => plane.faults('client-stalled') === 1)
        assert.equal(plane.backend(0, 'failures'), 0)
      })
    })
  })

  describe(`a 500 and a second opinion, reading into ${readInto} buffers`, () => {
    const ask = async (first: Script, second: Script, method = 'GET'): Promise<Message> => {
      let answer: Message | null = null
      await withPlane({ readInto, pool: quick, backends: [first, second] }, async (plane) => {
        const client = await plane.connect()
        client.write(message(method, null))
        answer = await response(client, method)
        assert.equal(plane.faults('backend-status'), answer.start.includes(' 500 ') ? 1 : 0)
        // The connection goes on, and nothing is left on it.
        client.write('TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n')
        assert.match(await client.until('\r\n'), /^HTTP\/1\.1 405 /)
      })
      return answer!
    }

    test('the first 500 passes if the second backend has nothing better', async () => {
      const first = `HTTP/1.1 500 Mine\r\nX-From: first\r\nContent-Length: 5\r\n\r\nfirst`
      const refusals: readonly Script[] = [
        always(status(500, 'second')),
        after1((peer) => peer.reset()),
        after1((peer) => peer.finish('what?')),
      ]
      for (const second of refusals) {
        const answer = await ask(always(first), second)
        assert.equal(answer.start, 'HTTP/1.1 500 Mine')
        assert.equal(answer.field('x-from'), 'first')
        assert.equal(answer.body, 'first')
      }
    })

    test('a first 500 in chunks passes with its trailers, one of 40 KB whole, a HEAD without a body', async () => {
      const chunks =
        'HTTP/1.1 500 Mine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfir\r\n2\r\nst\r\n0\r\nX-Sum: 1\r\n\r\n'
      const answer = await ask(always(chunks), always(status(500)))
      assert.equal(answer.body, 'first')
      assert.equal(answer.trailers, 'X-Sum: 1\r\n')
      const large = await ask(always(status(500, 'y'.repeat(40_000))), always(status(500)))
      assert.equal(large.body, 'y'.repeat(40_000))
      const head = await ask(
        always('HTTP/1.1 500 Mine\r\nContent-Length: 7\r\n\r\n'),
        always('HTTP/1.1 500 Other\r\n\r\n'),
        'HEAD',
      )
      assert.equal(head.start, 'HTTP/1.1 500 Mine')
      assert.equal(head.field('content-length'), '7')
    })

    test('what the second backend has beyond a 500 passes', async () => {
      for (const code of [200, 404, 501]) {
        const answer = await ask(always(status(500)), always(status(code, 'second')))
        assert.match(answer.start, new RegExp(` ${code} `))
        assert.equal(answer.body, 'second')
      }
    })

    test('a 500 that did not come whole in one read passes at once', async () => {
      const long = status(500, 'z'.repeat(200_000))
      await withPlane({ readInto, pool: quick, backends: [always(long), good] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        const answer = await response(client)
        assert.match(answer.start, / 500 /)
        assert.equal(answer.body.length, 200_000)
        assert.equal(plane.pool('retries'), 0)
        assert.equal(plane.faults('backend-status'), 1)
      })
    })
  })
}
