import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CELL, FIELD_STRIDE, PARSE, RequestHead } from '../../../src/http1/head.ts'
import { FIELD } from '../../../src/http1/fields.ts'
import { accepted, limits, parseRequest } from './messages.ts'

const HOST = 'Host: a.example\r\n'

test('a request head is read into offsets of its own text', () => {
  const text = `POST /x?y HTTP/1.1\r\n${HOST}A:\t b  \r\nContent-Length: 3\r\nEmpty:\r\n\r\n`
  const bytes = Buffer.from(`junk${text}abc`, 'latin1')
  const head = new RequestHead(limits)
  assert.equal(head.parse(bytes, 4, bytes.length), PARSE.done)
  assert.equal(head.bytes, text.length)
  assert.equal(head.text, text)
  assert.equal(head.method, 'POST')
  assert.equal(head.target, '/x?y')
  assert.equal(head.path, '/x?y')
  assert.equal(head.minor, 1)
  assert.equal(head.host, 'a.example')
  assert.equal(head.contentLength, 3)
  assert.equal(head.chunked, false)
  assert.equal(head.fieldCount, 4)
  const cells = head.fields.subarray(FIELD_STRIDE, 2 * FIELD_STRIDE)
  const line = text.indexOf('A:')
  assert.deepEqual([...cells], [FIELD.other, line, line + 1, line + 4, line + 5, line, line + 9])
  assert.equal(head.fields[2 * FIELD_STRIDE + CELL.id], FIELD.contentLength)
  assert.equal(head.fields[3 * FIELD_STRIDE + CELL.lineEnd], text.length - 2)
  assert.equal(head.nameAt(3), 'Empty')
  assert.equal(head.valueAt(3), '')
})

test('common methods are shared strings and any other token is a method too', () => {
  for (const method of ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
    assert.equal(accepted(`${method} / HTTP/1.1\r\n${HOST}\r\n`).method, method)
  }
  for (const method of ['PROPFIND', 'get', "!#$%&'*+-.^_`|~09azAZ", 'CONNECTS', 'X']) {
    assert.equal(accepted(`${method} / HTTP/1.1\r\n${HOST}\r\n`).method, method)
  }
})

test('a target passes byte for byte in origin form', () => {
  for (const target of ['/', '//a', '/..%2f?a=b?c', '/"<>\\^`{|}~', "/!$&'()*+,;=:@[]", '/%zz']) {
    const head = accepted(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`)
    assert.equal(head.target, target)
    assert.equal(head.path, target)
  }
})

test('an absolute target gives path and authority, and replaces Host', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['http://b.example/x?y', 'b.example', '/x?y'],
    ['http://b.example:81', 'b.example:81', '/'],
    ['http://b.example?y', 'b.example', '/?y'],
    ['HTTP://b.example/', 'b.example', '/'],
    ['https://b.example/x', 'b.example', '/x'],
    ['HttpS://[::1]:8443/x', '[::1]:8443', '/x'],
    ['http://s', 's', '/'],
  ]
  for (const [target, host, path] of cases) {
    const head = accepted(`GET ${target} HTTP/1.1\r\n${HOST}\r\n`)
    assert.equal(head.target, target)
    assert.equal(head.host, host)
    assert.equal(head.path, path)
  }
})

test('a server-wide OPTIONS keeps its asterisk, also when it comes in absolute form', () => {
  assert.equal(accepted(`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`).path, '*')
  assert.equal(accepted(`OPTIONS http://b HTTP/1.1\r\n${HOST}\r\n`).path, '*')
  assert.equal(accepted(`OPTIONS http://b/ HTTP/1.1\r\n${HOST}\r\n`).path, '/')
  assert.equal(accepted(`OPTIONS http://b?c HTTP/1.1\r\n${HOST}\r\n`).path, '/?c')
})

test('empty lines before a request are skipped and counted', () => {
  const head = accepted(`\r\n\r\nGET / HTTP/1.1\r\n${HOST}\r\n`)
  assert.equal(head.bytes, 4 + 16 + HOST.length + 2)
  assert.equal(head.text.startsWith('GET'), true)
  assert.equal(parseRequest('\r\n').code, PARSE.incomplete)
  assert.equal(parseRequest('\r\n\r').code, PARSE.incomplete)
  assert.equal(parseRequest('').code, PARSE.incomplete)
  assert.equal(parseRequest(`${'\r\n'.repeat(8)}GET / HTTP/1.1\r\n${HOST}\r\n`).code, PARSE.done)
})

test('HTTP/1.0 does without Host and closes unless it says otherwise', () => {
  const plain = accepted('GET / HTTP/1.0\r\n\r\n')
  assert.equal(plain.minor, 0)
  assert.equal(plain.host, '')
  assert.equal(plain.keepAlive, false)
  assert.equal(accepted('GET http://b/c HTTP/1.0\r\n\r\n').host, 'b')
  assert.equal(accepted('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true)
  assert.equal(accepted('GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n').keepAlive, false)
})

function withLines(lines: string): RequestHead {
  return accepted(`GET / HTTP/1.1\r\n${HOST}${lines}\r\n`)
}

test('HTTP/1.1 goes on unless a Connection field says close', () => {
  assert.equal(withLines('').keepAlive, true)
  assert.equal(withLines('Connection: keep-alive\r\n').keepAlive, true)
  assert.equal(withLines('Connection: x\r\n').keepAlive, true)
  assert.equal(withLines('Connection: CLOSE\r\n').keepAlive, false)
  assert.equal(withLines('Connection: keep-alive\r\nConnection: close\r\n').keepAlive, false)
  assert.equal(withLines('Connection: x, close\r\n').keepAlive, false)
})

test('what Connection lists is noted, but for protected fields', () => {
  assert.equal(withLines('Connection: keep-alive, Cookie\r\n').listed, null)
  const head = withLines('Connection: x-a\r\nConnection: X-B, Authorization\r\n')
  assert.deepEqual(head.listed, ['x-a', 'x-b'])
})

test('an upgrade counts only if Connection lists it, and only in HTTP/1.1', () => {
  assert.equal(withLines('Upgrade: websocket\r\n').upgrade, '')
  assert.equal(withLines('Connection: Upgrade\r\nUpgrade: WebSocket\r\n').upgrade, 'websocket')
  assert.equal(withLines('Connection: x, upgrade\r\nUpgrade: h2c\r\n').upgrade, 'h2c')
  assert.equal(withLines('Connection: Upgrade\r\n').upgrade, '')
  assert.equal(
    withLines('Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n').upgrade,
    'websocket, h2c',
  )
  const old = accepted('GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.equal(old.upgrade, '')
})

test('an expectation counts only if it is 100-continue alone, and only in HTTP/1.1', () => {
  assert.equal(withLines('Expect: 100-Continue\r\n').expectContinue, true)
  assert.equal(withLines('Expect: 100-continue, x\r\n').expectContinue, false)
  assert.equal(withLines('Expect: x\r\n').expectContinue, false)
  assert.equal(accepted('GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n').expectContinue, false)
})

test('Max-Forwards is a small decimal number or none', () => {
  assert.equal(withLines('').maxForwards, -1)
  assert.equal(withLines('Max-Forwards: 0\r\n').maxForwards, 0)
  assert.equal(withLines('Max-Forwards: 12\r\n').maxForwards, 12)
  assert.equal(withLines('Max-Forwards: -1\r\n').maxForwards, -1)
  assert.equal(withLines('Max-Forwards: 9999999999\r\n').maxForwards, -1)
})

test('chunked is noted', () => {
  const head = withLines('Transfer-Encoding: Chunked\r\n')
  assert.equal(head.chunked, true)
  assert.equal(head.contentLength, -1)
})

test('fields are found by id and by name in any case, repeated ones joined', () => {
  const head = withLines('Via: 1.1 a\r\nACCEPT: x\r\ncookie: a=b\r\nvia: 1.1 b\r\nCookie: c=d\r\n')
  assert.equal(head.field(FIELD.via), '1.1 a')
  assert.equal(head.field(FIELD.date), null)
  assert.equal(head.header('via'), '1.1 a, 1.1 b')
  assert.equal(head.header('accept'), 'x')
  assert.equal(head.header('cookie'), 'a=b; c=d')
  assert.equal(head.header('accep'), null)
  assert.equal(head.header('accept-'), null)
  assert.equal(head.indexOf(FIELD.via), 1)
  assert.equal(head.indexOf(FIELD.date), -1)
  assert.equal(head.isNamed(2, 'accept'), true)
  assert.equal(withLines('AZ: 1\r\n').header('az'), '1')
})

test('a name is not confused with one whose bytes differ from it by the case bit', () => {
  assert.equal(withLines('^: 1\r\n').header('~'), null)
  assert.equal(withLines('a_b: 1\r\n').header('a\x7fb'), null)
})

test('obs-text, tabs and any visible byte pass in a value, at every length and position', () => {
  let all = ''
  for (let byte = 0x21; byte < 0x100; byte++) if (byte !== 0x7f) all += String.fromCharCode(byte)
  assert.equal(withLines(`A: ${all}\r\n`).header('a'), all)
  for (let length = 1; length < 100; length++) {
    const value = `${'x'.repeat(length)}\t \xff${'y'.repeat(length)}`
    assert.equal(withLines(`A: ${value}\r\n`).header('a'), value)
  }
})

test('a control byte is found wherever in a value it stands', () => {
  for (let byte = 0; byte < 0x80; byte++) {
    if ((byte >= 0x20 && byte < 0x7f) || byte === 0x09) continue
    for (let at = 0; at < 80; at++) {
      const value = 'x'.repeat(at) + String.fromCharCode(byte) + 'y'.repeat(80 - at)
      const { code } = parseRequest(`GET / HTTP/1.1\r\n${HOST}A: ${value}\r\n\r\n`)
      assert.equal(code, PARSE.error, `byte ${byte} at ${at}`)
    }
  }
})

test('the limits are inclusive', () => {
  const text = `GET /abc HTTP/1.1\r\n${HOST}A: b\r\n\r\n`
  const exact = { headBytesMax: text.length, targetBytesMax: 4, fieldsMax: 2 }
  assert.equal(parseRequest(text, exact).code, PARSE.done)
  assert.equal(parseRequest(`${text}more`, exact).code, PARSE.done)
  const short = parseRequest(text, { ...exact, headBytesMax: text.length - 1 })
  assert.equal(short.head.fault, 'client-head-too-large')
  assert.equal(
    parseRequest(text, { ...exact, targetBytesMax: 3 }).head.fault,
    'client-target-too-long',
  )
  assert.equal(parseRequest(text, { ...exact, fieldsMax: 1 }).head.fault, 'client-head-too-large')
})

test('more fields than there was room for at first are all kept', () => {
  const lines = Array.from({ length: 99 }, (_, i) => `Name-${i}: value-${i}\r\n`).join('')
  const text = `GET / HTTP/1.1\r\n${HOST}${lines}\r\n`
  const { code, head } = parseRequest(text, { ...limits, headBytesMax: 8_192, fieldsMax: 100 })
  assert.equal(code, PARSE.done)
  assert.equal(head.fieldCount, 100)
  assert.equal(head.header('host'), 'a.example')
  for (let i = 0; i < 99; i++) assert.equal(head.header(`name-${i}`), `value-${i}`)
})

test('nothing of one request shows in the next', () => {
  const first = Buffer.from(
    'POST http://b/c HTTP/1.0\r\nConnection: upgrade, keep-alive, x\r\nUpgrade: y\r\n' +
      'Host: a\r\nMax-Forwards: 1\r\nContent-Length: 5\r\nHost2: z\r\n\r\n',
  )
  const second = Buffer.from(`GET / HTTP/1.1\r\n${HOST}\r\n`)
  const reused = new RequestHead(limits)
  assert.equal(reused.parse(first, 0, first.length), PARSE.done)
  reused.reset()
  assert.equal(reused.text, '')
  assert.equal(reused.parse(second, 0, second.length), PARSE.done)
  const fresh = accepted(second.toString())
  const { fields: _one, ...actual } = reused
  const { fields: _two, ...expected } = fresh
  assert.deepEqual(actual, expected)
  for (const id of Object.values(FIELD).slice(1)) assert.equal(reused.field(id), fresh.field(id))

  const bad = Buffer.from('GET / HTTP/1.1\r\nbad line\r\n\r\n')
  reused.reset()
  assert.equal(reused.parse(bad, 0, bad.length), PARSE.error)
  reused.reset()
  assert.equal(reused.fault, null)
  assert.equal(reused.detail, '')
  assert.equal(reused.parse(second, 0, second.length), PARSE.done)
})
