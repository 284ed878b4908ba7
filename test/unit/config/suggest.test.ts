import assert from 'node:assert/strict'
import { test } from 'node:test'
import { suggest } from '../../../src/config/suggest.ts'

test('without a near name the hint lists what there is', () => {
  assert.equal(suggest('ap', ['app'], 'pools'), 'did you mean app?')
  assert.equal(suggest('x', ['one', 'two'], 'pools'), 'pools: one, two')
  assert.equal(suggest('x', [], 'pools'), 'there are no pools')
  const many = Array.from({ length: 20 }, (_, index) => `name-${index}`)
  assert.equal(suggest('x', many, 'pools').split(',').length, 13)
})
