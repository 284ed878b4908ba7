// What of the exchanges is kept.

import type { TracingPlan } from '../core/plan.ts'
import type { ConfigTree } from './schema.ts'

/** Compiles `tracing`; `null` without it. */
export function compileTracing({ tracing }: ConfigTree): TracingPlan | null {
  if (tracing === null) return null
  const { ring, sample, slow, trustParent, responseHeader } = tracing
  return { ring, sample, slowMs: slow, trustParent, responseHeader }
}
