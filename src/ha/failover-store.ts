// Who keeps the active of a pool and its epoch: the contract, and the simplest keeper of it.

import type { Frozen } from '../core/failover-contract.ts'
import type { FailoverRecord } from '../core/failover-record.ts'

/** `done` is called exactly once, and never within the call itself. */
export interface FailoverStore {
  /** What was kept; `null` at the very first start. */
  restore(pool: string): FailoverRecord | null
  /** Makes the intention to move durable: nobody else may move the pool. `null`: done, else why not. */
  claim(pool: string, record: FailoverRecord, done: (lost: string | null) => void): void
  /** This process sends to the old active no more; `done` once that holds for all replicas. */
  stopped(pool: string, epoch: number, done: () => void): void
  /** Makes the outcome of a move durable. */
  commit(pool: string, record: FailoverRecord, done: (lost: string | null) => void): void
  /** With agreement: tells whoever decides that this replica has stopped. */
  acknowledge(pool: string, epoch: number): void
  /** An operator's freeze, which holds for all replicas. */
  freeze(pool: string, frozen: Frozen | null): void
  /** Keeps the rest, some time soon. */
  save(pool: string, record: FailoverRecord): void
}

/** Keeps nothing beyond the process. */
export function memoryStore(): FailoverStore {
  const done = (then: (lost: null) => void) => queueMicrotask(() => then(null))
  return {
    restore: () => null,
    claim: (_pool, _record, then) => done(then),
    stopped: (_pool, _epoch, then) => done(() => then()),
    commit: (_pool, _record, then) => done(then),
    acknowledge: () => {},
    freeze: () => {},
    save: () => {},
  }
}
