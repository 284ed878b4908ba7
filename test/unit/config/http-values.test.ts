import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  readChangedHeader,
  readHeaderName,
  readHeaderValue,
  readHostPattern,
  readLocation,
  readMethod,
  readPath,
  readStatusRanges,
  readTarget,
} from '../../../src/config/http-values.ts'
import type { Reading } from '../../../src/config/units.ts'

function reads<T>(read: (text: string) => Reading<T>, rows: readonly (readonly [string, T])[]) {
  for (const [text, value] of rows) assert.deepEqual(read(text), { ok: true, value }, text)
}

function refuses(read: (text: string) => Reading<unknown>, texts: readonly string[]) {
  for (const text of texts) assert.equal(read(text).ok, false, JSON.stringify(text))
}

test('hosts are lower case, exact or one leading wildcard', () => {
  reads(readHostPattern, [
    ['API.Example.COM', 'api.example.com'],
    ['*.example.com', '*.example.com'],
    ['localhost', 'localhost'],
    ['10.0.0.1', '10.0.0.1'],
    ['[::1]', '[::1]'],
    ['my_app', 'my_app'],
  ])
  refuses(readHostPattern, [
    '',
    '*',
    '*.',
    '*.*.a',
    'a.*',
    '*a',
    'a..b',
    '-a',
    'a-',
    'a:80',
    'a/b',
    'a b',
    '::1',
    '[::1]:80',
    '.a',
    'a.',
  ])
})

test('methods are upper case, known ones and those of extensions', () => {
  reads(readMethod, [
    ['get', 'GET'],
    ['PURGE', 'PURGE'],
    ['PROPFIND', 'PROPFIND'],
    ['MKCOL', 'MKCOL'],
    ['LOCK', 'LOCK'],
  ])
  refuses(readMethod, ['', 'G ET', 'connect', 'TRACE', 'GTE', 'PSOT', 'DELET', 'GET,HEAD'])
})

test('paths are taken in the form in which requests are matched', () => {
  reads(readPath, [
    ['/', '/'],
    ['/v1/', '/v1/'],
    ['/a//b', '/a/b'],
    ['/%61%2fb', '/a%2Fb'],
    ['/a.b/..c', '/a.b/..c'],
  ])
  refuses(readPath, [
    '',
    'a',
    '/*',
    '/a?b',
    '/a#b',
    '/a b',
    '/ä',
    '^/a',
    '/a/./b',
    '/a/..',
    '/..%2fa',
    '/a\\..\\b',
  ])
})

test('locations are URLs or paths, with a star at the end only', () => {
  reads(readLocation, [
    ['/', '/'],
    ['/new?x=1', '/new?x=1'],
    ['https://a.example', 'https://a.example'],
    ['https://a.example:8443/b*', 'https://a.example:8443/b*'],
    ['HTTP://a.example/*', 'HTTP://a.example/*'],
  ])
  refuses(readLocation, [
    '',
    'a',
    'ftp://a',
    'https://',
    'https:///a',
    '/a*b',
    '/a b',
    '/ä',
    'javascript:alert(1)',
  ])
})

test('statuses are single ones and ranges', () => {
  reads(readStatusRanges, [
    ['200', [[200, 200]]],
    ['200-299', [[200, 299]]],
    [
      '200, 301 - 308',
      [
        [200, 200],
        [301, 308],
      ],
    ],
  ])
  refuses(readStatusRanges, [
    '',
    '20',
    '2000',
    '2xx',
    '299-200',
    '600',
    '99',
    '200-',
    '-200',
    '200;201',
  ])
})

test('what may be written into a head cannot break out of its line', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const value = readHeaderValue(text)
      if (value.ok) assert.ok(/^[\t\u0020-\u007e\u0080-\u00ff]*$/.test(value.value))
      const name = readHeaderName(text)
      if (name.ok)
        assert.ok(/^[!-~]+$/.test(name.value) && !/[\s:()<>@,;\\"/[\]?={}A-Z]/.test(name.value))
      for (const read of [readPath, readLocation]) {
        const found = read(text)
        if (found.ok) assert.ok(/^[!-~]+$/.test(found.value))
      }
    }),
    { numRuns: 1000 },
  )
})

test('headers of framing and hop belong to nobody else, in any case of letters', () => {
  for (const name of [
    'Connection',
    'CONTENT-LENGTH',
    'transfer-encoding',
    'Upgrade',
    'TE',
    'Trailer',
    'Keep-Alive',
    'Proxy-Connection',
    'HTTP2-Settings',
    'evenkeel-fault',
  ]) {
    assert.equal(readChangedHeader(name).ok, false, name)
  }
  reads(readChangedHeader, [
    ['Host', 'host'],
    ['X-Forwarded-Proto', 'x-forwarded-proto'],
  ])
})

test('what is wrong with the target of a check is told without its query', () => {
  const message = '"/health?..." holds characters that a request target cannot carry'
  assert.deepEqual(readTarget('/health?key=s3cret '), { ok: false, message, hint: null })
})
