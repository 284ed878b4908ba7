// Plays every story of this folder and compares what the failover machine does with what is written.
// After an intended change: npm run build && EVENKEEL_TEST_RETELL=1 node dist/test/run.js fast stories
// and read the difference.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { retell } from '../support/failover-story.ts'

const folder = new URL('../../../test/transcripts/', import.meta.url)
const stories = readdirSync(folder).filter((name) => name.endsWith('.txt'))

for (const name of stories) {
  const path = new URL(name, folder)
  const written = readFileSync(path, 'utf8')
  const [title = ''] = written.split('\n')
  test(`story: ${title.replace(/^# /, '')} (${name})`, () => {
    const told = retell(written)
    if (process.env['EVENKEEL_TEST_RETELL'] === '1') writeFileSync(path, told)
    else assert.equal(told, written)
  })
}
