// Our files for Prometheus and Grafana, with the real programs: the rules are well formed and do what
// they say, the metrics page is to promtool's taste, and every name in the rules and the dashboard is
// found in a real Prometheus that scrapes a running Evenkeel.

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'
import type { Dashboard } from '../support/prometheus.ts'
import {
  dashboardFile,
  metricsIn,
  promtool,
  rulesFile,
  rulesTestFile,
  startPrometheus,
} from '../support/prometheus.ts'
import { waitFor } from '../support/wait.ts'

test('promtool accepts the rules, and each alert fires when it should', async () => {
  const check = await promtool(['check', 'rules', rulesFile])
  assert.equal(check.code, 0, check.said)
  const run = await promtool(['test', 'rules', rulesTestFile])
  assert.equal(run.code, 0, run.said)
})

test('promtool finds nothing to say about the metrics, and Prometheus has every name of rules and dashboard', async (context) => {
  const names = ['a', 'b', 'c', 'd']
  const backends = await Promise.all(names.map((name) => startBackend({ name })))
  const [a, b, c, d] = backends.map(({ address }) => address)
  const folder = temporaryFolder('monitoring')
  const list = join(folder, 'members.json')
  writeFileSync(list, JSON.stringify([{ name: 'd', address: d }]))
  const healthCheck = { http: '/health', interval: '1s', fastInterval: '100ms' }
  const evenkeel = await startEvenkeel({
    keepalived: { vip: '127.0.0.99', trackFile: join(folder, 'track') },
    alerts: { notify: { ops: { exec: ['true'] } }, rules: { latency: { above: '2s' } } },
    listeners: {
      web: {
        routes: [
          { match: { path: '/db' }, pool: 'db' },
          { match: { path: '/found' }, pool: 'found' },
          { pool: 'web' },
        ],
      },
    },
    pools: {
      web: {
        sites: ['seoul', 'busan'],
        backends: { a: { address: a, site: 'seoul' }, b: { address: b, site: 'busan' } },
        healthCheck,
      },
      db: {
        mode: 'active-standby',
        backends: { b, c },
        healthCheck,
        failover: { readyFor: '0s' },
        objective: { rto: '5s' },
      },
      found: { discovery: { file: { path: list } }, healthCheck },
    },
  })
  const prometheus = await startPrometheus(evenkeel.adminUrl.slice('http://'.length))
  context.after(async () => {
    await prometheus.stop()
    await evenkeel.stop()
    await Promise.all(backends.map((one) => one.stop()))
  })
  const load = async (): Promise<void> => {
    for (const path of ['/', '/db', '/found']) await (await fetch(evenkeel.url() + path)).text()
  }
  await load()

  const page = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
  const lint = await promtool(['check', 'metrics'], page)
  // Node.js' own metrics come from the client library, which names some of its gauges _total.
  const ours = lint.said.split('\n').filter((line) => !/^(nodejs_.*|)$/.test(line))
  assert.deepEqual(ours, [])

  const dashboard = JSON.parse(readFileSync(dashboardFile, 'utf8')) as Dashboard
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))
  assert.ok(queries.length > 40)
  const used = metricsIn(`${readFileSync(rulesFile, 'utf8')}\n${queries.join('\n')}`)
  assert.ok(used.length > 40)
  await waitFor(
    async () => {
      await load()
      return (await prometheus.query('count_over_time(up[10s]) >= 4')).length === 1
    },
    { what: 'some scrapes', timeoutMs: 20_000 },
  )
  const missing: string[] = []
  for (const name of used) {
    const found = await prometheus.query(`{__name__="${name}"}`)
    if (found.length === 0) missing.push(name)
  }
  assert.deepEqual(missing, [])

  await waitFor(
    async () => (await prometheus.rules()).every(({ health }) => health !== 'unknown'),
    {
      what: 'all rules to be evaluated',
      timeoutMs: 20_000,
    },
  )
  const bad = (await prometheus.rules()).filter(({ health }) => health !== 'ok')
  assert.deepEqual(bad, [])
  const said: string[] = []
  for (const expr of queries) {
    const concrete = expr
      .replaceAll(/\$__rate_interval|\$__range/g, '10s')
      .replaceAll('$job', 'evenkeel')
      .replaceAll(/\$(instance|pool)/g, '.*')
    const result = await prometheus.query(concrete)
    // What compares shows something only when something is wrong.
    if (result.length === 0 && !/ (>|==) 0/.test(concrete)) said.push(concrete)
  }
  assert.deepEqual(said, [])
})
