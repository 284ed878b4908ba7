// Machines and facts for tests of the failover machine, with settings that make short stories.

import type { FailoverMachine, Member, MemberFacts } from '../../src/core/failover-contract.ts'
import type { FailoverPlan, HookPlan } from '../../src/core/plan.ts'

export const HOOK: HookPlan = { kind: 'exec', command: ['/bin/true'], timeoutMs: 10_000 }

export const PLAN: FailoverPlan = {
  failback: 'manual',
  stableForMs: 30_000,
  holdDownMs: 2_000,
  holdDownMaxMs: 60_000,
  readyForMs: 5_000,
  sessions: 'drain',
  drainMs: 3_000,
  pauseMaxMs: 5_000,
  proveMs: 4_000,
  elect: 'priority',
  allDown: 'stay',
  promote: null,
  fence: null,
  agreement: 'none',
  replicaLag: { ms: null, bytes: null },
  overflow: false,
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
