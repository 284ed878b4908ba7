import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { distance, nearest } from '../../../src/core/nearest.ts'

test('typing distance counts insertions, deletions, replacements and swaps once each', () => {
  for (const [one, two, expected] of [
    ['', '', 0],
    ['', 'abc', 3],
    ['pool', 'pools', 1],
    ['pool', 'pol', 1],
    ['pool', 'pook', 1],
    ['pool', 'polo', 1],
    ['Pool', 'pOOL', 0],
    ['kitten', 'sitting', 3],
    ['ca', 'abc', 3],
  ] as const) {
    assert.equal(distance(one, two), expected, `${one} ${two}`)
  }
})

test('typing distance is the same in both directions and zero only for equals', () => {
  const word = fc.stringMatching(/^[a-d]{0,6}$/)
  fc.assert(
    fc.property(word, word, (one, two) => {
      assert.equal(distance(one, two), distance(two, one))
      assert.equal(distance(one, two) === 0, one === two)
      assert.ok(distance(one, two) <= Math.max(one.length, two.length))
    }),
  )
})

test('the nearest name is suggested only if it is near enough', () => {
  const names = ['web', 'api', 'least-connections', 'warn', 'round-robin']
  assert.equal(nearest('wbe', names), 'web')
  assert.equal(nearest('leastconn', names), 'least-connections')
  assert.equal(nearest('warning', names), 'warn')
  assert.equal(nearest('roundrobin', names), 'round-robin')
  assert.equal(nearest('database', names), null)
  assert.equal(nearest('x', []), null)
})
