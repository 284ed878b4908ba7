// What an operator can ask of a pool with an active, and how the answer reads: shared by the admin
// API, the command line and whoever carries the request out. Plain data and sentences; it judges
// nothing, since the failover machine alone knows what is safe.

import type { MoveReport } from './status.ts'

export type OperatorVerb = 'switchover' | 'failback' | 'freeze' | 'unfreeze'

/** A request as it was checked for form. `reason` and `by` are one line each. */
export type OperatorRequest = {
  /** Why; goes into the log and the record of the move. */
  readonly reason: string
  /** Who asked. */
  readonly by: string
} & (
  | {
      readonly verb: 'switchover'
      /** Name of the backend that is to be the active. */
      readonly to: string
      /** Also where the machine would rather not. */
      readonly force: boolean
      /** Only say what would happen. */
      readonly dryRun: boolean
    }
  | { readonly verb: 'failback'; readonly force: boolean; readonly dryRun: boolean }
  | { readonly verb: 'freeze' }
  | { readonly verb: 'unfreeze' }
)

/** How it ended. A move is answered once it is over. */
export type ActAnswer =
  | {
      readonly ok: true
      readonly message: string
      /** `null` if nothing was moved: a dry run, a freeze, a failback that has nothing to do. */
      readonly report: MoveReport | null
    }
  | {
      readonly ok: false
      /** `refused`: nothing was touched. `failed`: it was begun, and undone or broken off. */
      readonly code: 'no-pool' | 'not-standby' | 'no-backend' | 'refused' | 'failed'
      readonly message: string
      /** What there is instead: pools, or backends of the pool. */
      readonly names?: readonly string[]
      readonly report?: MoveReport
    }

/** Longest reason and name of an operator, in characters. */
export const REASON_CHARS_MAX = 500
export const BY_CHARS_MAX = 100

/** `in 212 ms`, `in 3.4 s`: a duration for people. */
export function formatTook(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`
}

/** What became of the old active's sessions: `3 sessions finished, 1 cut`; empty if it had none. */
export function describeSessions({ sessions }: MoveReport): string {
  const { at, finished, cut } = sessions
  if (at === 0 && finished === 0 && cut === 0) return ''
  // Sites overlap: what runs in the old one need not have ended when the new one starts.
  const left = at - finished - cut
  const rest = left > 0 ? `, ${left} may finish` : ''
  return `${finished} ${finished === 1 ? 'session' : 'sessions'} finished, ${cut} cut${rest}`
}

/** A move that succeeded: `moved postgres from a to b in 212 ms, epoch 7; 3 sessions finished, 1 cut`. */
export function describeMove(pool: string, report: MoveReport): string {
  const from = report.from === null ? '' : ` from ${report.from}`
  const sessions = describeSessions(report)
  const rest = sessions === '' ? '' : `; ${sessions}`
  return `moved ${pool}${from} to ${report.to} in ${formatTook(report.moveMs)}, epoch ${report.epoch}${rest}`
}
