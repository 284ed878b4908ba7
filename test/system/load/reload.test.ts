import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import type { ConfigStatus } from '../../../src/core/reload.ts'
import type { BackendStatus, PoolStatus } from '../../../src/core/status.ts'
import { canReusePort } from '../../../src/runtime/reuse-port.ts'
import type { Evenkeel, EvenkeelConfig } from '../../support/evenkeel.ts'
import { startEvenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import { freePort } from '../../support/ports.ts'
import { pause, waitFor } from '../../support/wait.ts'

const threads = (await canReusePort()) ? 2 : 1
const RELOADS = 100

/** Writes another file in the place of the old one. */
function put({ file }: Evenkeel, text: string): void {
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

async function read<T>({ adminUrl }: Evenkeel, path: string): Promise<T> {
  return (await (await fetch(`${adminUrl}${path}`)).json()) as T
}

/** Asks for a reload, by the API or by a signal, and tells how it ended. */
async function reload(evenkeel: Evenkeel, bySignal: boolean): Promise<string> {
  if (!bySignal) {
    const response = await fetch(`${evenkeel.adminUrl}/v1/config/reload`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    })
    const answer = (await response.json()) as { outcome: string; code?: string }
    return answer.code ?? answer.outcome
  }
  const status = (): Promise<ConfigStatus> => read(evenkeel, '/v1/config/status')
  const before = (await status()).last?.at
  evenkeel.process.signal('SIGHUP')
  return waitFor(async () => {
    const { last } = await status()
    return last?.at === before ? null : (last?.outcome ?? null)
  })
}

async function backendsOf(evenkeel: Evenkeel): Promise<ReadonlyMap<string, BackendStatus>> {
  const { pools } = await read<{ pools: readonly PoolStatus[] }>(evenkeel, '/v1/pools')
  const web = pools.find(({ name }) => name === 'web')!
  return new Map(web.backends.map((backend) => [backend.name, backend]))
}

test(`${RELOADS} reloads under load on ${threads} data threads, a fifth of them broken, cost nothing`, async () => {
  const servers = await Promise.all(['a', 'b', 'c'].map((name) => startNginx({ name })))
  after(() => Promise.all(servers.map((server) => server.stop())))
  const [a, b, c] = servers.map(({ address }) => address)
  const [front, extra, dead, admin] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ]
  // Every change comes and goes with a period of its own.
  const config = (turn: number): EvenkeelConfig => ({
    runtime: { threads },
    admin: { bind: `127.0.0.1:${admin}` },
    listeners: {
      ...(turn % 3 === 1 ? { extra: { bind: `127.0.0.1:${extra}`, pool: 'other' } } : {}),
      web: {
        bind: `127.0.0.1:${front}`,
        timeouts: { keepAlive: `${60 + (turn % 7)}s` },
        routes: [
          ...(turn % 4 === 2 ? [{ match: { path: '/other/' }, pool: 'other' }] : []),
          { pool: 'web' },
        ],
      },
    },
    pools: {
      ...(turn % 3 === 1 || turn % 4 === 2 ? { other: { backends: { a } } } : {}),
      web: {
        backends: {
          ...(turn % 2 === 1 ? { c } : {}),
          b: { address: b, weight: 1 + (turn % 3) },
          dead: `127.0.0.1:${dead}`,
          a,
        },
        healthCheck: { http: '/health', interval: '1s', fastInterval: '100ms' },
        timeouts: { response: `${20 + (turn % 5)}s` },
      },
    },
  })
  const evenkeel = await startEvenkeel(config(0))
  after(() => evenkeel.stop())
  const quiet = { log: { access: { format: 'off' } } }
  const load = startLoad({ url: `http://127.0.0.1:${front}/`, ratePerSecond: 2_000 })
  await pause(500)
  const isDown = async () => (await backendsOf(evenkeel)).get('dead')?.availability === 'down'
  await waitFor(isDown, { what: 'the dead to be found' })
  const before = await backendsOf(evenkeel)
  const startedMs = performance.now()
  const outcomes: Record<string, number> = {}
  for (let turn = 1; turn <= RELOADS; turn++) {
    const text = stringify({ ...quiet, ...config(turn) })
    put(evenkeel, turn % 5 === 0 ? text.replace('pools:', 'poools:') : text)
    const outcome = await reload(evenkeel, turn % 10 === 1)
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    await pause(20)
  }
  const tookMs = performance.now() - startedMs
  const backends = await backendsOf(evenkeel)
  await pause(300)
  const result = await load.stop()
  console.log(`${Math.round(tookMs)} ms; ${JSON.stringify(outcomes)}\n${describeLoad(result)}`)
  assert.deepEqual(outcomes, { applied: RELOADS * 0.8, 'config-invalid': RELOADS * 0.2 })
  for (const name of ['a', 'b', 'dead']) {
    const [old, now] = [before.get(name)!, backends.get(name)!]
    assert.equal(now.availability, old.availability, name)
    // No reload has made it begin anew.
    assert.ok(now.sinceMs > tookMs, `${name} is ${now.availability} for ${now.sinceMs} ms only`)
    assert.ok(name === 'dead' || now.attempts > old.attempts)
  }
  const { sent, ok, errors, statuses } = result
  assert.deepEqual({ ok, errors, statuses }, { ok: sent, errors: {}, statuses: { 200: sent } })
  assert.ok(!evenkeel.logs().includes('a data thread failed'), evenkeel.logs().slice(-4_000))
  await waitFor(async () => {
    const page = await (await fetch(`${evenkeel.adminUrl}/metrics`)).text()
    return /^evenkeel_thread_exchanges\{thread="0"\} 0$/m.test(page)
  })
})
