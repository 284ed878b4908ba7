import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededRandom } from '../../src/core/random.ts'
import { crash } from '../support/state-crashes.ts'

test('writers killed at random moments lose nothing that was acknowledged', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'evenkeel-crashes-'))
  await crash(folder, 15, seededRandom(7))
})
