// What the client of etcd does with its connections, against a server that never answers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EtcdClient } from '../../../src/ha/etcd.ts'
import { EtcdError } from '../../../src/ha/etcd-error.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { serve } from '../../support/raw.ts'

test('a close gives up everything that runs, also of requests begun together', async (t) => {
  const server = await serve(() => {})
  t.after(() => server.stop())
  const plan = { endpoints: [`http://${server.address}`], login: null, tls: null }
  const client = new EtcdClient({ plan, timeoutMs: 600_000, clock: systemClock() })
  const asked = [client.range('/one'), client.range('/two')]
  const ends = Promise.allSettled(asked)
  for (const index of [0, 1]) await (await server.peer(index)).until('/v3/kv/range')
  await client.close()
  for (const peer of server.peers) await peer.gone()
  for (const end of await ends) {
    assert.equal(end.status, 'rejected')
    assert.ok(end.reason instanceof EtcdError)
  }
})
