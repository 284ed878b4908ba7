// A data thread that is replaced between two upgrades has sockets of its own, and these pass on, too.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { startEvenkeel } from '../support/evenkeel.ts'
import { temporaryFolder } from '../support/processes.ts'
import { ask, ended, pidOf, upgrade } from '../support/upgrades.ts'
import { waitFor } from '../support/wait.ts'

const preload = new URL('../support/failing-preload.js', import.meta.url).href

test('the sockets of a data thread that was replaced pass on like the others', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const socketPath = join(temporaryFolder('replaced'), 'web.sock')
  const running = await startEvenkeel(
    {
      listeners: { web: { pool: 'web' }, local: { bind: `unix:${socketPath}`, pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { NODE_OPTIONS: `--import=${preload}` } },
  )
  after(() => running.stop())
  const replaced = (): number => running.logs().split('"data thread replaced"').length - 1
  let { pid } = running.process
  after(() => process.kill(pid, 'SIGKILL'))
  for (let turn = 1; turn <= 2; turn++) {
    process.kill(pid, 'SIGWINCH')
    await waitFor(() => replaced() === turn)
    // They wait in the queues of the sockets while both processes are there.
    const early = Array.from({ length: 40 }, () => ask(running.url('web')))
    const { code, stderr } = await upgrade(running)
    assert.equal(code, 0, stderr)
    pid = await pidOf(running)
    const late = Array.from({ length: 40 }, () => ask(running.url('web')))
    const answers = await Promise.all([...early, ...late])
    assert.deepEqual([...new Set(answers.map(({ body }) => body))], ['one'])
    assert.equal((await ask({ socketPath, path: '/', agent: false })).body, 'one')
  }
  await ended(running)
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(running.url('web'))))
  assert.deepEqual([...new Set(answers.map(({ body }) => body))], ['one'])
})
