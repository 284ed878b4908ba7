// The state file alone in its directory, for tests that have nothing else to keep there.

import { openStateDir } from '../../src/ha/state-dir.ts'
import type { Timers } from '../../src/core/clock.ts'
import { systemTimers } from '../../src/runtime/clock.ts'
import { openStateIn, type StateStore } from '../../src/ha/state-file.ts'

/** Closing it gives the directory free. `null` keeps nothing. @throws StateFileError (rejects) */
export async function openState(
  path: string | null,
  timers: Timers = systemTimers,
): Promise<StateStore> {
  if (path === null) return openStateIn(null, timers)
  const dir = await openStateDir(path)
  try {
    const state = await openStateIn(dir, timers)
    return {
      loaded: state.loaded,
      save: (pools) => state.save(pools),
      keep: (pools, failed) => state.keep(pools, failed),
      settled: () => state.settled(),
      close: async () => {
        await state.close()
        await dir.close()
      },
    }
  } catch (error) {
    await dir.close()
    throw error
  }
}
