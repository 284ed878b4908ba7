import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_COUNTS } from '../../../src/core/ledger-contract.ts'
import { Incident } from '../../../src/core/ledger-incident.ts'

/** Stages listed in one incident, and its end. */
const STAGES_MAX = 40
const wallOf = (ms: number): number => ms

function begin(): Incident {
  const about = { id: '1-1', pool: 'web', backend: 'a', trouble: 'down', cause: '' } as const
  return new Incident({ ...about, rtoMs: null }, { ms: 0, counts: NO_COUNTS, exact: true }, wallOf)
}

test('a process that starts again and again makes an open incident no larger', () => {
  let incident = begin()
  incident.lost(0, 10)
  incident.stage('down', { ms: 10, counts: NO_COUNTS, exact: true }, '')
  let nowMs = 1_000
  for (let i = 0; i < 100; i++) {
    const record = incident.record(nowMs)
    nowMs += 1_000
    const resumption = { nowMs, gapMs: 400, counts: NO_COUNTS, stopped: false }
    incident = Incident.resume({ ...record, ms: record.ms + 600 }, resumption, wallOf)
  }
  incident.close('recovered', { ms: nowMs, counts: NO_COUNTS, exact: true }, '')
  const { stages, stagesLeftOut, gapMs, ms, outages } = incident.record(nowMs)
  assert.ok(stages.length <= STAGES_MAX + 1, `${stages.length} stages`)
  assert.equal(stages.length + stagesLeftOut, 2 + 200 + 1)
  assert.equal(stages.at(-1)!.name, 'recovered')
  assert.deepEqual([ms, gapMs, outages.length, outages[0]!.gapMs], [101_000, 40_000, 1, 40_000])
})

test('an outage that is not listed counts while it lasts, and over a restart', () => {
  let incident = begin()
  for (let ms = 0; ms < 400; ms += 20) {
    incident.lost(ms, ms)
    incident.back(ms + 10)
  }
  incident.lost(400, 400)
  const record = incident.record(900)
  assert.deepEqual([record.outagesLeftOut, record.leftOutMs], [1, 500])
  const resumption = { nowMs: 1_000, gapMs: 100, counts: NO_COUNTS, stopped: false }
  incident = Incident.resume(record, resumption, wallOf)
  assert.equal(incident.record(1_000).leftOutMs, 500)
})
