import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { withDrawing } from '../../support/failover-drawing.ts'

test('the drawing in docs/active-standby.md is what the failover machine does', async () => {
  const page = await readFile(
    new URL('../../../../docs/active-standby.md', import.meta.url),
    'utf8',
  )
  assert.equal(page, withDrawing(page))
})
