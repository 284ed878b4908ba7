// One short name for what is configured, to tell whether two processes have the same. Secrets have
// no part in it: whoever may read it could otherwise try passwords against it.

import { createHash } from 'node:crypto'
import type { Plan } from '../core/plan.ts'
import { backendWords, listenerWords, poolWords, processWords, type Words } from './plan-words.ts'

/** Twelve hexadecimal digits. */
export function planVersion(plan: Plan): string {
  const hash = createHash('sha256')
  const add = (name: string, words: Words): void => {
    for (const [path, { shown }] of words) hash.update(JSON.stringify([name, path, shown]))
  }
  add('', processWords(plan))
  for (const listener of plan.listeners)
    add(`listener ${listener.name}`, listenerWords(listener, plan))
  for (const pool of plan.pools) {
    add(`pool ${pool.name}`, poolWords(pool))
    for (const backend of pool.backends) {
      add(`backend ${pool.name} ${backend.name}`, backendWords(backend, pool.sites))
    }
  }
  return hash.digest('hex').slice(0, 12)
}
