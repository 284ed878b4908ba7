// What a pool with an active begins with: nothing but what outlived a restart.

import type { FailoverMachine, FailoverState, MemberState, Restored } from './failover-contract.ts'

/** A member nothing is known about, at a first start. */
export const UNKNOWN: MemberState = {
  fit: false,
  judged: false,
  doubtful: false,
  withdrawn: false,
  siteHolds: true,
  role: null,
  reason: 'not checked yet',
  fitSinceMs: Infinity,
  siteSinceMs: Infinity,
  leftMs: -Infinity,
  fresh: true,
  rival: false,
  joined: false,
}

/** A pool nothing is known about but what outlived a restart. */
export function initialFailover(
  machine: FailoverMachine,
  restored: Restored | null,
  nowMs: number,
): FailoverState {
  const isAlone = machine.plan.agreement === 'none'
  const isWhole = isAlone && restored !== null && restored.movingTo < 0
  const isBroken = restored !== null && restored.movingTo !== restored.active
  const interruptedTo = isBroken ? restored.movingTo : -1
  return {
    phase: 'none',
    sinceMs: nowMs,
    reason: 'starting',
    members: machine.members.map((_, index) => ({
      ...UNKNOWN,
      fresh: restored?.fresh[index] ?? restored === null,
      rival: restored?.rivals[index] ?? false,
    })),
    active: isWhole ? restored.active : -1,
    last: restored?.active ?? -1,
    gone: restored?.gone ?? null,
    promotedTo: machine.plan.promote === null ? -1 : interruptedTo,
    epoch: restored?.epoch ?? 0,
    agreedEpoch: restored?.epoch ?? 0,
    startedEpoch: isWhole ? restored.epoch : 0,
    frozen: restored?.frozen ?? null,
    freezing: false,
    agreement: { ok: true, reason: '' },
    leads: isAlone,
    move: null,
    following: null,
    heard: null,
    lostMs: Infinity,
    holdsSinceMs: Infinity,
    pinned: restored?.pinned ?? false,
    flaps: 0,
    lastMoveMs: -Infinity,
    retryMs: -Infinity,
    failures: 0,
    failedTo: -1,
    interruptedTo,
    conflict: [],
    warned: false,
  }
}
