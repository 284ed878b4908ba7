import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { faultPage } from '../../support/fault-page.ts'

test('docs/faults.md is what the fault table says', async () => {
  const page = await readFile(new URL('../../../../docs/faults.md', import.meta.url), 'utf8')
  assert.equal(page, faultPage())
})
