import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BODY,
  codingRefusal,
  OPTION,
  parseConnection,
  parseLength,
  plainConnection,
  requestBody,
  responseBody,
} from '../../../src/http1/framing.ts'
import { REFUSE } from '../../../src/http1/strict.ts'

test('the body of a request follows from its head alone', () => {
  assert.equal(requestBody({ contentLength: -1, chunked: false }), BODY.none)
  assert.equal(requestBody({ contentLength: 0, chunked: false }), BODY.length)
  assert.equal(requestBody({ contentLength: 9, chunked: false }), BODY.length)
  assert.equal(requestBody({ contentLength: -1, chunked: true }), BODY.chunked)
})

const lengths = { contentLength: 5, chunked: false }
const chunked = { contentLength: -1, chunked: true }
const neither = { contentLength: -1, chunked: false }

test('the body of a response follows from status, method and head, in the order of RFC 9112', () => {
  for (const status of [100, 101, 103, 199, 204, 304]) {
    for (const framing of [lengths, chunked, neither]) {
      assert.equal(responseBody({ ...framing, status }, 'GET'), BODY.none)
    }
  }
  for (const status of [200, 205, 206, 301, 404, 500, 599]) {
    assert.equal(responseBody({ ...lengths, status }, 'HEAD'), BODY.none)
    assert.equal(responseBody({ ...chunked, status }, 'HEAD'), BODY.none)
    assert.equal(responseBody({ ...neither, status }, 'HEAD'), BODY.none)
    assert.equal(responseBody({ ...lengths, status }, 'GET'), BODY.length)
    assert.equal(responseBody({ ...chunked, status }, 'POST'), BODY.chunked)
    assert.equal(responseBody({ ...neither, status }, 'GET'), BODY.close)
  }
})

test('a length is plain digits up to 2^53 - 1', () => {
  const cases: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['7', 7],
    ['007', 7],
    ['0000000000000001', 1],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
    ['9007199254740992', -2],
    ['00000000000000001', -2],
    ['99999999999999999999', -2],
    ['', -1],
    ['+1', -1],
    ['-1', -1],
    ['1 ', -1],
    ['1,1', -1],
    ['1_0', -1],
    ['1e3', -1],
    ['0x10', -1],
    ['/', -1],
    [':', -1],
  ]
  for (const [text, length] of cases) {
    assert.equal(parseLength(`x${text}x`, 1, text.length + 1), length, text)
  }
})

test('one final chunked is the only transfer coding, in any case', () => {
  assert.equal(codingRefusal('chunked'), null)
  assert.equal(codingRefusal('Chunked'), null)
  assert.equal(codingRefusal('CHUNKED'), null)
  assert.equal(codingRefusal('chunke'), REFUSE.coding)
  assert.equal(codingRefusal('deflate,chunked'), REFUSE.coding)
  assert.equal(codingRefusal('gzip'), REFUSE.coding)
  assert.equal(codingRefusal('chunked,deflate'), REFUSE.codingOrder)
  assert.equal(codingRefusal(',chunked'), REFUSE.codingGrammar)
  assert.equal(codingRefusal('"chunked"'), REFUSE.codingGrammar)
})

test('Connection options are recognised in any case and order', () => {
  const { close, keepAlive, upgrade } = OPTION
  const cases: readonly (readonly [string, number, readonly string[] | null])[] = [
    ['close', close, null],
    ['Close', close, null],
    ['keep-alive', keepAlive, null],
    ['Keep-Alive', keepAlive, null],
    ['Upgrade', upgrade, null],
    ['keep-alive, Upgrade', keepAlive | upgrade, null],
    ['keep-alive,close', keepAlive | close, null],
    [' , close\t,,', close, null],
    ['', 0, null],
    ['TE, close', close, null],
    ['X-One, close, x-Two', close, ['x-one', 'x-two']],
    ['closed', 0, ['closed']],
  ]
  for (const [value, flags, names] of cases) {
    const text = `Connection:${value}\r\n`
    const options = plainConnection(text, 11, 11 + value.length) ?? parseConnection(value)
    assert.deepEqual(options, { flags, names }, value)
  }
})

test('Connection cannot name a field that identifies, routes or frames', () => {
  const names = [
    'host',
    'authorization',
    'proxy-authorization',
    'cookie',
    'set-cookie',
    'content-length',
    'content-type',
    'transfer-encoding',
    'x-forwarded-for',
    'X-Forwarded-Proto',
    'x-forwarded-host',
    'x-forwarded-port',
    'forwarded',
    'via',
    'evenkeel-epoch',
    'date',
    'trailer',
  ]
  assert.deepEqual(parseConnection(names.join(', ')), { flags: 0, names: null })
})

test('a Connection that is no list of tokens is not guessed at', () => {
  for (const value of ['a b', 'close;', '"close"', 'close\xa0', 'a=b', 'cl\xf6se']) {
    assert.equal(parseConnection(value), null, value)
  }
})
