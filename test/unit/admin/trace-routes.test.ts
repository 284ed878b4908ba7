import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '../../../src/admin/answer.ts'
import type { Call, ReadRoute } from '../../../src/admin/route.ts'
import { traceRoutes } from '../../../src/admin/trace-routes.ts'
import type { TraceRecord } from '../../../src/core/trace.ts'
import { someTrace } from '../../support/traces.ts'

async function ask(
  path: string,
  ring: { readonly found: readonly TraceRecord[]; readonly latest: readonly TraceRecord[] },
  query: Call['query'] = {},
): Promise<Answer> {
  const { found, latest } = ring
  const source = { ring: { size: 0, total: 0, latest: () => latest, find: () => found } }
  const routes = traceRoutes(
    () => source,
    () => ['web', 'api'],
  )
  const route = routes.find((one) => one.path === path) as ReadRoute
  return route.answer({ params: { id: 'x' }, query, headers: {}, who: { from: '', name: null } })
}

test('the latest thousand exchanges of one id are told, and how many there are', async () => {
  const found = Array.from({ length: 1_002 }, (_, i) => someTrace({ totalMs: i }))
  const answer = await ask('/v1/traces/{id}', { found, latest: [] })
  const body = JSON.parse(String(answer.body)) as { found: number; traces: { totalMs: number }[] }
  assert.equal(body.found, 1_002)
  assert.deepEqual(
    body.traces.map(({ totalMs }) => totalMs),
    found.slice(0, 1_000).map(({ totalMs }) => totalMs),
  )
})

test('a pool that does not exist is refused, unless its exchanges are still kept', async () => {
  const none = { found: [], latest: [] }
  assert.equal((await ask('/v1/traces', none, { pool: 'web' })).status, 200)
  const refused = await ask('/v1/traces', none, { pool: 'wbe' })
  assert.equal(refused.status, 404)
  const { detail, pools } = JSON.parse(String(refused.body)) as Record<string, unknown>
  assert.deepEqual([detail, pools], ["There is no pool 'wbe'.", ['web', 'api']])
  const kept = { found: [], latest: [someTrace({ pool: 'old' })] }
  assert.equal((await ask('/v1/traces', kept, { pool: 'old' })).status, 200)
})
