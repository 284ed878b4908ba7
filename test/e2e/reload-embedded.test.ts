// Reloads of a balancer inside another program, and what only shows there.

import assert from 'node:assert/strict'
import { Agent, get } from 'node:http'
import { after, test } from 'node:test'
import type { Address } from '../../src/core/plan.ts'
import { startBackend } from '../support/backend.ts'
import { embed, planOf, urlOf } from '../support/embedded.ts'
import { freePort } from '../support/ports.ts'

const one = await startBackend({ name: 'one' })
const two = await startBackend({ name: 'two' })
after(() => Promise.all([one.stop(), two.stop()]))

const config = (backends: object, listeners: object = {}) => ({
  listeners: { front: { bind: '127.0.0.1:0', pool: 'web' }, ...listeners },
  pools: { web: { backends } },
})

function ask(address: Address, agent?: Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = get(urlOf(address), agent === undefined ? {} : { agent }, (response) => {
      let body = ''
      response.on('data', (chunk: Buffer) => (body += chunk.toString()))
      response.on('end', () => resolve(body))
    })
    call.on('error', reject)
  })
}

test('a program hands its balancer another plan; port 0 stays the port it got', async () => {
  const balancer = await embed(config({ one: one.address }))
  const [before] = balancer.addresses
  const answer = await balancer.reload(planOf(config({ two: two.address })), 'kim')
  assert.equal(answer.outcome, 'applied')
  assert.equal(
    answer.message,
    'configuration applied: 1 pool changed, 1 backend added, 1 backend removed',
  )
  assert.deepEqual(balancer.addresses, [before])
  assert.equal(await ask(before!), 'two')
  const again = await balancer.reload(planOf(config({ two: two.address })))
  assert.equal(again.outcome, 'unchanged')
})

test('a balancer without a file says that it has nothing to read again', async () => {
  const balancer = await embed(config({ one: one.address }))
  const answer = await balancer.configure({ source: 'signal', by: 'SIGHUP' })
  assert.deepEqual(
    [answer.outcome, answer.message],
    ['refused', 'this process was not started from a file, so it has nothing to read again'],
  )
})

test('a listener that cannot be opened half-way takes the whole plan back, and no connection ends', async () => {
  const balancer = await embed(config({ one: one.address }))
  const [address] = balancer.addresses
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  after(() => agent.destroy())
  assert.equal(await ask(address!, agent), 'one')
  const [socket] = Object.values(agent.freeSockets).flat()
  const more = { free: { bind: `127.0.0.1:${await freePort()}`, pool: 'web' } }
  const taken = { taken: { bind: one.address, pool: 'web' } }
  const answer = await balancer.reload(planOf(config({ two: two.address }, { ...more, ...taken })))
  assert.equal(answer.outcome, 'refused')
  assert.match(
    answer.message,
    /configuration refused: listener 'taken' can't be opened: .* is in use/,
  )
  assert.deepEqual(balancer.addresses, [address])
  assert.equal(await ask(address!, agent), 'one')
  assert.equal(Object.values(agent.freeSockets).flat()[0], socket)
  const later = await balancer.reload(planOf(config({ two: two.address }, more)))
  assert.equal(later.outcome, 'applied')
  assert.equal(await ask(address!), 'two')
})

test('after the end, and while it ends, there are no reloads', async () => {
  const balancer = await embed(config({ one: one.address }))
  const next = planOf(config({ two: two.address }))
  const [first, second] = [balancer.reload(next), balancer.drain()]
  assert.ok(['applied', 'refused'].includes((await first).outcome))
  await second
  const answer = await balancer.reload(planOf(config({ one: one.address, two: two.address })))
  assert.deepEqual(
    [answer.outcome, answer.message],
    ['refused', 'configuration refused: Evenkeel is stopping'],
  )
})
