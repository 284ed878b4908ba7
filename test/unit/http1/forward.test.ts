import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HeaderChanges } from '../../../src/core/route-plan.ts'
import {
  connectionLines,
  forwardInformational,
  forwardRequest,
  forwardResponse,
} from '../../../src/http1/forward.ts'
import type { RequestForward, ResponseForward } from '../../../src/http1/forward.ts'
import { BODY } from '../../../src/http1/framing.ts'
import { PARSE } from '../../../src/http1/head.ts'
import type { RequestHead } from '../../../src/http1/head.ts'
import { accepted, acceptedResponse, parseRequest, parseResponse } from './messages.ts'

function requestOptions(head: RequestHead, changed: Partial<RequestForward>): RequestForward {
  const clientAddress = changed.clientAddress ?? '192.0.2.1'
  return {
    target: head.path,
    host: head.host,
    added: connectionLines(clientAddress, 'http', '1.1 evenkeel'),
    trusted: false,
    clientAddress,
    scheme: 'http',
    forwarded: false,
    via: '1.1 evenkeel',
    changes: null,
    body: BODY.none,
    contentLength: -1,
    upgrade: false,
    ...changed,
  }
}

/** Forwards a request; the answer is its lines, and is itself a valid request. */
function forwarded(text: string, changed: Partial<RequestForward> = {}): string[] {
  const head = accepted(text)
  const out = forwardRequest(head, requestOptions(head, changed))
  assert.ok(out.endsWith('\r\n\r\n'))
  assert.equal(parseRequest(out).code, PARSE.done)
  return out.slice(0, -4).split('\r\n')
}

const HOST = 'Host: a.example\r\n'
const OURS = [
  'X-Forwarded-For: 192.0.2.1',
  'X-Forwarded-Proto: http',
  'Via: 1.1 evenkeel',
  'X-Forwarded-Host: a.example',
]

/** The lines of a GET with the field lines `lines` once forwarded, without start line and ours. */
function kept(lines: string, changed: Partial<RequestForward> = {}): string[] {
  const all = forwarded(`GET / HTTP/1.1\r\n${HOST}${lines}\r\n`, changed)
  assert.deepEqual(all.slice(0, 2), ['GET / HTTP/1.1', 'Host: a.example'])
  return all.slice(2).filter((line) => !OURS.includes(line))
}

test('a request goes on as HTTP/1.1 with its fields byte for byte and in order', () => {
  assert.deepEqual(
    forwarded(`GET /a?b=%zz HTTP/1.1\r\n${HOST}accept: */*\r\nX-Odd:  \xe4\t! \r\n\r\n`),
    ['GET /a?b=%zz HTTP/1.1', 'Host: a.example', 'accept: */*', 'X-Odd:  \xe4\t! ', ...OURS],
  )
})

test('Host comes first and from the effective authority, however it was sent', () => {
  const cases = [
    `GET /x HTTP/1.1\r\nAccept: y\r\nHOST:\ta.example  \r\n\r\n`,
    `GET http://a.example/x HTTP/1.1\r\nHost: other\r\nAccept: y\r\n\r\n`,
    `GET http://a.example/x HTTP/1.0\r\nAccept: y\r\n\r\n`,
    `GET /x HTTP/1.0\r\n${HOST}Accept: y\r\n\r\n`,
  ]
  for (const text of cases) {
    assert.deepEqual(forwarded(text), ['GET /x HTTP/1.1', 'Host: a.example', 'Accept: y', ...OURS])
  }
})

test('target and Host may be rewritten', () => {
  const out = forwarded(`GET /x HTTP/1.1\r\n${HOST}\r\n`, { target: '/y', host: 'b.example:81' })
  assert.deepEqual(out, ['GET /y HTTP/1.1', 'Host: b.example:81', ...OURS])
  const same = forwarded(`GET /x HTTP/1.1\r\n${HOST}\r\n`, { host: 'b.example' })
  assert.deepEqual(same.slice(0, 2), ['GET /x HTTP/1.1', 'Host: b.example'])
})

test('an HTTP/1.0 request without Host has no X-Forwarded-Host', () => {
  const out = forwarded('GET / HTTP/1.0\r\n\r\n', { host: 'backend:80' })
  assert.deepEqual(out, ['GET / HTTP/1.1', 'Host: backend:80', ...OURS.slice(0, 3)])
})

test('OPTIONS * stays so', () => {
  assert.equal(forwarded(`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`)[0], 'OPTIONS * HTTP/1.1')
  assert.equal(forwarded(`OPTIONS http://b HTTP/1.1\r\n${HOST}\r\n`)[0], 'OPTIONS * HTTP/1.1')
})

test('fields of the connection stay on this side of it', () => {
  const lines =
    'A: 1\r\nConnection: keep-alive, X-Hop, x-other\r\nKeep-Alive: timeout=5\r\nB: 2\r\n' +
    'Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAAA\r\n' +
    'x-hop: 1\r\nX-OTHER: 2\r\nX-Hopp: 3\r\nTrailer: x\r\nC: 3\r\n'
  assert.deepEqual(kept(lines), ['A: 1', 'B: 2', 'X-Hopp: 3', 'Trailer: x', 'C: 3'])
})

test('Connection cannot strip what identifies or routes', () => {
  const lines =
    'Connection: close, cookie, authorization, host, x-forwarded-for, via\r\n' +
    'Cookie: a=b\r\nAuthorization: c\r\nVia: 1.0 d\r\n'
  const out = forwarded(`GET / HTTP/1.1\r\n${HOST}${lines}\r\n`)
  assert.deepEqual(out, [
    'GET / HTTP/1.1',
    'Host: a.example',
    'Cookie: a=b',
    'Authorization: c',
    'Via: 1.0 d',
    ...OURS,
  ])
})

test('framing is written anew from the decision of the caller alone', () => {
  const sized = 'Content-Length: 005\r\n'
  assert.deepEqual(kept(sized, { body: BODY.length, contentLength: 5 }), ['Content-Length: 5'])
  assert.deepEqual(kept(sized, { body: BODY.none }), [])
  const chunked = 'transfer-encoding:  Chunked\r\n'
  assert.deepEqual(kept(chunked, { body: BODY.chunked }), ['Transfer-Encoding: chunked'])
  assert.deepEqual(kept(chunked, { body: BODY.length, contentLength: 0 }), ['Content-Length: 0'])
  assert.deepEqual(kept(`TE: trailers\r\n${chunked}`, { body: BODY.chunked }), [
    'Connection: TE',
    'TE: trailers',
    'Transfer-Encoding: chunked',
  ])
})

test('the wish for trailers passes, other transfer codings do not', () => {
  assert.deepEqual(kept('TE: trailers\r\n'), ['Connection: TE', 'TE: trailers'])
  assert.deepEqual(kept('TE: gzip;q=0.5\r\nTE: Trailers\r\n'), ['Connection: TE', 'TE: trailers'])
  assert.deepEqual(kept('TE: deflate, trailersx\r\n'), [])
})

test('an upgrade passes only when it is asked for', () => {
  const lines = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n'
  assert.deepEqual(kept(lines), ['Sec-WebSocket-Key: x'])
  assert.deepEqual(kept(lines, { upgrade: true }), [
    'Sec-WebSocket-Key: x',
    'Connection: Upgrade',
    'Upgrade: websocket',
  ])
  assert.deepEqual(kept(`${lines}TE: trailers\r\n`, { upgrade: true }), [
    'Sec-WebSocket-Key: x',
    'Connection: Upgrade, TE',
    'Upgrade: websocket',
    'TE: trailers',
  ])
})

test('an epoch from a client never passes', () => {
  assert.deepEqual(kept('Evenkeel-Epoch: 7\r\nA: b\r\nevenkeel-epoch: 8\r\n'), ['A: b'])
  assert.deepEqual(kept('Evenkeel-Epoch: 7\r\n', { trusted: true }), [])
})

test('a name that some servers take for ours never passes', () => {
  const lines =
    'X_Forwarded_For: 10.0.0.1\r\nA_B: c\r\nX-Forwarded_Host: b\r\nEvenkeel_Epoch: 9\r\n'
  assert.deepEqual(kept(lines), ['A_B: c'])
  assert.deepEqual(kept(lines, { trusted: true }), ['A_B: c'])
})

const SPOOFED =
  'X-Forwarded-For: 10.0.0.1\r\nx-forwarded-proto: https\r\nX-Forwarded-Host: b\r\n' +
  'Forwarded: for=10.0.0.1\r\nX-FORWARDED-FOR: 10.0.0.2\r\n'

test('what an untrusted peer says of its way is dropped and written anew', () => {
  const out = forwarded(`GET / HTTP/1.1\r\n${HOST}${SPOOFED}\r\n`)
  assert.deepEqual(out, ['GET / HTTP/1.1', 'Host: a.example', ...OURS])
})

test('what a trusted peer says is believed and appended to', () => {
  const out = forwarded(`GET / HTTP/1.1\r\n${HOST}${SPOOFED}\r\n`, { trusted: true })
  assert.deepEqual(out.slice(2), [
    'X-Forwarded-For: 10.0.0.1, 10.0.0.2, 192.0.2.1',
    'X-Forwarded-Proto: https',
    'Via: 1.1 evenkeel',
    'X-Forwarded-Host: b',
    'Forwarded: for=10.0.0.1',
  ])
})

test('what a trusted peer leaves out or leaves empty is filled in', () => {
  const none = forwarded(`GET / HTTP/1.1\r\n${HOST}\r\n`, { trusted: true })
  assert.deepEqual(none.slice(2), OURS)
  const some = forwarded(`GET / HTTP/1.1\r\n${HOST}X-Forwarded-For:\r\n\r\n`, { trusted: true })
  assert.deepEqual(some.slice(2).sort(), [...OURS].sort())
})

test('a peer without an address leaves X-Forwarded-For as it is', () => {
  const bare = forwarded(`GET / HTTP/1.1\r\n${HOST}\r\n`, { clientAddress: '' })
  assert.deepEqual(bare.slice(2), OURS.slice(1))
  const lines = `GET / HTTP/1.1\r\n${HOST}X-Forwarded-For: 10.0.0.1\r\n\r\n`
  const trusted = forwarded(lines, { clientAddress: '', trusted: true })
  assert.ok(trusted.includes('X-Forwarded-For: 10.0.0.1'))
})

test('Forwarded is written when it is asked for', () => {
  const cases: readonly (readonly [string, Partial<RequestForward>, string])[] = [
    ['', {}, 'for=192.0.2.1;host="a.example";proto=http'],
    ['', { clientAddress: '2001:db8::1' }, 'for="[2001:db8::1]";host="a.example";proto=http'],
    ['', { clientAddress: '' }, 'for=unknown;host="a.example";proto=http'],
    ['Forwarded: for=x\r\n', {}, 'for=192.0.2.1;host="a.example";proto=http'],
    [
      'Forwarded: for=x\r\nForwarded: for=y\r\n',
      { trusted: true },
      'for=x, for=y, for=192.0.2.1;host="a.example";proto=http',
    ],
  ]
  for (const [lines, changed, value] of cases) {
    const out = forwarded(`GET / HTTP/1.1\r\n${HOST}${lines}\r\n`, { forwarded: true, ...changed })
    assert.deepEqual(
      out.filter((line) => line.startsWith('Forwarded')),
      [`Forwarded: ${value}`],
    )
  }
  const old = forwarded('GET / HTTP/1.0\r\n\r\n', { forwarded: true, host: 'b' })
  assert.ok(old.includes('Forwarded: for=192.0.2.1;proto=http'))
})

test('Via is appended after what is there, or left out on request', () => {
  const out = forwarded(`GET / HTTP/1.1\r\n${HOST}Via: 1.0 x\r\n\r\n`)
  assert.ok(out.indexOf('Via: 1.0 x') < out.indexOf('Via: 1.1 evenkeel'))
  const added = connectionLines('192.0.2.1', 'http', '')
  const none = forwarded(`GET / HTTP/1.1\r\n${HOST}\r\n`, { via: '', added })
  assert.equal(none.join().includes('Via'), false)
})

test('Max-Forwards counts down for OPTIONS alone', () => {
  const options = forwarded(`OPTIONS / HTTP/1.1\r\n${HOST}Max-Forwards: 3\r\n\r\n`)
  assert.deepEqual(
    options.filter((line) => line.startsWith('Max')),
    ['Max-Forwards: 2'],
  )
  assert.deepEqual(kept('Max-Forwards: 3\r\n'), ['Max-Forwards: 3'])
  const odd = forwarded(`OPTIONS / HTTP/1.1\r\n${HOST}Max-Forwards: x\r\n\r\n`)
  assert.ok(odd.includes('Max-Forwards: x'))
})

test('an expectation passes from HTTP/1.1 and is dropped from HTTP/1.0', () => {
  assert.deepEqual(kept('Expect: 100-continue\r\n'), ['Expect: 100-continue'])
  const old = forwarded(`GET / HTTP/1.0\r\n${HOST}Expect: 100-continue\r\n\r\n`)
  assert.deepEqual(old, ['GET / HTTP/1.1', 'Host: a.example', ...OURS])
})

const changes: HeaderChanges = {
  remove: ['x-a', 'x-forwarded-host', 'host', 'content-length'],
  set: [
    { name: 'x-b', value: 'new' },
    { name: 'host', value: 'c.example' },
    { name: 'via', value: '1.1 other' },
    { name: 'x-forwarded-for', value: '1' },
    { name: 'connection', value: 'x' },
  ],
}

test('changes remove and set fields, ours too, and cannot touch framing', () => {
  const text = `POST / HTTP/1.1\r\n${HOST}X-A: 1\r\nX-B: 2\r\nx-b: 3\r\nX-C: 4\r\nVia: 1.0 d\r\n\r\n`
  const out = forwarded(text, { changes, body: BODY.length, contentLength: 7 })
  assert.deepEqual(out, [
    'POST / HTTP/1.1',
    'Host: c.example',
    'X-C: 4',
    'X-Forwarded-Proto: http',
    'x-b: new',
    'via: 1.1 other',
    'x-forwarded-for: 1',
    'Content-Length: 7',
  ])
})

test('changes that change nothing leave the same head as none', () => {
  const text = `GET / HTTP/1.1\r\n${HOST}A: b\r\n\r\n`
  assert.deepEqual(forwarded(text, { changes: { set: [], remove: [] } }), forwarded(text))
})

test('the fast and the slow way write the same fields', () => {
  const nothing: HeaderChanges = { set: [], remove: ['x-absent'] }
  const text = `PUT /x HTTP/1.1\r\n${HOST}Connection: close\r\nA: b\r\nUpgrade: y\r\nC: d\r\n\r\n`
  for (const body of [BODY.none, BODY.length, BODY.chunked]) {
    const fast = forwarded(text, { body, contentLength: 3 })
    const slow = forwarded(text, { body, contentLength: 3, changes: nothing })
    assert.deepEqual([...slow].sort(), [...fast].sort())
  }
})

const DATE = 'Sun, 06 Nov 1994 08:49:37 GMT'

/** Forwards a response; the answer is its lines, and is itself a valid response. */
function answered(text: string, changed: Partial<ResponseForward> = {}): string[] {
  const out = forwardResponse(acceptedResponse(text), {
    body: BODY.length,
    contentLength: 5,
    connection: '',
    minor: 1,
    date: DATE,
    changes: null,
    upgrade: false,
    method: 'GET',
    added: '',
    ...changed,
  })
  assert.ok(out.endsWith('\r\n\r\n'))
  assert.equal(parseResponse(out).code, PARSE.done)
  return out.slice(0, -4).split('\r\n')
}

test('a line of ours goes on a response beside its own', () => {
  const lines = answered('HTTP/1.1 200 OK\r\nDate: x\r\nA: b\r\n\r\n', { added: 'C: d\r\n' })
  assert.deepEqual(lines, ['HTTP/1.1 200 OK', 'Date: x', 'A: b', 'C: d', 'Content-Length: 5'])
})

test('a response goes on with status, reason and fields as they came', () => {
  const text = 'HTTP/1.1 299 Some \xe4 Reason\r\nDate: x\r\nset-cookie: a\r\nSet-Cookie: b\r\n\r\n'
  assert.deepEqual(answered(text), [
    'HTTP/1.1 299 Some \xe4 Reason',
    'Date: x',
    'set-cookie: a',
    'Set-Cookie: b',
    'Content-Length: 5',
  ])
})

test('the status line is of HTTP/1.1 whatever the backend and the client speak', () => {
  assert.equal(answered('HTTP/1.0 200 Fine\r\n\r\n')[0], 'HTTP/1.1 200 Fine')
  assert.equal(answered('HTTP/1.1 200 Fine\r\n\r\n', { minor: 0 })[0], 'HTTP/1.1 200 Fine')
  assert.equal(answered('HTTP/1.1 200\r\n\r\n')[0], 'HTTP/1.1 200 ')
  assert.equal(answered('HTTP/1.1 200 \r\n\r\n')[0], 'HTTP/1.1 200 ')
})

test('a missing Date is added, a given one kept', () => {
  assert.ok(answered('HTTP/1.1 200 OK\r\n\r\n').includes(`Date: ${DATE}`))
  assert.deepEqual(
    answered('HTTP/1.1 200 OK\r\ndate: y\r\n\r\n').filter((line) => /^date/i.test(line)),
    ['date: y'],
  )
})

test('fields of the backend connection stay on its side', () => {
  const text =
    'HTTP/1.1 200 OK\r\nDate: x\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n' +
    'X-Hop: 1\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n'
  assert.deepEqual(answered(text), ['HTTP/1.1 200 OK', 'Date: x', 'A: b', 'Content-Length: 5'])
})

test('framing and connection of a response are written as decided', () => {
  const text = 'HTTP/1.1 200 OK\r\nDate: x\r\nContent-Length: 005\r\nConnection: close\r\n\r\n'
  const cases: readonly (readonly [Partial<ResponseForward>, readonly string[]])[] = [
    [{ body: BODY.length, contentLength: 5 }, ['Content-Length: 5']],
    [{ body: BODY.chunked }, ['Transfer-Encoding: chunked']],
    [{ body: BODY.close, connection: 'close' }, ['Connection: close']],
    [
      { body: BODY.length, contentLength: 5, connection: 'keep-alive' },
      ['Connection: keep-alive', 'Content-Length: 5'],
    ],
  ]
  for (const [changed, lines] of cases) {
    assert.deepEqual(answered(text, changed), ['HTTP/1.1 200 OK', 'Date: x', ...lines])
  }
})

test('the length that a HEAD or 304 answer tells of passes, that of a 204 does not', () => {
  const none = { body: BODY.none, contentLength: -1 }
  const lines = 'Date: x\r\nContent-Length: 9\r\n\r\n'
  const last = (status: number, method: string): string =>
    answered(`HTTP/1.1 ${status} x\r\n${lines}`, { ...none, method }).at(-1)!
  assert.equal(last(200, 'HEAD'), 'Content-Length: 9')
  assert.equal(last(304, 'GET'), 'Content-Length: 9')
  assert.equal(last(204, 'GET'), 'Date: x')
  assert.equal(last(204, 'HEAD'), 'Date: x')
  assert.equal(last(200, 'GET'), 'Date: x')
  const unknown = 'HTTP/1.1 200 OK\r\nDate: x\r\n\r\n'
  assert.equal(answered(unknown, { ...none, method: 'HEAD' }).at(-1), 'Date: x')
})

test('a switch of protocols passes with its Upgrade', () => {
  const text =
    'HTTP/1.1 101 Switching Protocols\r\nDate: x\r\nConnection: Upgrade\r\n' +
    'Upgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n'
  assert.deepEqual(answered(text, { body: BODY.none, upgrade: true, connection: 'close' }), [
    'HTTP/1.1 101 Switching Protocols',
    'Date: x',
    'Sec-WebSocket-Accept: y',
    'Connection: Upgrade',
    'Upgrade: websocket',
  ])
})

test('changes of a response remove and set, Date too, but never framing', () => {
  const out = answered('HTTP/1.1 200 OK\r\nServer: x\r\nDate: y\r\nContent-Length: 5\r\n\r\n', {
    changes: {
      remove: ['server', 'date', 'content-length'],
      set: [
        { name: 'strict-transport-security', value: 'max-age=1' },
        { name: 'transfer-encoding', value: 'gzip' },
      ],
    },
  })
  assert.deepEqual(out, [
    'HTTP/1.1 200 OK',
    'strict-transport-security: max-age=1',
    'Content-Length: 5',
  ])
})

test('an informational response passes without framing and connection fields', () => {
  const pass = (text: string): string => forwardInformational(acceptedResponse(text))
  assert.equal(pass('HTTP/1.1 100 Continue\r\n\r\n'), 'HTTP/1.1 100 Continue\r\n\r\n')
  assert.equal(pass('HTTP/1.1 100\r\n\r\n'), 'HTTP/1.1 100 \r\n\r\n')
  assert.equal(
    pass(
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 0\r\nConnection: x\r\nx: 1\r\n\r\n',
    ),
    'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  )
})
