import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainRequest } from '../../../src/route/explain-request.ts'
import { planOf } from '../../support/plans.ts'

test('a header that was not sent is none, whatever its name', () => {
  const plan = planOf(`
listeners:
  web:
    bind: ":8080"
    routes:
      - { match: { header: { constructor: true } }, respond: { status: 204 } }
      - { respond: { status: 404 } }
pools: { web: { backends: { a: "127.0.0.1:1" } } }
`)
  const question = { method: 'GET', url: 'http://x/', headers: {}, listener: null }
  const found = explainRequest(plan, question, () => assert.fail('no pool is asked'))
  assert.equal(found.ok && found.explanation.status, 404)
})
