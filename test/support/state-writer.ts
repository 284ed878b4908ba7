// A process that saves one state after another until it is killed, and says on standard output which
// of them were acknowledged.
//   node dist/test/support/state-writer.js FOLDER

import { writeSync } from 'node:fs'
import { openState } from '../../src/ha/state-file.ts'
import type { PoolRecord } from '../../src/ha/state-record.ts'

/** A record all of whose parts tell its number. */
export function numbered(epoch: number): PoolRecord {
  const name = `b${epoch}`
  return {
    active: name,
    last: name,
    epoch,
    moving: { from: name, to: name },
    frozen: { by: name, reason: name.repeat(epoch % 500) },
    flaps: epoch,
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
