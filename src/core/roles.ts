// What a health check can tell of a backend beyond its being alive. Pure.

import type { CheckPlan } from './check-plan.ts'

/** Whether the check asks the backend for its role: primary or replica. */
export function asksRole(check: CheckPlan): boolean {
  if (check.kind === 'http') return check.roles !== null
  return check.kind !== 'tcp'
}

/** Whether the check tells how far a replica is behind. */
export function tellsLag(check: CheckPlan): boolean {
  return asksRole(check) && check.kind !== 'http'
}
