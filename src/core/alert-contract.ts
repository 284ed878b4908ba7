// The words of alerts: which rules there are, what a plan says of them, what is read off a running
// balancer, and what people are told. Plain data; who decides is alert-engine.ts.

import type { HookPlan } from './plan.ts'

export type AlertSeverity = 'critical' | 'warning' | 'info'

/**
 * How a rule comes to know: `level` holds as long as what it looks at does, `latch` from one event to
 * another, `moment` is something that happened and is over.
 */
export type AlertNature = 'level' | 'latch' | 'moment'

interface RuleRow {
  readonly nature: AlertNature
  /** For people: when it fires. */
  readonly says: string
}

/** The closed list of rules. */
export const ALERT_RULES = {
  poolDown: { nature: 'level', says: 'no backend of a pool takes traffic' },
  poolBelowMin: { nature: 'level', says: 'a pool has fewer backends than minAvailable' },
  failover: { nature: 'moment', says: 'the active of a pool was replaced by itself' },
  moveFailed: { nature: 'moment', says: 'a move of the active failed or was undone' },
  objectiveMissed: { nature: 'moment', says: 'a failover took longer than objective.rto' },
  standbyNotReady: { nature: 'level', says: 'a standby could not take over' },
  siteLost: { nature: 'level', says: 'a site of a pool is left or down' },
  twoWriters: { nature: 'level', says: 'several backends claim to be the primary' },
  agreementLost: { nature: 'level', says: 'the right to send from etcd has lapsed' },
  errorRate: { nature: 'level', says: 'too many requests of a pool fail' },
  latency: { nature: 'level', says: 'the backends of a pool answer slowly' },
  discoveryStale: { nature: 'level', says: 'a source of backends gives no good answer' },
  configRejected: { nature: 'latch', says: 'the last reload was refused' },
  configReverted: { nature: 'moment', says: 'a configuration was taken back by itself' },
  threadFailed: { nature: 'moment', says: 'a data thread failed' },
  ledgerFailed: { nature: 'level', says: 'the ledger cannot be written' },
  certificateExpiry: { nature: 'level', says: 'a certificate of Evenkeel runs out soon' },
} as const satisfies Record<string, RuleRow>

export type AlertRule = keyof typeof ALERT_RULES

export const ALERT_RULE_NAMES = Object.keys(ALERT_RULES) as readonly AlertRule[]

/** Form of a webhook's body. */
export type AlertFormat = 'evenkeel' | 'slack' | 'alertmanager'

/** Where people are told. */
export interface AlertTargetPlan {
  readonly hook: HookPlan
  /** Of a webhook; a command always gets `evenkeel`. */
  readonly format: AlertFormat
  /** Also tell the end of an alert. */
  readonly resolved: boolean
}

export interface AlertRulePlan {
  /** It must hold so long before it fires. */
  readonly forMs: number
  /** It must be gone so long before it is over. */
  readonly clearForMs: number
  readonly severity: AlertSeverity
  /** Names of targets. */
  readonly notify: readonly string[]
  /** Only these; `null`: every pool. */
  readonly pools: readonly string[] | null
  /** `errorRate`: a share; `latency`: ms; `certificateExpiry`: ms before the end. Else 0. */
  readonly above: number
  /** Below this it is over; between the two it stays what it is. */
  readonly clear: number
  /** `errorRate` and `latency`: what they look back on. */
  readonly windowMs: number
  /** `errorRate` and `latency`: with fewer requests in the window they say nothing. */
  readonly requestsMin: number
  /** `latency`: of which share of the answers, 0…1. */
  readonly quantile: number
}

/** `alerts` of the configuration. */
export interface AlertsPlan {
  readonly notify: Readonly<Record<string, AlertTargetPlan>>
  /** A rule that is not there is off. */
  readonly rules: Readonly<Partial<Record<AlertRule, AlertRulePlan>>>
  /** Notifications in any 60 s, over all targets. */
  readonly perMinuteMax: number
}

/** What an alert is about. */
export interface AlertSubject {
  readonly rule: AlertRule
  /** Tells it from others of its rule: `web`, `db/two`, `thread 1`; empty: the process. */
  readonly subject: string
  readonly labels: Readonly<Record<string, string>>
  /** One sentence for people. */
  readonly message: string
  /** What was measured, in the unit of `above`; `null` where nothing is. */
  readonly value: number | null
}

/** One thing as it is now. */
export interface AlertReading extends AlertSubject {
  /** `between` is neither: whoever fires goes on, and nobody begins. */
  readonly level: 'on' | 'between' | 'off'
  /** Why nobody needs to hear of it, such as maintenance; `null`: they do. */
  readonly silenced: string | null
}

export type AlertInput =
  /** All levels as they are; what is not among them is gone. */
  | { readonly kind: 'look'; readonly readings: readonly AlertReading[] }
  | { readonly kind: 'moment'; readonly about: AlertSubject }
  | { readonly kind: 'latch'; readonly about: AlertSubject; readonly isOn: boolean }

/** An alert that is about to fire, fires, or is over while its end is still to be told. */
export interface Alert extends AlertSubject {
  readonly phase: 'pending' | 'firing' | 'resolved'
  readonly severity: AlertSeverity
  readonly notify: readonly string[]
  /** Monotonic ms since when it holds. */
  readonly sinceMs: number
  /** Monotonic ms; `null` while pending. */
  readonly firedMs: number | null
  /** Monotonic ms; `null` unless resolved. */
  readonly endedMs: number | null
  /** Monotonic ms since when it is gone while it fires; `null`: it is not. */
  readonly goneMs: number | null
  /** Why nobody would hear of it now; `null`: they would. */
  readonly silenced: string | null
  /** The firing has been told. */
  readonly isTold: boolean
  /** Of a moment: how often it happened. */
  readonly times: number
}

export interface AlertState {
  /** By rule and subject. */
  readonly alerts: ReadonlyMap<string, Alert>
  /** Monotonic ms of the notifications of the last 60 s, oldest first. */
  readonly sentMs: readonly number[]
  /** Monotonic ms of the last summary. */
  readonly summaryMs: number
  /** Alerts that came and went untold since the last summary. */
  readonly leftOut: number
}

/** What targets are told. */
export type AlertNotification =
  | {
      readonly status: 'firing' | 'resolved'
      readonly alert: Alert
      readonly notify: readonly string[]
    }
  | {
      readonly status: 'summary'
      /** Alerts that are yet to be told. */
      readonly waiting: number
      /** Alerts that came and went, and will not be. */
      readonly leftOut: number
      /** Those that wait, by rule. */
      readonly rules: readonly (readonly [rule: AlertRule, count: number])[]
      readonly notify: readonly string[]
    }
