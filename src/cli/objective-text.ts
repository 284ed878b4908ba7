// What `evenkeel check` says of each pool's objective: the worst case, line by line.

import { formatDuration } from '../config/units.ts'
import type { FailureCase, ObjectiveReport } from '../core/objective.ts'
import { inWords, UNBOUNDED, type ObjectiveStep } from '../core/objective-detection.ts'
import { table } from './table.ts'

const right = new Set([1])

/** The lines about one pool; none if it has no objective. */
export function objectiveText(report: ObjectiveReport): string[] {
  const { pool, rtoMs, cases, move, moveMs, assumes } = report
  if (rtoMs === null) return []
  const lines = [`  objective of pool ${pool}: rto ${formatDuration(rtoMs)}; ${verdict(report)}`]
  // All are made of the same settings: the longest shows them.
  const longest = cases.reduce((one, other) => (spanOf(other) > spanOf(one) ? other : one))
  for (const one of cases) {
    lines.push(`    when ${one.what}: ${noticed(one)}`)
    if (one === longest) lines.push(...steps(one.detection))
  }
  if (move.length > 0) lines.push(`    then it moves within ${inWords(moveMs)}`, ...steps(move))
  return [...lines, `    provided that ${assumes.join('; ')}`]
}

function spanOf({ detectionMs }: FailureCase): number {
  return detectionMs ?? 0
}

function verdict({ rtoMs, worstMs, unbounded }: ObjectiveReport): string {
  if (unbounded !== null) return `NOT met: ${UNBOUNDED[unbounded].why}`
  return `worst case ${inWords(worstMs!)}: ${worstMs! <= rtoMs! ? 'met' : 'NOT met'}`
}

function noticed({ detectionMs, trafficMs }: FailureCase): string {
  if (detectionMs === null) return 'no check notices'
  const traffic = trafficMs === null ? '' : `, under live traffic within ${inWords(trafficMs)}`
  return `noticed within ${inWords(detectionMs)}${traffic}`
}

function steps(list: readonly ObjectiveStep[]): string[] {
  return table(
    list.map(({ what, ms, how }) => [`      ${what}`, inWords(ms), how]),
    right,
  )
}
