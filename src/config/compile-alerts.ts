// `alerts` to its plan: targets, and every rule with the defaults that depend on it.

import type {
  AlertRule,
  AlertRulePlan,
  AlertSeverity,
  AlertsPlan,
  AlertTargetPlan,
} from '../core/alert-contract.ts'
import { ALERT_RULE_NAMES, ALERT_RULES } from '../core/alert-contract.ts'
import { compileHook } from './compile-failover.ts'
import type { Path, Source } from './diagnostics.ts'
import type { Findings } from './findings.ts'
import { orderedNames } from './names.ts'
import type { AlertBound, AlertRuleTree, AlertTargetTree } from './schema-alerts.ts'
import type { ConfigTree } from './schema.ts'
import type { Scope } from './scope.ts'
import { suggest } from './suggest.ts'
import { day, minute, quote, second } from './units.ts'

interface Defaults {
  readonly severity: AlertSeverity
  readonly forMs: number
  readonly clearForMs: number
  /** What `above` is; `off`: it has none, and the rule is off until it is given. */
  readonly above?: AlertBound | 'off'
  readonly unit?: AlertBound['unit']
}

const OVER_MS = 5 * minute

/** docs/alerts.md has the reason for each. */
export const ALERT_DEFAULTS: Readonly<Record<AlertRule, Defaults>> = {
  poolDown: { severity: 'critical', forMs: 5 * second, clearForMs: 15 * second },
  poolBelowMin: { severity: 'warning', forMs: 30 * second, clearForMs: minute },
  failover: { severity: 'warning', forMs: 0, clearForMs: OVER_MS },
  moveFailed: { severity: 'critical', forMs: 0, clearForMs: OVER_MS },
  objectiveMissed: { severity: 'warning', forMs: 0, clearForMs: OVER_MS },
  standbyNotReady: { severity: 'warning', forMs: minute, clearForMs: minute },
  siteLost: { severity: 'warning', forMs: 10 * second, clearForMs: minute },
  twoWriters: { severity: 'critical', forMs: 0, clearForMs: 30 * second },
  agreementLost: { severity: 'critical', forMs: 10 * second, clearForMs: 30 * second },
  errorRate: {
    severity: 'critical',
    forMs: minute,
    clearForMs: 2 * minute,
    above: { unit: 'ratio', value: 0.05 },
    unit: 'ratio',
  },
  latency: {
    severity: 'warning',
    forMs: 2 * minute,
    clearForMs: 2 * minute,
    above: 'off',
    unit: 'ms',
  },
  discoveryStale: { severity: 'warning', forMs: 5 * minute, clearForMs: 30 * second },
  configRejected: { severity: 'warning', forMs: 0, clearForMs: 0 },
  configReverted: { severity: 'warning', forMs: 0, clearForMs: OVER_MS },
  threadFailed: { severity: 'warning', forMs: 0, clearForMs: OVER_MS },
  ledgerFailed: { severity: 'warning', forMs: 10 * second, clearForMs: minute },
  certificateExpiry: {
    severity: 'warning',
    forMs: 0,
    clearForMs: 0,
    above: { unit: 'ms', value: 14 * day },
    unit: 'ms',
  },
}

const WINDOW_MS = 5 * minute
const REQUESTS_MIN = 100
const QUANTILE = 0.99
const measured: ReadonlySet<AlertRule> = new Set(['errorRate', 'latency'])
const root: Path = ['alerts']

/** The alerts of a configuration, as a part of the plan; nothing where there are none. */
export function compileAlerts(
  { alerts: tree, pools }: Pick<ConfigTree, 'alerts' | 'pools'>,
  source: Source,
  findings: Findings,
): { readonly alerts?: AlertsPlan } {
  if (tree === undefined) return {}
  const scope: Scope = { path: root, source, findings }
  const names = orderedNames([...root, 'notify'], tree.notify, source, findings)
  if (names.length === 0) {
    findings.error([...root, 'notify'], 'is empty', 'add ops: { webhook: https://... }')
  }
  const notify = Object.fromEntries(
    names.map((name) => [name, compileTarget(tree.notify[name]!, name, scope)]),
  )
  const known: Known = { targets: names, pools: Object.keys(pools) }
  checkRuleNames(Object.keys(tree.rules), findings)
  const rules: Partial<Record<AlertRule, AlertRulePlan>> = {}
  for (const name of ALERT_RULE_NAMES) {
    const rule = tree.rules[name]
    if (rule === null) continue
    const plan = compileRule(name, rule ?? {}, known, { ...scope, path: [...root, 'rules', name] })
    if (plan !== null) rules[name] = plan
  }
  return { alerts: { notify, rules, perMinuteMax: tree.maxPerMinute } }
}

interface Known {
  readonly targets: readonly string[]
  readonly pools: readonly string[]
}

function compileTarget(tree: AlertTargetTree, name: string, scope: Scope): AlertTargetPlan {
  const path = [...root, 'notify', name]
  const hook = compileHook(tree, path, scope)!
  if (hook.kind === 'exec' && tree.format !== undefined) {
    scope.findings.error([...path, 'format'], 'is for webhook only', 'remove it', { on: 'key' })
  }
  return { hook, format: tree.format ?? 'evenkeel', resolved: tree.resolved }
}

function checkRuleNames(names: readonly string[], findings: Findings): void {
  const known: readonly string[] = ALERT_RULE_NAMES
  for (const name of names) {
    if (known.includes(name)) continue
    findings.error(
      [...root, 'rules', name],
      `there is no rule ${quote(name)}`,
      suggest(name, known, 'rules'),
      { on: 'key' },
    )
  }
}

type RuleTree = Partial<AlertRuleTree>

/** A rule with its defaults; `null` if it needs a bound and has none. */
function compileRule(
  name: AlertRule,
  tree: RuleTree,
  known: Known,
  scope: Scope,
): AlertRulePlan | null {
  const defaults = ALERT_DEFAULTS[name]
  checkKeys(name, scope)
  checkNames(tree.notify, known.targets, 'target', { ...scope, path: [...scope.path, 'notify'] })
  checkNames(tree.pools, known.pools, 'pool', { ...scope, path: [...scope.path, 'pools'] })
  const bounds = compileBounds(tree, defaults, scope)
  if (bounds === null) {
    if (scope.source.has(scope.path)) {
      const hint = name === 'latency' ? 'add above: 2s' : null
      scope.findings.error(scope.path, 'says nothing without above', hint, { on: 'key' })
    }
    return null
  }
  return {
    forMs: tree.for ?? defaults.forMs,
    clearForMs: tree.clearFor ?? defaults.clearForMs,
    severity: tree.severity ?? defaults.severity,
    notify: tree.notify ?? known.targets,
    pools: tree.pools ?? null,
    ...bounds,
    windowMs: tree.window ?? WINDOW_MS,
    requestsMin: tree.minRequests ?? REQUESTS_MIN,
    quantile: tree.quantile ?? QUANTILE,
  }
}

function compileBounds(
  { above: given, clear: givenClear }: RuleTree,
  { above: usual, unit }: Defaults,
  { path, findings }: Scope,
): { readonly above: number; readonly clear: number } | null {
  if (unit === undefined) return { above: 0, clear: 0 }
  const above = given ?? (usual === 'off' ? undefined : usual)
  if (above === undefined) return null
  const hint = unit === 'ratio' ? 'write a percentage such as 5%' : 'write a duration such as 2s'
  for (const [key, bound] of [
    ['above', given],
    ['clear', givenClear],
  ] as const) {
    if (bound !== undefined && bound.unit !== unit) {
      findings.error([...path, key], 'is of the wrong kind for this rule', hint)
    }
  }
  const clear = givenClear?.value ?? above.value / 2
  if (givenClear !== undefined && clear > above.value) {
    findings.error([...path, 'clear'], 'is more than above', 'clear has to be at most as much')
  }
  return { above: above.value, clear }
}

// Keys that the rule would ignore.
function checkKeys(name: AlertRule, { path, source, findings }: Scope): void {
  const refuse = (key: string, message: string): void => {
    if (source.has([...path, key])) {
      findings.error([...path, key], message, 'remove it', { on: 'key' })
    }
  }
  if (ALERT_RULES[name].nature === 'moment') {
    refuse('for', `has no meaning for ${name}, which is over as soon as it has happened`)
  }
  if (!measured.has(name)) {
    for (const key of ['clear', 'window', 'minRequests']) {
      refuse(key, 'is for errorRate and latency only')
    }
    if (name !== 'certificateExpiry') {
      refuse('above', 'is for errorRate, latency and certificateExpiry only')
    }
  }
  if (name !== 'latency') refuse('quantile', 'is for latency only')
}

function checkNames(
  given: readonly string[] | undefined,
  known: readonly string[],
  what: string,
  { path, source, findings }: Scope,
): void {
  for (const [index, name] of (given ?? []).entries()) {
    if (known.includes(name)) continue
    const place = source.has([...path, index]) ? [...path, index] : path
    findings.error(place, `there is no ${what} ${quote(name)}`, suggest(name, known, `${what}s`))
  }
}
