// The alerts of a running process: looks at it once a second, hears its events, and hands what is to
// be told to the deliveries. What fires when is decided in core/alert-engine.ts.

import { hostname } from 'node:os'
import type {
  Alert,
  AlertFormat,
  AlertInput,
  AlertNotification,
  AlertRule,
  AlertsPlan,
  AlertState,
} from '../core/alert-contract.ts'
import { NO_ALERTS, stepAlerts } from '../core/alert-engine.ts'
import type { CertificateFacts } from '../core/alert-rules.ts'
import { alertInputsOf, readAlerts } from '../core/alert-rules.ts'
import type { Clock } from '../core/clock.ts'
import type { BalancerEvent } from '../core/events.ts'
import type { Plan } from '../core/plan.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { PoolStatus } from '../core/status.ts'
import type { AlertActor, AlertsAnswer, AlertTestAnswer } from '../admin/alert-routes.ts'
import type { AlertSubjects } from '../observe/alert-families.ts'
import type { AlertJson } from '../observe/alert-message.ts'
import { alertJson, alertmanagerAlert, testJson } from '../observe/alert-message.ts'
import type { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import { AlertDelivery } from './alert-delivery.ts'
import { AlertTraffic, certificatesOf, lapsedPools } from './alert-facts.ts'
import { systemTimers } from './clock.ts'
import { packageVersion } from './version.ts'

const LOOK_MS = 1_000
/** A look may take this share of the time between two. */
const LOOK_SHARE = 0.02
/** How often Alertmanager is told again. */
const REMIND_MS = 60_000
/** A difference of the clocks beyond this is a step of one of them. */
const STEP_MS = 500

export interface AlertsParts {
  /** The plan in force. */
  plan(): Plan
  status(): readonly PoolStatus[]
  /** Why the ledger can't be written; `null`: it can, or there is none. */
  ledgerFault(): string | null
  readonly table: SharedTable
  readonly clock: Clock
  readonly events: EventLog
  readonly log: Log
}

export class RunningAlerts implements AlertActor {
  readonly #parts: AlertsParts
  readonly #traffic: AlertTraffic
  readonly #deliveries = new Map<string, AlertDelivery>()
  readonly #run = Date.now().toString(36)
  #state: AlertState = NO_ALERTS
  /** What the deliveries and certificates below are of. */
  #known: Plan | null = null
  #certificates: readonly CertificateFacts[] = []
  #sent = 0
  #remindedMs = -Infinity
  /** Between the wall's clock and ours. */
  #offsetMs = -Infinity
  #timer: unknown = null
  #unsubscribe: (() => void) | null

  constructor(parts: AlertsParts) {
    this.#parts = parts
    this.#traffic = new AlertTraffic(parts.table)
    this.#unsubscribe = parts.events.subscribe((event) => this.#hear(event))
  }

  /** Looks at nothing any more; what is under way to a target is broken off. */
  stop(): void {
    this.#lookAway()
    for (const delivery of this.#deliveries.values()) delivery.stop()
  }

  /** What fires and what may, the gravest and oldest first. */
  answer(): AlertsAnswer {
    const plan = this.#follow()
    const alerts = [...this.#state.alerts.values()]
      .filter(({ phase }) => phase !== 'resolved')
      .map((alert) => this.#show(alert))
    const deliveries = [...this.#deliveries.values()]
    const targets = deliveries.map((one) => ({
      name: one.name,
      kind: one.plan.hook.kind,
      format: one.plan.format,
      waiting: one.waiting,
      delivered: one.delivered,
      failed: one.failed,
      dropped: one.dropped,
      trouble: one.trouble,
    }))
    return { alerts, targets, rules: Object.keys(plan?.rules ?? {}) as AlertRule[] }
  }

  async test(name: string, by: string): Promise<AlertTestAnswer> {
    this.#follow()
    const delivery = this.#deliveries.get(name)
    if (delivery === undefined) {
      return { kind: 'no-target', targets: [...this.#deliveries.keys()] }
    }
    const { ok, sentence } = await delivery.test(testJson(name, by, this.#stamp()))
    return { kind: ok ? 'delivered' : 'failed', message: sentence }
  }

  /** For the metrics. */
  subjects(): AlertSubjects {
    const { rules = {} } = this.#parts.plan().alerts ?? {}
    const alerts = [...this.#state.alerts.values()]
    const count = (of: string, phase: Alert['phase']): number =>
      alerts.filter((alert) => alert.rule === of && alert.phase === phase).length
    return {
      rules: Object.entries(rules).map(([rule, { severity }]) => ({
        rule: rule as AlertRule,
        severity,
        firing: count(rule, 'firing'),
        pending: count(rule, 'pending'),
      })),
      targets: [...this.#deliveries.values()],
    }
  }

  // Before it runs nobody is missing anything, and a process that ends has nothing to warn of.
  #hear(event: BalancerEvent): void {
    if (event.kind === 'process') {
      if (event.state !== 'running') this.#lookAway()
      else if (this.#timer === null) this.#look()
      return
    }
    for (const input of alertInputsOf(event)) this.#step(input)
  }

  #lookAway(): void {
    this.#unsubscribe?.()
    this.#unsubscribe = null
    if (this.#timer !== null) systemTimers.clear(this.#timer)
    this.#timer = null
  }

  #show(alert: Alert): AlertsAnswer['alerts'][number] {
    const { rule, subject, severity, labels, message, value, times, phase, notify } = alert
    const at = (ms: number | null): number | null => (ms === null ? null : this.#wallOf(ms))
    return {
      rule,
      subject,
      state: phase === 'firing' ? 'firing' : 'pending',
      severity,
      labels,
      message,
      value,
      times,
      notify,
      since: at(alert.sinceMs)!,
      firedAt: at(alert.firedMs),
      clearing: alert.goneMs !== null,
      silenced: alert.silenced,
    }
  }

  #look(): void {
    const parts = this.#parts
    const { clock, table } = parts
    const alerts = this.#follow()
    const startMs = clock.nowMs()
    if (alerts !== null) {
      const plan = this.#known!
      const traffic = this.#traffic.look(plan, alerts, startMs)
      const facts = {
        pools: parts.status(),
        traffic: (rule: string, pool: string) => traffic.get(`${rule} ${pool}`) ?? null,
        agreementLost: lapsedPools(plan, table, startMs),
        certificates: this.#certificates,
        ledgerFault: parts.ledgerFault(),
        wallMs: Date.now(),
      }
      this.#step({ kind: 'look', readings: readAlerts(facts, alerts) })
      this.#remind(startMs)
    }
    const tookMs = clock.nowMs() - startMs
    this.#timer = systemTimers.set(Math.max(LOOK_MS, tookMs / LOOK_SHARE), () => this.#look())
  }

  #step(input: AlertInput): void {
    const plan = this.#follow()
    if (plan === null) return
    const { state, notifications } = stepAlerts(this.#state, input, plan, this.#parts.clock.nowMs())
    this.#state = state
    for (const notification of notifications) this.#tell(notification)
  }

  #tell(notification: AlertNotification): void {
    const json = alertJson(notification, this.#stamp())
    const { status, rule, severity, subject } = json
    const fields = { rule, subject, severity, id: json.id }
    const level = status === 'resolved' || severity === 'info' ? 'info' : 'warn'
    this.#parts.log[level](`alert ${status}: ${json.message}`, fields)
    for (const name of notification.notify) this.#deliveries.get(name)?.send(json)
  }

  /** Tells those who forget what still fires. */
  #remind(nowMs: number): void {
    if (nowMs - this.#remindedMs < REMIND_MS) return
    this.#remindedMs = nowMs
    const isForgetful = (format: AlertFormat): boolean => format === 'alertmanager'
    for (const delivery of this.#deliveries.values()) {
      if (!isForgetful(delivery.plan.format)) continue
      const firing = [...this.#state.alerts.values()].filter(
        ({ phase, isTold, notify }) =>
          phase === 'firing' && isTold && notify.includes(delivery.name),
      )
      if (firing.length === 0) continue
      const stamp = this.#stamp()
      const body = firing.map((alert) =>
        alertmanagerAlert(alertJson({ status: 'firing', alert, notify: [] }, stamp), Date.now()),
      )
      delivery.remind(stamp.id, JSON.stringify(body))
    }
  }

  /** Takes over the plan in force; `null`: there are no alerts in it. */
  #follow(): AlertsPlan | null {
    const plan = this.#parts.plan()
    const alerts = plan.alerts ?? null
    if (plan === this.#known) return alerts
    this.#known = plan
    this.#certificates = certificatesOf(plan)
    const targets = alerts?.notify ?? {}
    for (const [name, delivery] of this.#deliveries) {
      const isKept = JSON.stringify(targets[name]) === JSON.stringify(delivery.plan)
      if (isKept) continue
      delivery.stop()
      this.#deliveries.delete(name)
    }
    const { log } = this.#parts
    for (const [name, target] of Object.entries(targets)) {
      if (this.#deliveries.has(name)) continue
      const ports = { log, timers: systemTimers, wallMs: () => Date.now() }
      this.#deliveries.set(name, new AlertDelivery(name, target, ports))
    }
    if (alerts === null) this.#state = NO_ALERTS
    return alerts
  }

  #stamp(): Parameters<typeof testJson>[2] & { readonly id: AlertJson['id'] } {
    return {
      id: `${this.#run}-${++this.#sent}`,
      source: { host: hostname(), version: packageVersion() },
      nowMs: this.#parts.clock.nowMs(),
      wallOf: (ms) => this.#wallOf(ms),
    }
  }

  #wallOf(monotonicMs: number): number {
    const offsetMs = Date.now() - this.#parts.clock.nowMs()
    // The same moment must read the same each time, unless somebody has set the clock.
    if (Math.abs(offsetMs - this.#offsetMs) > STEP_MS) this.#offsetMs = offsetMs
    return Math.round(this.#offsetMs + monotonicMs)
  }
}
