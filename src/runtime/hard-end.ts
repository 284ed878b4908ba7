// The end of a process of which the kernel holds something: a thread in native code, a disk that hangs.

import { within } from './clock.ts'

/**
 * Waits for something that may never end; resolves to whether it has. As long as it has not, the
 * process ends by SIGKILL when it exits, its last words said: Node.js would wait for its threads, those
 * that do file I/O included, for ever.
 * @param ms milliseconds
 * @throws what `work` rejects with in time
 */
export async function endsWithin(ms: number, work: Promise<unknown>): Promise<boolean> {
  const endHard = (): void => void process.kill(process.pid, 'SIGKILL')
  let hasEnded = false
  const watched = async (): Promise<void> => {
    try {
      await work
    } finally {
      hasEnded = true
      process.off('exit', endHard)
    }
  }
  await within(ms, watched())
  if (!hasEnded) process.once('exit', endHard)
  return hasEnded
}
