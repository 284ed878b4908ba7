import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import type { FailoverStore } from '../../../src/ha/failover-store.ts'
import { fileStore } from '../../../src/ha/failover-store.ts'
import { openState } from '../../support/open-state.ts'

const record: FailoverRecord = {
  active: 'a',
  epoch: 3,
  movingTo: 'b',
  frozen: null,
  pinned: false,
  fresh: [],
  lastMoves: [],
}

function asked(start: (done: (lost: string | null) => void) => void): Promise<string | null> {
  return new Promise((resolve) => {
    let isWithin = true
    start((lost) => {
      assert.equal(isWithin, false, 'never within the call')
      resolve(lost)
    })
    isWithin = false
  })
}

const never = (error: Error): void => assert.fail(error)

async function kept(dir: string, pool: string): Promise<FailoverRecord | null> {
  const state = await openState(dir)
  const found = fileStore(state, never).restore(pool)
  await state.close()
  return found
}

test('a claim and a commit are durable when they are answered', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-store-'))
  const state = await openState(dir)
  const store: FailoverStore = fileStore(state, never)
  assert.equal(store.restore('db'), null)
  assert.equal(store.restore('constructor'), null)
  assert.equal(await asked((done) => store.claim('db', record, done)), null)
  await state.close()
  assert.deepEqual(await kept(dir, 'db'), record)
  const again = await openState(dir)
  const next = { ...record, active: 'b', movingTo: null }
  assert.equal(await asked((done) => fileStore(again, never).commit('db', next, done)), null)
  await again.close()
  assert.deepEqual(await kept(dir, 'db'), next)
})

test('what can not be kept is lost to the claim, and told of a save that nobody waits for', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-store-'))
  const state = await openState(dir)
  const errors: string[] = []
  const store = fileStore(state, ({ message }) => errors.push(message))
  rmSync(dir, { recursive: true })
  const why = await asked((done) => store.claim('db', record, done))
  assert.match(why ?? '', /lock of the state directory .* was removed/)
  store.save('db', record)
  await new Promise(setImmediate)
  assert.deepEqual(errors, [why])
  await state.close()
})

test('without a state directory everything is kept for as long as the process lives', async () => {
  const store = fileStore(await openState(null), never)
  assert.equal(await asked((done) => store.claim('db', record, done)), null)
  assert.equal(await asked((done) => store.stopped('db', 3, () => done(null))), null)
  assert.equal(store.restore('db'), record)
  assert.equal(fileStore(await openState(null), never).restore('db'), null)
})

test('a pool that a reload takes out and brings back goes on with what was kept last', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-store-'))
  const state = await openState(dir)
  const store = fileStore(state, never)
  assert.equal(await asked((done) => store.claim('db', record, done)), null)
  const later = { ...record, epoch: 9, movingTo: null }
  store.save('db', later)
  assert.deepEqual(store.restore('db'), later, 'an epoch never falls')
  await state.close()
})

test('what is kept while a claim is on its way to the disk is newer than the claim', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-store-'))
  const state = await openState(dir)
  const store = fileStore(state, never)
  const claiming = asked((done) => store.claim('db', record, done))
  const later = { ...record, fresh: ['b'] }
  store.save('db', later)
  assert.equal(await claiming, null)
  assert.equal(store.restore('db'), later)
  await state.close()
  assert.deepEqual(await kept(dir, 'db'), later)
})
