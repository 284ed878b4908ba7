// Plans from a few words of YAML, for tests about changes of a plan.

import assert from 'node:assert/strict'
import type { Plan } from '../../src/core/plan.ts'
import { formatDiagnostics } from '../../src/config/diagnostics.ts'
import { parseConfig } from '../../src/config/load.ts'

/** The plan of a configuration; fails the test if it has errors. */
export function planOf(text: string): Plan {
  const result = parseConfig(text, { file: 'evenkeel.yaml', env: {} })
  if (!result.ok) assert.fail(formatDiagnostics(result.diagnostics))
  return result.plan
}

/**
 * A plan with http listeners and active-active pools.
 * @param listeners name → `bind pool`
 * @param pools name → `backend=address …`
 */
export function smallPlan(
  listeners: Readonly<Record<string, string>>,
  pools: Readonly<Record<string, string>>,
): Plan {
  const lines = ['listeners:']
  for (const [name, words] of Object.entries(listeners)) {
    const [bind, pool] = words.split(' ')
    lines.push(`  ${name}: { bind: "${bind}", pool: ${pool} }`)
  }
  lines.push('pools:')
  for (const [name, words] of Object.entries(pools)) {
    const backends = words.split(' ').map((word) => word.replace('=', ': "') + '"')
    lines.push(`  ${name}: { backends: { ${backends.join(', ')} } }`)
  }
  return planOf(lines.join('\n'))
}

/** Slots by name: `web`, `pool`, `pool/backend`. */
export function slotsByName(plan: Plan): Record<string, number> {
  const slots: Record<string, number> = {}
  for (const { name, slot } of plan.listeners) slots[name] = slot
  for (const pool of plan.pools) {
    slots[`${pool.name}/`] = pool.slot
    for (const { name, slot } of pool.backends) slots[`${pool.name}/${name}`] = slot
  }
  return slots
}
