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

test('the port of the URL says where it comes in, that of the scheme too, and at a tcp listener', () => {
  const plan = planOf(`
listeners:
  alt: { bind: ":8080", pool: web }
  web: { bind: ":80", pool: web }
  database: { bind: ":5432", protocol: tcp, pool: web }
pools: { web: { backends: { a: "127.0.0.1:1" } } }
`)
  const pool = {
    pool: 'web',
    mode: 'active-active',
    balance: 'round-robin',
    outcome: 'sent',
    reason: 'a is the only one available',
    backend: 'a',
    fault: null,
    candidates: [],
  } as const
  const listenerOf = (url: string): string => {
    const question = { method: 'GET', url, headers: {}, listener: null }
    const found = explainRequest(plan, question, () => pool)
    assert.ok(found.ok)
    const { listener, request } = found.explanation
    return `${listener.name}: ${listener.reason}${request === null ? ' (tcp)' : ''}`
  }
  assert.equal(listenerOf('http://a.test:8080/'), 'alt: it listens on port 8080')
  assert.equal(listenerOf('http://a.test/'), 'web: it listens on port 80')
  assert.equal(listenerOf('http://a.test:5432/'), 'database: it listens on port 5432 (tcp)')
  assert.equal(
    listenerOf('https://a.test/'),
    'alt: the first http listener; another one can be named',
  )
})
