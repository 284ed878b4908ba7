import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { startBackend } from '../support/backend.ts'
import { mainFile } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, startProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

test('a sidecar needs nothing but its environment', async () => {
  const backends = await Promise.all(['one', 'two'].map((name) => startBackend({ name })))
  after(() => Promise.all(backends.map((backend) => backend.stop())))
  const [port, adminPort] = [await freePort(), await freePort()]
  const env = {
    EVENKEEL_LISTEN: `127.0.0.1:${port}`,
    EVENKEEL_BACKENDS: backends.map((backend) => backend.address).join(','),
    EVENKEEL_ADMIN: `127.0.0.1:${adminPort}`,
    EVENKEEL_THREADS: '1',
    EVENKEEL_DRAIN: '500ms',
    EVENKEEL_CONFIG: '',
  }
  const running = startProcess(process.execPath, [mainFile, 'run'], { cwd: '/', env })
  after(() => running.stop())
  const healthcheck = () =>
    runProcess(process.execPath, [mainFile, 'healthcheck'], { cwd: '/', env })
  await waitFor(async () => (await healthcheck()).code === 0, { everyMs: 50 })

  const seen = new Set<string>()
  for (let i = 0; i < 6; i++) seen.add(await (await fetch(`http://127.0.0.1:${port}/`)).text())
  assert.deepEqual([...seen].sort(), ['one', 'two'])

  await backends[0]!.behave({ kind: 'refuse' })
  for (let i = 0; i < 20; i++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    assert.deepEqual([answer.status, await answer.text()], [200, 'two'])
  }
  // The access log is data on standard output, the log is talk on standard error.
  await waitFor(() => running.stdout().split('\n').length === 27)
  for (const line of running.stdout().trim().split('\n')) {
    assert.equal((JSON.parse(line) as { kind: string }).kind, 'access')
  }
  await waitFor(() => running.stderr().includes('"message":"backend main/'))
  assert.deepEqual(await running.stop(), { code: 0, signal: null })
  assert.equal((await healthcheck()).code, 1)
})
