// The health of one backend from its probes: a reducer over rise and fall, with its own schedule.
//
//   checking ──first pass──► up ──`fall` failures in a row, or one on suspicion──► down
//       └──`fall` failures──► down ──`rise` passes in a row──► up
//
// Pace: `intervalMs`; `fastIntervalMs` while undecided (checking, up with a failure, down with a
// pass). While the pool has nothing available (`urgent`) a backend that is down is probed at the
// fast interval and confirmed at half of it: with the defaults (500 ms, rise 2) a healed backend
// serves again 0.8 s after it healed.
// Timeout: the configured one; while undecided no longer than the interval, but always three times
// the backend's usual time, and the whole timeout as long as no usual time is known: a check that
// needs 700 ms could else never pass.
// Suspicion: something in live traffic asks for a probe at once, beside the scheduled one, at most
// one per SUSPICION_GAP_MS. If it fails while traffic fails too, that is enough for `down`.
// A void verdict (our own shortage, or our own loop stood still) changes nothing but the schedule.

import type { HealthCheckPlan } from './check-plan.ts'
import type { Random } from './random.ts'

/** `void`: the probe says nothing about the backend. */
export type ProbeVerdict = 'pass' | 'fail' | 'void'

/** Shortest time between two suspicion probes of one backend. */
export const SUSPICION_GAP_MS = 100
/** Shortest timeout of a suspicion probe. */
export const SUSPICION_TIMEOUT_MS = 200
/** A probe may take this many times the usual time before it counts as unanswered. */
const USUAL_FACTOR = 3
/** Weight of the newest probe in the usual time. */
const USUAL_SHARE = 0.3

export interface HealthState {
  readonly health: 'checking' | 'up' | 'down'
  /** Passes in a row. */
  readonly passes: number
  /** Failures in a row. */
  readonly fails: number
  /** Usual time of a passing probe; 0 while unknown. */
  readonly usualMs: number
  /** When the next scheduled probe starts; Infinity while one runs. */
  readonly dueMs: number
  /** When the running scheduled probe was started. */
  readonly startedMs: number
  /** When the next suspicion probe starts; Infinity if none is asked for. */
  readonly suspicionDueMs: number
  /** When the last suspicion probe was started. */
  readonly suspectedMs: number
  readonly suspecting: boolean
  /** The pool has no available backend. */
  readonly urgent: boolean
  /** At least one probe gave a verdict. */
  readonly judged: boolean
}

export type HealthEvent =
  /** The deadline of the last step has come. */
  | { readonly kind: 'due' }
  /** Live traffic gives reason to doubt the backend. */
  | { readonly kind: 'suspected' }
  /** The pool has lost, or regained, its last available backend. */
  | { readonly kind: 'urgent'; readonly urgent: boolean }
  | {
      readonly kind: 'probed'
      readonly verdict: ProbeVerdict
      readonly tookMs: number
      /** What the probe saw, for people. */
      readonly text: string
      readonly suspicion: boolean
      /** Live traffic of this backend fails or is silent at this moment. */
      readonly trafficFails: boolean
      /** `void` because our own loop stood still: probe again at once. */
      readonly stalled?: boolean
    }

export type HealthEffect =
  | { readonly kind: 'probe'; readonly timeoutMs: number; readonly suspicion: boolean }
  | { readonly kind: 'turned'; readonly to: 'up' | 'down'; readonly reason: string }

export interface HealthStep {
  readonly state: HealthState
  readonly effects: readonly HealthEffect[]
  /** When to send `due`; Infinity if nothing is planned. */
  readonly deadlineMs: number
}

/** A backend nothing is known about, with its first probe at `firstMs`. */
export function initialHealth(firstMs: number): HealthState {
  return {
    health: 'checking',
    passes: 0,
    fails: 0,
    usualMs: 0,
    dueMs: firstMs,
    startedMs: -Infinity,
    suspicionDueMs: Infinity,
    suspectedMs: -Infinity,
    suspecting: false,
    urgent: false,
    judged: false,
  }
}

/** One step. Pure but for drawing jitter from `random`. */
export function reduceHealth(
  plan: HealthCheckPlan,
  state: HealthState,
  event: HealthEvent,
  nowMs: number,
  random: Random,
): HealthStep {
  switch (event.kind) {
    case 'due':
      return startDue(plan, state, nowMs)
    case 'suspected':
      // What is down already, or not yet known, gets no traffic: nothing to hurry for.
      if (state.health !== 'up' || state.suspecting) return step(state)
      return startDue(
        plan,
        { ...state, suspicionDueMs: Math.max(nowMs, state.suspectedMs + SUSPICION_GAP_MS) },
        nowMs,
      )
    case 'urgent': {
      if (state.urgent === event.urgent) return step(state)
      const next = { ...state, urgent: event.urgent }
      if (!event.urgent || state.health !== 'down' || state.dueMs === Infinity) return step(next)
      return step({ ...next, dueMs: Math.min(state.dueMs, nowMs + pace(plan, next, random)) })
    }
    default:
      return judge(plan, state, event, nowMs, random)
  }
}

/** Longest time a scheduled probe may take in this state. */
export function probeTimeoutMs(plan: HealthCheckPlan, state: HealthState): number {
  const hurried = undecided(state) || (state.health === 'down' && state.urgent)
  if (!hurried || state.usualMs === 0) return plan.timeoutMs
  return Math.min(plan.timeoutMs, Math.max(fastMs(plan), USUAL_FACTOR * state.usualMs))
}

/** Longest time a suspicion probe may take: never more than the configured timeout. */
export function suspicionTimeoutMs(plan: HealthCheckPlan, state: HealthState): number {
  return Math.min(plan.timeoutMs, Math.max(SUSPICION_TIMEOUT_MS, USUAL_FACTOR * state.usualMs))
}

function step(state: HealthState, effects: readonly HealthEffect[] = []): HealthStep {
  return { state, effects, deadlineMs: Math.min(state.dueMs, state.suspicionDueMs) }
}

function startDue(plan: HealthCheckPlan, state: HealthState, nowMs: number): HealthStep {
  const effects: HealthEffect[] = []
  let next = state
  if (nowMs >= next.suspicionDueMs) {
    effects.push({ kind: 'probe', timeoutMs: suspicionTimeoutMs(plan, next), suspicion: true })
    next = { ...next, suspicionDueMs: Infinity, suspectedMs: nowMs, suspecting: true }
  }
  if (nowMs >= next.dueMs) {
    effects.push({ kind: 'probe', timeoutMs: probeTimeoutMs(plan, next), suspicion: false })
    next = { ...next, dueMs: Infinity, startedMs: nowMs }
  }
  return step(next, effects)
}

function judge(
  plan: HealthCheckPlan,
  state: HealthState,
  event: Extract<HealthEvent, { kind: 'probed' }>,
  nowMs: number,
  random: Random,
): HealthStep {
  const ended = event.suspicion ? { ...state, suspecting: false } : state
  if (event.verdict === 'void') {
    const againMs = event.stalled === true ? nowMs : nowMs + spread(plan, fastMs(plan), random)
    if (event.suspicion) return step({ ...ended, dueMs: Math.min(ended.dueMs, againMs) })
    return step({ ...ended, dueMs: againMs })
  }
  const passed = event.verdict === 'pass'
  const counted: HealthState = {
    ...ended,
    judged: true,
    passes: passed ? ended.passes + 1 : 0,
    fails: passed ? 0 : ended.fails + 1,
    usualMs: passed ? usual(ended.usualMs, event.tookMs) : ended.usualMs,
  }
  const turned = turn(plan, counted, event)
  // A verdict against the current state, or a change of it, starts a new row.
  const next = turned === null ? counted : { ...counted, health: turned.to, passes: 0, fails: 0 }
  const scheduled = reschedule(plan, next, event.suspicion, nowMs, random)
  return step(scheduled, turned === null ? [] : [turned])
}

function turn(
  plan: HealthCheckPlan,
  state: HealthState,
  event: Extract<HealthEvent, { kind: 'probed' }>,
): Extract<HealthEffect, { kind: 'turned' }> | null {
  const { health, passes, fails } = state
  if (health !== 'up') {
    const needed = health === 'checking' ? 1 : plan.rise
    if (passes >= needed) return { kind: 'turned', to: 'up', reason: row(passes, 'passed', event) }
  }
  if (health !== 'down') {
    if (fails >= plan.fall)
      return { kind: 'turned', to: 'down', reason: row(fails, 'failed', event) }
    if (health === 'up' && fails > 0 && event.suspicion && event.trafficFails) {
      return {
        kind: 'turned',
        to: 'down',
        reason: `live traffic failed and so did a probe: ${event.text}`,
      }
    }
  }
  return null
}

function row(count: number, what: string, event: { readonly text: string }): string {
  return count === 1
    ? `a probe ${what}: ${event.text}`
    : `${count} probes in a row ${what}, the last: ${event.text}`
}

function reschedule(
  plan: HealthCheckPlan,
  state: HealthState,
  suspicion: boolean,
  nowMs: number,
  random: Random,
): HealthState {
  const paceMs = pace(plan, state, random)
  // A suspicion probe comes beside the schedule; it can only bring the next one forward.
  if (suspicion) {
    if (state.dueMs === Infinity) return state
    return { ...state, dueMs: Math.min(state.dueMs, nowMs + paceMs) }
  }
  return { ...state, dueMs: Math.max(nowMs, state.startedMs + paceMs) }
}

/** Between up and down: the fast interval applies. */
function undecided(state: HealthState): boolean {
  if (state.health === 'checking') return true
  return state.health === 'up' ? state.fails > 0 : state.passes > 0
}

function pace(plan: HealthCheckPlan, state: HealthState, random: Random): number {
  const hurry = state.urgent && state.health === 'down'
  if (undecided(state)) return spread(plan, hurry ? fastMs(plan) / 2 : fastMs(plan), random)
  return spread(plan, hurry ? fastMs(plan) : plan.intervalMs, random)
}

function fastMs(plan: HealthCheckPlan): number {
  return Math.min(plan.fastIntervalMs, plan.intervalMs)
}

function spread(plan: HealthCheckPlan, ms: number, random: Random): number {
  return ms * (1 + plan.jitter * (2 * random.next() - 1))
}

function usual(beforeMs: number, tookMs: number): number {
  // 0 stands for unknown, so a probe that took no measurable time counts as a millisecond.
  const took = Math.max(1, tookMs)
  return beforeMs === 0 ? took : beforeMs + USUAL_SHARE * (took - beforeMs)
}
