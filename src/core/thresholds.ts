// From when on an attempt counts as slow or silent, per backend: computed here from the pool's
// medians and the backend's own tail, published in the control row, where the data threads measure
// their waiting attempts against them.

import type { BackendHealth } from './backend-health.ts'
import { isAvailable } from './availability.ts'
import type { PoolPlan } from './plan.ts'
import { CONTROL, type SharedTable } from './shared-layout.ts'

/** Finished attempts from which a backend's median is worth comparing with. */
const MEDIAN_MIN = 5
/** Silence where outlier detection is off: it still asks for a probe (suspicion). */
const SILENT_DEFAULT = { thresholdMs: 300, factor: 5 }

/** Computes and publishes the thresholds of all backends that have seen traffic. */
export function refreshThresholds(
  plan: PoolPlan,
  backends: readonly BackendHealth[],
  table: SharedTable,
  nowMs: number,
): void {
  const compared = backends
    .filter(
      ({ availability, traffic }) =>
        isAvailable(availability) && traffic !== null && traffic.latencies.count >= MEDIAN_MIN,
    )
    .map(({ index, traffic }) => ({ index, median: traffic!.latencies.median() }))
    .sort((one, two) => one.median - two.median)
  const medians = Float64Array.from(compared, ({ median }) => median)
  const placeOf = new Int32Array(backends.length).fill(-1)
  compared.forEach(({ index }, place) => (placeOf[index] = place))
  for (const backend of backends) {
    if (backend.traffic === null) continue
    const others = medianOfOthers(medians, placeOf[backend.index]!)
    setThresholds(plan, backend, table, others, backend.traffic.p99(nowMs))
  }
}

/**
 * Sets and publishes the thresholds of one backend.
 * @param othersMs median of the pool's other backends; Infinity if there is none to compare with
 * @param p99Ms the backend's own tail; 0 if unknown
 */
export function setThresholds(
  plan: PoolPlan,
  backend: BackendHealth,
  table: SharedTable,
  othersMs: number,
  p99Ms: number,
): void {
  const outlier = plan.outlierDetection
  const slow = outlier === null ? null : outlier.slow
  const silent = outlier === null ? SILENT_DEFAULT : outlier.silent
  const { thresholds } = backend
  thresholds.slowMs =
    slow === null || othersMs === Infinity
      ? Infinity
      : Math.max(slow.thresholdMs, slow.factor * othersMs)
  thresholds.silentMs =
    silent === null ? Infinity : Math.max(silent.thresholdMs, silent.factor * p99Ms)
  const base = table.controlBase(backend.plan.slot)
  table.control[base + CONTROL.slowMs] = thresholds.slowMs
  table.control[base + CONTROL.silentMs] = thresholds.silentMs
}

/**
 * The lower median of a sorted row without one of its members.
 * @param place of the member to leave out; −1 to leave out none
 * @returns Infinity if nothing is left
 */
export function medianOfOthers(sorted: Float64Array, place: number): number {
  const others = place < 0 ? sorted.length : sorted.length - 1
  if (others === 0) return Infinity
  const middle = (others - 1) >> 1
  return sorted[place < 0 || middle < place ? middle : middle + 1]!
}
