// How the load of a pool with sites spreads when the active ones lose capacity: who is active keeps
// what it has capacity for, the rest spills to the next. Each tier is given 1.4 times what its
// healthy backends are worth, so that the loss of a few of them moves nobody (the same factor and
// rule as Envoy's priority load). Overflow is no move: it changes no epoch and holds no request.

/** How much of the load a tier with all of its backends could take over what it is meant for. */
export const SPARE_FACTOR = 1.4

/**
 * The share of the load of each tier; the shares add up to 1.
 * @param capacity share of each tier's capacity that is healthy, 0…1; the active tier first, then
 *   those that may help it, in order
 */
export function spill(capacity: readonly number[]): number[] {
  const reach = capacity.map((healthy) => Math.min(1, SPARE_FACTOR * healthy))
  const total = reach.reduce((sum, one) => sum + one, 0)
  // Nobody has any: it is the active tier's to refuse, or to hold.
  if (total === 0) return capacity.map((_, tier) => (tier === 0 ? 1 : 0))
  // Too little altogether is shared in proportion: nobody is refused for it.
  const whole = Math.min(1, total)
  let left = 1
  return reach.map((one) => {
    const share = Math.min(left, one / whole)
    // What rounding leaves is nobody's share.
    left = left - share < 1e-9 ? 0 : left - share
    return share
  })
}
