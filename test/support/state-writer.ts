// A process that saves one state after another until it is killed, and says on standard output which
// of them were acknowledged.
//   node dist/test/support/state-writer.js FOLDER

import { writeSync } from 'node:fs'
import { openState } from './open-state.ts'
import type { FailoverRecord } from '../../src/core/failover-record.ts'

/** A record all of whose parts tell its number. */
export function numbered(epoch: number): FailoverRecord {
  const name = `b${epoch}`
  return {
    active: name,
    epoch,
    movingTo: name,
    frozen: { by: name, reason: name.repeat(epoch % 500) },
    pinned: epoch % 2 === 0,
    fresh: [name],
    lastMoves: [],
  }
}

const folder = process.argv[2]
if (folder !== undefined) {
  const state = await openState(folder)
  let epoch = state.loaded.pools['db']?.epoch ?? 0
  writeSync(1, `from ${epoch}\n`)
  for (;;) {
    // Three at once, so that some share a writing.
    const saves = [1, 2, 3].map(async () => {
      const mine = ++epoch
      await state.save({ db: numbered(mine), other: numbered(mine) })
      writeSync(1, `kept ${mine}\n`)
    })
    await Promise.all(saves)
  }
}
