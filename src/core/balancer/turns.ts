// Where in the rotation each backend begins. Shared by the balancers that take turns.

import type { PoolBackend } from './contract.ts'

/**
 * Spreads the beginnings of the backends evenly over one cycle: calls `set` with a phase in [0, 1)
 * for each, 0 being the first to come. `offset` (0…1) rotates them, so that data threads which
 * start together do not all begin with the same backend.
 */
export function spreadTurns(
  available: readonly PoolBackend[],
  offset: number,
  set: (backend: PoolBackend, phase: number) => void,
): void {
  let total = 0
  for (const backend of available) total += backend.weight
  let before = 0
  for (const backend of available) {
    const phase = (before + backend.weight / 2) / total + offset
    set(backend, phase - Math.floor(phase))
    before += backend.weight
  }
}
