import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../../src/core/random.ts'
import { crash } from '../support/state-crashes.ts'

test('200 writers killed at random moments lose nothing that was acknowledged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-crashes-'))
  const kept = await crash(folder, 200, seededRandom(Date.now()))
  console.log(`${kept} states were saved, 200 writers killed`)
  assert.ok(kept >= 200)
})
