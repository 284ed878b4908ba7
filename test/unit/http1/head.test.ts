import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BODY } from '../../../src/http1/framing.ts'
import { connectionLines, forwardRequest, forwardResponse } from '../../../src/http1/forward.ts'
import { PARSE, RequestHead, ResponseHead } from '../../../src/http1/head.ts'

const limits = { headBytesMax: 16_384, targetBytesMax: 8_192, fieldsMax: 100 }

test('a plain request is read and goes on with the lines of a gateway', () => {
  const head = new RequestHead(limits)
  const bytes = Buffer.from(
    'GET /a?b HTTP/1.1\r\nHost: h:8080\r\nConnection: close\r\nA: b\r\n\r\nrest',
  )
  assert.equal(head.parse(bytes, 0, bytes.length), PARSE.done)
  assert.equal(head.bytes, bytes.length - 4)
  assert.equal(head.method, 'GET')
  assert.equal(head.path, '/a?b')
  assert.equal(head.host, 'h:8080')
  assert.equal(head.keepAlive, false)
  assert.equal(head.header('a'), 'b')
  const text = forwardRequest(head, {
    target: head.path,
    host: head.host,
    added: connectionLines('1.2.3.4', 'http', '1.1 evenkeel'),
    trusted: false,
    clientAddress: '1.2.3.4',
    scheme: 'http',
    forwarded: false,
    via: '1.1 evenkeel',
    changes: null,
    body: BODY.none,
    contentLength: -1,
    upgrade: false,
  })
  assert.equal(
    text,
    'GET /a?b HTTP/1.1\r\nHost: h:8080\r\nA: b\r\nX-Forwarded-For: 1.2.3.4\r\n' +
      'X-Forwarded-Proto: http\r\nVia: 1.1 evenkeel\r\nX-Forwarded-Host: h:8080\r\n\r\n',
  )
})

test('a plain response is read and goes on with framing of our own', () => {
  const head = new ResponseHead(limits)
  const bytes = Buffer.from('HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 5\r\n\r\nhello')
  assert.equal(head.parse(bytes, 0, bytes.length), PARSE.done)
  assert.equal(head.status, 200)
  assert.equal(head.reason, 'OK')
  assert.equal(head.contentLength, 5)
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  const text = forwardResponse(head, {
    body: BODY.length,
    contentLength: 5,
    connection: 'close',
    minor: 1,
    date,
    changes: null,
    upgrade: false,
    method: 'GET',
  })
  assert.equal(
    text,
    `HTTP/1.1 200 OK\r\nServer: x\r\nDate: ${date}\r\nConnection: close\r\nContent-Length: 5\r\n\r\n`,
  )
})
