// How a change of availability is told: one sentence and its fields, the same for log and listeners.

import { describeMove } from '../core/operator.ts'
import type { MoveReport, Transition } from '../core/status.ts'
import type { Log } from '../observe/log.ts'

/** Logs a transition: good news as info, bad news as a warning. */
export function logTransition(log: Log, transition: Transition): void {
  const { pool, backend, from, to, reason, available } = transition
  const message = `backend ${pool}/${backend} is ${words[to]}`
  const fields = { pool, backend, from, to, reason, available }
  if (to === 'down' || to === 'ejected' || available === 0) log.warn(message, fields)
  else log.info(message, fields)
}

/** Logs the end of a move, with what it took and cost. */
export function logMove(log: Log, pool: string, report: MoveReport): void {
  const { outcome, kind, from, to, epoch, reason, by, sessions, metObjective } = report
  const fields = {
    pool,
    kind,
    outcome,
    from,
    to,
    epoch,
    reason,
    by,
    detectionMs: Math.round(report.detectionMs),
    moveMs: Math.round(report.moveMs),
    totalMs: Math.round(report.detectionMs + report.moveMs),
    sessions,
    metObjective,
  }
  if (outcome !== 'moved') log.error(`the move of ${pool} to ${to} ${outcome}`, fields)
  else if (kind === 'failover' || metObjective === false) {
    log.warn(describeMove(pool, report), fields)
  } else log.info(describeMove(pool, report), fields)
}

const words: Readonly<Record<Transition['to'], string>> = {
  available: 'available',
  starting: 'available, in slow start',
  probation: 'in probation',
  checking: 'being checked',
  down: 'down',
  ejected: 'ejected',
  drain: 'draining',
  maint: 'in maintenance',
  weightless: 'without weight',
  standby: 'standing by',
}
