import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Address } from '../../../src/core/plan.ts'
import { askPeer, PeerServer, type Question } from '../../../src/ha/peer.ts'
import { freePort } from '../../support/ports.ts'

type TcpAddress = Extract<Address, { kind: 'tcp' }>

const question: Question = {
  cluster: 'c',
  from: 'r2',
  incarnation: 'two',
  pools: { db: { epoch: 1, id: 'x' } },
}

/** Replica r1 at this host, which knows r2 by that one. */
async function startPeer(t: TestContext, host: string, other: string): Promise<TcpAddress> {
  const peer: TcpAddress = { kind: 'tcp', host, port: await freePort() }
  const server = new PeerServer({
    cluster: 'c',
    replica: 'r1',
    replicas: [
      { name: 'r1', peer },
      { name: 'r2', peer: { kind: 'tcp', host: other, port: 1 } },
    ],
    onQuestion: (_, answer) => answer({ db: null }),
  })
  await server.listen(peer)
  t.after(() => server.close())
  return peer
}

const at = (host: string): TcpAddress => ({ kind: 'tcp', host, port: 1 })

test('a replica asks from the address it is known by, also where its host has several', async (t) => {
  const peer = await startPeer(t, '127.0.0.2', '127.0.0.3')
  assert.deepEqual(await askPeer(peer, at('127.0.0.3'), question, 10_000), { db: null })
  await assert.rejects(askPeer(peer, at('127.0.0.4'), question, 10_000), {
    message: 'it answered 403: {"error":"127.0.0.4 is not the address of a replica"}',
  })
})

test('an IPv6 address is the same in every spelling', async (t) => {
  const peer = await startPeer(t, '::1', '0:0:0:0:0:0:0:1')
  assert.deepEqual(await askPeer(peer, at('0:0::1'), question, 10_000), { db: null })
})

test('a name is asked from wherever the system thinks fit', async (t) => {
  const peer = await startPeer(t, '127.0.0.1', 'localhost')
  assert.deepEqual(await askPeer(peer, at('localhost'), question, 10_000), { db: null })
})

test('an answer without end is no answer', async (t) => {
  const server = createServer((_, response) => {
    const timer = setInterval(() => response.write('x'.repeat(16_384)), 1)
    response.once('close', () => clearInterval(timer))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  const peer: Address = { kind: 'tcp', host: '127.0.0.1', port }
  await assert.rejects(askPeer(peer, at('127.0.0.1'), question, 10_000), {
    message: 'its answer is too long',
  })
})
