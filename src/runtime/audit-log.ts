// How an operator's word is told: one line for each that reached a machine, whatever became of it.

import type { AuditEntry } from '../admin/act.ts'
import type { Log } from '../observe/log.ts'

/** Logs it: what was done as info, what was refused or failed as a warning. */
export function logAudit(log: Log, entry: AuditEntry): void {
  const { pool, request, from, outcome, message, tookMs } = entry
  const { verb, by, reason, ...wishes } = request
  const line = `${verb} of pool ${pool} asked for by ${by}: ${outcome}`
  const fields = { audit: true, pool, verb, ...wishes, by, from, reason, outcome, tookMs }
  if (outcome === 'done') log.info(line, { ...fields, result: message })
  else log.warn(line, { ...fields, result: message })
}
