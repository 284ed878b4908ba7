// The words of the ledger: what is kept of incidents, moves, maintenance and time, as records that
// stand alone. A record that is written again under its key replaces the older one, so that lines that
// are lost, torn or doubled cost what they say and nothing else.
//
// Times: `at` is wall clock (ms since 1970) and for people; lengths are counted on the monotonic clock
// while a process runs, and on the wall clock between two processes. No length is ever negative.

import type { MoveReport } from './status.ts'

/** How a pool or a backend was. `maintenance`: an operator took it out. `unknown`: nobody knew. */
export type Condition = 'up' | 'down' | 'maintenance' | 'unknown'
export const CONDITIONS = ['up', 'down', 'maintenance', 'unknown'] as const

/** Milliseconds in each condition, in the order of `CONDITIONS`. */
export type Times = readonly [number, number, number, number]

/**
 * Of a pool: its requests (http) or tunnels (tcp). Of a backend: `requests` are the attempts on it,
 * and only `requests` and `failed` are counted.
 */
export interface Counts {
  readonly requests: number
  /** Ended with an error that was not the client's doing. */
  readonly failed: number
  readonly retried: number
  /** Moved off a backend that went down while they waited on it. */
  readonly rescued: number
  /** Writes that were sent and got no answer. */
  readonly unknown: number
}

/**
 * A stage of an incident; its phase lasts until the next one.
 * `fault`: the first sign. `detected`: the verdict. `down`, `ejected`, `probation`: of a backend; `down`
 * of a pool: nobody serves. `short`: fewer available than `minAvailable`. `moved`: another active.
 * `serving`: somebody serves again. `enough`: no longer short. `recovered`: all is as before.
 * `withdrawn`, `removed`: an operator, or the configuration, took it out. `stopped`, `interrupted`:
 * Evenkeel ended, as told or not; what followed is unknown until `resumed`.
 */
export type StageName =
  | 'fault'
  | 'detected'
  | 'down'
  | 'ejected'
  | 'probation'
  | 'short'
  | 'moved'
  | 'serving'
  | 'enough'
  | 'recovered'
  | 'withdrawn'
  | 'removed'
  | 'stopped'
  | 'interrupted'
  | 'resumed'

export interface StageRecord {
  readonly name: StageName
  readonly at: number
  /** Since the incident began. */
  readonly ms: number
  /** Why, or who; for people. */
  readonly note: string
  /** From this stage to the next. */
  readonly counts: Counts
  /** False: the counts begin at a reading up to a second before this stage. */
  readonly exact: boolean
}

/** A stretch within an incident in which a pool was served by nobody, or a backend was out. */
export interface OutageRecord {
  readonly at: number
  /** Since the incident began: the first sign, the loss, and service again (`null`: not yet). */
  readonly faultMs: number
  readonly lostMs: number
  readonly backMs: number | null
  /** Part of it in which Evenkeel did not run: nobody knows when service came back. */
  readonly gapMs: number
  /** It ended at `backMs` without service: what was left was taken out as planned, or removed. */
  readonly withdrawn?: true
}

/** What an operator did, or what became of a configuration. */
export interface ActionRecord {
  readonly kind: 'action'
  readonly at: number
  readonly pool: string | null
  readonly backend: string | null
  readonly verb: string
  readonly by: string
  readonly reason: string
  readonly outcome: string
}

export interface IncidentRecord {
  readonly kind: 'incident'
  /** Run and number, such as `12-3`. */
  readonly id: string
  /** Grows with each writing; the highest counts. */
  readonly rev: number
  readonly pool: string
  /** `null`: the pool's own. */
  readonly backend: string | null
  /** The pool's incident that it belongs to. */
  readonly parent: string | null
  /** The first sign. */
  readonly at: number
  readonly trouble: 'outage' | 'shortage' | 'active-lost' | 'down' | 'ejected'
  readonly cause: string
  readonly open: boolean
  /** From the first sign to recovery, or to the last that is known. */
  readonly ms: number
  /** Part of that in which Evenkeel did not run. */
  readonly gapMs: number
  readonly stages: readonly StageRecord[]
  /** Stages that were not listed; what happened in them is counted in the last one before. */
  readonly stagesLeftOut: number
  readonly outages: readonly OutageRecord[]
  /** Outages that were not listed, and how long they were together, from loss to service. */
  readonly outagesLeftOut: number
  readonly leftOutMs: number
  /** Times it came back within a minute of its recovery. */
  readonly relapses: number
  /** `objective.rto` at its time. */
  readonly rtoMs: number | null
  readonly moves: readonly MoveReport[]
  readonly actions: readonly ActionRecord[]
}

/** Planned: an operator's drain or maintenance, or a move that was asked for or configured. */
export interface WindowRecord {
  readonly kind: 'window'
  readonly id: string
  readonly rev: number
  readonly pool: string
  /** `null`: nobody served the pool meanwhile. */
  readonly backend: string | null
  readonly what: 'drain' | 'maintenance' | 'weight' | 'switchover'
  readonly at: number
  readonly open: boolean
  readonly ms: number
  readonly by: string
  readonly reason: string
}

export interface MoveRecord {
  readonly kind: 'move'
  readonly at: number
  readonly pool: string
  readonly report: MoveReport
}

/** Times of a backend within a span, and its attempts and failures. */
export type BackendSpan = readonly [number, number, number, number, number, number]

export interface PoolSpan {
  readonly times: Times
  readonly counts: Counts
  /** Those that were not up all the time, or had traffic; further ones were up. */
  readonly backends: Readonly<Record<string, BackendSpan>>
}

/** An hour of a running process, or what there was of it. */
export interface SpanRecord {
  readonly kind: 'span'
  readonly run: number
  /** Within the run, from 1. */
  readonly n: number
  readonly at: number
  readonly toAt: number
  /** On the monotonic clock. */
  readonly ms: number
  readonly pools: Readonly<Record<string, PoolSpan>>
  /** Records that were not written because there were too many. */
  readonly leftOut: number
}

/** What a pool consists of and aims at; holds until the next one for it. */
export interface PoolRecord {
  readonly kind: 'pool'
  readonly at: number
  readonly pool: string
  readonly mode: string
  readonly rtoMs: number | null
  readonly availability: number | null
  readonly backends: readonly string[]
}

/** A process has begun. */
export interface StartRecord {
  readonly kind: 'start'
  readonly run: number
  readonly at: number
  readonly version: string
  /** How the one before ended, and when it was last seen; `first`: there was none. */
  readonly before: 'first' | 'stopped' | 'killed'
  readonly lastAt: number | null
}

/** It ended as it was told to. */
export interface StopRecord {
  readonly kind: 'stop'
  readonly run: number
  readonly at: number
}

/** The wall clock was set: from here on `at` follows the new one. */
export interface ClockRecord {
  readonly kind: 'clock'
  readonly run: number
  /** What it would have been, and what it is. */
  readonly from: number
  readonly at: number
}

export type LedgerRecord =
  | IncidentRecord
  | WindowRecord
  | MoveRecord
  | ActionRecord
  | SpanRecord
  | PoolRecord
  | StartRecord
  | StopRecord
  | ClockRecord

export const NO_COUNTS: Counts = { requests: 0, failed: 0, retried: 0, rescued: 0, unknown: 0 }

const COUNT_KEYS = ['requests', 'failed', 'retried', 'rescued', 'unknown'] as const

/** Counts computed one by one. */
export function countsBy(of: (key: keyof Counts) => number): Counts {
  const counts = { ...NO_COUNTS }
  for (const key of COUNT_KEYS) counts[key] = of(key)
  return counts
}

export function addCounts(one: Counts, other: Counts): Counts {
  return countsBy((key) => one[key] + other[key])
}

/** Growth from one reading to a later one; a counter that began anew has grown by what it is. */
export function grownCounts(before: Counts, now: Counts): Counts {
  return countsBy((key) => (now[key] >= before[key] ? now[key] - before[key] : now[key]))
}

/** Whole, finite, not negative: what a count or a length read from a file has to be. */
export function isAmount(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}

export function isCounts(value: unknown): value is Counts {
  if (typeof value !== 'object' || value === null) return false
  return COUNT_KEYS.every((key) => isAmount((value as Record<string, unknown>)[key]))
}
