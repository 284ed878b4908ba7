import assert from 'node:assert/strict'
import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Listener } from '../../../src/listen/listener.ts'
import { temporaryFolder } from '../../support/processes.ts'
import { waitFor } from '../../support/wait.ts'

const owner = { onAccept: () => {}, onError: () => {} }

test('a unix socket that can not get its name leaves no socket behind, and what has the name alone', async () => {
  const folder = temporaryFolder('listener')
  const path = join(folder, 'web.sock')
  writeFileSync(path, 'mine')
  const count = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'PipeWrap').length
  const before = count()
  const listener = new Listener({ address: { kind: 'unix', path }, reusePort: false, owner })
  await assert.rejects(listener.open(), /web\.sock is in use by another program$/)
  await waitFor(() => count() === before, { what: 'the socket to be closed', timeoutMs: 2_000 })
  assert.equal(readFileSync(path, 'utf8'), 'mine')
  assert.deepEqual(readdirSync(folder), ['web.sock'])
})
