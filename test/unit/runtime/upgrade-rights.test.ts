import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedTable, THREAD } from '../../../src/core/shared-layout.ts'
import { Rights } from '../../../src/runtime/upgrade-rights.ts'

const shape = { threads: 2, listeners: 1, pools: 3, slots: 1 }

test('a right that was taken away is not given again, and others stay', async () => {
  const table = SharedTable.allocate(shape)
  const rights = new Rights(table, { nowMs: () => 1_000 })
  rights.grant(1, 5_000)
  assert.ok(rights.areGranted([{ slot: 0 }, { slot: 1 }]))
  await rights.revoke([1])
  rights.grant(1, 9_000)
  rights.grant(2, 9_000)
  assert.ok(!rights.areGranted([{ slot: 1 }]))
  assert.ok(rights.areGranted([{ slot: 0 }, { slot: 2 }]))
})

test('taking it away ends when every thread has begun a second tick', async () => {
  const table = SharedTable.allocate(shape)
  const rights = new Rights(table, { nowMs: () => 1_000 })
  const beat = (thread: number, atMs: number): void => {
    table.rows[thread]![THREAD.heartbeatMs] = atMs
  }
  // The second thread is dead: its row is cleared.
  beat(0, 900)
  let isOver = false
  const revoking = rights.revoke([0]).then(() => (isOver = true))
  const looks = (): Promise<void> => new Promise((done) => setTimeout(done, 30))
  await looks()
  assert.equal(isOver, false)
  beat(0, 950)
  await looks()
  assert.equal(isOver, false)
  beat(0, 1_000)
  await revoking
})
