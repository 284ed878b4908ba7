// Counts the moves of pools with an active, as their reports come: a move is rare, so unlike traffic
// it is counted here and not in shared memory. Counts begin with the process.

import type { Plan } from '../core/plan.ts'
import type { MoveKind, MoveReport } from '../core/status.ts'

/** Upper bounds of the buckets, in seconds; one more is open. */
export const MOVE_BOUNDS_S = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const

/** Values sorted into buckets. */
export interface Histogram {
  /** Per bucket, not added up; the last one is open. */
  readonly counts: readonly number[]
  readonly sumS: number
}

export interface MoveCount {
  readonly kind: MoveKind
  readonly outcome: MoveReport['outcome']
  /** From the first sign of the failure, or an operator's word, to the first byte. */
  readonly durations: Histogram
}

/** The moves of one pool. */
export interface MoveTally {
  /** One for each kind and outcome that has occurred. */
  readonly moves: readonly MoveCount[]
  /** From the first sign of a failure to the decision, of moves that were not planned. */
  readonly detections: Histogram
  /** Moves that took longer than `objective.rto`. */
  readonly missed: number
}

class Buckets implements Histogram {
  readonly counts: number[] = Array.from({ length: MOVE_BOUNDS_S.length + 1 }, () => 0)
  sumS = 0

  add(ms: number): void {
    const seconds = ms / 1_000
    const found = MOVE_BOUNDS_S.findIndex((bound) => seconds <= bound)
    this.counts[found < 0 ? MOVE_BOUNDS_S.length : found]!++
    this.sumS += seconds
  }
}

interface Tally extends MoveTally {
  readonly moves: { kind: MoveKind; outcome: MoveReport['outcome']; durations: Buckets }[]
  readonly detections: Buckets
  missed: number
}

export class MoveCounter {
  readonly #tallies = new Map<string, Tally>()

  add(pool: string, report: MoveReport): void {
    const { kind, outcome, detectionMs, moveMs, metObjective } = report
    const tally = this.#tallies.get(pool) ?? emptyTally()
    this.#tallies.set(pool, tally)
    let move = tally.moves.find((one) => one.kind === kind && one.outcome === outcome)
    if (move === undefined) {
      move = { kind, outcome, durations: new Buckets() }
      tally.moves.push(move)
    }
    move.durations.add(detectionMs + moveMs)
    if (kind === 'failover' || kind === 'election') tally.detections.add(detectionMs)
    if (metObjective === false) tally.missed++
  }

  /** Forgets the pools that are not in the plan any more. */
  keep({ pools }: Plan): void {
    const present = new Set(pools.map(({ name }) => name))
    for (const pool of this.#tallies.keys()) if (!present.has(pool)) this.#tallies.delete(pool)
  }

  of(pool: string): MoveTally {
    return this.#tallies.get(pool) ?? emptyTally()
  }
}

function emptyTally(): Tally {
  return { moves: [], detections: new Buckets(), missed: 0 }
}
