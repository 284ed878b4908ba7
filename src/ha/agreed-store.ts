// The keeper for pools whose replicas agree: every word goes to the agreement, and what outlives a
// restart goes to the state file as well, so that an epoch that was once seen is never used again.
// The agreement answers with events for the pool's failover machine, so `done` is for the file alone.
// Must never keep a claim before etcd has it: etcd alone says what was claimed.

import type { FailoverRecord } from '../core/failover-record.ts'
import type { Frozen } from '../core/failover-contract.ts'
import type { FailoverStore } from './failover-store.ts'

/** What the agreement between replicas is told about a pool, and asked. */
export interface AgreementVoice {
  /** Whether this pool's replicas agree. */
  has(pool: string): boolean
  claim(pool: string, record: FailoverRecord): void
  commit(pool: string, record: FailoverRecord): void
  /** No byte of this replica goes out under an earlier epoch. */
  acknowledge(pool: string, epoch: number): void
  freeze(pool: string, frozen: Frozen | null): void
  /** Why not, or `null`. */
  recover(pool: string): string | null
  /** How this replica sees each member; `null`: not known yet. */
  views(pool: string, members: readonly (boolean | null)[]): void
  /** How the live replicas together see one. */
  sees(pool: string, member: number): 'fit' | 'unfit' | 'unknown'
}

/** @param file keeps what outlives a restart, and is the whole store of pools that don't agree */
export function agreedStore(file: FailoverStore, voice: AgreementVoice): FailoverStore {
  return {
    restore: (pool) => file.restore(pool),
    claim(pool, record, done) {
      if (!voice.has(pool)) {
        file.claim(pool, record, done)
        return
      }
      // Who remembers a claim that etcd has never heard of takes etcd for one that was set back. What
      // is kept stays as it is, but a move that could not be kept later must not begin.
      const kept = file.restore(pool)
      if (kept === null) voice.claim(pool, record)
      else
        file.claim(pool, kept, (lost) => (lost === null ? voice.claim(pool, record) : done(lost)))
    },
    stopped(pool, epoch, done) {
      if (voice.has(pool)) voice.acknowledge(pool, epoch)
      else file.stopped(pool, epoch, done)
    },
    commit(pool, record, done) {
      file.commit(pool, record, (lost) => {
        if (lost === null && voice.has(pool)) voice.commit(pool, record)
        else done(lost)
      })
    },
    acknowledge(pool, epoch) {
      if (voice.has(pool)) voice.acknowledge(pool, epoch)
    },
    freeze(pool, frozen) {
      if (voice.has(pool)) voice.freeze(pool, frozen)
    },
    recover: (pool) => (voice.has(pool) ? voice.recover(pool) : null),
    save: (pool, record) => file.save(pool, record),
    views(pool, members) {
      if (voice.has(pool)) voice.views(pool, members)
    },
    sees: (pool, member) => (voice.has(pool) ? voice.sees(pool, member) : 'own'),
  }
}
