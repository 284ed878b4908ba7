// `alerts`: its defaults, what it refuses, and that a difference shows no secret.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDiagnostics } from '../../../src/config/diagnostics.ts'
import { planDiff } from '../../../src/config/plan-diff.ts'
import { ALERT_RULE_NAMES } from '../../../src/core/alert-contract.ts'
import { planOf } from '../../support/plans.ts'
import { parse, top } from './cases.ts'

/** What `check` says of them. */
function errors(alerts: string): string {
  const result = parse(top(`alerts: ${alerts}`))
  assert.ok(!result.ok)
  return formatDiagnostics(result.diagnostics)
}

const notify = 'notify: { ops: { webhook: "https://x.example/hook" } }'

test('with targets alone every rule but latency is on, and tells all of them', () => {
  const { alerts } = planOf(top(`alerts: { ${notify} }`))
  const expected = ALERT_RULE_NAMES.filter((name) => name !== 'latency')
  assert.deepEqual(Object.keys(alerts!.rules), expected)
  assert.deepEqual(alerts!.notify['ops'], {
    hook: { kind: 'webhook', url: 'https://x.example/hook', headers: [], timeoutMs: 10_000 },
    format: 'evenkeel',
    resolved: true,
  })
  const { poolDown, errorRate } = alerts!.rules
  assert.deepEqual([poolDown!.forMs, poolDown!.notify, poolDown!.pools], [5_000, ['ops'], null])
  assert.deepEqual([errorRate!.above, errorRate!.clear], [0.05, 0.025])
  assert.equal(planOf(top('')).alerts, undefined)
})

test('a rule can be changed or switched off', () => {
  const rules =
    'rules: { failover: false, latency: { above: 2s, clear: 1s, pools: app }, poolDown: { for: 1m } }'
  const { alerts } = planOf(top(`alerts: { ${notify}, ${rules} }`))
  assert.equal(alerts!.rules.failover, undefined)
  assert.equal(alerts!.rules.poolDown!.forMs, 60_000)
  const { above, clear, pools, quantile } = alerts!.rules.latency!
  assert.deepEqual([above, clear, pools, quantile], [2_000, 1_000, ['app'], 0.99])
})

for (const [what, alerts, expected] of [
  ['no targets', '{ notify: {} }', /alerts\.notify: is empty/],
  ['a target without a way', '{ notify: { ops: { timeout: 1s } } }', /does not say what to do/],
  [
    'a form for a command',
    '{ notify: { o: { exec: "true", format: slack } } }',
    /format: is for webhook only/,
  ],
  [
    'an unknown rule',
    `{ ${notify}, rules: { poolsDown: {} } }`,
    /no rule "poolsDown"[^]*did you mean poolDown/,
  ],
  [
    'an unknown target',
    `{ ${notify}, rules: { poolDown: { notify: opps } } }`,
    /no target "opps"[^]*did you mean ops/,
  ],
  [
    'an unknown pool',
    `{ ${notify}, rules: { poolDown: { pools: [ap] } } }`,
    /no pool "ap"[^]*did you mean app/,
  ],
  [
    'a wait for what is over',
    `{ ${notify}, rules: { failover: { for: 1s } } }`,
    /for: has no meaning for failover/,
  ],
  [
    'a bound for what is not measured',
    `{ ${notify}, rules: { poolDown: { above: 5% } } }`,
    /above: is for errorRate/,
  ],
  [
    'a bound of another kind',
    `{ ${notify}, rules: { errorRate: { above: 2s } } }`,
    /above: is of the wrong kind[^]*percentage/,
  ],
  [
    'an end above the beginning',
    `{ ${notify}, rules: { errorRate: { above: 5%, clear: 6% } } }`,
    /clear: is more than above/,
  ],
  [
    'a rule without what it needs',
    `{ ${notify}, rules: { latency: { for: 1m } } }`,
    /latency: says nothing without above/,
  ],
] as const) {
  test(`${what}: refused`, () => assert.match(errors(alerts), expected))
}

test('a difference shows no address, header or command of a target', () => {
  const plan = (secret: string) =>
    planOf(
      top(
        `alerts: { notify: { a.b: { webhook: "https://x/${secret}", headers: { x-key: ${secret} } }, c: { exec: [run, ${secret}] } } }`,
      ),
    )
  const hidden = { before: '(hidden)', after: '(hidden)' }
  assert.deepEqual(planDiff(plan('one'), plan('two')).settings, [
    { path: 'alerts.notify.a.b.webhook', ...hidden },
    { path: 'alerts.notify.a.b.headers', ...hidden },
    { path: 'alerts.notify.c.exec', ...hidden },
  ])
  assert.deepEqual(planDiff(planOf(top('')), plan('one')).settings, [
    { path: 'alerts', before: 'false', after: 'on' },
  ])
})
