// The keys of alerts: whom to tell, and of what. Which keys a rule has, and their defaults, are in
// compile-alerts.ts: they depend on the rule.

import type { z } from 'zod'
import {
  duration,
  either,
  flag,
  integer,
  listOf,
  map,
  named,
  off,
  ratio,
  text,
  word,
} from './leaf.ts'
import { execSchema, headersSchema, webhookSchema } from './schema-outgoing.ts'
import {
  accept,
  day,
  minute,
  type Reading,
  readDuration,
  readRatio,
  refuse,
  second,
} from './units.ts'

/** A bound: a share or milliseconds. */
export interface AlertBound {
  readonly unit: 'ratio' | 'ms'
  readonly value: number
}

function readBound(text: string): Reading<AlertBound> {
  const asRatio = text.endsWith('%') || /^[\d.]+$/.test(text)
  const read = asRatio ? readRatio(text) : readDuration(text, 4_000 * day)
  if (!read.ok) return refuse(read.message, read.hint)
  return accept({ unit: asRatio ? 'ratio' : 'ms', value: read.value })
}

const bound = () =>
  text('a percentage such as 5%, or a duration such as 2s', readBound, {
    type: ['string', 'number'],
  })

const target = map(
  {
    exec: execSchema,
    webhook: webhookSchema.describe('URL that gets a POST with the notification.'),
    format: word(['evenkeel', 'slack', 'alertmanager'])
      .optional()
      .describe(
        'webhook only. Form of the body: evenkeel is JSON with everything, slack has text alone, alertmanager is for /api/v2/alerts. Absent: evenkeel.',
      ),
    headers: headersSchema.describe('webhook only. Further headers of the request.'),
    timeout: duration(10, 10 * minute)
      .prefault('10s')
      .describe('How long one try may take.'),
    resolved: flag().prefault(true).describe('Also tell when an alert is over.'),
  },
  'a target: a map with exec or webhook',
)

const rule = map(
  {
    for: duration(0, 30 * day)
      .optional()
      .describe('It must hold so long before it fires. Absent: by the rule.'),
    clearFor: duration(0, 30 * day)
      .optional()
      .describe('It must be gone so long before it is over. Absent: by the rule.'),
    notify: listOf(text('the name of a target'), 'a name, or a list of names')
      .optional()
      .describe('Who is told. Absent: everybody under notify.'),
    severity: word(['critical', 'warning', 'info'])
      .optional()
      .describe('How grave it is. Absent: by the rule.'),
    pools: listOf(text('the name of a pool'), 'a name, or a list of names')
      .optional()
      .describe('Only these pools. Absent: all.'),
    above: bound()
      .optional()
      .describe(
        'errorRate: the share that fires. latency: the time that fires. certificateExpiry: the time left that fires. Absent: by the rule.',
      ),
    clear: bound()
      .optional()
      .describe('errorRate, latency: below this it is gone. Absent: half of above.'),
    window: duration(10 * second, day)
      .optional()
      .describe('errorRate, latency: what is looked back on. Absent: 5m.'),
    minRequests: integer(1, 1_000_000_000)
      .optional()
      .describe(
        'errorRate, latency: with fewer requests in the window they say nothing. Absent: 100.',
      ),
    quantile: ratio(0.01, 0.999)
      .optional()
      .describe('latency: of which share of the answers. Absent: 99%.'),
  },
  'false, or a rule: a map with for, notify and so on',
)

/** `alerts`. */
export const alertsSchema = map({
  notify: named(target, 'a map from names to targets').describe('Whom to tell, by name.'),
  rules: named(
    either('false, or a map with for, notify and so on', [off(null), rule]),
    'a map of rules',
  )
    .prefault({})
    .describe('What differs from the defaults of each rule (docs/alerts.md). false: not this one.'),
  maxPerMinute: integer(2, 10_000)
    .prefault(20)
    .describe('Notifications in any 60 s; the rest waits, and a summary tells of it.'),
})

export type AlertTargetTree = z.output<typeof target>
export type AlertRuleTree = z.output<typeof rule>
