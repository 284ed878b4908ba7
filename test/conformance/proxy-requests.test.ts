// What a request must be like to be forwarded, and how it looks at the backend: byte for byte.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { FaultCode } from '../../src/core/fault.ts'
import { POOL } from '../../src/core/shared-layout.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import { always, ok, request, response } from '../support/raw.ts'
import type { Message, Script } from '../support/raw.ts'

/** What is added for an untrusted client of 127.0.0.1. */
const ADDED = 'X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nVia: 1.1 evenkeel\r\n'
const HOST = 'X-Forwarded-Host: a.example\r\n'

interface Refused {
  readonly what: string
  readonly text: string
  readonly status: number
  readonly code: FaultCode
}

const bad = (what: string, text: string): Refused => ({
  what,
  text,
  status: 400,
  code: 'client-bad-request',
})
const get = (lines: string): string => `GET / HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n\r\n`
const post = (lines: string): string =>
  `POST / HTTP/1.1\r\nHost: a.example\r\n${lines}\r\n\r\nabcde`

const REFUSED: readonly Refused[] = [
  bad('a bare LF after the request line', 'GET / HTTP/1.1\nHost: a.example\r\n\r\n'),
  bad('a bare LF after a field', 'GET / HTTP/1.1\r\nHost: a.example\nX: 1\r\n\r\n'),
  bad('a bare LF as the blank line', 'GET / HTTP/1.1\r\nHost: a.example\r\n\n'),
  bad('a bare CR in a value', get('X: a\rb')),
  bad('an obsolete folding', get('X: a\r\n b')),
  bad('a space before the colon', get('X : a')),
  bad('a NUL in a value', get('X: a\0b')),
  bad('a control byte in a name', get('X\x01: a')),
  bad('a control byte in a value', get('X: a\x7fb')),
  bad('an empty field name', get(': a')),
  bad('no Host', 'GET / HTTP/1.1\r\nX: 1\r\n\r\n'),
  bad('two Hosts', get('Host: a.example')),
  bad('a Host with userinfo', 'GET / HTTP/1.1\r\nHost: me@a.example\r\n\r\n'),
  bad('a Host with a path', 'GET / HTTP/1.1\r\nHost: a.example/x\r\n\r\n'),
  bad('a Host that is a list', 'GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n'),
  bad(
    'Content-Length together with Transfer-Encoding',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked'),
  ),
  bad('a repeated Content-Length, though equal', post('Content-Length: 5\r\nContent-Length: 5')),
  bad('a Content-Length that is a list', post('Content-Length: 5, 5')),
  bad('a signed Content-Length', post('Content-Length: +5')),
  bad('a negative Content-Length', post('Content-Length: -5')),
  bad('a Content-Length in hex', post('Content-Length: 0x5')),
  bad('an empty Content-Length', post('Content-Length:')),
  bad('a Content-Length beyond 2^53', post('Content-Length: 9007199254740993')),
  bad('chunked that is not final', post('Transfer-Encoding: chunked, gzip')),
  bad('chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked')),
  bad('chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
  bad('a malformed version', 'GET / HTTP/1.x\r\nHost: a.example\r\n\r\n'),
  bad('no version', 'GET /\r\n\r\n'),
  bad('two spaces before the target', 'GET  / HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  bad('a target with a fragment', 'GET /a#b HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  bad('a target with a raw byte', 'GET /a\xe9 HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  bad('* with GET', 'GET * HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  bad('a method that is no token', 'G@T / HTTP/1.1\r\nHost: a.example\r\n\r\n'),
  bad('a Connection that is no token list', get('Connection: a b')),
  {
    what: 'an unknown transfer coding',
    text: post('Transfer-Encoding: gzip, chunked'),
    status: 501,
    code: 'client-coding-unknown',
  },
  {
    what: 'HTTP/2.0',
    text: 'GET / HTTP/2.0\r\nHost: a.example\r\n\r\n',
    status: 505,
    code: 'client-version-unsupported',
  },
  {
    what: 'HTTP/1.2',
    text: 'GET / HTTP/1.2\r\nHost: a.example\r\n\r\n',
    status: 505,
    code: 'client-version-unsupported',
  },
  {
    what: 'CONNECT',
    text: 'CONNECT a.example:443 HTTP/1.1\r\nHost: a.example\r\n\r\n',
    status: 405,
    code: 'client-method-refused',
  },
  {
    what: 'TRACE',
    text: 'TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n',
    status: 405,
    code: 'client-method-refused',
  },
  {
    what: 'a head that is too large',
    text: get(`X: ${'a'.repeat(5_000)}`),
    status: 431,
    code: 'client-head-too-large',
  },
  {
    what: 'a target that is too long',
    text: `GET /${'a'.repeat(300)} HTTP/1.1\r\nHost: a.example\r\n\r\n`,
    status: 414,
    code: 'client-target-too-long',
  },
  {
    what: 'more than 128 fields',
    text: get('X: 1\r\n'.repeat(128).slice(0, -2)),
    status: 431,
    code: 'client-head-too-large',
  },
]

/** The same message with its fields in alphabetical order: their order among each other is free. */
function sorted(message: string): string {
  const end = message.indexOf('\r\n\r\n')
  const [start, ...lines] = message.slice(0, end).split('\r\n')
  return [start, ...lines.sort()].join('\r\n') + message.slice(end)
}

for (const readInto of READ_INTO) {
  describe(`requests that are refused, reading into ${readInto} buffers`, () => {
    for (const { what, text, status, code } of REFUSED) {
      test(`${what} is answered with ${status} and the connection closed`, async () => {
        const listener = { limits: { head: '4KiB', target: '256B' } }
        await withPlane(
          { readInto, listener, backends: [always(ok('reached'))] },
          async (plane) => {
            const client = await plane.connect()
            client.write(text)
            const answer = await response(client)
            assert.match(answer.start, new RegExp(`^HTTP/1\\.1 ${status} `))
            assert.equal(answer.field('evenkeel-fault'), code)
            assert.equal(answer.field('connection'), 'close')
            assert.ok(answer.field('date') !== null)
            assert.equal(await client.end(), '')
            client.finish()
            assert.equal(await client.close(), '')
            assert.equal(plane.faults(code), 1)
            assert.equal(plane.servers[0]!.peers.length, 0)
          },
        )
      })
    }

    const chunks: readonly [string, string][] = [
      ['a chunk size that is no hex number', 'g\r\n'],
      ['a chunk without a size', '\r\n'],
      ['chunk data longer than its size', '2\r\nabc\r\n'],
      ['a bare LF after a chunk size', '2\nab\r\n'],
      ['a chunk size beyond 2^53', 'fffffffffffffff\r\n'],
      ['a chunk extension that never ends', `2;${'x'.repeat(2_000)}`],
    ]
    for (const [what, body] of chunks) {
      test(`${what} is answered with 400 and the connection closed`, async () => {
        await withPlane({ readInto, backends: [() => {}] }, async (plane) => {
          const client = await plane.connect()
          client.write('POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n')
          const backend = await plane.servers[0]!.peer(0)
          await backend.until('\r\n\r\n')
          client.write(body)
          const answer = await response(client)
          assert.match(answer.start, /^HTTP\/1\.1 400 /)
          assert.equal(answer.field('evenkeel-fault'), 'client-bad-body')
          assert.equal(answer.field('connection'), 'close')
          assert.equal(await client.end(), '')
          await backend.gone()
          assert.equal(plane.faults('client-bad-body'), 1)
        })
      })
    }

    test('a broken chunk in the first read keeps the request from the backend', async () => {
      await withPlane({ readInto, backends: [always(ok(''))] }, async (plane) => {
        const client = await plane.connect()
        client.write(
          'POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
        )
        assert.match((await response(client)).start, /^HTTP\/1\.1 400 /)
        assert.equal(plane.servers[0]!.peers.length, 0)
      })
    })

    test('nothing after a refused request is read as another one', async () => {
      await withPlane({ readInto, backends: [always(ok('reached'))] }, async (plane) => {
        const client = await plane.connect()
        client.write(`${post('Content-Length: 5\r\nContent-Length: 6')}${get('X: 1')}`)
        await response(client)
        assert.equal(await client.end(), '')
        assert.equal(plane.servers[0]!.peers.length, 0)
        assert.equal(plane.pool('requests'), 0)
      })
    })

    test('a request that no route matches is answered with 404 and the connection kept', async () => {
      const routes = [{ match: { path: '/here' }, pool: 'main' }]
      const listener = { pool: undefined, routes }
      await withPlane({ readInto, listener, backends: [always(ok('x'))] }, async (plane) => {
        const client = await plane.connect()
        client.write(get('X: 1'))
        const answer = await response(client)
        assert.match(answer.start, /^HTTP\/1\.1 404 /)
        assert.equal(answer.field('evenkeel-fault'), 'no-route')
        assert.equal(answer.field('connection'), null)
        client.write('GET /here HTTP/1.1\r\nHost: a.example\r\n\r\n')
        assert.equal((await response(client)).body, 'x')
      })
    })
  })

  describe(`requests as they are forwarded, reading into ${readInto} buffers`, () => {
    interface Forwarded {
      readonly what: string
      readonly sent: string
      readonly got: string
      readonly listener?: Record<string, unknown>
    }
    const TRUST = { trustForwarded: '127.0.0.0/8' }
    const cases: readonly Forwarded[] = [
      {
        what: 'method, target, version and fields pass byte for byte',
        sent: 'GET /a/%2e%2e//b?q=%zz&;= HTTP/1.1\r\nHost: a.example\r\nuSER-aGENT:  x \t\r\nX-Bytes: \xe9\xff\r\n\r\n',
        got: `GET /a/%2e%2e//b?q=%zz&;= HTTP/1.1\r\nHost: a.example\r\nuSER-aGENT:  x \t\r\nX-Bytes: \xe9\xff\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'Host comes first wherever it stood',
        sent: 'GET / HTTP/1.1\r\nX: 1\r\nhost: a.example\r\nY: 2\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\nX: 1\r\nY: 2\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'an absolute-form target replaces Host and goes on in origin form',
        sent: 'GET http://a.example/x?y HTTP/1.1\r\nHost: other.example\r\n\r\n',
        got: `GET /x?y HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'OPTIONS * stays *',
        sent: 'OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n',
        got: `OPTIONS * HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'Max-Forwards counts down for OPTIONS',
        sent: 'OPTIONS / HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 3\r\n\r\n',
        got: `OPTIONS / HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 2\r\n${ADDED.replace('Via', `${HOST}Via`)}\r\n`,
      },
      {
        what: 'hop-by-hop fields and what Connection lists are dropped',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive, X-Secret\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nX-Secret: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\nX: 1\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\nX: 1\r\n${ADDED.replace('Via', `${HOST}Via`)}\r\n`,
      },
      {
        what: 'Connection cannot strip what matters to the backend',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: host, authorization, cookie, content-length, x-forwarded-for\r\nAuthorization: a\r\nCookie: b\r\nContent-Length: 0\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\nAuthorization: a\r\nCookie: b\r\n${ADDED}${HOST}Content-Length: 0\r\n\r\n`,
      },
      {
        what: 'TE goes on only as trailers',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nTE: gzip, trailers\r\nConnection: TE\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\n${ADDED.replace('Via', `${HOST}Via`)}Connection: TE\r\nTE: trailers\r\n\r\n`,
      },
      {
        what: 'h2c is never asked for',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'forwarding fields of a stranger are dropped',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\nForwarded: for=1.2.3.4\r\nEvenkeel-Epoch: 9\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'forwarding fields of a trusted peer are kept and appended to',
        listener: TRUST,
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\n\r\n',
        got: 'GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 1.2.3.4, 127.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b.example\r\nVia: 1.1 evenkeel\r\n\r\n',
      },
      {
        what: 'a trusted peer without such fields is treated as the client',
        listener: TRUST,
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'Forwarded is written where the listener wants it',
        listener: { forwarded: true },
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nForwarded: for=1.2.3.4\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\n${HOST}Forwarded: for=127.0.0.1;host="a.example";proto=http\r\nVia: 1.1 evenkeel\r\n\r\n`,
      },
      {
        what: 'a Via of an earlier proxy stays before ours',
        sent: 'GET / HTTP/1.1\r\nHost: a.example\r\nVia: 1.0 other\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\nVia: 1.0 other\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'an HTTP/1.0 request goes on as 1.1, with what it lacked',
        sent: 'GET /old HTTP/1.0\r\nHost: a.example\r\nConnection: keep-alive\r\n\r\n',
        got: `GET /old HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'empty lines before a request are skipped',
        sent: '\r\n\r\nGET / HTTP/1.1\r\nHost: a.example\r\n\r\n',
        got: `GET / HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}\r\n`,
      },
      {
        what: 'a fixed length is written anew behind everything',
        sent: 'PUT / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 003\r\nX: 1\r\n\r\nabc',
        got: `PUT / HTTP/1.1\r\nHost: a.example\r\nX: 1\r\n${ADDED}${HOST}Content-Length: 3\r\n\r\nabc`,
      },
      {
        what: 'chunks are cut anew, extensions go, trailers pass but for dangerous ones',
        sent: 'PUT / HTTP/1.1\r\nHost: a.example\r\ntransfer-encoding: Chunked\r\n\r\n1;x=y\r\na\r\n02\r\nbc\r\n0\r\nX-Sum: 7\r\nContent-Length: 3\r\n\r\n',
        got: `PUT / HTTP/1.1\r\nHost: a.example\r\n${ADDED}${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 7\r\n\r\n`,
      },
    ]
    for (const { what, sent, got, listener } of cases) {
      test(what, async () => {
        const script: Script = async (peer) => {
          assert.equal(sorted(await peer.text(got.length)), sorted(got))
          peer.write(ok('done'))
        }
        await withPlane(
          { readInto, listener: listener ?? {}, backends: [script] },
          async (plane) => {
            const client = await plane.connect()
            client.write(sent)
            assert.equal((await response(client)).body, 'done')
            assert.equal(plane.servers[0]!.peers[0]!.available, 0)
          },
        )
      })

      test(`${what}, byte by byte`, async () => {
        const script: Script = async (peer) => {
          peer.write((await request(peer)).start.startsWith(got.slice(0, 8)) ? ok('done') : ok('?'))
        }
        await withPlane(
          { readInto, listener: listener ?? {}, backends: [script] },
          async (plane) => {
            const client = await plane.connect()
            client.socket.setNoDelay(true)
            for (const byte of sent) await client.send(byte)
            assert.equal((await response(client)).body, 'done')
          },
        )
      })
    }

    test('an OPTIONS whose Max-Forwards is spent is answered here', async () => {
      await withPlane({ readInto, backends: [always(ok('no'))] }, async (plane) => {
        const client = await plane.connect()
        client.write('OPTIONS / HTTP/1.1\r\nHost: a.example\r\nMax-Forwards: 0\r\n\r\n')
        const answer = await response(client)
        assert.equal(answer.start, 'HTTP/1.1 200 OK')
        assert.match(answer.field('allow') ?? '', /GET, HEAD/)
        assert.equal(plane.servers[0]!.peers.length, 0)
      })
    })

    test('header changes, rewrites, redirects and fixed answers do what the route says', async () => {
      const seen: Message[] = []
      const script: Script = async (peer) => {
        for (;;) {
          seen.push(await request(peer))
          peer.write(ok('x', 'Server: secret\r\nX-Keep: 1\r\n'))
        }
      }
      const routes = [
        {
          match: { path: '/api' },
          pool: 'main',
          stripPrefix: true,
          requestHeaders: { set: { 'x-added': 'yes', host: 'inner.example' }, remove: ['cookie'] },
          responseHeaders: { set: { 'x-out': '1' }, remove: ['server'] },
        },
        {
          match: { path: '/old/' },
          redirect: { status: 308, location: 'https://new.example/base*' },
        },
        { match: { path: '/fixed' }, respond: { status: 418, body: 'caf\u00e9' } },
        { match: { path: '/none' }, respond: 204 },
      ]
      await withPlane(
        { readInto, listener: { pool: undefined, routes }, backends: [script] },
        async (plane) => {
          const client = await plane.connect()
          const ask = async (path: string, method = 'GET'): Promise<Message> => {
            client.write(`${method} ${path} HTTP/1.1\r\nHost: a.example\r\nCookie: c\r\n\r\n`)
            return response(client, method)
          }
          const forwarded = await ask('/api/users?x=1')
          assert.equal(seen[0]!.start, 'GET /users?x=1 HTTP/1.1')
          assert.equal(seen[0]!.field('host'), 'inner.example')
          assert.equal(seen[0]!.field('x-forwarded-host'), 'a.example')
          assert.equal(seen[0]!.field('x-added'), 'yes')
          assert.equal(seen[0]!.field('cookie'), null)
          assert.equal(forwarded.field('server'), null)
          assert.equal(forwarded.field('x-out'), '1')
          assert.equal(forwarded.field('x-keep'), '1')

          const moved = await ask('/old/page?q')
          assert.equal(moved.start, 'HTTP/1.1 308 Permanent Redirect')
          assert.equal(moved.field('location'), 'https://new.example/base/old/page?q')
          assert.equal(moved.field('content-length'), '0')

          const fixed = await ask('/fixed')
          assert.match(fixed.start, /^HTTP\/1\.1 418/)
          assert.equal(Buffer.from(fixed.body, 'latin1').toString('utf8'), 'caf\u00e9')
          const head = await ask('/fixed', 'HEAD')
          assert.equal(head.field('content-length'), '5')
          const none = await ask('/none')
          assert.match(none.start, /^HTTP\/1\.1 204/)
          assert.equal(none.field('content-length'), null)
          assert.equal(client.available, 0)
          assert.equal(plane.thread(plane.table.poolBase(0) + POOL.requests), 1)
        },
      )
    })
  })
}
