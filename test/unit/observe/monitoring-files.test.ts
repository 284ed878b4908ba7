// Our files for Prometheus and Grafana against what there is: every metric exists, every alert has a
// test and a place in docs/alerts.md, and no panel covers another.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import { ALERT_DEFAULTS } from '../../../src/config/compile-alerts.ts'
import { formatDuration } from '../../../src/config/units.ts'
import { ALERT_RULE_NAMES, ALERT_RULES } from '../../../src/core/alert-contract.ts'
import { FAMILIES } from '../../../src/observe/metric-families.ts'
import type { Dashboard } from '../../support/prometheus.ts'
import { dashboardFile, metricsIn, rulesFile, rulesTestFile } from '../../support/prometheus.ts'

interface RuleFile {
  readonly groups: readonly {
    readonly rules: readonly {
      readonly alert?: string
      readonly record?: string
      readonly expr: string
      readonly labels?: { readonly severity: string }
      readonly annotations?: { readonly runbook: string }
    }[]
  }[]
}

interface RuleTests {
  readonly tests: readonly {
    readonly alert_rule_test: readonly {
      readonly alertname: string
      readonly exp_alerts: readonly unknown[]
    }[]
  }[]
}

const rules = (parse(readFileSync(rulesFile, 'utf8')) as RuleFile).groups.flatMap(
  (group) => group.rules,
)
const alerts = rules.filter(({ alert }) => alert !== undefined)
const page = readFileSync(new URL('../../../../docs/alerts.md', import.meta.url), 'utf8')
const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as Dashboard

const series = new Set(
  FAMILIES.flatMap(({ name, type }) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  ),
)

test('rules and dashboard use metrics that exist', () => {
  const templates = dashboard.templating.list.map(({ query }) => JSON.stringify(query))
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  const texts = [...rules.map(({ expr }) => expr), ...queries, ...templates]
  const names = texts.flatMap(metricsIn)
  assert.ok(names.length > 80)
  assert.deepEqual(
    names.filter((name) => !series.has(name)),
    [],
  )
})

test('what alerts are made of is recorded', () => {
  const records = new Set(rules.map(({ record }) => record))
  const used = alerts.flatMap(({ expr }) => [...expr.matchAll(/pool:evenkeel_\w+:\w+/g)])
  assert.ok(used.length > 4)
  for (const [name] of used) assert.ok(records.has(name), name)
})

test('every alert has a severity, a test that sees it fire and not fire, and a place in the page', () => {
  const { tests } = parse(readFileSync(rulesTestFile, 'utf8')) as RuleTests
  const cases = tests.flatMap((one) => one.alert_rule_test)
  for (const { alert, labels, annotations } of alerts) {
    const own = cases.filter(({ alertname }) => alertname === alert)
    assert.ok(
      own.some(({ exp_alerts: expected }) => expected.length > 0),
      alert,
    )
    assert.ok(
      own.some(({ exp_alerts: expected }) => expected.length === 0),
      alert,
    )
    assert.match(labels!.severity, /^(critical|warning|info)$/)
    assert.equal(annotations!.runbook, `docs/alerts.md#${alert!.toLowerCase()}`)
    assert.ok(page.includes(`\n#### ${alert}\n`), alert)
  }
  const headings = [...page.matchAll(/^#### (\w+)$/gm)].map(([, name]) => name)
  assert.deepEqual(
    headings,
    alerts.map(({ alert }) => alert),
  )
})

test('the page has every rule of Evenkeel itself with its defaults', () => {
  const rows = [...page.matchAll(/^\| `(\w+)` \| .* \| (\S+) \| (\S+) \| (\w+) \|$/gm)]
  const expected = ALERT_RULE_NAMES.map((name) => {
    const { forMs, clearForMs, severity } = ALERT_DEFAULTS[name]
    const waits = ALERT_RULES[name].nature === 'moment' ? '–' : formatDuration(forMs)
    return [name, waits, formatDuration(clearForMs), severity]
  })
  const found = rows.map(([, name, waits, clear, severity]) => [name, waits, clear, severity])
  assert.deepEqual(
    found.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)),
    expected.toSorted((a, b) => (a[0]! < b[0]! ? -1 : 1)),
  )
})

test('no panel of the dashboard covers another or leaves the grid', () => {
  const { panels } = dashboard
  for (const [i, { title, gridPos: one }] of panels.entries()) {
    assert.ok(one.x >= 0 && one.x + one.w <= 24, title)
    for (const { title: other, gridPos: two } of panels.slice(i + 1)) {
      const apart =
        one.x + one.w <= two.x ||
        two.x + two.w <= one.x ||
        one.y + one.h <= two.y ||
        two.y + two.h <= one.y
      assert.ok(apart, `${title} and ${other}`)
    }
  }
})
