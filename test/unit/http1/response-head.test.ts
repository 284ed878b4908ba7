import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FIELD } from '../../../src/http1/fields.ts'
import { PARSE, ResponseHead } from '../../../src/http1/head.ts'
import { acceptedResponse, limits, parseResponse } from './messages.ts'

test('a response head is read with status, reason and framing', () => {
  const text = 'HTTP/1.1 404 Not Found\r\nServer: x\r\nContent-Length: 3\r\n\r\n'
  const bytes = Buffer.from(`--${text}abc`)
  const head = new ResponseHead(limits)
  assert.equal(head.parse(bytes, 2, bytes.length), PARSE.done)
  assert.equal(head.bytes, text.length)
  assert.equal(head.text, text)
  assert.equal(head.status, 404)
  assert.equal(head.reason, 'Not Found')
  assert.equal(head.statusLineEnd, 24)
  assert.equal(head.contentLength, 3)
  assert.equal(head.keepAlive, true)
  assert.equal(head.header('server'), 'x')
})

test('a reason may be empty, have spaces and obs-text, or be left out with its space', () => {
  assert.equal(acceptedResponse('HTTP/1.1 200 \r\n\r\n').reason, '')
  assert.equal(acceptedResponse('HTTP/1.1 200\r\n\r\n').reason, '')
  assert.equal(acceptedResponse('HTTP/1.1 200  a \t\xe4\r\n\r\n').reason, ' a \t\xe4')
})

test('any status from 100 to 599 is read', () => {
  for (let status = 100; status < 600; status++) {
    assert.equal(acceptedResponse(`HTTP/1.1 ${status} x\r\n\r\n`).status, status)
  }
})

test('an HTTP/1.0 backend closes unless it says otherwise', () => {
  assert.equal(acceptedResponse('HTTP/1.0 200 OK\r\n\r\n').keepAlive, false)
  const kept = acceptedResponse('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n')
  assert.equal(kept.keepAlive, true)
  assert.equal(acceptedResponse('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n').keepAlive, false)
})

test('the keep-alive timeout is read where there is one', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['timeout=5', 5],
    ['timeout=5, max=100', 5],
    ['max=100,Timeout=60', 60],
    ['max=100', -1],
    ['timeout=', -1],
    ['timeout=x', -1],
    ['timeout=99999999999', -1],
    ['', -1],
  ]
  for (const [value, seconds] of cases) {
    const head = acceptedResponse(`HTTP/1.1 200 OK\r\nKeep-Alive: ${value}\r\n\r\n`)
    assert.equal(head.keepAliveTimeoutS, seconds, value)
  }
  assert.equal(acceptedResponse('HTTP/1.1 200 OK\r\n\r\n').keepAliveTimeoutS, -1)
})

test('an upgrade is noted where Connection lists it', () => {
  const lines = 'Upgrade: WebSocket\r\n'
  assert.equal(acceptedResponse(`HTTP/1.1 101 S\r\n${lines}\r\n`).upgrade, '')
  assert.equal(
    acceptedResponse(`HTTP/1.1 101 S\r\nConnection: upgrade\r\n${lines}\r\n`).upgrade,
    'websocket',
  )
})

test('a head is incomplete until its blank line has come', () => {
  const text = 'HTTP/1.1 200 OK\r\nA: b\r\n\r\n'
  for (let end = 0; end < text.length; end++) {
    assert.equal(parseResponse(text.slice(0, end)).code, PARSE.incomplete)
  }
})

test('nothing of one response shows in the next', () => {
  const reused = new ResponseHead(limits)
  const first = Buffer.from(
    'HTTP/1.0 101 Long Reason\r\nConnection: keep-alive, upgrade, x\r\nUpgrade: y\r\n' +
      'Keep-Alive: timeout=3\r\nContent-Length: 9\r\nDate: z\r\n\r\n',
  )
  const second = Buffer.from('HTTP/1.1 200\r\nA: b\r\n\r\n')
  assert.equal(reused.parse(first, 0, first.length), PARSE.done)
  reused.reset()
  assert.equal(reused.parse(second, 0, second.length), PARSE.done)
  const { fields: _one, ...actual } = reused
  const { fields: _two, ...expected } = acceptedResponse(second.toString())
  assert.deepEqual(actual, expected)
  assert.equal(reused.field(FIELD.date), null)
})
