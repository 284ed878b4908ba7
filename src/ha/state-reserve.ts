// Room on the disk that is kept for the state file: a pool that can't save can't move, and the disk
// that is full is often the reason why it must.

import { stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { writeWhole } from './whole-file.ts'

/** Enough for the largest of states, twice. */
const BYTES = 65_536

export class Reserve {
  readonly #path: string
  #isKept = false

  /** @param dir where the state file is */
  constructor(dir: string) {
    this.#path = join(dir, 'failover.reserve')
  }

  /** Keeps the room, if there is any. */
  async keep(): Promise<void> {
    if (this.#isKept) return
    try {
      const size = await stat(this.#path).then(
        (file) => file.size,
        () => -1,
      )
      if (size !== BYTES) await writeWhole(this.#path, '-'.repeat(BYTES))
      this.#isKept = true
    } catch {
      await unlink(this.#path).catch(() => {})
    }
  }

  /** Gives the room free. @returns whether there was any */
  async giveFree(): Promise<boolean> {
    if (!this.#isKept) return false
    this.#isKept = false
    return unlink(this.#path).then(
      () => true,
      () => false,
    )
  }
}
