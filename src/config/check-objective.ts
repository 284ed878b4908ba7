// Warns of an objective that the settings can't meet, before it is missed.

import { assessObjectives, type ObjectiveReport } from '../core/objective.ts'
import { inWords, UNBOUNDED } from '../core/objective-detection.ts'
import type { Plan } from '../core/plan.ts'
import type { Findings } from './findings.ts'
import { formatDuration } from './units.ts'

/** Compares each pool's `objective.rto` with its worst case. */
export function checkObjectives(plan: Plan, findings: Findings): void {
  for (const report of assessObjectives(plan)) {
    if (report.met !== false) continue
    const rto = formatDuration(report.rtoMs!)
    const path = ['pools', report.pool, 'objective', 'rto']
    if (report.unbounded === null) {
      findings.warning(path, `${rto} can't be met: ${worstOf(report)}`, longestOf(report))
    } else {
      const { why, remedy } = UNBOUNDED[report.unbounded]
      findings.warning(path, `${rto} can't be promised: ${why}`, remedy)
    }
  }
}

function worstOf({ worstMs, cases, worst, moveMs }: ObjectiveReport): string {
  const { what, detectionMs } = cases.find(({ kind }) => kind === worst)!
  const parts =
    moveMs === 0 ? '' : ` (${inWords(detectionMs!)} to notice, ${inWords(moveMs)} to move)`
  return `if ${what}, it takes up to ${inWords(worstMs!)}${parts}`
}

function longestOf({ cases, worst, move }: ObjectiveReport): string {
  const steps = [...cases.find(({ kind }) => kind === worst)!.detection, ...move]
  const { what, ms, how } = steps.reduce((one, other) => (other.ms > one.ms ? other : one))
  return `evenkeel check shows each step; the longest: ${what}, ${inWords(ms)} (${how})`
}
