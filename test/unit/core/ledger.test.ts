import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OperatorNews } from '../../../src/core/events.ts'
import { Ledger, LedgerClock } from '../../../src/core/ledger.ts'
import type { IncidentRecord, LedgerRecord } from '../../../src/core/ledger-contract.ts'
import { BEGIN, StoryCounters } from '../../support/ledger-story.ts'
import { planOf } from '../../support/plans.ts'

const plan = planOf(`
listeners: { web: { bind: ":8080", pool: web } }
pools: { web: { healthCheck: { tcp: {} }, backends: { a: "127.0.0.1:1", b: "127.0.0.1:2" } } }
`)

/** What an operator asked for while a backend was down, as the ledger tells it. */
function recordsOf(news: Partial<OperatorNews>): LedgerRecord[] {
  const clock = new LedgerClock(BEGIN, 0)
  const ledger = new Ledger({ run: 1, clock, read: new StoryCounters() }, plan, 0)
  const asked: OperatorNews = {
    verb: 'drain',
    pool: 'web',
    backend: 'a',
    wishes: {},
    by: 'kim',
    from: '127.0.0.1',
    reason: 'new kernel',
    outcome: 'done',
    message: '',
    tookMs: 0,
    ...news,
  }
  const down = { pool: 'web', backend: 'b', from: 'available', to: 'down', available: 0 } as const
  const transition = { ...down, reason: 'connection refused', atMs: 1_000 }
  ledger.hear({ kind: 'transition', transition, id: 1, at: BEGIN + 1_000, atMs: 1_000 })
  ledger.hear({ kind: 'operator', news: asked, id: 2, at: BEGIN + 2_000, atMs: 2_000 })
  return ledger.take(60_000)
}

const actions = (records: readonly LedgerRecord[]): readonly LedgerRecord[] =>
  records.filter(({ kind }) => kind === 'action')
const incidents = (records: readonly LedgerRecord[]): readonly IncidentRecord[] =>
  records.filter((record) => record.kind === 'incident')

test('what an operator did is a record, and a dry run is none, and no part of an incident', () => {
  const done = recordsOf({ wishes: { dryRun: false } })
  assert.deepEqual(actions(done), [
    {
      kind: 'action',
      at: BEGIN + 2_000,
      pool: 'web',
      backend: 'a',
      verb: 'drain',
      by: 'kim',
      reason: 'new kernel',
      outcome: 'done',
    },
  ])
  const tried = recordsOf({ wishes: { dryRun: true } })
  assert.deepEqual(actions(tried), [])
  assert.equal(incidents(tried).length, incidents(done).length)
  assert.doesNotMatch(JSON.stringify(tried), /kim|new kernel/)
})
