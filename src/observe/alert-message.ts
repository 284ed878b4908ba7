// How notifications look outside: JSON for programs (docs/alerts.md has its members), a text for
// Slack and what understands the same, and the API of Prometheus' Alertmanager.

import type {
  Alert,
  AlertFormat,
  AlertNotification,
  AlertRule,
  AlertSeverity,
} from '../core/alert-contract.ts'

/** Who tells. */
export interface AlertSource {
  readonly host: string
  readonly version: string
}

/** Members of the JSON, version 1: later versions only add some. */
export interface AlertJson {
  readonly version: 1
  /** The same for each try to deliver one notification, and for no other. */
  readonly id: string
  readonly status: 'firing' | 'resolved' | 'summary' | 'test'
  readonly rule: AlertRule | null
  readonly severity: AlertSeverity
  readonly subject: string
  readonly labels: Readonly<Record<string, string>>
  readonly message: string
  readonly value: number | null
  /** How often it happened, of what happens and is over. */
  readonly times: number
  /** ISO 8601. */
  readonly startsAt: string
  readonly endsAt: string | null
  /** Alerts that wait, and that were left out, of a summary. */
  readonly waiting: number
  readonly leftOut: number
  readonly source: AlertSource
}

/** What turns monotonic times into those of the wall. */
export type WallOf = (monotonicMs: number) => number

interface Stamp {
  readonly id: string
  readonly source: AlertSource
  readonly nowMs: number
  readonly wallOf: WallOf
}

export function alertJson(notification: AlertNotification, stamp: Stamp): AlertJson {
  if (notification.status === 'summary') return summaryJson(notification, stamp)
  const { alert, status } = notification
  const { rule, severity, subject, labels, message, value, times } = alert
  return {
    version: 1,
    id: stamp.id,
    status,
    rule,
    severity,
    subject,
    labels,
    message,
    value,
    times,
    startsAt: isoOf(startOf(alert), stamp),
    endsAt: alert.endedMs === null ? null : isoOf(alert.endedMs, stamp),
    waiting: 0,
    leftOut: 0,
    source: stamp.source,
  }
}

/** A message that tries a target out. */
export function testJson(target: string, by: string, stamp: Stamp): AlertJson {
  return plainJson(`This is a test of target ${target}, asked for by ${by}.`, 'test', stamp)
}

type Summary = Extract<AlertNotification, { status: 'summary' }>

function summaryJson({ waiting, leftOut, rules }: Summary, stamp: Stamp): AlertJson {
  const which = rules.map(([rule, count]) => `${rule} ${count}`).join(', ')
  const wait = waiting === 0 ? '' : `${waiting} more alerts wait to be told (${which})`
  const gone = leftOut === 0 ? '' : `${leftOut} alerts came and went without being told`
  const message = `Too many notifications: ${[wait, gone].filter((text) => text !== '').join('; ')}.`
  return { ...plainJson(message, 'summary', stamp), waiting, leftOut }
}

function plainJson(message: string, status: 'summary' | 'test', stamp: Stamp): AlertJson {
  return {
    version: 1,
    id: stamp.id,
    status,
    rule: null,
    severity: 'info',
    subject: '',
    labels: {},
    message,
    value: null,
    times: 1,
    startsAt: isoOf(stamp.nowMs, stamp),
    endsAt: null,
    waiting: 0,
    leftOut: 0,
    source: stamp.source,
  }
}

function isoOf(monotonicMs: number, { wallOf }: Stamp): string {
  return new Date(wallOf(monotonicMs)).toISOString()
}

function startOf({ firedMs, sinceMs }: Alert): number {
  return firedMs ?? sinceMs
}

/** The body of a webhook. */
export function bodyOf(format: AlertFormat, json: AlertJson, wallMs: number): string {
  if (format === 'slack') return JSON.stringify({ text: slackText(json) })
  return JSON.stringify(format === 'evenkeel' ? json : [alertmanagerAlert(json, wallMs)])
}

const WORDS: Readonly<Record<AlertJson['status'], string>> = {
  firing: 'FIRING',
  resolved: 'RESOLVED',
  summary: 'SUMMARY',
  test: 'TEST',
}

// Slack reads <, > and & as its own; nothing in a name may become a link or a call for everybody.
function slackText({ status, severity, rule, message, times, source }: AlertJson): string {
  const text = message.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  const again = times > 1 ? `, ${times} times` : ''
  const what = rule === null ? '' : ` ${rule} (${severity}${again})`
  return `*${WORDS[status]}*${what}: ${text} [${source.host}]`
}

/** How long Alertmanager believes in an alert that is not told again; it is told every minute. */
const BELIEVED_MS = 5 * 60_000

/** One element of `POST /api/v2/alerts`. */
export function alertmanagerAlert(json: AlertJson, wallMs: number): object {
  const { rule, status, severity, labels, message, startsAt, endsAt, source } = json
  const name = rule ?? status
  // Labels make an alert the one it is: where a pool has moved to may be another place the next time.
  const { to, ...place } = labels
  return {
    labels: {
      alertname: `Evenkeel${name[0]!.toUpperCase()}${name.slice(1)}`,
      severity,
      instance: source.host,
      ...place,
    },
    annotations: { summary: message, ...(to === undefined ? {} : { to }) },
    startsAt,
    endsAt: endsAt ?? new Date(wallMs + BELIEVED_MS).toISOString(),
  }
}

/** Variables for a command. */
export function alertEnvironment(json: AlertJson): Record<string, string> {
  return {
    EVENKEEL_HOOK: 'alert',
    EVENKEEL_ALERT_ID: json.id,
    EVENKEEL_ALERT_STATUS: json.status,
    EVENKEEL_ALERT_RULE: json.rule ?? '',
    EVENKEEL_ALERT_SEVERITY: json.severity,
    EVENKEEL_ALERT_SUBJECT: json.subject,
    EVENKEEL_ALERT_MESSAGE: json.message,
    EVENKEEL_ALERT_STARTS_AT: json.startsAt,
    EVENKEEL_ALERT_ENDS_AT: json.endsAt ?? '',
    EVENKEEL_POOL: json.labels['pool'] ?? '',
  }
}
