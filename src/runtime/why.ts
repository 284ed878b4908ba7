// The evidence behind a backend's state, from where it lies: the control plane and the kept events.

import type { PastTransition, WhySource } from '../admin/why-routes.ts'
import type { EventLog } from '../observe/event-log.ts'

const TOLD_MAX = 10

export function whySource(
  control: Pick<WhySource, 'evidence'>,
  events: EventLog,
): Omit<WhySource, 'pools'> {
  return {
    evidence: (pool, backend) => control.evidence(pool, backend),
    transitions: (pool, backend) => pastTransitions(events, pool, backend),
  }
}

/** Latest first, at most 10. */
function pastTransitions(
  events: EventLog,
  pool: string,
  backend: string,
): readonly PastTransition[] {
  const found: PastTransition[] = []
  for (const event of events.kept().toReversed()) {
    if (event.kind !== 'transition') continue
    const { transition } = event
    if (transition.pool !== pool || transition.backend !== backend) continue
    const { from, to, reason } = transition
    found.push({ at: event.at, from, to, reason })
    if (found.length === TOLD_MAX) break
  }
  return found
}
