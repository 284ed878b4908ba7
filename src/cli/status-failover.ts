// How `evenkeel status` tells about a pool with an active: who it is, why, who could follow, and what
// the last move took and cost.

import { describeSessions, formatTook } from '../core/operator.ts'
import type { FailoverPhase, FailoverStatus, MoveReport } from '../core/status.ts'
import { formatAge } from './age.ts'
import type { Color } from './terminal.ts'
import { paint } from './terminal.ts'

const tints: Readonly<Record<FailoverPhase, Color>> = {
  none: 'red',
  steady: 'green',
  suspect: 'yellow',
  'failing-over': 'red',
  switching: 'yellow',
  'failback-wait': 'yellow',
  frozen: 'yellow',
}

/** `primary is active, epoch 7`, for the title of the pool. */
export function activeOf({ active, epoch, state }: FailoverStatus, color: boolean): string {
  const who = active === null ? 'nobody is active' : `${active} is active`
  return `${paint(who, active === null ? 'red' : tints[state], color)}, epoch ${epoch}`
}

/** The lines between title and backends. `nowMs` is wall clock. */
export function failoverLines(failover: FailoverStatus, nowMs: number, color: boolean): string[] {
  const { state, reason, sinceMs, standbys, move, lastMoves } = failover
  const lines = [`${paint(state, tints[state], color)} for ${formatAge(sinceMs)}: ${reason}`]
  if (move !== null) {
    const from = move.from === null ? '' : ` from ${move.from}`
    lines.push(`moving${from} to ${move.to}: ${move.step}, for ${formatTook(move.forMs)} so far`)
  }
  for (const { name, ready, reason } of standbys) {
    const word = paint(ready ? 'ready' : 'not ready', ready ? 'green' : 'yellow', color)
    lines.push(`standby ${name} is ${word}: ${reason}`)
  }
  const [last] = lastMoves
  if (last !== undefined) {
    lines.push(`last move ${formatAge(Math.max(0, nowMs - last.at))} ago: ${describeLast(last)}`)
  }
  return lines
}

const outcomes: Readonly<Record<MoveReport['outcome'], string>> = {
  moved: 'in',
  'rolled-back': 'was rolled back after',
  failed: 'failed after',
}

function describeLast(report: MoveReport): string {
  const { kind, outcome, from, to, epoch, by, reason, detectionMs, moveMs, metObjective } = report
  const path = from === null ? `to ${to}` : `from ${from} to ${to}`
  const parts =
    detectionMs > 0 ? ` (found in ${formatTook(detectionMs)}, moved in ${formatTook(moveMs)})` : ''
  const took = `${outcomes[outcome]} ${formatTook(detectionMs + moveMs)}${parts}`
  const sessions = describeSessions(report)
  const objective = metObjective === null ? '' : `, objective ${metObjective ? 'met' : 'missed'}`
  const cost = sessions === '' ? '' : `; ${sessions}`
  return `${kind} ${path} ${took}, epoch ${epoch}${objective}, by ${by}: ${reason}${cost}`
}
