// What the running process would do with a request: its plan, its verdicts, its counters.

import type { Clock } from '../core/clock.ts'
import { explainPool } from '../core/explain.ts'
import type { Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { Snapshot } from '../core/snapshot.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Explained, ExplainQuestion } from '../route/explain-request.ts'
import { explainRequest } from '../route/explain-request.ts'

export interface ExplainParts {
  readonly table: SharedTable
  readonly clock: Clock
  readonly control: {
    /** The plan in force: that of the status and the snapshot below. */
    readonly plan: Plan
    status(): readonly PoolStatus[]
    /** All pools as the data threads have them. */
    current(): Snapshot
  }
}

/** Nothing that is explained is a matter of chance. */
const NO_CHANCE: Random = { next: () => 0 }

export function explainHere(parts: ExplainParts, question: ExplainQuestion): Explained {
  const { table, clock, control } = parts
  const { plan } = control
  const statuses = control.status()
  const { pools } = control.current()
  const nowMs = clock.nowMs()
  return explainRequest(plan, question, (pool, repeatable) => {
    const status = statuses[pool.index]!
    const snapshot = pools[pool.index]!
    const facts = { plan: pool, status, snapshot, table, repeatable, nowMs }
    return explainPool({ ...facts, random: NO_CHANCE })
  })
}
