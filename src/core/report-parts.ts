// Parts of spans added up to the figures that pools and backends share. Pure; the formulas are in
// report-figures.ts.

import type { Counts, Times } from './ledger-contract.ts'
import { addCounts, countsBy, NO_COUNTS } from './ledger-contract.ts'
import {
  availabilityOf,
  betweenFailures,
  meanOf,
  ninesOf,
  recoveryOf,
  successOf,
  type Outage,
  type Stretch,
} from './report-figures.ts'

/** Figures that pools and backends share. All lengths in ms. */
export interface Figures {
  readonly upMs: number
  readonly downMs: number
  readonly maintenanceMs: number
  /** No verdict yet, or Evenkeel did not run. */
  readonly unknownMs: number
  /** Of up and down time, 0…1; `null` without either. */
  readonly availability: number | null
  readonly nines: number | null
  readonly counts: Counts
  /** Of requests (of a backend: attempts); `null` without any. */
  readonly success: number | null
  readonly failures: number
  /** From first sign to service again, on average. */
  readonly mttrMs: number | null
  readonly mtbfMs: number | null
}

/** Those that are known one by one, and how many more there were. */
export interface Outages {
  readonly outages: readonly Outage[]
  readonly leftOut: number
}

export const NO_OUTAGES: Outages = { outages: [], leftOut: 0 }

/** @param parts times and counts, as far as they lie in the stretch */
export function figuresOf(
  parts: readonly { readonly times: Times; readonly counts: Counts }[],
  { outages, leftOut }: Outages,
  { since, until }: Stretch,
): Figures {
  let times: Times = [0, 0, 0, 0]
  let counts = NO_COUNTS
  for (const part of parts) {
    times = sum(times, part.times)
    counts = addCounts(counts, part.counts)
  }
  const [upMs, downMs, maintenanceMs] = times.map(Math.round) as [number, number, number, number]
  const availability = availabilityOf(times)
  const failures = outages.length + leftOut
  const recoveries = outages.flatMap((outage) => recoveryOf(outage) ?? [])
  return {
    upMs,
    downMs,
    maintenanceMs,
    unknownMs: Math.max(0, until - since - upMs - downMs - maintenanceMs),
    availability,
    nines: ninesOf(availability),
    counts: countsBy((key) => Math.round(counts[key])),
    success: successOf(counts),
    failures,
    mttrMs: meanOf(recoveries),
    mtbfMs: betweenFailures(times, failures),
  }
}

/** The lengths among figures, as a ledger has them. */
export function timesOf({ upMs, downMs, maintenanceMs, unknownMs }: Figures): Times {
  return [upMs, downMs, maintenanceMs, unknownMs]
}

function sum(one: Times, other: Times): Times {
  return [one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]]
}

/** Times of the part of a span. */
export function scaledTimes([up, down, maintenance, unknown]: Times, share: number): Times {
  return [up * share, down * share, maintenance * share, unknown * share]
}

/** Counts of the part of a span. */
export function scaledCounts(counts: Counts, share: number): Counts {
  return countsBy((key) => counts[key] * share)
}
