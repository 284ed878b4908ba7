import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { RouteMatch } from '../../src/core/route-plan.ts'
import { hasPrefix, normalizeHost, type RouteRequest } from '../../src/route/match.ts'
import { AMBIGUOUS, normalizePath } from '../../src/route/path.ts'
import { rewritePath, redirectLocation } from '../../src/route/rewrite.ts'
import { compileRoutes } from '../../src/route/compile.ts'
import { explainRoutes } from '../../src/route/explain.ts'
import { matched, request, route } from '../unit/route/routes.ts'

/** The meaning of a route list in its plainest form: look at each in turn. */
function firstMatch(routes: readonly RouteMatch[], sent: RouteRequest): number {
  const host = normalizeHost(sent.host)
  const asksForPath = routes.some(
    ({ pathExact, pathPrefix }) => pathExact !== null || pathPrefix !== null,
  )
  const path = normalizePath(sent.path)
  return routes.findIndex((one, index) => {
    if (index > 0 && isBare(routes[0]!)) return false
    if (asksForPath && path === AMBIGUOUS && !isBare(routes[0]!)) return false
    const hostFits =
      one.hosts === null ||
      one.hosts.some((name) =>
        name.startsWith('*.')
          ? host.endsWith(name.slice(1)) && host.length > name.length - 1
          : host === name,
      )
    return (
      hostFits &&
      (one.pathExact === null || path === one.pathExact) &&
      (one.pathExact !== null || one.pathPrefix === null || hasPrefix(path, one.pathPrefix)) &&
      (one.methods === null || one.methods.includes(sent.method)) &&
      one.headers.every(({ name, value }) => {
        const is = sent.header(name)
        return is !== null && (value === null || is === value)
      })
    )
  })
}

function isBare(one: RouteMatch): boolean {
  return (
    one.hosts === null &&
    one.pathExact === null &&
    one.pathPrefix === null &&
    one.methods === null &&
    one.headers.length === 0
  )
}

const segment = fc.constantFrom('a', 'b', 'ab')
const path = fc
  .array(segment, { maxLength: 3 })
  .chain((parts) => fc.constantFrom(`/${parts.join('/')}`, `/${[...parts, ''].join('/')}`))
  .map((whole) => whole.replace(/\/+/g, '/'))
const oddPath = fc
  .array(fc.constantFrom('a', 'b', '.', '..', '%2e', '%2F', '%61', ';', '\\', '', '..;', 'ab'), {
    maxLength: 6,
  })
  .map((parts) => `/${parts.join('/')}`)
const host = fc.constantFrom('x', 'a.x', 'b.a.x', 'y', 'c.y')
const routeMatch: fc.Arbitrary<RouteMatch> = fc.record({
  hosts: fc.option(
    fc.array(
      fc.oneof(
        host,
        host.map((name) => `*.${name}`),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  ),
  pathPrefix: fc.option(path),
  pathExact: fc.option(path, { freq: 1 }),
  methods: fc.option(fc.constantFrom(['GET'], ['GET', 'PUT'])),
  headers: fc.constantFrom([], [], [{ name: 'k', value: 'v' }], [{ name: 'k', value: null }]),
})

test('the tables find just what looking at each route in turn finds', () => {
  fc.assert(
    fc.property(
      fc.array(routeMatch, { maxLength: 40 }),
      fc.array(
        fc.record({
          method: fc.constantFrom('GET', 'PUT', 'POST'),
          host: fc.oneof(host, fc.constantFrom('B.A.X.:80', '', 'z', 'q.b.a.x')),
          path: fc.oneof(
            path,
            oddPath,
            path.map((one) => `${one}?q=/a`),
          ),
          headers: fc.constantFrom<Record<string, string>>({}, { k: 'v' }, { k: 'w' }),
        }),
        { minLength: 1, maxLength: 10 },
      ),
      (routes, requests) => {
        for (const { path, host, method, headers } of requests) {
          const sent = request(path, host, method, headers)
          assert.equal(matched(routes, sent), firstMatch(routes, sent), `${method} ${host} ${path}`)
        }
      },
    ),
    { numRuns: 500 },
  )
})

test('a normal path has no dot segments or double slashes, and stays as it is', () => {
  fc.assert(
    fc.property(oddPath, (target) => {
      const normal = normalizePath(target)
      if (normal === AMBIGUOUS) return
      assert.equal(normalizePath(normal), normal)
      assert.match(normal, /^\//)
      assert.doesNotMatch(normal, /\/\/|\/\.\.?(\/|$)|%2e|%61/)
    }),
    { numRuns: 2_000 },
  )
})

test('paths of plain segments mean what the URL standard says', () => {
  const plain = fc
    .array(fc.constantFrom('a', 'b', '.', '..', '%2e', '.%2E', 'c.d', '...'), { maxLength: 7 })
    .map((parts) => `/${parts.join('/')}`)
  fc.assert(
    fc.property(plain, (target) => {
      assert.equal(normalizePath(target), new URL(target, 'http://a').pathname)
    }),
    { numRuns: 2_000 },
  )
})

test('whatever the client sends, a rewritten target is a path, and a redirect stays on its host', () => {
  const base = fc.constantFrom('', '/', '/x', '/x/')
  const raw = fc
    .array(fc.constantFrom('api', '/', '/', '.', '..', '\\', '%2f', '?', 'x', '@', ':', '#'), {
      maxLength: 10,
    })
    .map((parts) => `/${parts.join('')}`)
  fc.assert(
    fc.property(raw, base, fc.boolean(), (target, replacement, slash) => {
      const prefix = slash ? '/api/' : '/api'
      const rewritten = rewritePath({ kind: 'replace-prefix', prefix, replacement }, target)
      if (rewritten !== target) assert.match(rewritten, /^\/(?![/\\])/)
      const location = redirectLocation(`${replacement}*`, target)
      assert.match(location, /^\/(?![/\\])/)
      const url = new URL(redirectLocation('https://b.example*', target), 'https://a.example')
      assert.equal(url.host, 'b.example')
    }),
    { numRuns: 2_000 },
  )
})

test('an explanation names the route that is taken, and what is wrong with each before it', () => {
  fc.assert(
    fc.property(
      fc.array(routeMatch, { maxLength: 12 }),
      fc.constantFrom('GET', 'PUT', 'POST'),
      fc.oneof(host, fc.constantFrom('B.A.X.:80', '', 'z')),
      fc.oneof(path, oddPath),
      fc.constantFrom<Record<string, string>>({}, { k: 'v' }, { k: 'w' }),
      (routes, method, sentHost, sentPath, headers) => {
        const sent = request(sentPath, sentHost, method, headers)
        const { index, routes: verdicts } = explainRoutes(compileRoutes(routes.map(route)), sent)
        assert.equal(index, firstMatch(routes, sent))
        verdicts.forEach(({ verdict, reason }, at) => {
          if (index >= 0 && at > index) assert.equal(verdict, 'passed')
          else assert.equal(verdict, at === index ? 'matches' : 'differs')
          // Nothing wrong with it would mean that it should have been taken.
          assert.notEqual(reason, '', `route ${at} of ${JSON.stringify(routes)}`)
        })
      },
    ),
    { numRuns: 500 },
  )
})
