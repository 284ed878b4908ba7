import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Answer } from '../../../src/admin/answer.ts'
import type { Call, ReadRoute } from '../../../src/admin/route.ts'
import { traceRoutes } from '../../../src/admin/trace-routes.ts'
import { someTrace } from '../../support/traces.ts'

test('the latest thousand exchanges of one id are told, and how many there are', async () => {
  const kept = Array.from({ length: 1_002 }, (_, i) => someTrace({ totalMs: i }))
  const ring = { size: 1_002, total: 1_002, latest: () => [], find: () => kept }
  const route = traceRoutes(() => ({ ring })).find(({ path }) => path === '/v1/traces/{id}')!
  const call: Call = { params: { id: 'x' }, query: {}, headers: {}, who: { from: '', name: null } }
  const answer: Answer = await (route as ReadRoute).answer(call)
  const body = JSON.parse(String(answer.body)) as { found: number; traces: { totalMs: number }[] }
  assert.equal(body.found, 1_002)
  assert.deepEqual(
    body.traces.map(({ totalMs }) => totalMs),
    kept.slice(0, 1_000).map(({ totalMs }) => totalMs),
  )
})
