// The metrics of alerts.

import type { AlertRule, AlertSeverity } from '../core/alert-contract.ts'
import type { Family } from './metric-family.ts'
import { label } from './metric-family.ts'

/** What became of notifications of one target. */
export interface DeliveryCounts {
  readonly delivered: number
  /** Given up after the last try. */
  readonly failed: number
  /** Left out because too many waited. */
  readonly dropped: number
}

/** What the families read; without alerts everything is empty. */
export interface AlertSubjects {
  readonly rules: readonly {
    readonly rule: AlertRule
    readonly severity: AlertSeverity
    readonly firing: number
    readonly pending: number
  }[]
  readonly targets: readonly ({
    readonly name: string
    readonly waiting: number
  } & DeliveryCounts)[]
}

export const alertFamilies: readonly Family<AlertSubjects>[] = [
  {
    name: 'evenkeel_alerts_firing',
    type: 'gauge',
    help: 'Alerts that fire, by rule.',
    labels: ['rule', 'severity'],
    read: ({ rules }, emit) => {
      for (const { rule, severity, firing } of rules) {
        emit(`rule="${rule}",severity="${severity}"`, firing)
      }
    },
  },
  {
    name: 'evenkeel_alerts_pending',
    type: 'gauge',
    help: 'Alerts that hold, but not for long enough yet, by rule.',
    labels: ['rule', 'severity'],
    read: ({ rules }, emit) => {
      for (const { rule, severity, pending } of rules) {
        emit(`rule="${rule}",severity="${severity}"`, pending)
      }
    },
  },
  {
    name: 'evenkeel_alerts_notifications_total',
    type: 'counter',
    help: 'Notifications by target and what became of them; `failed` and `dropped` reached nobody.',
    labels: ['target', 'outcome'],
    read: ({ targets }, emit) => {
      for (const { name, delivered, failed, dropped } of targets) {
        const target = label('target', name)
        emit(`${target},outcome="delivered"`, delivered)
        emit(`${target},outcome="failed"`, failed)
        emit(`${target},outcome="dropped"`, dropped)
      }
    },
  },
  {
    name: 'evenkeel_alerts_notifications_waiting',
    type: 'gauge',
    help: 'Notifications that wait for their target.',
    labels: ['target'],
    read: ({ targets }, emit) => {
      for (const { name, waiting } of targets) emit(label('target', name), waiting)
    },
  },
]
