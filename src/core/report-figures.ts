// The arithmetic of availability: each figure with its formula, from times and outages that are handed
// in. docs/ledger.md says where each comes from. Pure; `null` is "nothing to compute it from".

import type { Counts, OutageRecord, Times } from './ledger-contract.ts'

/** A stretch of wall clock, ms since 1970; `until` is not in it. */
export interface Stretch {
  readonly since: number
  readonly until: number
}

/** Part of [at, toAt) that lies in a stretch, 0…1. A span without length counts if it begins there. */
export function shareWithin(at: number, toAt: number, { since, until }: Stretch): number {
  if (toAt <= at) return at >= since && at < until ? 1 : 0
  const overlap = Math.min(toAt, until) - Math.max(at, since)
  return Math.min(1, Math.max(0, overlap / (toAt - at)))
}

/** Up over up and down: time of which nobody knew, and planned work, count on neither side. */
export function availabilityOf([up, down]: Times): number | null {
  return up + down > 0 ? up / (up + down) : null
}

/** Requests that did not fail, over all. */
export function successOf({ requests, failed }: Counts): number | null {
  return requests > 0 ? Math.max(0, 1 - failed / requests) : null
}

/** How many nines it begins with: 2.9 is not yet three. `null`: no failure, so any number. */
export function ninesOf(availability: number | null): number | null {
  if (availability === null || availability >= 1) return null
  // 0.999 is a little less than three nines in binary.
  const nines = -Math.log10(1 - availability)
  return Math.max(0, Math.floor(nines * 10 + 1e-6) / 10)
}

export interface ErrorBudget {
  /** Down time that the objective allows in the time observed. */
  readonly allowedMs: number
  readonly spentMs: number
  /** Of the allowed time: 1 is untouched, 0 is spent, below it is missed. */
  readonly left: number
}

/** What an objective allows, and what is left of it (SRE: 1 − objective). */
export function budgetOf([up, down]: Times, objective: number | null): ErrorBudget | null {
  if (objective === null || up + down === 0) return null
  const allowedMs = (1 - objective) * (up + down)
  const left = allowedMs > 0 ? 1 - down / allowedMs : down > 0 ? -Infinity : 1
  return { allowedMs, spentMs: down, left }
}

/** An outage that is over, or that still lasts. */
export interface Outage extends OutageRecord {
  readonly incident: string
  /** Objective at its time. */
  readonly objectiveMs: number | null
  /** How long the incident was when it was last written. */
  readonly knownMs: number
}

/** From the first sign to service again; `null` while nobody serves, or if nobody ever did again. */
export function recoveryOf({ faultMs, backMs, withdrawn }: OutageRecord): number | null {
  return backMs === null || withdrawn === true ? null : backMs - faultMs
}

/** Whether an outage kept its objective; `null`: there is none, or it may yet. */
export function metOf(outage: Outage): boolean | null {
  const { objectiveMs, faultMs, backMs, knownMs } = outage
  if (objectiveMs === null) return null
  const recoveryMs = recoveryOf(outage)
  if (recoveryMs !== null) return recoveryMs <= objectiveMs
  return (backMs ?? knownMs) - faultMs > objectiveMs ? false : null
}

/** Mean of what is there. */
export function meanOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The value that `share` of them don't exceed (nearest rank). */
export function quantileOf(values: readonly number[], share: number): number | null {
  if (values.length === 0) return null
  const sorted = [...values].sort((a, b) => a - b)
  const rank = Math.min(sorted.length, Math.max(1, Math.ceil(share * sorted.length)))
  return sorted[rank - 1]!
}

/** Mean time between failures: up time over their number. */
export function betweenFailures([up]: Times, failures: number): number | null {
  return failures === 0 ? null : up / failures
}
