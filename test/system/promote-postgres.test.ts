// The promote hook that comes with Evenkeel, run as the balancer runs it, on a real replica.

import assert from 'node:assert/strict'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import type { HookFacts, HookResult } from '../../src/ha/hooks.ts'
import { runHook } from '../../src/ha/hooks.ts'
import { startPostgres, startReplica } from '../support/postgres.ts'
import type { Postgres } from '../support/postgres.ts'

const script = fileURLToPath(new URL('../../../conf/hooks/promote-postgres.sh', import.meta.url))

function promote(target: Postgres, epoch: number): Promise<HookResult> {
  const words = target.promoteCommand
  const data = words.at(-1)!
  // Whatever makes the words run as the user `postgres` comes first.
  const before = words.slice(0, words.indexOf(target.program('pg_ctl')))
  const facts: HookFacts = {
    hook: 'promote',
    pool: 'db',
    epoch,
    from: null,
    to: { name: 'standby', address: target.address },
    reason: 'test',
    kind: 'failover',
  }
  const command = [...before, script, data, dirname(target.program('pg_ctl'))]
  return new Promise((resolve) =>
    runHook({ kind: 'exec', command, timeoutMs: 30_000 }, facts, resolve),
  )
}

test('the hook promotes a replica, leaves a primary alone, and refuses a server that is down', async () => {
  const primary = await startPostgres()
  const replica = await startReplica(primary)
  try {
    const first = await promote(replica, 7)
    assert.equal(first.ok, true, first.output)
    assert.match(first.output, /standby was promoted for epoch 7\n$/)
    assert.equal(await replica.isInRecovery(), false)
    const again = await promote(replica, 8)
    assert.deepEqual([again.ok, again.output], [true, 'standby is the primary already\n'])
    await replica.stop()
    const down = await promote(replica, 9)
    assert.equal(down.ok, false)
    assert.match(down.sentence, /ended with code 1 .*: standby can't be promoted: .* 'shut down'/)
  } finally {
    await replica.stop()
    await primary.stop()
  }
})
