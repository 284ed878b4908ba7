import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { FailoverRecord } from '../../../src/core/failover-record.ts'
import { agreedStore, type AgreementVoice } from '../../../src/ha/agreed-store.ts'
import { fileStore } from '../../../src/ha/failover-store.ts'
import { openState } from '../../support/open-state.ts'

const reigns: FailoverRecord = {
  active: 'a',
  epoch: 3,
  movingTo: null,
  frozen: null,
  pinned: false,
  fresh: ['b'],
  lastMoves: [],
}
const claims: FailoverRecord = { ...reigns, epoch: 4, movingTo: 'b' }

const never = (error: Error): void => assert.fail(error)

/** A voice for the pool `db`, and what it was asked to claim. */
function voiceOf(claimed: (epoch: number) => void): AgreementVoice {
  const has = (pool: string): boolean => pool === 'db'
  const claim = (_pool: string, { epoch }: FailoverRecord): void => claimed(epoch)
  return { has, claim } as unknown as AgreementVoice
}

test('a claim that etcd has not heard of does not outlive the process', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-agreed-'))
  const state = await openState(dir)
  await state.save({ db: reigns })
  const claimed = await new Promise<number>((resolve) => {
    const store = agreedStore(fileStore(state, never), voiceOf(resolve))
    store.claim('db', claims, () => assert.fail('etcd answers'))
  })
  assert.equal(claimed, 4)
  await state.close()
  // Whoever says that it has seen epoch 4 makes all replicas take an etcd with 3 for one set back.
  const again = await openState(dir)
  assert.deepEqual(again.loaded.pools, { db: reigns })
  await again.close()
})

test('the first claim of a pool leaves nothing behind either', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-agreed-'))
  const state = await openState(dir)
  await new Promise<number>((resolve) => {
    const store = agreedStore(fileStore(state, never), voiceOf(resolve))
    store.claim('db', { ...claims, active: null, epoch: 1 }, () => assert.fail('etcd answers'))
  })
  await state.close()
  const again = await openState(dir)
  assert.deepEqual(again.loaded.pools, {})
  await again.close()
})

test('a move that could not be kept is not begun', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'evenkeel-agreed-'))
  const before = await openState(dir)
  await before.save({ db: reigns })
  await before.close()
  const state = await openState(dir)
  const store = agreedStore(
    fileStore(state, never),
    voiceOf(() => assert.fail('it was claimed')),
  )
  await state.close()
  const lost = await new Promise<string | null>((done) => store.claim('db', claims, done))
  assert.match(lost ?? '', /is closed/)
})
