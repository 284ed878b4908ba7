// How a change of availability is told: one sentence and its fields, the same for log and listeners.

import { describeMove } from '../core/operator.ts'
import type { MoveReport, Transition } from '../core/status.ts'
import type { Log } from '../observe/log.ts'
import type { SiteNews } from './tier-roster.ts'

/** Logs a transition: good news as info, bad news as a warning. */
export function logTransition(log: Log, transition: Transition): void {
  const { pool, backend, from, to, reason, available } = transition
  const message = `backend ${pool}/${backend} is ${words[to]}`
  const fields = { pool, backend, from, to, reason, available }
  // A standby that comes up serves nobody, but that nobody serves is not its news.
  const isOutage = available === 0 && to !== 'standby'
  if (to === 'down' || to === 'ejected' || isOutage) log.warn(message, fields)
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

/** Logs what happened to a site without a move. */
export function logSite(log: Log, pool: string, { site, kind, reason }: SiteNews): void {
  const sentences = {
    left: `site ${site} of pool ${pool} is left`,
    returned: `site ${site} of pool ${pool} serves again`,
    overflow: `site ${site} of pool ${pool} takes what overflows`,
    relieved: `nothing overflows to site ${site} of pool ${pool} any more`,
  }
  const level = kind === 'left' || kind === 'overflow' ? 'warn' : 'info'
  log[level](sentences[kind], { pool, site, reason })
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
