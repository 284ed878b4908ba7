// Which data thread may send the probation requests of a backend: exactly one at any time.
// A move to another thread is two snapshots: first nobody, and only once the old thread has applied
// that and has no probation request left, the new one. Pure: reads the shared rows, decides.

import { BACKEND, POOL, THREAD, type SharedTable } from './shared-layout.ts'

/** A grant that nobody used for this long may move to a thread that has traffic. */
export const PROBATION_MOVE_MS = 1_000

/** The grant of one backend. */
export class ProbationGrant {
  /** The thread that holds it; −1 for none. */
  thread = -1
  /** When it was given, or last used. */
  #usedMs = 0
  /** The thread it is being taken from; −1 if no move is under way. */
  #leaving = -1
  /** First snapshot version without the old grant; 0 until it is published. */
  #leavingVersion = 0

  /** The backend enters probation. Only to be called while nobody holds the grant. */
  give(thread: number, nowMs: number): void {
    this.thread = thread
    this.#usedMs = nowMs
    this.#leaving = -1
  }

  /** A probation request is running or has ended. */
  used(nowMs: number): void {
    this.#usedMs = nowMs
  }

  /** Whether the grant has lain idle for so long that a busier thread should get it. */
  isIdle(nowMs: number): boolean {
    return this.thread >= 0 && nowMs - this.#usedMs >= PROBATION_MOVE_MS
  }

  /** First half of a move, or the end of probation: nobody. */
  withdraw(): void {
    if (this.thread < 0) return
    this.#leaving = this.thread
    this.#leavingVersion = 0
    this.thread = -1
  }

  /** A snapshot with the present state has this version. */
  published(version: number): void {
    if (this.#leaving >= 0 && this.#leavingVersion === 0) this.#leavingVersion = version
  }

  /** A thread is gone: what it held or was leaving, it holds no more. */
  threadDown(thread: number): void {
    if (this.thread === thread) this.thread = -1
    if (this.#leaving === thread) this.#leaving = -1
  }

  /** Whether the grant is free to be given: no thread can be using it. */
  isFree(table: SharedTable, slot: number): boolean {
    if (this.thread >= 0) return false
    if (this.#leaving < 0) return true
    const row = table.rows[this.#leaving]!
    return (
      this.#leavingVersion > 0 &&
      row[THREAD.appliedVersion]! >= this.#leavingVersion &&
      (row[table.backendBase(slot) + BACKEND.probing] ?? 0) === 0
    )
  }
}

/** A backend as this file sees it. */
interface Probationer {
  readonly grant: ProbationGrant
  readonly plan: { readonly slot: number }
}

/** The backends of one pool that are on probation, and who may send their requests. */
export class PoolProbation {
  readonly #table: SharedTable
  readonly #activity: ThreadActivity
  readonly #members = new Set<Probationer>()
  #markedMs = -Infinity

  constructor(table: SharedTable, pool: number) {
    this.#table = table
    this.#activity = new ThreadActivity(table, pool)
  }

  /** Probation begins; the grant is given at once unless an old one may still be in use. */
  enter(backend: Probationer, nowMs: number): void {
    this.#members.add(backend)
    if (backend.grant.isFree(this.#table, backend.plan.slot)) {
      backend.grant.give(this.#activity.busiest(), nowMs)
    }
  }

  leave(backend: Probationer): void {
    this.#members.delete(backend)
    backend.grant.withdraw()
  }

  /**
   * Gives what has become free, and takes from a thread without traffic what a busier one can use.
   * @returns whether a grant has changed
   */
  tend(nowMs: number): boolean {
    let changed = false
    for (const { grant, plan } of this.#members) {
      if (grant.isFree(this.#table, plan.slot)) {
        grant.give(this.#activity.busiest(), nowMs)
        changed = true
      } else if (grant.isIdle(nowMs)) {
        const busiest = this.#activity.busiest()
        if (busiest === grant.thread || this.#activity.since(grant.thread) > 0) grant.used(nowMs)
        else {
          grant.withdraw()
          changed = true
        }
      }
    }
    if (nowMs - this.#markedMs >= PROBATION_MOVE_MS) this.#mark(nowMs)
    return changed
  }

  /** A thread's row was cleared: comparisons start anew. */
  threadDown(nowMs: number): void {
    this.#mark(nowMs)
  }

  #mark(nowMs: number): void {
    this.#markedMs = nowMs
    this.#activity.mark()
  }
}

/** How much each data thread has to do for one pool lately. */
class ThreadActivity {
  readonly #table: SharedTable
  readonly #cell: number
  readonly #seen: Float64Array

  constructor(table: SharedTable, pool: number) {
    this.#table = table
    this.#cell = table.poolBase(pool) + POOL.requests
    this.#seen = new Float64Array(table.rows.length)
  }

  /** Starts a new comparison. */
  mark(): void {
    const { rows } = this.#table
    for (let thread = 0; thread < rows.length; thread++) {
      this.#seen[thread] = rows[thread]![this.#cell]!
    }
  }

  /** Requests of a thread since the mark. */
  since(thread: number): number {
    return Math.max(0, this.#table.rows[thread]![this.#cell]! - this.#seen[thread]!)
  }

  /** The thread with the most requests since the mark, then ever, then the first. */
  busiest(): number {
    const { rows } = this.#table
    let best = 0
    for (let thread = 1; thread < rows.length; thread++) {
      const more = this.since(thread) - this.since(best)
      const everMore = rows[thread]![this.#cell]! - rows[best]![this.#cell]!
      if (more > 0 || (more === 0 && everMore > 0)) best = thread
    }
    return best
  }
}
