// The first half of an objective: how long a failure of a backend stays unnoticed, by the checks alone
// and by live traffic. The figures are those of core/health.ts (schedule, timeouts, suspicion),
// core/outlier.ts (silence) and of the loops that drive them; tests run the machines against them.
// Pure.

import { SUSPICION_GAP_MS, SUSPICION_TIMEOUT_MS } from './health.ts'
import type { PoolPlan } from './plan.ts'
import type { CheckPlan, HealthCheckPlan } from './check-plan.ts'

/** Paces of the loops that the machines run in. */
export const PACE = {
  /** The control plane wakes at most this much later than planned. */
  wakeMs: 2,
  /** It looks at what the data threads wrote this often. */
  lookMs: 100,
  /** A data thread writes down who waits too long this often. */
  tickMs: 50,
  /** A data thread that hasn't applied a snapshot by then is ended, … */
  acknowledgeMs: 250,
  /** … and this is how often that is looked at. */
  superviseMs: 50,
} as const

/** Silence is found like this where outlier detection is off. */
const SILENT_DEFAULT = { thresholdMs: 300, factor: 5 }

/** One summand. */
export interface ObjectiveStep {
  readonly what: string
  readonly ms: number
  /** The sum in words: `interval 2s + 10%`. */
  readonly how: string
}

/** What can happen to a backend: connections are refused, nothing answers, or they open in vain. */
export type FailureKind = 'process' | 'host' | 'hung'

/** Why no time can be promised. */
export type Unbounded = 'no-check' | 'connect-only' | 'alone' | 'cold'

/** The same for people, with what to do about it. */
export const UNBOUNDED: Readonly<Record<Unbounded, { why: string; remedy: string }>> = {
  'no-check': {
    why: 'there is no health check, and live traffic comes as it likes',
    remedy: 'add a healthCheck, such as healthCheck: { http: /health }',
  },
  'connect-only': {
    why: 'a process that hangs passes a check that only connects: its system accepts for it',
    remedy:
      'use a check that waits for an answer: http, redis, postgres, mysql, or tcp with expect',
  },
  alone: { why: 'there is no other backend', remedy: 'add a second one' },
  cold: {
    why: 'every other site is cold, so an operator has to move the pool',
    remedy: 'make one of them hot, or warm with a promote hook',
  },
}

/** Why the checks can't see a failure; `null` if they can. */
export function blindness(kind: FailureKind, check: HealthCheckPlan | null): Unbounded | null {
  if (check === null) return 'no-check'
  return kind === 'hung' && onlyConnects(check.check) ? 'connect-only' : null
}

function onlyConnects(check: CheckPlan): boolean {
  return check.kind === 'tcp' && !check.steps.some((step) => step.kind === 'expect')
}

/**
 * Nothing but scheduled probes. The failure comes right after a probe has passed; from then on each
 * fails, at once or after its timeout, and the next begins a fast interval after the last began, or
 * when it has ended, if that is later.
 */
export function byChecks(kind: FailureKind, check: HealthCheckPlan): ObjectiveStep[] {
  const { intervalMs, timeoutMs, jitter, fall } = check
  const fastMs = Math.min(check.fastIntervalMs, intervalMs)
  const most = 1 + jitter
  const hasTimeouts = kind !== 'process'
  const waits = hasTimeouts && timeoutMs > fastMs * most
  const steps: ObjectiveStep[] = [
    {
      what: 'until the next probe',
      ms: intervalMs * most,
      how: `interval ${span(intervalMs, jitter)}`,
    },
  ]
  if (fall > 1) {
    steps.push({
      what: `${fall - 1} more until it is down`,
      ms: (fall - 1) * (waits ? timeoutMs : fastMs * most),
      how: waits
        ? `fall ${fall}; timeout ${inWords(timeoutMs)} from one to the next`
        : `fall ${fall}; fastInterval ${span(fastMs, jitter)} from one to the next`,
    })
  }
  if (hasTimeouts) {
    steps.push({
      what: 'the last gets no answer',
      ms: timeoutMs,
      how: `timeout ${inWords(timeoutMs)}`,
    })
  }
  steps.push({
    what: 'our own loop',
    ms: fall * PACE.wakeMs,
    how: `${inWords(PACE.wakeMs)} a probe`,
  })
  return steps
}

/**
 * What live traffic gives away, from the first request that meets it. Empty: nothing for certain.
 * @param tcp nobody reads what flows through
 */
export function byTraffic(
  kind: FailureKind,
  pool: PoolPlan,
  check: HealthCheckPlan,
  tcp: boolean,
): ObjectiveStep[] {
  if (kind === 'process') return [asked, ownLoop]
  const connect = [givenUp(pool.timeouts.connectMs), asked, unanswered(check), ownLoop]
  if (tcp) return kind === 'host' ? connect : []
  if (kind === 'hung' && onlyConnects(check.check)) return []
  const silence = bySilence(pool, check)
  // Kept connections fall silent, new ones don't come about: either may be what there is.
  const isLonger = kind === 'host' && silence.length > 0 && total(connect) > total(silence)
  return isLonger ? connect : silence
}

const ownLoop: ObjectiveStep = {
  what: 'our own loop',
  ms: PACE.wakeMs,
  how: `${inWords(PACE.wakeMs)} to wake up`,
}

/** A suspicion asks for a probe at once, but for one asked a moment before. */
const asked: ObjectiveStep = {
  what: 'a probe is asked for',
  ms: SUSPICION_GAP_MS,
  how: `at once, or ${inWords(SUSPICION_GAP_MS)} after the last`,
}

function givenUp(connectMs: number): ObjectiveStep {
  const how = `timeouts.connect ${inWords(connectMs)}`
  return { what: 'the connect is given up', ms: connectMs, how }
}

function unanswered({ timeoutMs }: HealthCheckPlan): ObjectiveStep {
  const ms = Math.min(timeoutMs, SUSPICION_TIMEOUT_MS)
  return {
    what: 'the probe gets no answer',
    ms,
    how: `${inWords(ms)}; 3 times what a probe usually takes if that is longer`,
  }
}

function bySilence(pool: PoolPlan, check: HealthCheckPlan): ObjectiveStep[] {
  const rule = pool.outlierDetection === null ? SILENT_DEFAULT : pool.outlierDetection.silent
  if (rule === null) return []
  const silentMs = rule.thresholdMs + PACE.tickMs
  const usual = `${rule.factor} times its p99 if that is longer`
  const first = `silent.threshold ${inWords(rule.thresholdMs)}, and a tick; ${usual}`
  const again = `fastInterval ${inWords(check.fastIntervalMs)} after the last probe so asked for; ${usual}`
  return [
    {
      what: 'a request waits in silence',
      ms: Math.max(silentMs, check.fastIntervalMs),
      how: check.fastIntervalMs > silentMs ? again : first,
    },
    { what: 'it is noticed', ms: PACE.lookMs, how: `a look every ${inWords(PACE.lookMs)}` },
    unanswered(check),
    ownLoop,
  ]
}

/** What the steps take together, in whole milliseconds. */
export function total(steps: readonly ObjectiveStep[]): number {
  return Math.ceil(steps.reduce((sum, { ms }) => sum + ms, 0))
}

/** `500ms`, `2s`, `1.5s`. */
export function inWords(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)}ms` : `${Math.round(ms) / 1000}s`
}

function span(ms: number, jitter: number): string {
  return jitter === 0 ? inWords(ms) : `${inWords(ms)} + ${Number((jitter * 100).toFixed(1))}%`
}
