import assert from 'node:assert/strict'
import { readdirSync, readlinkSync } from 'node:fs'
import { after, test } from 'node:test'
import { canReusePort } from '../../../src/runtime/reuse-port.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { startEvenkeel } from '../../support/evenkeel.ts'
import { describeLoad, startLoad } from '../../support/load.ts'
import { startNginx } from '../../support/nginx.ts'
import { pidOf, upgrade } from '../../support/upgrades.ts'
import { pause, waitFor } from '../../support/wait.ts'

const threads = (await canReusePort()) ? 2 : 1
const preload = new URL('../../support/busy-preload.js', import.meta.url).href

async function start(address: string): Promise<Evenkeel> {
  const config = {
    runtime: { threads },
    listeners: { web: { pool: 'web' } },
    pools: { web: { backends: { one: address }, healthCheck: { http: '/health' } } },
  }
  return startEvenkeel(config, { env: { NODE_OPTIONS: `--import=${preload}` } })
}

async function upgraded(running: Evenkeel): Promise<void> {
  const { code, stdout, stderr } = await upgrade(running)
  assert.equal(code, 0, stderr)
  console.log(stdout.trim())
}

/** What the running process has open now, by kind. */
async function descriptors(running: Evenkeel): Promise<string[]> {
  const folder = `/proc/${await pidOf(running)}/fd`
  const kindOf = (fd: string): string => {
    try {
      return readlinkSync(`${folder}/${fd}`).replace(/:.*/, '')
    } catch {
      return 'gone'
    }
  }
  return readdirSync(folder)
    .map(kindOf)
    .filter((kind) => kind !== 'gone')
}

/** Starts to keep the last data thread of the running process busy once the new one is judging. */
async function hurt(running: Evenkeel, times: number): Promise<void> {
  const isThere = (): boolean => running.logs().split('backend web/one is available').length > times
  await waitFor(isThere, { timeoutMs: 20_000, everyMs: 2 })
  running.process.child.kill('SIGWINCH')
}

test(`an upgrade under load, one of ${threads} data threads being busy, costs no request`, async () => {
  const backend = await startNginx({ name: 'one' })
  after(() => backend.stop())
  const running = await start(backend.address)
  after(() => running.stop())
  const url = running.url()
  const kept = startLoad({ url, ratePerSecond: 2_000 })
  const fresh = startLoad({ url, ratePerSecond: 1_000, connection: 'new' })
  await pause(1_000)
  const busy = hurt(running, 2)
  await upgraded(running)
  await busy
  assert.notEqual(await pidOf(running), running.process.pid)
  await waitFor(() => running.process.child.exitCode === 0, { timeoutMs: 20_000 })
  await pause(500)
  const results = [await kept.stop(), await fresh.stop()]
  console.log(results.map(describeLoad).join('\n'))
  assert.match(running.logs(), /^busy$/m)
  assert.ok(!running.logs().includes('data thread'), running.logs())
  for (const { sent, ok, errors, statuses } of results) {
    assert.ok(sent > 500, `${sent}: too few to tell`)
    assert.deepEqual({ ok, errors, statuses }, { ok: sent, errors: {}, statuses: { 200: sent } })
  }
})

test('ten upgrades leave no descriptor behind', async () => {
  const backend = await startNginx({ name: 'one' })
  after(() => backend.stop())
  const running = await start(backend.address)
  after(() => running.stop())
  await upgraded(running)
  // The first one had no predecessor, and so no channel to it. A check or a client that is just
  // there counts, too: the fewest of a while is what stays open.
  let resting = Infinity
  for (let i = 0; i < 40; i++) {
    resting = Math.min(resting, (await descriptors(running)).length)
    await pause(50)
  }
  const load = startLoad({ url: running.url(), ratePerSecond: 100, connection: 'new' })
  for (let i = 0; i < 10; i++) {
    await upgraded(running)
    await pause(300)
  }
  const { sent, ok, errors } = await load.stop()
  assert.deepEqual({ ok, errors }, { ok: sent, errors: {} })
  // What the load and the last predecessor had open goes away.
  let open: string[] = []
  const isAtRest = async (): Promise<boolean> => {
    open = await descriptors(running)
    return open.length <= resting
  }
  await waitFor(isAtRest, { timeoutMs: 20_000 }).catch(() => {
    assert.fail(`${resting} were open before, still ${open.length} are: ${open.join(' ')}`)
  })
})
