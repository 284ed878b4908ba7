// Who keeps the active of a pool and its epoch: the contract, and its keeper for a process alone.

import type { Frozen } from '../core/failover-contract.ts'
import type { FailoverRecord } from '../core/failover-record.ts'
import type { StateStore } from './state-file.ts'

/** `done` is called exactly once, and never within the call itself. */
export interface FailoverStore {
  /** What was kept last; `null` if nothing ever was. */
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
  /** An operator takes the present state for good although etcd has lost a later one. Why not, or `null`. */
  recover(pool: string): string | null
  /** Keeps the rest, some time soon. */
  save(pool: string, record: FailoverRecord): void
  /** How this process sees each member of a pool; `null`: not known yet. */
  views(pool: string, members: readonly (boolean | null)[]): void
  /** How all who look at a member see it together; `own`: nobody else looks. */
  sees(pool: string, member: number): 'fit' | 'unfit' | 'unknown' | 'own'
}

/**
 * Keeps it in a state file, for a process that decides alone.
 * @param failed hears of a save that nobody waits for
 */
export function fileStore(state: StateStore, failed: (error: Error) => void): FailoverStore {
  // What was kept last, also of pools that were taken out meanwhile: an epoch never falls.
  const pools = new Map(Object.entries(state.loaded.pools))
  const keep = async (
    pool: string,
    record: FailoverRecord,
    done: (lost: string | null) => void,
  ): Promise<void> => {
    const before = pools.get(pool)
    let lost: string | null = null
    try {
      await state.save({ [pool]: record })
      // What was kept since is newer.
      if (pools.get(pool) === before) pools.set(pool, record)
    } catch (error) {
      lost = (error as Error).message
    }
    done(lost)
  }
  return {
    restore: (pool) => pools.get(pool) ?? null,
    claim: (pool, record, done) => void keep(pool, record, done),
    stopped: (_pool, _epoch, done) => queueMicrotask(done),
    commit: (pool, record, done) => void keep(pool, record, done),
    acknowledge: () => {},
    freeze: () => {},
    recover: () => null,
    views: () => {},
    sees: () => 'own',
    save(pool, record) {
      pools.set(pool, record)
      state.keep({ [pool]: record }, failed)
    },
  }
}
