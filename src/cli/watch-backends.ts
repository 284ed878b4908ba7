// Waiting for backends to be as a command wants them: looks at their status again and again.

import type { BackendStatus, PoolStatus } from '../core/status.ts'
import type { AdminTarget } from './admin-client.ts'
import { findAdmin, poolPath, readAnswer } from './admin-client.ts'
import type { Named } from './backend-change.ts'
import { durationOption } from './duration-option.ts'
import { harmless, say } from './terminal.ts'

/** `--wait` without a time. */
const WAIT_MS = 30_000
const WAIT_MAX_MS = 86_400_000
/** Time between two looks. */
const LOOK_MS = 200

/** What `--wait [TIME]` asks for; `null`: not to wait. @throws Failure */
export function readWait(wait: string | true | undefined): number | null {
  if (wait === undefined) return null
  return wait === true ? WAIT_MS : durationOption('--wait', wait, WAIT_MAX_MS)
}

interface Watched {
  /** Those that the last look showed. */
  readonly backends: readonly BackendStatus[]
  /** Names of those that it did not: they have left their pool. */
  readonly gone: readonly string[]
  readonly tookMs: number
}

/** Looks until `isOver`, or for so long. @throws Failure when the admin API can't be read */
export async function watchBackends(
  named: Named,
  waitMs: number,
  target: AdminTarget,
  isOver: (backends: readonly BackendStatus[]) => boolean,
): Promise<Watched> {
  const place = await findAdmin(target)
  const startMs = performance.now()
  for (;;) {
    const body = await readAnswer(place, poolPath(named.pool))
    const all = (JSON.parse(body, harmless) as PoolStatus).backends
    const backends = all.filter(({ name }) => named.backends.includes(name))
    const tookMs = performance.now() - startMs
    if (isOver(backends) || tookMs >= waitMs) {
      const gone = named.backends.filter((name) => backends.every((one) => one.name !== name))
      return { backends, gone, tookMs }
    }
    await new Promise((resolve) => {
      setTimeout(resolve, Math.min(LOOK_MS, Math.max(1, waitMs - tookMs)))
    })
  }
}

/** Says which have left their pool, of which nothing more can be told. */
export function sayGone({ pool }: Named, gone: readonly string[]): void {
  if (gone.length === 0) return
  const names = gone.map((name) => `${pool}/${name}`).join(', ')
  say(`evenkeel: not in the pool any more: ${names}; what still runs there is not shown`)
}
