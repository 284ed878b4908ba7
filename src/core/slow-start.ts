// How much of its weight a backend gets after it came back: a straight ramp, cut into steps so that
// each step is one snapshot and not one per request.

/** Steps from the first share to the whole weight. */
const SLOW_START_STEPS = 10

/** A ramp: `durationMs` 0 is no slow start; `from` is the first share, 0…1. */
export interface SlowStartPlan {
  readonly durationMs: number
  readonly from: number
}

/**
 * Share of the weight, 0…1, `elapsedMs` after the return. 1 once the ramp is over, and always when
 * slow start is off.
 */
export function slowStartShare(plan: SlowStartPlan, elapsedMs: number): number {
  if (!(elapsedMs < plan.durationMs)) return 1
  const step = Math.max(0, Math.floor((elapsedMs * SLOW_START_STEPS) / plan.durationMs))
  return plan.from + ((1 - plan.from) * step) / SLOW_START_STEPS
}

/** Milliseconds from `elapsedMs` to the next step (> 0); Infinity when the ramp is over. */
export function slowStartNextMs(plan: SlowStartPlan, elapsedMs: number): number {
  if (!(elapsedMs < plan.durationMs)) return Infinity
  const stepMs = plan.durationMs / SLOW_START_STEPS
  const step = Math.max(0, Math.floor((elapsedMs * SLOW_START_STEPS) / plan.durationMs))
  return (step + 1) * stepMs - elapsedMs
}
