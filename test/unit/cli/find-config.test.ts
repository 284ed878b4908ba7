import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findConfig, oneFile } from '../../../src/cli/find-config.ts'

test('what is named wins over the environment, and a file over bare settings', () => {
  const env = { EVENKEEL_CONFIG: '/b.yaml', EVENKEEL_BACKENDS: '127.0.0.1:1' }
  assert.deepEqual(findConfig('/a.yaml', env), { kind: 'file', path: '/a.yaml' })
  assert.deepEqual(findConfig(undefined, env), { kind: 'file', path: '/b.yaml' })
  assert.deepEqual(findConfig(undefined, { ...env, EVENKEEL_CONFIG: '' }), { kind: 'environment' })
  assert.equal(findConfig(undefined, { EVENKEEL_BACKENDS: '' }), null)
})

test('a file named twice must be the same', () => {
  assert.equal(oneFile(undefined, 'a'), 'a')
  assert.equal(oneFile('a', 'a'), 'a')
  assert.throws(() => oneFile('a', 'b'), { name: 'Failure', code: 2 })
})
