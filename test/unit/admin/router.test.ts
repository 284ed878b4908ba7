import assert from 'node:assert/strict'
import { test } from 'node:test'
import { text } from '../../../src/admin/answer.ts'
import type { Route } from '../../../src/admin/route.ts'
import { changeRoute, readRoute } from '../../../src/admin/route.ts'
import { Router } from '../../../src/admin/router.ts'

const get = (path: string): Route =>
  readRoute({
    path,
    tag: 'pools',
    summary: path,
    result: { says: 'x' },
    answer: () => text(200, ''),
  })
const change = (method: 'POST' | 'DELETE', path: string): Route =>
  changeRoute({
    method,
    path,
    tag: 'pools',
    verb: 'x',
    summary: path,
    result: { says: 'x' },
    change: () => ({ ok: true, message: '' }),
  })

const router = new Router([
  get('/'),
  get('/v1/pools/{pool}'),
  get('/v1/pools/{pool}/backends/{backend}'),
  change('DELETE', '/v1/pools/{pool}/backends/{backend}'),
  change('POST', '/v1/pools/{pool}/{verb}'),
  change('POST', '/v1/pools/{pool}/drain'),
])

function find(method: string, path: string): unknown {
  const found = router.find(method, path)
  return found.ok ? [found.route.path, found.params] : [found.answer.status, found.answer.headers]
}

test('a path is found with its parameters decoded once', () => {
  assert.deepEqual(find('GET', '/'), ['/', {}])
  assert.deepEqual(find('HEAD', '/v1/pools/a'), ['/v1/pools/{pool}', { pool: 'a' }])
  const both = '/v1/pools/{pool}/backends/{backend}'
  assert.deepEqual(find('DELETE', '/v1/pools/a%20b/backends/%252e'), [
    both,
    { pool: 'a b', backend: '%2e' },
  ])
  assert.deepEqual(find('GET', '/v1/pools/a%2Fb'), ['/v1/pools/{pool}', { pool: 'a/b' }])
})

test('a word of the path itself comes before a parameter', () => {
  assert.deepEqual(find('POST', '/v1/pools/a/drain'), ['/v1/pools/{pool}/drain', { pool: 'a' }])
  assert.deepEqual(find('POST', '/v1/pools/a/other'), [
    '/v1/pools/{pool}/{verb}',
    { pool: 'a', verb: 'other' },
  ])
})

test('there is one spelling of each path', () => {
  for (const path of [
    '',
    '//',
    '/v1/pools',
    '/v1/pools/',
    '/v1/pools/a/',
    '/v1//pools/a',
    '/v1/./pools/a',
    '/v1/x/../pools/a',
    '/V1/pools/a',
    '/%76%31/pools/a',
    '/v1/pools/%ff',
    '/v1/pools/%',
    '/v1/pools/a;x/b/c',
    'v1/pools/a',
  ]) {
    assert.deepEqual(find('GET', path), [404, {}], path)
  }
})

test('another method is refused with those that the path takes', () => {
  assert.deepEqual(find('POST', '/v1/pools/a'), [405, { allow: 'GET, HEAD' }])
  assert.deepEqual(find('PUT', '/v1/pools/a/backends/b'), [405, { allow: 'GET, HEAD, DELETE' }])
  assert.deepEqual(find('GET', '/v1/pools/a/drain'), [405, { allow: 'POST' }])
  assert.deepEqual(find('get', '/'), [405, { allow: 'GET, HEAD' }])
})

test('what is not there lists what is', () => {
  const found = router.find('GET', '/x')
  assert.ok(!found.ok)
  const { paths } = JSON.parse(String(found.answer.body)) as { paths: Record<string, string> }
  assert.deepEqual(Object.keys(paths).sort(), [
    '/',
    '/v1/pools/{pool}',
    '/v1/pools/{pool}/backends/{backend}',
    'DELETE /v1/pools/{pool}/backends/{backend}',
    'POST /v1/pools/{pool}/drain',
    'POST /v1/pools/{pool}/{verb}',
  ])
})

test('two routes that could mean the same request are a mistake of ours', () => {
  assert.throws(() => new Router([get('/a/{b}'), get('/a/{c}')]), /two routes.*GET \/a\/\{\}/)
})
