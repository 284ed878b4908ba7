import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { refuseChange } from '../../../src/admin/change.ts'

const json = { 'content-type': 'application/json', host: '127.0.0.1:9900' }

const route = { method: 'POST', body: z.strictObject({}) } as const

test('a change needs a JSON content type, which no page can send unasked', () => {
  assert.equal(refuseChange(json, route), null)
  assert.equal(
    refuseChange({ ...json, 'content-type': 'Application/JSON; charset=utf-8' }, route),
    null,
  )
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', '']) {
    assert.equal(refuseChange({ ...json, 'content-type': type }, route)?.status, 415, type)
  }
  assert.equal(refuseChange({ host: 'localhost' }, route)?.status, 415)
})

test('a page may change something only if it came from the API itself', () => {
  for (const [origin, status] of [
    ['http://127.0.0.1:9900', undefined],
    ['HTTP://127.0.0.1:9900', undefined],
    ['https://127.0.0.1:9900', undefined],
    ['http://127.0.0.1', 403],
    ['http://127.0.0.1:8080', 403],
    ['http://evil.example', 403],
    ['http://evil.example/127.0.0.1:9900', 403],
    ['null', 403],
    ['', 403],
  ] as const) {
    assert.equal(refuseChange({ ...json, origin }, route)?.status, status, origin)
  }
  const origin = 'http://localhost'
  assert.equal(refuseChange({ 'content-type': 'application/json', origin }, route)?.status, 403)
})

test('what is no JSON says so, and a DELETE without a body needs no type', () => {
  const yaml = { ...route, bodyTypes: ['application/yaml'] }
  assert.equal(refuseChange({ ...json, 'content-type': 'application/yaml' }, yaml), null)
  const refused = refuseChange(json, yaml)
  assert.match(String(refused?.body), /application\/yaml/)
  assert.equal(refuseChange({ host: 'localhost' }, { method: 'DELETE' }), null)
  assert.equal(refuseChange({ host: 'localhost' }, { method: 'POST' })?.status, 415)
})
