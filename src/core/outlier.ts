// Outlier detection: does the live traffic of a backend say that it should go? Four findings:
//   failing  a streak of weighted failures over all threads, or a high rate in the window
//   slow     half of the last attempts took, or already wait, longer than the pool's others allow
//   silent   several attempts wait long and no byte came since the oldest was sent; or one reached
//            its response timeout without a byte from that backend since it was sent
// Pure: facts in, verdict out. How many of a pool may go at once is core/ejection.ts.

import type { OutlierPlan } from './plan.ts'
import { RECENT_ATTEMPTS } from './shared-layout.ts'
import type { BackendTraffic } from './traffic.ts'

export type OutlierCause = 'failing' | 'slow' | 'silent'

export interface OutlierFinding {
  readonly cause: OutlierCause
  /** Half a sentence for people: `5 failed attempts in a row`. */
  readonly text: string
}

/** Limits that depend on the pool and the backend's own past; published to the data threads. */
export interface OutlierThresholds {
  /** Age from which an attempt is slow; Infinity switches the rule off. */
  readonly slowMs: number
  /** Age from which a waiting attempt is silent; Infinity switches the rule off. */
  readonly silentMs: number
  /** The pool's response timeout. */
  readonly responseMs: number
}

/** A failure older than this no longer shows that something is happening right now. */
export const FRESH_MS = 2_000
/** What a reset on a fresh connection adds to a streak. */
const RESET_WEIGHT = 3
/** A timer may fire this share of its time early, at most TICK_SLACK_MS, and still mean timeout. */
const EARLY_SHARE = 0.1
const TICK_SLACK_MS = 100
/** A response timeout stays a reason to eject for this long, should a cap forbid it at first. */
const TIMEOUT_HOLD_MS = 1_000

/**
 * The finding that qualifies a backend for ejection, or `null`.
 * @param part 1 for the real thing; 0.5 asks whether it is at least half way there, which is what
 *   the dependency rule wants to know of the others
 */
export function findOutlier(
  plan: OutlierPlan,
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  nowMs: number,
  part = 1,
): OutlierFinding | null {
  return (
    findSilent(plan, traffic, thresholds, nowMs, part) ??
    findFailing(plan, traffic, nowMs, part) ??
    findSlow(plan, traffic, thresholds, part)
  )
}

/** At least half way to a finding, and that just now: counts for the dependency rule. */
export function nearlyOutlier(
  plan: OutlierPlan,
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  nowMs: number,
): boolean {
  return findOutlier(plan, traffic, thresholds, nowMs, 0.5) !== null
}

/** Traffic fails or is silent at this moment: enough to believe a single failed suspicion probe. */
export function trafficFails(
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  nowMs: number,
): boolean {
  if (traffic.streak > 0 && nowMs - traffic.failedMs <= FRESH_MS) return true
  return isQuiet(traffic, thresholds, nowMs)
}

/** At least one attempt waits for too long, and nothing has come on any other for as long. */
export function isQuiet(
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  nowMs: number,
): boolean {
  return traffic.waitingSilent > 0 && nowMs - traffic.lastByteMs >= thresholds.silentMs
}

function findSilent(
  plan: OutlierPlan,
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  nowMs: number,
  part: number,
): OutlierFinding | null {
  const needed = plan.silent === null ? Infinity : Math.ceil(plan.silent.attempts * part)
  if (traffic.waitingSilent >= needed && traffic.silentSinceOldest()) {
    const ms = Math.round(thresholds.silentMs)
    return {
      cause: 'silent',
      text: `${traffic.waitingSilent} attempts wait longer than ${ms} ms and no byte has come`,
    }
  }
  const { responseMs } = thresholds
  const quietMs = nowMs - traffic.lastByteMs
  if (
    plan.silent !== null &&
    nowMs - traffic.timedOutMs <= TIMEOUT_HOLD_MS &&
    quietMs >= responseMs - Math.min(TICK_SLACK_MS, EARLY_SHARE * responseMs)
  ) {
    return {
      cause: 'silent',
      text: `an attempt got no byte within the response timeout of ${responseMs} ms`,
    }
  }
  return null
}

function findFailing(
  plan: OutlierPlan,
  traffic: BackendTraffic,
  nowMs: number,
  part: number,
): OutlierFinding | null {
  // An old streak of a backend without traffic is no news; only for the real thing it stays one.
  const counts = part === 1 || nowMs - traffic.failedMs <= FRESH_MS
  const streak = weightedStreak(plan, traffic, nowMs)
  if (counts && streak >= Math.max(1, plan.consecutiveFailures * part)) {
    return { cause: 'failing', text: `${streak} weighted failures in a row` }
  }
  const attempts = traffic.window.attempts(nowMs)
  const failures = traffic.window.failures(nowMs)
  if (
    counts &&
    attempts >= plan.attemptsMin * part &&
    failures > 0 &&
    failures >= plan.failureRate * attempts
  ) {
    const seconds = plan.windowMs / 1000
    return { cause: 'failing', text: `${failures} of ${attempts} attempts failed in ${seconds} s` }
  }
  return null
}

/**
 * The streak, with the resets on kept connections that were excused: followed by a reset on a fresh
 * one, with no success between them, they were no keep-alive race after all.
 */
function weightedStreak(plan: OutlierPlan, traffic: BackendTraffic, nowMs: number): number {
  const isRace = traffic.streak < RESET_WEIGHT || nowMs - traffic.excusedMs > plan.windowMs
  return isRace ? traffic.streak : traffic.streak + RESET_WEIGHT * traffic.excused
}

function findSlow(
  plan: OutlierPlan,
  traffic: BackendTraffic,
  thresholds: OutlierThresholds,
  part: number,
): OutlierFinding | null {
  if (plan.slow === null || thresholds.slowMs === Infinity) return null
  const { judgements } = traffic
  if (judgements.count < RECENT_ATTEMPTS || judgements.slow * 2 < RECENT_ATTEMPTS * part)
    return null
  const ms = Math.round(thresholds.slowMs)
  return {
    cause: 'slow',
    text: `${judgements.slow} of the last ${RECENT_ATTEMPTS} attempts took longer than ${ms} ms, ${plan.slow.factor} times what the other backends take`,
  }
}
