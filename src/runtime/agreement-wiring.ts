// The agreement between replicas put in its place: which pools agree, what outlived a restart, and
// where the right to send is written down for the data threads.

import type { Clock } from '../core/clock.ts'
import type { FailoverEvent } from '../core/failover-contract.ts'
import type { Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import { agreedStore } from '../ha/agreed-store.ts'
import { Agreement } from '../ha/agreement.ts'
import { fileStore, type FailoverStore } from '../ha/failover-store.ts'
import type { StateStore } from '../ha/state-file.ts'
import type { Log } from '../observe/log.ts'
import type { Rights } from './upgrade-rights.ts'

export interface AgreementParts {
  readonly plan: Plan
  readonly rights: Rights
  readonly state: StateStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** For the failover machine of a pool. */
  hear(pool: string, event: FailoverEvent): void
}

/** The agreement of a plan; `null` if none of its pools asks for one. Nobody may send until it starts. */
export function makeAgreement(parts: AgreementParts): Agreement | null {
  const { plan, rights, state, clock, random, log } = parts
  const pools = plan.pools.filter(({ failover }) => failover?.agreement === 'etcd')
  if (plan.cluster === null || pools.length === 0) return null
  const slots = new Map(pools.map(({ name, slot }) => [name, slot]))
  for (const slot of slots.values()) rights.grant(slot, 0)
  return new Agreement({
    cluster: plan.cluster,
    pools: pools.map(({ name, backends }) => ({
      name,
      members: backends.map((backend) => backend.name),
    })),
    seen: pools.map(({ name }) => state.loaded.pools[name]?.epoch ?? 0),
    clock,
    random,
    onEvent: (pool, event) => parts.hear(pool, event),
    onRight: (pool, untilMs) => {
      rights.grant(slots.get(pool)!, untilMs)
    },
    onWarning: (message, fields) => log.warn(message, fields),
  })
}

/** Keeps who is active: in the state file, and for pools whose replicas agree also in etcd. */
export function makeStore(state: StateStore, agreement: Agreement | null, log: Log): FailoverStore {
  const file = fileStore(state, ({ message }) => log.error(message))
  return agreement === null ? file : agreedStore(file, agreement)
}
