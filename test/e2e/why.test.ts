// The evidence that `evenkeel why` shows, for a backend that dies and comes back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BackendCase } from '../../src/admin/why-routes.ts'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { runProcess } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

test('why shows the probes, the history and what would change it', async (context) => {
  const [a, b] = await Promise.all(['a', 'b'].map((name) => startBackend({ name, checks: null })))
  const evenkeel = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: { a: a!.address, b: b!.address },
        healthCheck: { http: '/health', interval: '300ms', timeout: '300ms', fall: 2, rise: 2 },
      },
    },
  })
  context.after(async () => {
    await evenkeel.stop()
    await Promise.all([a!.stop(), b!.stop()])
  })
  const read = async (name: string): Promise<BackendCase> => {
    const answer = await fetch(`${evenkeel.adminUrl}/v1/pools/web/backends/${name}`)
    assert.equal(answer.status, 200)
    return (await answer.json()) as BackendCase
  }
  await waitFor(async () => (await read('a')).status.availability === 'available', {
    what: 'a to be available',
  })
  for (let i = 0; i < 4; i++) await fetch(evenkeel.url())
  await a!.behave({ kind: 'refuse' })
  await waitFor(async () => (await read('a')).status.availability === 'down', { what: 'a down' })
  const { probes, transitions, next } = await read('a')
  assert.ok(probes.length >= 2)
  assert.deepEqual([probes[0]!.verdict, probes[0]!.text], ['fail', 'connection refused'])
  assert.ok(probes.every(({ agoMs }, i) => i === 0 || agoMs >= probes[i - 1]!.agoMs))
  assert.deepEqual([transitions[0]!.from, transitions[0]!.to], ['available', 'down'])
  assert.match(next[0]!, /; 2 probes that pass in a row bring it up$/)
  const other = await read('b')
  assert.equal(other.probes[0]!.text.slice(0, 4), '200 ')
  assert.ok(other.traffic!.attempts >= 2)
  assert.match(
    other.next.join('\n'),
    /2 failed probes in a row take it down\n5 more failures in a row/,
  )

  const run = (...words: string[]) =>
    runProcess(process.execPath, [mainFile, 'why', ...words, '-c', evenkeel.file])
  const one = await run('web/a')
  assert.equal(one.code, 0)
  assert.match(one.stdout, /^web\/a 127\.0\.0\.1:\d+ has been down for \d+s: .*connection refused/)
  assert.match(one.stdout, /\n {2}next {5}(the next probe is in|a probe runs now)/)
  assert.match(one.stdout, /\n {2}probes {3} *0s ago {2}fail/)
  assert.match(one.stdout, /\n {2}history {2} *\d+s ago {2}available → down/)
  const all = await run('web')
  assert.match(all.stdout, /^web: 1 of 2 available, at least 1 wanted\n/)
  assert.match(all.stdout, /\nweb\/b .* has been available/)
  const missing = await run('web/c')
  assert.equal(missing.code, 1)
  assert.match(missing.stderr, /Pool 'web' has no backend 'c'\. There are: a, b\./)
})
