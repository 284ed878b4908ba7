// The real clock. The only place that knows how the readings of two threads are made comparable.

import type { Clock, Timers } from '../core/clock.ts'

/**
 * The process's monotonic clock. `performance.now()` is cheap but counts from the start of its own
 * thread; `process.hrtime` counts from one origin for all, so the distance is taken once.
 */
export function systemClock(): Clock {
  const offsetMs = Number(process.hrtime.bigint()) / 1e6 - performance.now()
  return { nowMs: () => performance.now() + offsetMs }
}

/** Node's own timers. */
export const systemTimers: Timers = {
  set: (ms, fire) => setTimeout(fire, ms),
  clear: (handle) => clearTimeout(handle as NodeJS.Timeout),
}

/** Waits for some work, but no longer than that. */
export async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work, timeout])
  clearTimeout(timer)
}
