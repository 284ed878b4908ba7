// The state file on a disk that is full.

import assert from 'node:assert/strict'
import { rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openState } from '../support/open-state.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { numbered } from '../support/state-writer.ts'

/** Fills a file system to its last byte; returns how to empty it again. */
function fill(folder: string, name: string): () => void {
  const path = join(folder, name)
  for (let i = 0; statfsSync(folder).bfree > 0; i++) {
    try {
      writeFileSync(`${path}-${i}`, Buffer.alloc(1 << 20), { flag: 'a' })
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
  }
  return () => {
    for (let i = 0; ; i++) {
      try {
        rmSync(`${path}-${i}`)
      } catch {
        return
      }
    }
  }
}

test('on a full disk the room that was kept serves, then saves fail by name and lose nothing', async () => {
  const disk = temporaryFolder('disk')
  const mounted = await runProcess('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', disk])
  assert.equal(mounted.code, 0, mounted.stderr)
  try {
    const folder = join(disk, 'state')
    const state = await openState(folder)
    await state.save({ db: numbered(1) })
    const empty = fill(disk, 'filler')
    await state.save({ db: numbered(2) })
    // Now others take that room, too.
    const emptyAgain = fill(disk, 'more')
    await assert.rejects(state.save({ db: numbered(3) }), {
      name: 'StateFileError',
      message: `the state file ${folder}/failover.json can't be written: no space is left on its file system (ENOSPC)`,
    })
    await state.close()
    const after = await openState(folder)
    assert.deepEqual(after.loaded, {
      pools: { db: numbered(2) },
      warnings: [],
    })
    empty()
    emptyAgain()
    await after.save({ db: numbered(4) })
    await after.close()
    const last = await openState(folder)
    assert.deepEqual(last.loaded.pools, { db: numbered(4) })
    await last.close()
  } finally {
    await runProcess('umount', [disk])
  }
})
