// A model of etcd for simulations: one linearizable store with leases on a clock of its own, a
// history for mirrors, and a way to set it back to what it held before.

import type { KeyChange } from '../../src/core/agreement-contract.ts'

interface Stored {
  readonly value: string
  readonly createRevision: number
  readonly modRevision: number
  readonly lease: string | null
}

interface Snapshot {
  readonly revision: number
  readonly keys: ReadonlyMap<string, Stored>
}

export interface ModelPut {
  readonly key: string
  readonly value: string
  readonly lease: string | null
  /** The key must have this revision; 0: be absent; −1: whatever. */
  readonly ifRevision: number
  /** A further key that must have been created at this revision. */
  readonly ifCreated?: { readonly key: string; readonly revision: number }
}

export class ModelEtcd {
  revision = 1
  /** Another number: another etcd, as far as clients can tell. */
  generation = 1
  #keys = new Map<string, Stored>()
  readonly #leases = new Map<string, { readonly ttlMs: number; untilMs: number }>()
  #history: { revision: number; key: string; stored: Stored | null }[] = []
  #snapshots: Snapshot[] = []
  #leasesMade = 0
  #ttlMs = 0
  #downSinceMs = Infinity

  get isUp(): boolean {
    return this.#downSinceMs === Infinity
  }

  stop(nowMs: number): void {
    this.#downSinceMs = Math.min(this.#downSinceMs, nowMs)
  }

  /** Leases begin anew, as when a leader takes over. */
  start(nowMs: number): void {
    this.#downSinceMs = Infinity
    for (const lease of this.#leases.values()) lease.untilMs = nowMs + lease.ttlMs
  }

  /** Removes what no longer has a lease. Returns when to look again. */
  expire(nowMs: number): number {
    if (!this.isUp) return Infinity
    let nextMs = Infinity
    for (const [id, lease] of this.#leases) {
      if (lease.untilMs <= nowMs) this.revoke(id)
      else nextMs = Math.min(nextMs, lease.untilMs)
    }
    return nextMs
  }

  grant(ttlMs: number, nowMs: number): string {
    this.#ttlMs = ttlMs
    const id = `lease${++this.#leasesMade}`
    this.#leases.set(id, { ttlMs, untilMs: nowMs + ttlMs })
    return id
  }

  /** What is left of a lease after its renewal; 0 if there is none. */
  keepAlive(id: string, nowMs: number): number {
    const lease = this.#leases.get(id)
    if (lease === undefined) return 0
    lease.untilMs = nowMs + lease.ttlMs
    return lease.ttlMs
  }

  revoke(id: string): void {
    if (!this.#leases.delete(id)) return
    const owned = [...this.#keys].filter(([, stored]) => stored.lease === id)
    if (owned.length > 0) this.revision++
    for (const [key] of owned) {
      this.#keys.delete(key)
      this.#history.push({ revision: this.revision, key, stored: null })
    }
  }

  /** The revision of the put; 0 if a condition did not hold, −1 if the lease is gone. */
  put({ key, value, lease, ifRevision, ifCreated }: ModelPut): number {
    if (lease !== null && !this.#leases.has(lease)) return -1
    const before = this.#keys.get(key)
    if (ifRevision >= 0 && (before?.modRevision ?? 0) !== ifRevision) return 0
    if (ifCreated !== undefined) {
      if ((this.#keys.get(ifCreated.key)?.createRevision ?? 0) !== ifCreated.revision) return 0
    }
    const modRevision = ++this.revision
    const createRevision = before?.createRevision ?? modRevision
    const stored = { value, createRevision, modRevision, lease }
    this.#keys.set(key, stored)
    this.#history.push({ revision: modRevision, key, stored })
    return modRevision
  }

  value(key: string): string | null {
    return this.#keys.get(key)?.value ?? null
  }

  /** Keeps a copy to go back to. */
  backUp(): void {
    this.#snapshots.push({ revision: this.revision, keys: new Map(this.#keys) })
  }

  /** Puts back a copy, chosen by a number in [0, 1); empties everything if there is none. */
  restore(which: number, nowMs: number): void {
    const snapshot = this.#snapshots[Math.floor(which * this.#snapshots.length)]
    this.revision = snapshot?.revision ?? 1
    this.#keys = new Map(snapshot?.keys)
    this.#history = [...this.#keys]
      .map(([key, stored]) => ({ revision: stored.modRevision, key, stored }))
      .sort((one, other) => one.revision - other.revision)
    this.#snapshots = this.#snapshots.filter(({ revision }) => revision <= this.revision)
    this.generation++
    // Leases are part of what is put back, each with its whole time.
    const owned = [...this.#keys.values()].flatMap(({ lease }) => (lease === null ? [] : [lease]))
    this.#leases.clear()
    for (const id of owned) this.#leases.set(id, { ttlMs: this.#ttlMs, untilMs: Infinity })
    this.start(nowMs)
  }

  /** All there is, as a mirror that knows nothing hears it. */
  everything(): KeyChange[] {
    return this.changes(0, this.revision)
  }

  /** What a mirror at `from` has to hear to be at `to`: of each key only the last state. */
  changes(from: number, to: number): KeyChange[] {
    const last = new Map<string, KeyChange>()
    for (const { revision, key, stored } of this.#history) {
      if (revision <= from || revision > to) continue
      const gone = { value: null, createRevision: 0, modRevision: revision, lease: null }
      last.set(key, { key, ...(stored ?? gone) })
    }
    return [...last.values()].sort((one, other) => one.modRevision - other.modRevision)
  }
}
