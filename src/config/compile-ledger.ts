// Where the ledger is, and how much of it is kept.

import type { LedgerPlan } from '../core/plan.ts'
import type { ConfigTree } from './schema.ts'

/** Compiles `ledger`; `null` without one. */
export function compileLedger({ ledger }: ConfigTree): LedgerPlan | null {
  if (ledger === null) return null
  return { path: ledger.path ?? null, keepMs: ledger.keep, sizeBytesMax: ledger.maxSize }
}
