import assert from 'node:assert/strict'
import { test } from 'node:test'
import { redirectLocation, rewritePath } from '../../../src/route/rewrite.ts'

const strip = { kind: 'strip-prefix', prefix: '/api' } as const
const stripSlash = { kind: 'strip-prefix', prefix: '/api/' } as const
const replace = { kind: 'replace-prefix', prefix: '/api', replacement: '/v2' } as const

test('without a rewrite the target goes through byte for byte', () => {
  assert.equal(rewritePath(null, '/a//b/../c?x'), '/a//b/../c?x')
})

test('a prefix is stripped or replaced at a segment border, the query stays', () => {
  const cases: [string, string, string, string][] = [
    ['/api', '/', '/api', '/v2'],
    ['/api?x=1', '/?x=1', '/api?x=1', '/v2?x=1'],
    ['/api/', '/', '/', '/v2/'],
    ['/api/a', '/a', '/a', '/v2/a'],
    ['/api/a/?b=/api/c', '/a/?b=/api/c', '/a/?b=/api/c', '/v2/a/?b=/api/c'],
    ['/apix', '/apix', '/apix', '/apix'],
    ['/other?/api', '/other?/api', '/other?/api', '/other?/api'],
    ['*', '*', '*', '*'],
  ]
  for (const [target, stripped, strippedSlash, replaced] of cases) {
    assert.equal(rewritePath(strip, target), stripped)
    assert.equal(rewritePath(stripSlash, target), strippedSlash)
    assert.equal(rewritePath(replace, target), replaced)
  }
})

test('a prefix that becomes a shorter or longer one keeps one slash between the parts', () => {
  const to = (replacement: string) => ({ ...replace, replacement })
  assert.equal(rewritePath(to('/'), '/api/a'), '/a')
  assert.equal(rewritePath(to('/'), '/api'), '/')
  assert.equal(rewritePath(to('/x/'), '/api/a'), '/x/a')
  assert.equal(rewritePath(to('/x'), '/api/a'), '/x/a')
  assert.equal(rewritePath({ ...to('/x'), prefix: '/api/' }, '/api/a'), '/x/a')
})

test('what follows the prefix is kept byte for byte', () => {
  assert.equal(rewritePath(strip, '/api/a//b%2Fc/%7Ed;e?f'), '/a//b%2Fc/%7Ed;e?f')
})

test('no rewrite yields another authority or an empty target', () => {
  for (const target of ['/api//evil.example', '/api///evil.example', '/api/\\evil.example']) {
    assert.equal(rewritePath(strip, target), '/evil.example')
    assert.equal(rewritePath(replace, target), '/v2/evil.example')
  }
})

test('a prefix that shows only in the normalised path is taken from that', () => {
  assert.equal(rewritePath(strip, '/x/../api/users?q'), '/users?q')
  assert.equal(rewritePath(strip, '/%61pi/users'), '/users')
  assert.equal(rewritePath(strip, '//api/users'), '/users')
  assert.equal(rewritePath(strip, '/api/../api/users'), '/users')
  assert.equal(rewritePath(strip, '/api/x/%2e%2e/y'), '/y')
  assert.equal(rewritePath(strip, '/api/../etc'), '/api/../etc', 'that one is not below it')
})

test('a redirect goes where it says, with path and query appended in place of a star', () => {
  assert.equal(redirectLocation('https://a.example/b', '/c?d'), 'https://a.example/b')
  assert.equal(redirectLocation('https://a.example*', '/c?d'), 'https://a.example/c?d')
  assert.equal(redirectLocation('https://a.example/*', '/c?d'), 'https://a.example/c?d')
  assert.equal(redirectLocation('https://a.example/b/*', '/'), 'https://a.example/b/')
  assert.equal(redirectLocation('/new*', '/c'), '/new/c')
  assert.equal(redirectLocation('https://a.example/*', '*'), 'https://a.example/')
})

test('no redirect leads to a host that the client chose', () => {
  for (const target of [
    '//evil.example',
    '/\\evil.example',
    '///evil.example',
    '/\\/evil.example',
  ]) {
    assert.equal(redirectLocation('/*', target), '/evil.example')
    assert.equal(redirectLocation('*', target), '/evil.example')
    assert.equal(redirectLocation('https://a.example*', target), 'https://a.example/evil.example')
  }
  assert.equal(
    redirectLocation('https://a.example*', '/@evil.example'),
    'https://a.example/@evil.example',
  )
})
