// How a change of availability is told: one sentence and its fields, the same for log and listeners.

import type { Transition } from '../core/status.ts'
import type { Log } from '../observe/log.ts'

/** Logs a transition: good news as info, bad news as a warning. */
export function logTransition(log: Log, transition: Transition): void {
  const { pool, backend, from, to, reason, available } = transition
  const message = `backend ${pool}/${backend} is ${words[to]}`
  const fields = { pool, backend, from, to, reason, available }
  if (to === 'down' || to === 'ejected' || available === 0) log.warn(message, fields)
  else log.info(message, fields)
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
