// Every server of a pool restarted, one after the other, as an operator would: drain, wait, restart,
// enable. Under load, with requests that take a while, and with writes.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/core/random.ts'
import type { PoolStatus } from '../../../src/core/status.ts'
import { mainFile, startEvenkeel } from '../../support/evenkeel.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import { runProcess, temporaryFolder } from '../../support/processes.ts'
import { pause } from '../../support/wait.ts'

/** An answer that takes most of a second: nginx sends the first 2 KiB at once. */
const slow = `location /slow { limit_rate 2k; return 200 "${'x'.repeat(3_500)}"; }`

async function evenkeel({ file }: Evenkeel, ...words: readonly string[]): Promise<string> {
  const line = [mainFile, ...words, '-c', file]
  const { code, stdout, stderr } = await runProcess(process.execPath, line)
  assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
  return stdout
}

test('a rolling restart of all servers with drain --wait costs no request, reads or writes', async (context) => {
  const names = ['a', 'b', 'c']
  const servers = await Promise.all(names.map((name) => startNginx({ name, server: slow })))
  context.after(() => Promise.all(servers.map((one) => one.stop())))
  const running = await startEvenkeel({
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: Object.fromEntries(servers.map(({ name, address }) => [name, address])),
        healthCheck: { http: '/', interval: '1s', fastInterval: '100ms' },
        slowStart: '1s',
        retry: false,
      },
    },
  })
  context.after(() => running.stop())
  const url = running.url()
  const loads = {
    GET: startLoad({ url: (i) => `${url}/${i}`, ratePerSecond: 200 }),
    POST: startLoad({ url: `${url}/post`, ratePerSecond: 100, method: 'POST', body: 'a write' }),
    'slow GET': startLoad({ url: `${url}/slow`, ratePerSecond: 20 }),
    'slow POST': startLoad({ url: `${url}/slow`, ratePerSecond: 20, method: 'POST', body: 'x' }),
  }
  await pause(500)
  for (const server of servers) {
    const { name } = server
    const why = ['--reason', 'new kernel', '--by', 'kim']
    const said = await evenkeel(running, 'drain', `web/${name}`, ...why, '--wait', '30s')
    context.diagnostic(said.trim().replace('\n', ' '))
    await server.restart()
    await evenkeel(running, 'enable', `web/${name}`, '--wait', '30s')
  }
  await pause(1_000)
  for (const [kind, load] of Object.entries(loads)) {
    const result = await load.stop()
    context.diagnostic(`${kind}: ${describeLoad(result)}`)
    assert.equal(result.failed, 0, `${kind}: ${describeLoad(result)}`)
    assert.ok(result.sent > 20)
  }
  const attempts = (await (await fetch(`${running.adminUrl}/v1/pools/web`)).json()) as PoolStatus
  for (const { name, failures } of attempts.backends) assert.equal(failures, 0, name)
  assert.match(running.logs(), /backend web\/a is drained/)
})

test('whatever operators change, in whatever order, costs no request and never empties the pool', async (context) => {
  const names = ['a', 'b', 'c', 'd']
  const servers = await Promise.all(names.map((name) => startNginx({ name, server: slow })))
  context.after(() => Promise.all(servers.map((one) => one.stop())))
  const addressOf = new Map(servers.map(({ name, address }) => [name, address]))
  const running = await startEvenkeel({
    runtime: { stateDir: temporaryFolder('changes') },
    listeners: { web: { pool: 'web' } },
    pools: {
      web: {
        backends: { a: addressOf.get('a'), b: addressOf.get('b'), c: addressOf.get('c') },
        healthCheck: { http: '/', interval: '1s', fastInterval: '100ms' },
        retry: false,
      },
    },
  })
  context.after(() => running.stop())
  const random = seededRandom(7)
  const one = <T>(of: readonly T[]): T => of[Math.floor(random.next() * of.length)]!
  const outcomes: Record<string, number> = {}
  const change = async (): Promise<void> => {
    const name = one(names)
    const verb = one(['drain', 'maintenance', 'enable', 'enable', 'weight', 'add', 'remove'])
    const body =
      verb === 'weight'
        ? { weight: one([0, 1, 5, '50%', null]) }
        : verb === 'add'
          ? { address: one([addressOf.get(name), null]) }
          : {}
    const reply = await fetch(`${running.adminUrl}/v1/pools/web/backends/${name}/${verb}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ reason: 'drill', by: 'kim', ...body }),
    })
    const { code = 'done' } = (await reply.json()) as { code?: string }
    const key = `${verb} ${code}`
    outcomes[key] = (outcomes[key] ?? 0) + 1
    assert.ok([200, 404, 409].includes(reply.status), `${key} ${reply.status}`)
  }
  const loads = [
    startLoad({ url: `${running.url()}/`, ratePerSecond: 300 }),
    startLoad({ url: `${running.url()}/`, ratePerSecond: 100, method: 'POST', body: 'a write' }),
    startLoad({ url: `${running.url()}/slow`, ratePerSecond: 20, method: 'POST', body: 'x' }),
  ]
  const endMs = performance.now() + 8_000
  while (performance.now() < endMs) {
    await Promise.all([change(), change()])
    if (random.next() < 0.1) running.process.signal('SIGHUP')
    await pause(random.next() * 40)
  }
  context.diagnostic(JSON.stringify(outcomes))
  for (const load of loads) {
    const result = await load.stop()
    context.diagnostic(describeLoad(result))
    assert.equal(result.failed, 0, describeLoad(result))
  }
})
