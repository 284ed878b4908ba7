import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemNotes } from '../../../src/cli/check-system.ts'
import { planOf } from '../../support/plans.ts'

function plan(threads: string, bind = '127.0.0.1:80') {
  return planOf(`
runtime: { threads: ${threads} }
listeners: { web: { bind: "${bind}", pool: web } }
pools: { web: { backends: ["127.0.0.1:1"] } }`)
}

const facts = { cores: 4, node: '24.1.0', migrate: '0' }

test('that waiting connections are lost with a thread is said where there are several', () => {
  const [note = '', ...more] = systemNotes(plan('auto'), facts)
  assert.match(note, /^net\.ipv4\.tcp_migrate_req is 0: /)
  assert.deepEqual(more, [])
  assert.equal(systemNotes(plan('2'), { ...facts, cores: 1 }).length, 1)
})

test('and nowhere else', () => {
  assert.deepEqual(systemNotes(plan('1'), facts), [])
  assert.deepEqual(systemNotes(plan('auto'), { ...facts, cores: 1 }), [])
  assert.deepEqual(systemNotes(plan('2'), { ...facts, node: '20.20.2' }), [])
  assert.deepEqual(systemNotes(plan('2'), { ...facts, node: '22.11.0' }), [])
  assert.deepEqual(systemNotes(plan('2'), { ...facts, migrate: '1' }), [])
  assert.deepEqual(systemNotes(plan('2'), { ...facts, migrate: null }), [])
  assert.deepEqual(systemNotes(plan('2', 'unix:/run/web.sock'), facts), [])
})
