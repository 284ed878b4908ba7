// Which alerts there are and who is told when: `for`, hysteresis, one notification per change, and a
// bound on how many. A step takes what is known and gives the next state with what is to be told.
// What can't be told for the bound is not lost: it waits, and is told as long as it still holds.
// Pure: no clock of its own, and no knowledge of what rules mean (alert-rules.ts).

import type {
  Alert,
  AlertInput,
  AlertNotification,
  AlertReading,
  AlertRule,
  AlertRulePlan,
  AlertSeverity,
  AlertsPlan,
  AlertState,
  AlertSubject,
} from './alert-contract.ts'
import { ALERT_RULES } from './alert-contract.ts'

export interface AlertStep {
  readonly state: AlertState
  readonly notifications: readonly AlertNotification[]
}

export const NO_ALERTS: AlertState = {
  alerts: new Map(),
  sentMs: [],
  summaryMs: -Infinity,
  leftOut: 0,
}

const MINUTE_MS = 60_000
/** Alerts kept at once; a wave of subjects must not fill the memory. */
const ALERTS_MAX = 5_000

type Level = AlertReading['level']

/** Takes what is new, lets time pass, and says what is to be told. `nowMs` must not go back. */
export function stepAlerts(
  state: AlertState,
  input: AlertInput,
  plan: AlertsPlan,
  nowMs: number,
): AlertStep {
  const levels = levelsOf(state, input)
  const alerts = new Map<string, Alert>()
  let { leftOut } = state
  for (const [key, alert] of state.alerts) {
    const rule = plan.rules[alert.rule]
    const news = levels.get(key)
    const next = rule === undefined ? end(alert, nowMs) : advance(alert, rule, news, nowMs)
    if (next !== null) alerts.set(key, next)
    else if (alert.phase === 'firing') leftOut++
  }
  for (const [key, news] of levels) {
    if (news.level !== 'on' || news.about === null || state.alerts.has(key)) continue
    const rule = plan.rules[news.about.rule]
    if (rule === undefined || !concerns(rule, news.about) || alerts.size >= ALERTS_MAX) continue
    alerts.set(key, begin(news.about, rule, news.silenced, nowMs))
  }
  return tell({ ...state, alerts, leftOut }, plan, nowMs)
}

/** Rule and subject as one text. */
export function alertKey({ rule, subject }: Pick<AlertSubject, 'rule' | 'subject'>): string {
  return `${rule} ${subject}`
}

interface News {
  readonly level: Level
  /** `null`: as it was. */
  readonly about: AlertSubject | null
  readonly silenced: string | null
  readonly isAgain: boolean
}

const GONE: News = { level: 'off', about: null, silenced: null, isAgain: false }

/** What the input says of each alert it says anything of. */
function levelsOf({ alerts }: AlertState, input: AlertInput): Map<string, News> {
  const levels = new Map<string, News>()
  for (const [key, { rule }] of alerts) {
    const { nature } = ALERT_RULES[rule]
    // A moment is over as soon as it was; a level that nobody sees any more has gone.
    if (nature === 'moment' || (nature === 'level' && input.kind === 'look')) levels.set(key, GONE)
  }
  if (input.kind === 'look') {
    for (const { level, silenced, ...about } of input.readings) {
      const key = alertKey(about)
      const isFiring = alerts.get(key)?.phase === 'firing'
      const quiet: Level = isFiring && level !== 'off' ? 'between' : 'off'
      const heard = silenced === null ? level : quiet
      levels.set(key, { level: heard, about, silenced, isAgain: false })
    }
    return levels
  }
  const isOn = input.kind === 'moment' || input.isOn
  levels.set(alertKey(input.about), {
    level: isOn ? 'on' : 'off',
    about: isOn ? input.about : null,
    silenced: null,
    isAgain: input.kind === 'moment',
  })
  return levels
}

function concerns({ pools }: AlertRulePlan, { labels }: AlertSubject): boolean {
  const { pool } = labels
  return pools === null || pool === undefined || pools.includes(pool)
}

function begin(
  about: AlertSubject,
  { forMs, severity, notify }: AlertRulePlan,
  silenced: string | null,
  nowMs: number,
): Alert {
  const isFiring = forMs === 0
  return {
    ...about,
    phase: isFiring ? 'firing' : 'pending',
    severity,
    notify,
    sinceMs: nowMs,
    firedMs: isFiring ? nowMs : null,
    endedMs: null,
    goneMs: null,
    silenced,
    isTold: false,
    times: 1,
  }
}

function hear(before: Alert, news: News | undefined): Alert {
  if (news === undefined) return before
  const { level, about, silenced, isAgain } = news
  // The words of an alert are those of its last trouble.
  const words = level === 'off' ? null : about
  return { ...before, ...words, silenced, times: before.times + (isAgain ? 1 : 0) }
}

/** An alert after a while; `null`: nothing of it is left. */
function advance(
  before: Alert,
  rule: AlertRulePlan,
  news: News | undefined,
  nowMs: number,
): Alert | null {
  const { severity, notify } = rule
  const alert = { ...hear(before, news), severity, notify }
  if (!concerns(rule, alert)) return end(alert, nowMs)
  // Without news a latch, and a level between two looks, is what it was.
  const level: Level = news?.level ?? (before.goneMs === null ? 'on' : 'off')
  if (before.phase === 'pending') {
    if (level !== 'on') return null
    if (nowMs - before.sinceMs < rule.forMs) return alert
    return { ...alert, phase: 'firing', firedMs: nowMs }
  }
  if (before.phase === 'firing') {
    if (level !== 'off') return { ...alert, goneMs: null }
    const goneMs = before.goneMs ?? nowMs
    return nowMs - goneMs < rule.clearForMs ? { ...alert, goneMs } : end(alert, nowMs)
  }
  // Its end was never told, so nobody needs to hear that it is back.
  return level === 'on' ? { ...alert, phase: 'firing', endedMs: null, goneMs: null } : alert
}

/** What is left of an alert that is over: what was told must be taken back. */
function end(alert: Alert, nowMs: number): Alert | null {
  if (alert.phase === 'resolved') return alert
  if (alert.phase === 'pending' || !alert.isTold) return null
  return { ...alert, phase: 'resolved', endedMs: nowMs, goneMs: alert.goneMs ?? nowMs }
}

const RANK: Readonly<Record<AlertSeverity, number>> = { critical: 0, warning: 1, info: 2 }

/** Spends what the bound leaves on what matters most. */
function tell(state: AlertState, plan: AlertsPlan, nowMs: number): AlertStep {
  const sentMs = state.sentMs.filter((ms) => ms > nowMs - MINUTE_MS)
  const alerts = new Map(state.alerts)
  const waiting: [key: string, alert: Alert][] = []
  for (const [key, alert] of alerts) {
    if (alert.phase === 'pending') continue
    // What is about to be over need not begin.
    if (alert.phase === 'firing' && (alert.isTold || alert.goneMs !== null)) continue
    if (alert.notify.length > 0) waiting.push([key, alert])
    else told(alerts, key, alert)
  }
  waiting.sort(([, a], [, b]) => RANK[a.severity] - RANK[b.severity] || a.sinceMs - b.sinceMs)
  const room = plan.perMinuteMax - sentMs.length
  const mayCount = room > 0 && nowMs - state.summaryMs >= MINUTE_MS
  const isSummary = mayCount && (waiting.length > room || state.leftOut > 0)
  const now = waiting.slice(0, Math.max(0, isSummary ? room - 1 : room))
  const notifications = now.map(([key, alert]): AlertNotification => {
    told(alerts, key, alert)
    return { status: alert.phase === 'firing' ? 'firing' : 'resolved', alert, notify: alert.notify }
  })
  if (isSummary) notifications.push(summary(waiting.slice(now.length), state.leftOut, plan))
  for (let i = 0; i < notifications.length; i++) sentMs.push(nowMs)
  const { summaryMs, leftOut } = isSummary ? { summaryMs: nowMs, leftOut: 0 } : state
  return { state: { alerts, sentMs, summaryMs, leftOut }, notifications }
}

function told(alerts: Map<string, Alert>, key: string, alert: Alert): void {
  if (alert.phase === 'resolved') alerts.delete(key)
  else alerts.set(key, { ...alert, isTold: true })
}

function summary(
  waiting: readonly (readonly [string, Alert])[],
  leftOut: number,
  plan: AlertsPlan,
): AlertNotification {
  const counts = new Map<AlertRule, number>()
  const notify = new Set<string>()
  for (const [, alert] of waiting) {
    counts.set(alert.rule, (counts.get(alert.rule) ?? 0) + 1)
    for (const name of alert.notify) notify.add(name)
  }
  return {
    status: 'summary',
    waiting: waiting.length,
    leftOut,
    rules: [...counts],
    notify: notify.size > 0 ? [...notify] : Object.keys(plan.notify),
  }
}
