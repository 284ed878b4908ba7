// What it costs to find the route of a request, at 1, 10 and 1,000 routes.

import { compileRoutes } from '../../src/route/compile.ts'
import { match, type RouteRequest } from '../../src/route/match.ts'
import type { RouteMatch } from '../../src/core/route-plan.ts'
import { route } from '../../test/unit/route/routes.ts'
import type { MicroCase } from './main.ts'

/** Strings as a parser makes them: cut from a larger one, with no hash computed yet. */
function requests(pairs: readonly (readonly [string, string])[]): RouteRequest[] {
  return Array.from({ length: 1_024 }, (_, i) => {
    const [host, path] = pairs[i % pairs.length]!
    const head = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const at = 4 + path.length
    return {
      method: 'GET',
      path: head.toString('latin1', 4, at),
      host: head.toString('latin1', at + 17, at + 17 + host.length),
      header: () => null,
    }
  })
}

function matchCase(
  name: string,
  routes: readonly Partial<RouteMatch>[],
  pairs: readonly (readonly [string, string])[],
): MicroCase {
  const table = compileRoutes(routes.map(route))
  const sent = requests(pairs)
  let sum = 0
  return {
    name: `route ${name}`,
    run(iterations) {
      for (let i = 0; i < iterations; i++) sum += match(table, sent[i & 1_023]!)
      if (sum < 0) throw new Error('a request matched no route')
    },
  }
}

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)
const typical: [string, string] = ['shop.example.com', '/api/v1/orders/81723?expand=items']

export const cases: MicroCase[] = [
  matchCase('1, catch-all', [{}], [typical]),
  matchCase('1, by host', [{ hosts: ['shop.example.com'] }], [typical]),
  matchCase('1, by path', [{ pathPrefix: '/api' }], [typical]),
  matchCase(
    '10, by host and path, then a catch-all',
    [...numbers(9).map((i) => ({ hosts: [`h${i}.example.com`], pathPrefix: `/p${i}/` })), {}],
    numbers(10).map((i) => [`h${i}.example.com`, `/p${i}/orders/1?x`]),
  ),
  matchCase(
    '10, by path',
    [...numbers(9).map((i) => ({ pathPrefix: `/api/v${i}` })), {}],
    [typical],
  ),
  matchCase(
    '1000, by host',
    numbers(1_000).map((i) => ({ hosts: [`h${i}.example.com`] })),
    numbers(1_000).map((i) => [`h${i}.example.com`, '/api/v1/orders/1?x']),
  ),
  matchCase(
    '1000, by wildcard host',
    numbers(1_000).map((i) => ({ hosts: [`*.h${i}.example.com`] })),
    numbers(1_000).map((i) => [`a.h${i}.example.com`, '/api/v1/orders/1?x']),
  ),
  matchCase(
    '1000, by path',
    numbers(1_000).map((i) => ({ pathPrefix: `/service-${i}/v1` })),
    numbers(1_000).map((i) => ['a.example', `/service-${i}/v1/orders/1?x`]),
  ),
  matchCase(
    '1000, by path, from an odd one',
    numbers(1_000).map((i) => ({ pathPrefix: `/service-${i}/v1` })),
    numbers(1_000).map((i) => ['a.example', `/x/../service-${i}/%761/orders/1?x`]),
  ),
]
