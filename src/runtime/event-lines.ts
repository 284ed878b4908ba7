// How events read in the log: one sentence and its fields each.

import type { BalancerEvent, OperatorNews, SiteNews } from '../core/events.ts'
import { describeMove } from '../core/operator.ts'
import type { MoveReport, Transition } from '../core/status.ts'
import type { Log } from '../observe/log.ts'

/** Logs an event: good news as info, bad news as a warning. */
export function logEvent(log: Log, event: BalancerEvent): void {
  switch (event.kind) {
    case 'transition':
      logTransition(log, event.transition)
      break
    case 'move':
      logMove(log, event.pool, event.report)
      break
    case 'turn': {
      const { pool, from, to, reason } = event
      log.info(`pool ${pool} is ${to}`, { pool, from, to, reason })
      break
    }
    case 'site':
      logSite(log, event.pool, event.news)
      break
    case 'operator':
      logOperator(log, event.news)
      break
    case 'config': {
      const { outcome, message, ...fields } = event.news
      log[outcome === 'refused' || outcome === 'reverted' ? 'error' : 'info'](message, {
        outcome,
        ...fields,
      })
      break
    }
    case 'discovery': {
      const { message, state, ...fields } = event.news
      log[state === 'failed' ? 'warn' : 'info'](message, { state, ...fields })
      break
    }
    case 'drained': {
      const { pool, backend, tookMs, cut } = event
      log.info(`backend ${pool}/${backend} is drained`, { pool, backend, tookMs, cut })
      break
    }
    case 'warning':
      log.warn(event.message, event.fields)
      break
    case 'thread': {
      const { thread, state, message, fields } = event
      log[state === 'replaced' ? 'info' : 'error'](message, { thread, ...fields })
      break
    }
    case 'process':
      log.info(event.message, event.fields)
      break
  }
}

// Good news as info, bad news as a warning.
function logTransition(log: Log, transition: Transition): void {
  const { pool, backend, from, to, reason, available } = transition
  const message = `backend ${pool}/${backend} is ${words[to]}`
  const fields = { pool, backend, from, to, reason, available }
  // A standby that comes up serves nobody, but that nobody serves is not its news.
  const isOutage = available === 0 && to !== 'standby'
  if (to === 'down' || to === 'ejected' || isOutage) log.warn(message, fields)
  else log.info(message, fields)
}

// With what it took and cost.
function logMove(log: Log, pool: string, report: MoveReport): void {
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

function logSite(log: Log, pool: string, { site, kind, reason }: SiteNews): void {
  const sentences = {
    left: `site ${site} of pool ${pool} is left`,
    returned: `site ${site} of pool ${pool} serves again`,
    overflow: `site ${site} of pool ${pool} takes what overflows`,
    relieved: `nothing overflows to site ${site} of pool ${pool} any more`,
  }
  const level = kind === 'left' || kind === 'overflow' ? 'warn' : 'info'
  log[level](sentences[kind], { pool, site, reason })
}

// What was done as info, what was refused or failed as a warning.
function logOperator(log: Log, news: OperatorNews): void {
  const { pool, backend, verb, wishes, by, from, reason, outcome, message, tookMs } = news
  const subject =
    pool === null ? '' : ` of ${backend === null ? 'pool ' : `${pool}/`}${backend ?? pool}`
  const dry = wishes['dryRun'] === true ? ' (dry run)' : ''
  const line = `${verb}${subject}${dry} asked for by ${by}: ${outcome}`
  const where = { ...(pool === null ? {} : { pool }), ...(backend === null ? {} : { backend }) }
  const fields = { audit: true, ...where, verb, ...wishes, by, from, reason, outcome, tookMs }
  log[outcome === 'done' ? 'info' : 'warn'](line, { ...fields, result: message })
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
