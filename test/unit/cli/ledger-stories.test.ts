// Plays every story of test/golden/ledger and compares what the reports say with what is written.
// After an intended change: npm run build && EVENKEEL_TEST_RETELL=1 node dist/test/run.js fast ledger-stories
// and read the difference.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { tell } from '../../support/ledger-story.ts'

const folder = new URL('../../../../test/golden/ledger/', import.meta.url)

for (const name of readdirSync(folder)) {
  const path = new URL(name, folder)
  const written = readFileSync(path, 'utf8')
  const [title = ''] = written.split('\n')
  test(`ledger: ${title.replace(/^# /, '')} (${name})`, () => {
    const told = tell(written)
    if (process.env['EVENKEEL_TEST_RETELL'] === '1') writeFileSync(path, told)
    else assert.equal(told, written)
  })
}
