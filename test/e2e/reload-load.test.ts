// Many reloads under load: nobody notices, and nothing piles up.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { queryObjects } from 'node:v8'
import { PoolBackend } from '../../src/core/balancer/contract.ts'
import { Exchange } from '../../src/proxy/exchange.ts'
import { Http1BackendConnection } from '../../src/proxy/http1-backend.ts'
import { HttpListener } from '../../src/proxy/http-listener.ts'
import { describeLoad, startLoad } from '../support/load.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { PlaneChange, TestPlane, Tree } from '../support/plane.ts'
import { freePort } from '../support/ports.ts'
import { answering, message } from '../support/standby.ts'
import { response } from '../support/raw.ts'
import { pause } from '../support/wait.ts'

const KEPT = [PoolBackend, HttpListener, Http1BackendConnection, Exchange]

/** How many of each are alive. */
function alive(): Readonly<Record<string, number>> {
  return Object.fromEntries(
    KEPT.map((kind) => [kind.name, queryObjects(kind, { format: 'count' })]),
  )
}

/** The `number`-th of a series of configurations: something of every kind changes with each. */
function changeOf(plane: TestPlane, number: number, port: number): PlaneChange {
  const names = ['a', 'b', 'c']
  const backends: Record<string, Tree> = {}
  for (let i = 0; i < 3; i++) {
    const at = (i + number) % 3
    // One of them is new each time, under another name: at the same server, as it happens.
    const name = i === 0 ? `n${number}` : names[at]!
    backends[name] = { address: plane.servers[at]!.address, weight: 1 + (number % 4) }
  }
  const pool = number % 10 < 5 ? 'main' : 'second'
  const balance = ['round-robin', 'least-connections', 'random-two'][number % 3]
  const listener = {
    bind: `127.0.0.1:${port}`,
    trustForwarded: number % 2 === 0 ? ['10.0.0.0/8'] : [],
    limits: { head: `${32 + (number % 2)}KiB` },
    routes: [{ match: { path: `/${number}` }, respond: { status: 200, body: 'x' } }, { pool }],
  }
  return {
    config: {
      log: { access: { format: number % 7 === 0 ? 'json' : 'off' } },
      // A listener of another name at the same address, now and then.
      listeners: { [number % 20 < 10 ? 'web' : 'front']: listener },
      pools: { [pool]: { backends, balance, limits: { perBackend: number % 2 === 0 ? 0 : 20 } } },
    },
  }
}

for (const readInto of READ_INTO) {
  const count = readInto === 'shared' ? 100 : 40
  test(`${count} reloads under load: nothing fails, reading into ${readInto} buffers`, async () => {
    const backends = ['a', 'b', 'c'].map(answering)
    const port = await freePort()
    await withPlane({ readInto, backends }, async (plane) => {
      await plane.reload(changeOf(plane, 0, port))
      const url = `http://127.0.0.1:${port}/`
      const loads = [
        startLoad({ url, ratePerSecond: 250 }),
        startLoad({ url, ratePerSecond: 50, method: 'POST', body: 'x'.repeat(2_000) }),
        startLoad({ url, ratePerSecond: 50, connection: 'new' }),
      ]
      const failures: string[] = []
      for (let number = 1; number <= count || loads.some((load) => load.sent() < 20); number++) {
        failures.push(...(await plane.reload(changeOf(plane, number, port))))
        await pause(2)
      }
      const results = await Promise.all(loads.map(async (load) => load.stop()))
      for (const result of results) {
        assert.equal(result.failed, 0, describeLoad(result))
      }
      assert.deepEqual(failures, [])
      assert.deepEqual(plane.negative(), [])
    })
  })
}

test('nothing of what is gone stays in memory', async () => {
  const backends = ['a', 'b', 'c'].map(answering)
  const port = await freePort()
  await withPlane({ readInto: 'shared', backends }, async (plane) => {
    const round = async (from: number, to: number): Promise<Readonly<Record<string, number>>> => {
      for (let number = from; number < to; number++) {
        await plane.reload(changeOf(plane, number, port))
        const client = await plane.connect()
        client.write(message('GET') + message('POST', 'data'))
        await response(client)
        if (number % 2 === 0) await response(client)
        client.destroy()
      }
      await plane.reload(changeOf(plane, 0, port))
      await plane.until('the ends', () => Object.keys(plane.gauges(true)).length === 0)
      // Deadlines that are not needed any more are dropped when their time comes.
      for (let i = 0; i < 20; i++) plane.skip(30_000)
      plane.free()
      plane.peers.length = 0
      return alive()
    }
    const first = await round(0, 10)
    const second = await round(0, 40)
    assert.deepEqual(second, first)
    assert.equal(first['PoolBackend'], 3)
    assert.equal(first['HttpListener'], 1)
  })
})
