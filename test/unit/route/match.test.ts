import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { NO_ROUTE, normalizeHost } from '../../../src/route/match.ts'
import { matched, request } from './routes.ts'

test('no route, no match', () => {
  assert.equal(matched([], request('/')), NO_ROUTE)
  assert.equal(matched([{ methods: ['POST'] }], request('/')), NO_ROUTE)
})

test('a route without conditions takes everything, even what has no path', () => {
  for (const path of ['/', '*', '/a/../b', '/..%2f', '']) {
    assert.equal(matched([{}, { pathPrefix: '/' }], request(path, '')), 0)
  }
})

test('the first match wins, whatever it is indexed by', () => {
  const routes = [
    { hosts: ['other.example'] },
    { pathPrefix: '/x', methods: ['POST'] },
    { hosts: ['*.example'], pathExact: '/x/y' },
    { hosts: ['a.example'], pathPrefix: '/x' },
    { pathExact: '/x/y' },
    {},
  ]
  assert.equal(matched(routes, request('/x/y')), 2)
  assert.equal(matched(routes, request('/x/y', 'a.example', 'POST')), 1)
  assert.equal(matched(routes, request('/x/z')), 3)
  assert.equal(matched(routes, request('/x/y', 'b')), 4)
  assert.equal(matched(routes, request('/', 'b')), 5)
  assert.equal(matched(routes.toReversed(), request('/x/y')), 0)
})

describe('hosts', () => {
  test('case, port and a trailing dot make no difference', () => {
    for (const host of [
      'a.example',
      'A.Example',
      'a.example:8080',
      'a.example.',
      'A.example.:80',
    ]) {
      assert.equal(matched([{ hosts: ['a.example'] }], request('/', host)), 0, host)
    }
    for (const host of ['', 'b.example', 'a.example.evil', 'xa.example', 'a.example..']) {
      assert.equal(matched([{ hosts: ['a.example'] }], request('/', host)), NO_ROUTE, host)
    }
  })

  test('an address in brackets keeps its colons', () => {
    assert.equal(normalizeHost('[::1]:8080'), '[::1]')
    assert.equal(normalizeHost('[FE80::1]'), '[fe80::1]')
    assert.equal(normalizeHost('127.0.0.1:80'), '127.0.0.1')
    assert.equal(matched([{ hosts: ['[::1]'] }], request('/', '[::1]:80')), 0)
  })

  test('a wildcard takes any subdomain at any depth, but not the name itself', () => {
    const routes = [{ hosts: ['*.example.com'] }]
    for (const host of ['a.example.com', 'a.b.example.com', 'A.EXAMPLE.com:1']) {
      assert.equal(matched(routes, request('/', host)), 0, host)
    }
    for (const host of ['example.com', 'xexample.com', '.example.com', 'example.com.evil']) {
      assert.equal(matched(routes, request('/', host)), NO_ROUTE, host)
    }
  })

  test('the order of routes decides between exact names and wildcards of any length', () => {
    const routes = [
      { hosts: ['*.b.example'], methods: ['POST'] },
      { hosts: ['*.example'], methods: ['POST', 'GET'] },
      { hosts: ['a.b.example', '*.b.example'] },
    ]
    assert.equal(matched(routes, request('/', 'a.b.example')), 1)
    assert.equal(matched(routes, request('/', 'a.b.example', 'POST')), 0)
    assert.equal(matched(routes, request('/', 'a.b.example', 'PUT')), 2)
  })

  test('a host of thousands of labels is looked up for its name only', () => {
    const host = `${'a.'.repeat(30_000)}example`
    // The wildcard would match, if somebody looked for it label by label.
    assert.equal(matched([{ hosts: ['*.example'] }, {}], request('/', host)), 1)
  })
})

describe('paths', () => {
  const cases: [Partial<{ pathPrefix: string; pathExact: string }>, string[], string[]][] = [
    [{ pathPrefix: '/' }, ['/', '/a', '/a/b?c', '/?q'], ['*', '']],
    [
      { pathPrefix: '/v1' },
      ['/v1', '/v1/', '/v1/x', '/v1?x=/', '/v1#x'],
      ['/v10', '/v', '/x/v1', '/V1', '/'],
    ],
    [{ pathPrefix: '/v1/' }, ['/v1/', '/v1/x', '/v1/x/y?z'], ['/v1', '/v1?x', '/v10/']],
    [{ pathExact: '/v1' }, ['/v1', '/v1?x=1'], ['/v1/', '/v1/x', '/v']],
    [{ pathPrefix: '/a/b' }, ['/a/b/c', '/a//b', '//a/b'], ['/a', '/a/bc', '/a/c/b']],
  ]
  // Beside few and beside many other prefixes, which are two ways of looking.
  for (const others of [0, 30]) {
    test(`prefixes end at a segment border, beside ${others} others`, () => {
      const rest = Array.from({ length: others }, (_, i) => ({ pathPrefix: `/other-${i}` }))
      for (const [condition, yes, no] of cases) {
        const routes = [condition, ...rest]
        for (const path of yes) assert.equal(matched(routes, request(path)), 0, path)
        for (const path of no) assert.equal(matched(routes, request(path)), NO_ROUTE, path)
      }
    })
  }

  test('among many prefixes the longest and the shortest are found', () => {
    const routes = Array.from({ length: 30 }, (_, i) => ({ pathPrefix: `/p${'-'.repeat(i)}` }))
    for (const [i, { pathPrefix }] of routes.entries()) {
      assert.equal(matched(routes, request(pathPrefix)), i)
      assert.equal(matched(routes, request(`${pathPrefix}/x/y`)), i)
    }
    assert.equal(matched(routes, request(`/p${'-'.repeat(30)}`)), NO_ROUTE)
  })

  test('a path is matched by what the backend will make of it', () => {
    const routes = [{ pathPrefix: '/admin' }, { pathPrefix: '/public' }]
    const admin = [
      '/admin',
      '/public/../admin',
      '/public/%2e%2E/admin/x',
      '/public/.%2e/admin',
      '/./admin',
      '//admin',
      '/../admin',
      '/%61dmin',
      '/x//..//admin/',
      '/public/./../admin/.',
    ]
    for (const path of admin) assert.equal(matched(routes, request(path)), 0, path)
    for (const path of ['/public/', '/public/..', '/public/%2561', '/admin/../public']) {
      assert.equal(matched(routes, request(path)), path === '/public/..' ? NO_ROUTE : 1, path)
    }
  })

  test('a path that climbs only for some servers matches nothing', () => {
    const ambiguous = [
      '/public/..%2fadmin',
      '/public/..%2Fadmin',
      '/public%2f../admin',
      '/public/..\\admin',
      '/public/%2e%2e%5cadmin',
      '/public/..;/admin',
      '/public/..;x=1/admin',
      '/public/..%3b/admin',
      '/public/%2e%2e;/admin',
    ]
    for (const path of ambiguous) {
      assert.equal(matched([{ pathPrefix: '/public' }, {}], request(path)), NO_ROUTE, path)
      assert.equal(
        matched([{ hosts: ['a.example'] }], request(path)),
        0,
        'no route asks for a path',
      )
    }
  })

  test('harmless encodings match as they are', () => {
    const routes = [{ pathPrefix: '/projects' }]
    const harmless = [
      '/projects/group%2Fname',
      '/projects/a;b=c',
      '/projects/..a/x',
      '/projects/.well-known',
      '/projects/a%20b',
      '/projects/...',
      '/projects/%',
      '/projects/%zz',
      '/projects/a\\b',
    ]
    for (const path of harmless) assert.equal(matched(routes, request(path)), 0, path)
    assert.equal(matched(routes, request('/projects%2Fname')), NO_ROUTE, 'no slash for us')
    assert.equal(matched([{ pathExact: '/a%2fb' }], request('/a%2Fb')), 0, 'case of the digits')
  })

  test('what follows the question mark plays no part', () => {
    const routes = [{ pathPrefix: '/a' }]
    assert.equal(matched(routes, request('/a?x=/../..%2f')), 0)
    assert.equal(matched(routes, request('/b?/a')), NO_ROUTE)
  })
})

describe('methods and headers', () => {
  test('methods match by their exact name', () => {
    const routes = [{ methods: ['GET', 'HEAD'] }, {}]
    assert.equal(matched(routes, request('/', 'a', 'HEAD')), 0)
    assert.equal(matched(routes, request('/', 'a', 'get')), 1)
  })

  test('headers match by value or by presence, all of them', () => {
    const routes = [
      {
        headers: [
          { name: 'x-canary', value: 'yes' },
          { name: 'x-user', value: null },
        ],
      },
      { pathPrefix: '/p', headers: [{ name: 'x-user', value: null }] },
    ]
    const sent = (headers: Record<string, string>) => request('/p', 'a', 'GET', headers)
    assert.equal(matched(routes, sent({ 'x-canary': 'yes', 'x-user': '' })), 0)
    assert.equal(matched(routes, sent({ 'x-canary': 'no', 'x-user': 'u' })), 1)
    assert.equal(matched(routes, sent({ 'x-canary': 'yes' })), NO_ROUTE)
  })
})
