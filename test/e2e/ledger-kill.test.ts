// The ledger of the real program: killed in the middle of an incident, started again, asked.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { IncidentRecord } from '../../src/core/ledger-contract.ts'
import { countsOf, ReportFold, type Report } from '../../src/core/report.ts'
import { readLedger } from '../../src/observe/ledger-files.ts'
import type { Evenkeel } from '../support/evenkeel.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { startBackend } from '../support/backend.ts'
import { waitFor } from '../support/wait.ts'

async function ask<T>(evenkeel: Evenkeel, path: string): Promise<T> {
  const response = await fetch(evenkeel.adminUrl + path)
  assert.equal(response.status, 200, path)
  return (await response.json()) as T
}

async function incidents(evenkeel: Evenkeel): Promise<readonly IncidentRecord[]> {
  return (await ask<{ incidents: IncidentRecord[] }>(evenkeel, '/v1/incidents')).incidents
}

function stagesOf({ stages }: IncidentRecord): string[] {
  return stages.map(({ name }) => name)
}

function failedIn(incident: IncidentRecord): number {
  return countsOf(incident).failed
}

test('an incident that began before kill -9 is whole after the restart', async (t) => {
  const stateDir = temporaryFolder('ledger')
  const port = await freePort()
  let backend = await startBackend({ name: 'one', port })
  const config = {
    runtime: { stateDir },
    admin: { bind: `127.0.0.1:${await freePort()}` },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: { one: `127.0.0.1:${port}` },
        healthCheck: { http: '/health', interval: '300ms', timeout: '300ms', rise: 1 },
        objective: { rto: '1h', availability: '99.9%' },
      },
    },
  }
  const first = await startEvenkeel(config)
  t.after(() => first.stop())
  assert.equal((await fetch(first.url())).status, 200)
  await backend.stop()
  const begun = await waitFor(async () => {
    const found = await incidents(first)
    return found.some((one) => one.backend === null && one.open) ? found : null
  })
  // Requests that fail meanwhile belong to it.
  for (let i = 0; i < 5; i++) assert.notEqual((await fetch(first.url())).status, 200)
  const pool = begun.find((one) => one.backend === null)!
  // What only memory knows would be gone with it: that is a matter of seconds.
  const file = join(stateDir, 'ledger.jsonl')
  await waitFor(async () => {
    const fold = new ReportFold()
    for await (const record of readLedger(file, { lines: 0 })) fold.add(record)
    const kept = fold.incident(pool.id)
    const [web] = fold.report({ since: 0, until: Date.now() }, 'web').pools
    return kept !== null && failedIn(kept) >= 5 && web!.upMs > 0 && web!.downMs > 0
  })
  first.process.signal('SIGKILL')
  await first.process.exited

  const dead = await runProcess(process.execPath, [mainFile, 'report', '--ledger', file])
  assert.equal(dead.code, 0, dead.stderr)
  assert.match(dead.stdout, new RegExp(`${pool.id} +web .*open`))

  const second = await startEvenkeel(config, { wait: false })
  t.after(() => second.stop())
  await waitFor(() =>
    fetch(`${second.adminUrl}/livez`).then(
      ({ ok }) => ok,
      () => false,
    ),
  )
  backend = await startBackend({ name: 'one', port })
  t.after(() => backend.stop())
  const closed = await waitFor(async () => {
    const found = (await incidents(second)).find(({ id }) => id === pool.id)
    return found?.open === false ? found : null
  })
  const stages = stagesOf(closed)
  assert.deepEqual(stages.slice(0, 5), ['fault', 'detected', 'down', 'interrupted', 'resumed'])
  assert.deepEqual(stages.slice(-2), ['serving', 'recovered'])
  assert.ok(closed.gapMs > 0)
  assert.equal(closed.at, pool.at)
  assert.deepEqual(
    closed.outages.map(({ backMs, gapMs }) => [backMs !== null, gapMs > 0]),
    [[true, true]],
  )
  assert.ok(failedIn(closed) >= 5)
  const { incident, members } = await ask<{
    incident: IncidentRecord
    members: readonly IncidentRecord[]
  }>(second, `/v1/incidents/${pool.id}`)
  assert.equal(incident.id, pool.id)
  assert.deepEqual(
    members.map((one) => [one.backend, one.open]),
    [['one', false]],
  )

  const report = await ask<Report>(second, '/v1/report?since=1h')
  assert.deepEqual(
    report.runs.map(({ run, before }) => [run, before]),
    [
      [1, 'first'],
      [2, 'killed'],
    ],
  )
  assert.ok(report.notRunningMs > 0)
  const [web] = report.pools
  const { downMs, upMs, unknownMs } = web!
  const told = JSON.stringify({ downMs, upMs, unknownMs, notRunningMs: report.notRunningMs })
  assert.ok(downMs > 0 && upMs > 0, told)
  // Every part of every span is a whole number of milliseconds.
  assert.ok(unknownMs >= report.notRunningMs - 10, told)
  assert.deepEqual([web!.failures, web!.rto.met, web!.rto.missed], [1, 1, 0])

  await second.stop()
  const words = ['report', '--ledger', file, '--incident', pool.id, '-o', 'markdown']
  const third = await runProcess(process.execPath, [mainFile, ...words])
  assert.match(third.stdout, new RegExp(`^# Incident ${pool.id}: web, nobody served`))
  assert.match(third.stdout, /Evenkeel ended/)
})

test('an incident goes on in the process that takes over', async (t) => {
  const stateDir = temporaryFolder('ledger-upgrade')
  const one = await startBackend({ name: 'one' })
  t.after(() => one.stop())
  const port = await freePort()
  const running = await startEvenkeel({
    runtime: { stateDir },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: { one: one.address, two: `127.0.0.1:${port}` },
        healthCheck: { http: '/health', interval: '300ms', timeout: '300ms', rise: 1 },
      },
    },
  })
  const before = await waitFor(async () => {
    const found = await incidents(running)
    return found.length > 0 ? found : null
  })
  const admin = new URL(running.adminUrl).host
  const upgraded = await runProcess(process.execPath, [mainFile, 'upgrade', '--admin', admin])
  assert.equal(upgraded.code, 0, upgraded.stderr)
  const { pid } = await ask<{ pid: number }>(running, '/v1/version')
  t.after(() => process.kill(pid, 'SIGKILL'))
  const after = await waitFor(async () => {
    const found = await incidents(running)
    return found.length > 0 ? found : null
  })
  assert.deepEqual(
    after.map(({ id, backend, open }) => [id, backend, open]),
    before.map(({ id, backend, open }) => [id, backend, open]),
  )
  assert.deepEqual(stagesOf(after[0]!).slice(0, 4), ['fault', 'down', 'stopped', 'resumed'])
  const two = await startBackend({ name: 'two', port })
  t.after(() => two.stop())
  await waitFor(async () => !(await incidents(running))[0]!.open)
  const { runs, pools } = await ask<Report>(running, '/v1/report?since=1h')
  assert.deepEqual(
    runs.map(({ run, before }) => [run, before]),
    [
      [1, 'first'],
      [2, 'stopped'],
    ],
  )
  assert.deepEqual([pools[0]!.downMs, pools[0]!.failures], [0, 0])
})

test('without a state directory the report says that it will be forgotten', async (t) => {
  const backend = await startBackend({ name: 'one' })
  t.after(() => backend.stop())
  const evenkeel = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address } } },
  })
  t.after(() => evenkeel.stop())
  const admin = new URL(evenkeel.adminUrl).host
  const report = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, 'report', '--admin', admin, ...words])
  const told = await report()
  assert.equal(told.code, 0, told.stderr)
  assert.match(told.stdout, /Kept in memory only: set runtime\.stateDir/)
  assert.match(told.stdout, /^Pool web \(active-active\): 100 % available$/m)
  const wrong = await report('--since', 'yesterday')
  assert.deepEqual([wrong.code, wrong.stdout], [2, ''])
  assert.match(wrong.stderr, /--since yesterday is no time: write how long ago/)
  const unknown = await report('--pool', 'nope')
  assert.match(unknown.stderr, /The ledger knows no pool 'nope'\. There are: web\./)
  assert.match((await report('--incident', '9-9')).stderr, /has no incident '9-9'/)
})

test('a ledger that is switched off says so', async (t) => {
  const backend = await startBackend({ name: 'one' })
  t.after(() => backend.stop())
  const evenkeel = await startEvenkeel({
    ledger: false,
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: backend.address } } },
  } as Parameters<typeof startEvenkeel>[0])
  t.after(() => evenkeel.stop())
  const response = await fetch(`${evenkeel.adminUrl}/v1/report`)
  const { code } = (await response.json()) as { code: string }
  assert.deepEqual([response.status, code], [404, 'no-ledger'])
})
