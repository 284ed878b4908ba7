// Who of an active-standby pool may serve reads: its replicas, as far as they are known to be ones
// and keep up; the active if there is none.

import type { FailoverMachine, FailoverState } from './failover-contract.ts'
import type { BackendPlan } from './plan.ts'
import { ELIGIBILITY, type PoolSnapshot } from './snapshot.ts'
import { canReign } from './standby.ts'
import { seatedIn, type Seat } from './standby-view.ts'
import type { Lag, PoolStatus } from './status.ts'

/**
 * Positions of the backends that may serve reads; empty if nobody may.
 * @param lags how far each is behind; `null`, or a part of it, where that isn't known
 * @param limit how far it may be; a limit that can't be checked excludes
 */
export function readersOf(
  machine: FailoverMachine,
  state: FailoverState,
  lags: readonly (Lag | null)[],
  limit: Lag,
): readonly number[] {
  const readers = state.members.flatMap(({ fit, role }, index) => {
    if (!fit || index === state.active) return []
    // A backend that calls itself primary without being the active is nobody's replica.
    if (machine.asksRole && role !== 'replica') return []
    return keepsUp(lags[index] ?? null, limit) ? [index] : []
  })
  if (readers.length > 0) return readers
  const { active } = state
  return active >= 0 && canReign(machine, state, active) ? [active] : []
}

function keepsUp(lag: Lag | null, limit: Lag): boolean {
  if (limit.ms !== null && (lag?.ms ?? Infinity) > limit.ms) return false
  return limit.bytes === null || (lag?.bytes ?? Infinity) <= limit.bytes
}

/** The read side for people. @param active of its pool; −1: none */
export function replicaStatus(
  base: PoolStatus,
  readers: readonly number[],
  active: number,
): PoolStatus {
  const backends = base.backends.map((backend, index) => {
    if (readers.includes(index)) {
      const reason =
        index === active
          ? 'the active: serves reads because no replica can'
          : 'a replica that keeps up: serves reads'
      return Object.assign({ ...backend }, { effectiveWeight: backend.weight, reason })
    }
    const reason = 'serves no reads: not a replica that is fit and keeps up'
    return Object.assign({ ...backend }, { availability: 'standby', effectiveWeight: 0, reason })
  })
  return { ...base, available: readers.length, backends }
}

/**
 * The snapshot of a read side: the readers share what comes by their weights. What runs on an active
 * that is being left ends as its other sessions do: nobody knows that it only reads.
 * @param backends of the read side; whoever has weight 0 is not fit, so that no reader has
 */
export function replicaSnapshot(
  base: PoolSnapshot,
  backends: readonly Pick<BackendPlan, 'weight'>[],
  readers: readonly number[],
  seat: Seat,
): PoolSnapshot {
  const { draining, cutting, holdUntilMs } = seat
  const eligibility = new Uint8Array(base.eligibility.length).fill(ELIGIBILITY.no)
  const weight = new Float64Array(base.weight.length)
  for (const index of readers) {
    eligibility[index] = ELIGIBILITY.yes
    weight[index] = backends[index]!.weight
  }
  if (draining >= 0) eligibility[draining] = ELIGIBILITY.finish
  if (cutting >= 0) eligibility[cutting] = ELIGIBILITY.cut
  const probationThread = new Int8Array(base.probationThread.length).fill(-1)
  const halfAvailable = readers.length * 2 >= base.eligibility.length
  const active = seatedIn(seat)
  return { ...base, eligibility, weight, probationThread, halfAvailable, holdUntilMs, active }
}
