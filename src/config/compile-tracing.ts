// What of the exchanges is kept, and where spans go.

import type { TracingPlan } from '../core/plan.ts'
import type { Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import { compileHeaders } from './headers.ts'
import { readCheckHeader } from './http-values.ts'
import type { ConfigTree } from './schema.ts'

/** Compiles `tracing`; `null` without it. */
export function compileTracing(
  { tracing }: ConfigTree,
  source: Source,
  findings: Findings,
): TracingPlan | null {
  if (tracing === null) return null
  const { ring, sample, slow, trustParent, responseHeader, otlp } = tracing
  const kept = { ring, sample, slowMs: slow, trustParent, responseHeader }
  if (otlp === undefined) return { ...kept, otlp: null }
  const { endpoint, service } = otlp
  const path = ['tracing', 'otlp', 'headers']
  const headers = compileHeaders(path, otlp.headers, { source, findings }, readCheckHeader)
  return { ...kept, otlp: { endpoint, headers, service } }
}
