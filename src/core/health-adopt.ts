// What becomes of the health of a backend when the health check of its pool changes. Pure.
//
//   check before   check now   │ health
//   none           none        │ none
//   any            none        │ none: up, as far as checks go
//   none           any         │ up until the first verdict says otherwise; probed soon
//   any            the same    │ as it was, streaks and schedule too
//   any            another     │ as it was, probed soon; the streaks stay if the same thing is asked

import type { HealthState } from './health.ts'
import { initialHealth } from './health.ts'
import type { HealthCheckPlan } from './check-plan.ts'
import { isSame } from './same.ts'

/**
 * The health under the new check.
 * @param soonMs when it is to be probed if the check is another one; its running probes are void then
 */
export function adoptHealth(
  state: HealthState | null,
  before: HealthCheckPlan | null,
  now: HealthCheckPlan | null,
  soonMs: () => number,
): HealthState | null {
  if (now === null) return null
  if (state === null || before === null) return { ...initialHealth(soonMs()), health: 'up' }
  if (isSame(before, now)) return state
  const asksTheSame = isSame(before.check, now.check) && before.port === now.port
  const streak = asksTheSame
    ? { passes: state.passes, fails: state.fails, usualMs: state.usualMs }
    : { passes: 0, fails: 0, usualMs: 0 }
  return {
    ...state,
    ...streak,
    dueMs: Math.min(state.dueMs, soonMs()),
    suspicionDueMs: Infinity,
    suspecting: false,
  }
}
