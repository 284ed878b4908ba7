// When the first health checks have said enough for traffic to come.

import type { PoolStatus } from '../core/status.ts'

/** How long the first health checks may hold up the listeners. */
const FIRST_VERDICTS_MS = 2_000
/** From then on one available backend per pool will do: the others are dead or slow to answer. */
const FIRST_BACKENDS_MS = 250

/** Waits for it, within limits. */
export async function firstVerdicts(control: {
  status(): readonly PoolStatus[]
  ready(): boolean
}): Promise<void> {
  const startMs = performance.now()
  for (;;) {
    const waitedMs = performance.now() - startMs
    const isEnough =
      waitedMs > FIRST_BACKENDS_MS && control.status().every((pool) => pool.available > 0)
    if (isEnough || control.ready() || waitedMs > FIRST_VERDICTS_MS) return
    await new Promise((resolve) => {
      setTimeout(resolve, 10)
    })
  }
}
