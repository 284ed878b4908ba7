// How a reload reads: one sentence for each outcome.

import type { ConfigFinding, ConfigStatus, FixedChange, PlanDiff } from '../core/reload.ts'
import type { Diagnostic } from '../config/diagnostics.ts'
import { summarizeDiff } from '../config/plan-diff.ts'
import { formatDuration } from '../config/units.ts'

/** A finding as data for log, API and command line; without the line of text, which may be secret. */
export function findingOf(diagnostic: Diagnostic): ConfigFinding {
  const { file, path, line, column, message, hint } = diagnostic
  return { file, path, line, column, message, hint }
}

/** `configuration refused: evenkeel.yaml:3:12: pools.web.balance: … (and 2 more errors)`. */
export function sayInvalid(errors: readonly ConfigFinding[]): string {
  const [first] = errors
  if (first === undefined) return 'configuration refused'
  const where = first.line > 0 ? `${first.file}:${first.line}:${first.column}` : first.file
  const path = first.path === '' ? '' : ` ${first.path}:`
  const more = errors.length - 1
  const rest = more === 0 ? '' : ` (and ${more} more error${more === 1 ? '' : 's'})`
  return `configuration refused: ${where}:${path} ${first.message}${rest}`
}

/** `configuration refused: runtime.threads can't be changed by a reload (1 to 2): restart Evenkeel`. */
export function sayFixed(fixed: readonly FixedChange[]): string {
  const parts = fixed.map(({ path, before, after, advice }) => {
    const change = before === after ? '' : ` (${before ?? 'not set'} to ${after ?? 'not set'})`
    return `${path} can't be changed by a reload${change}: ${advice}`
  })
  return `configuration refused: ${parts.join('; ')}`
}

/** `configuration refused: ` and why. */
export function sayRefused(why: string): string {
  return `configuration refused: ${why}`
}

/** `configuration applied: 2 backends added; it is taken back in 1m unless it is confirmed`. */
export function sayApplied(changes: PlanDiff, confirmMs: number | null): string {
  const until =
    confirmMs === null
      ? ''
      : `; it is taken back in ${formatDuration(confirmMs)} unless it is confirmed`
  return `configuration applied: ${summaryOf(changes)}${until}`
}

/** `the configuration would be applied: 2 backends added`. */
export function sayPlanned(changes: PlanDiff): string {
  return `the configuration would be applied: ${summaryOf(changes)}`
}

/** What it was made for is not in force (any more). */
export function sayChanged(etag: string, wanted: readonly string[]): string {
  return `The configuration in force is ${etag}, not ${wanted.join(', ')}: read it again.`
}

/** Why there can be no other one now. */
export function sayPending({ version, pending }: ConfigStatus): string {
  const { by = '', revertsInMs = 0, trouble = null } = pending ?? {}
  if (trouble !== null) {
    return `configuration refused: ${version} (by ${by}) was not confirmed and could not be taken back yet: ${trouble}; clear that away, or keep it (evenkeel confirm)`
  }
  const rest = formatDuration(Math.max(1_000, Math.round(revertsInMs / 1_000) * 1_000))
  return `configuration refused: ${version} (by ${by}) waits for its confirmation and is taken back in ${rest}; confirm it first (evenkeel confirm), or wait`
}

function summaryOf(changes: PlanDiff): string {
  return summarizeDiff(changes) || 'nothing but the order of things is new'
}
