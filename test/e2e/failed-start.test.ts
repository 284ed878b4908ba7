// A balancer that can't start leaves nothing behind in the program that it was to be a part of.

import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { startBalancer } from '../../src/runtime/balancer.ts'
import { embed, planOf } from '../support/embedded.ts'
import { freePort, isListening } from '../support/ports.ts'
import { temporaryFolder } from '../support/processes.ts'

test('a start that fails gives the state directory free', async () => {
  const stateDir = temporaryFolder('failed-start')
  const config = (access: object): object => ({
    runtime: { stateDir },
    log: { access },
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: { web: { backends: ['127.0.0.1:9'], healthCheck: false } },
  })
  const bad = planOf(config({ format: 'json', path: '/nowhere/access.log' }))
  await assert.rejects(
    startBalancer(bad, { inProcess: true }),
    /access log .* can't be opened: its folder is not there/,
  )
  await embed(config({ format: 'off' }))
})

test('a start that fails leaves no admin API behind', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  after(() => taken.close())
  await once(taken, 'listening')
  const port = await freePort()
  const metrics = `127.0.0.1:${(taken.address() as AddressInfo).port}`
  const plan = planOf({
    admin: { bind: `127.0.0.1:${port}`, metrics },
    listeners: { web: { bind: '127.0.0.1:0', pool: 'web' } },
    pools: { web: { backends: ['127.0.0.1:9'], healthCheck: false } },
  })
  await assert.rejects(startBalancer(plan, { inProcess: true }), /the port is taken/)
  assert.equal(await isListening(port), false)
})
