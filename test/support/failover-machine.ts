// Settings of failover, and machines and facts for tests of the failover machine.

import type { FailoverMachine, Member, MemberFacts } from '../../src/core/failover-contract.ts'
import type { FailoverPlan, HookPlan } from '../../src/core/plan.ts'

export const HOOK: HookPlan = { kind: 'exec', command: ['/bin/true'], timeoutMs: 10_000 }

/** What an active-standby pool gets that says nothing of its own. */
export const FAILOVER_DEFAULTS: FailoverPlan = {
  failback: 'manual',
  stableForMs: 30_000,
  holdDownMs: 2_000,
  holdDownMaxMs: 600_000,
  readyForMs: 10_000,
  sessions: 'drain',
  drainMs: 1_000,
  pauseMaxMs: 1_000,
  proveMs: 5_000,
  elect: 'priority',
  allDown: 'stay',
  promote: null,
  fence: null,
  agreement: 'none',
  replicaLag: { ms: null, bytes: null },
  overflow: false,
}

/** Settings that make short stories. */
export const PLAN: FailoverPlan = {
  ...FAILOVER_DEFAULTS,
  holdDownMaxMs: 60_000,
  readyForMs: 5_000,
  drainMs: 3_000,
  pauseMaxMs: 5_000,
  proveMs: 4_000,
}

/** @param members names in order of preference, or members */
export function failoverMachine(
  members: readonly (string | Member)[],
  plan: Partial<FailoverPlan> = {},
  asksRole = plan.elect === 'role',
): FailoverMachine {
  return {
    pool: 'db',
    plan: { ...PLAN, ...plan },
    members: members.map((one) =>
      typeof one === 'string' ? { name: one, takeover: 'auto' } : one,
    ),
    asksRole,
  }
}

export const UP: MemberFacts = {
  fit: true,
  judged: true,
  doubtful: false,
  withdrawn: false,
  siteHolds: true,
  role: null,
  reason: 'up',
}

export const DOWN: MemberFacts = { ...UP, fit: false, reason: '3 probes failed' }
