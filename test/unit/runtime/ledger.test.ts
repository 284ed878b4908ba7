import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SharedTable } from '../../../src/core/shared-layout.ts'
import { EventLog } from '../../../src/observe/event-log.ts'
import { silentLog } from '../../../src/observe/log.ts'
import { RunningLedger } from '../../../src/runtime/ledger.ts'
import { pause } from '../../support/wait.ts'
import { planOf, poolPlan } from './control-world.ts'

test('a ledger that is closed before it has begun writes nothing, and lives no longer', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-ledger-'))
  const plan = planOf(poolPlan(1))
  const clock = { nowMs: () => performance.now() }
  const events = new EventLog({ wallMs: () => Date.now(), nowMs: clock.nowMs, failed: () => {} })
  const table = SharedTable.allocate({ threads: 1, listeners: 1, pools: 1, slots: 1 })
  const parts = { plan, table, clock, events, log: silentLog }
  const file = { path: join(folder, 'ledger.jsonl'), keepMs: 1e9, sizeBytesMax: 1e9 }
  const ledger = new RunningLedger(parts, file)
  const begun = ledger.begin()
  await ledger.close()
  await begun
  await pause(100)
  assert.deepEqual(readdirSync(folder), [])
})
