// A file that is whole on the disk before anybody goes by it.

import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Writes a file, for this user alone, and waits until it is on the disk. Never follows a link. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const { O_WRONLY, O_CREAT, O_TRUNC, O_NOFOLLOW } = constants
  const file = await open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600)
  try {
    await file.chmod(0o600)
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
