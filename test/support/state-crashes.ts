// Kills a process that writes a state file, again and again, and looks at what is left.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Random } from '../../src/core/random.ts'
import { openState } from './open-state.ts'
import { startProcess } from './processes.ts'
import { numbered } from './state-writer.ts'
import { pause, waitFor } from './wait.ts'

const program = join(fileURLToPath(import.meta.url), '..', 'state-writer.js')

/**
 * After each kill -9 what is read must be one of the saved states, whole, and none older than the last
 * one acknowledged. Returns how many states were acknowledged in all.
 */
export async function crash(folder: string, rounds: number, random: Random): Promise<number> {
  mkdirSync(folder, { recursive: true })
  let before = 0
  for (let round = 0; round < rounds; round++) {
    const writer = startProcess(process.execPath, [program, folder])
    await waitFor(() => writer.stdout().includes('kept'), { what: writer.stderr() })
    await pause(random.next() * 15)
    writer.signal('SIGKILL')
    await writer.exited
    const said = [...writer.stdout().matchAll(/^(from|kept) (\d+)$/gm)]
    const from = Number(said.find((line) => line[1] === 'from')![2])
    const acknowledged = Math.max(...said.map((line) => Number(line[2])))
    assert.equal(from, before, 'a new process goes on from what was read')
    // Opening it takes over the lock of the dead writer.
    const state = await openState(folder)
    const { pools } = state.loaded
    await state.close()
    const epoch = pools['db']?.epoch ?? 0
    assert.ok(epoch >= acknowledged, `read ${epoch}, but ${acknowledged} was acknowledged`)
    assert.ok(epoch <= acknowledged + 6, `read ${epoch} after ${acknowledged}`)
    assert.deepEqual(pools, { db: numbered(epoch), other: numbered(epoch) })
    before = epoch
  }
  return before
}
