// Requests that are held while an active-standby pool has no active: bounded, in order, none lost,
// and told why if the pause was for nothing.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { TestPlane } from '../support/plane.ts'
import { connectTo, ok, request, response } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'
import { answering, message, publishActive, silent, withStandby } from '../support/standby.ts'
import { echo } from '../support/tunnels.ts'

const HOLD = { epoch: 2, holdMs: 60_000 }
/** Nothing but the hold itself ends a wait, however slow the machine. */
const PATIENT = { timeouts: { queue: '10m', total: '10m' } }

/** So many clients, each with a request that says its number, one after the other. */
async function held(plane: TestPlane, count: number, method = 'GET'): Promise<Peer[]> {
  const clients: Peer[] = []
  for (let i = 0; i < count; i++) {
    const client = await plane.connect()
    client.write(message(method, method === 'GET' ? null : String(i), `X-Number: ${i}\r\n`))
    await plane.until('the wait', () => plane.pool('queued') === i + 1)
    clients.push(client)
  }
  return clients
}

async function faultOf(client: Peer): Promise<string | null> {
  const answer = await response(client)
  assert.match(answer.start, /^HTTP\/1\.1 503 /)
  assert.equal(answer.field('retry-after'), '1')
  return answer.field('evenkeel-fault')
}

for (const readInto of READ_INTO) {
  describe(`requests that are held, reading into ${readInto} buffers`, () => {
    test('they are served at once and in order when a backend becomes the active', async () => {
      for (const method of ['GET', 'POST']) {
        const seen: string[] = []
        const notes: Script = async (peer) => {
          const got = await request(peer)
          seen.push(got.field('x-number')!)
          peer.write(ok(got.body))
        }
        await withStandby({ readInto, pool: PATIENT, backends: [silent, notes] }, async (plane) => {
          publishActive(plane, null, HOLD)
          const clients = await held(plane, 20, method)
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal(plane.pool('queued'), 0)
          for (const [i, client] of clients.entries()) {
            assert.equal((await response(client)).body, method === 'GET' ? '' : String(i))
          }
          assert.deepEqual(
            seen,
            clients.map((_, i) => String(i)),
          )
          assert.equal(plane.backend(1, 'attempts'), 20)
          assert.equal(plane.pool('retries'), 0)
        })
      }
    })

    test('what was cut waits with them, and is served with them', async () => {
      await withStandby(
        { readInto, pool: PATIENT, backends: [silent, answering('b')] },
        async (plane) => {
          const early = await plane.connect()
          early.write(message('PUT', 'early'))
          await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
          publishActive(plane, null, HOLD)
          assert.equal(plane.pool('queued'), 1)
          const late = await plane.connect()
          late.write(message('POST', 'late'))
          await plane.until('the wait', () => plane.pool('queued') === 2)
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal((await response(early)).body, 'b PUT early')
          assert.equal((await response(late)).body, 'b POST late')
        },
      )
    })

    test('the old active may take them back', async () => {
      await withStandby(
        { readInto, pool: PATIENT, backends: [answering('a'), silent] },
        async (plane) => {
          publishActive(plane, null, HOLD)
          const [client] = await held(plane, 1, 'POST')
          publishActive(plane, 'a', { epoch: 3 })
          assert.equal((await response(client!)).body, 'a POST 0')
        },
      )
    })

    test('a TCP client is held, and what it said beforehand arrives', async () => {
      const options = {
        readInto,
        pool: PATIENT,
        listener: { protocol: 'tcp' },
        backends: [silent, echo],
      }
      await withStandby(options, async (plane) => {
        publishActive(plane, null, HOLD)
        const client = await plane.connect()
        const large = await plane.connect()
        client.write('early ')
        const long = 'x'.repeat(400_000)
        large.write(long)
        await plane.until('the wait', () => plane.pool('queued') === 2)
        publishActive(plane, 'b', { epoch: 2 })
        client.write('late')
        assert.equal(await client.text(10), 'early late')
        assert.equal(await large.text(400_000), long)
        client.finish()
        await plane.until('the half-close', () => plane.servers[1]!.peers[0]!.ended)
        plane.servers[1]!.peers[0]!.finish()
        assert.equal(await client.close(), '')
      })
    })

    test('one that has said all it has to say is served, one that has said nothing has left', async () => {
      const reply: Script = async (peer) => {
        peer.finish(`got ${await peer.end()}`)
      }
      const options = {
        readInto,
        pool: PATIENT,
        listener: { protocol: 'tcp' },
        backends: [silent, reply],
      }
      await withStandby(options, async (plane) => {
        publishActive(plane, null, HOLD)
        const client = await plane.connect()
        client.finish('all')
        const leaver = await plane.connect()
        await plane.until('the wait', () => plane.pool('queued') === 2)
        leaver.finish()
        await plane.until('the leaving', () => plane.pool('queued') === 1)
        assert.equal(plane.faults('client-closed'), 1)
        publishActive(plane, 'b', { epoch: 2 })
        assert.equal(await client.end(), 'got all')
        assert.equal(plane.backend(1, 'attempts') + plane.backend(1, 'inFlight'), 1)
      })
    })

    test('the pause ends with pause-timeout, and who comes after it waits for nothing', async () => {
      await withStandby({ readInto, pool: PATIENT, backends: [silent, silent] }, async (plane) => {
        publishActive(plane, null, HOLD)
        const [client] = await held(plane, 1)
        plane.skip(30_000)
        assert.equal(plane.pool('queued'), 1)
        plane.skip(30_000)
        assert.equal(plane.pool('queued'), 0)
        assert.equal(await faultOf(client!), 'pause-timeout')
        client!.write(message('GET'))
        assert.equal(await faultOf(client!), 'no-active')
        assert.deepEqual([plane.faults('pause-timeout'), plane.faults('no-active')], [1, 1])
      })
    })

    test('a pause that ends by a snapshot after its time is still one', async () => {
      await withStandby(
        { readInto, pool: PATIENT, backends: [silent, answering('b')] },
        async (plane) => {
          publishActive(plane, null, HOLD)
          const [client] = await held(plane, 1)
          // The snapshot comes before the plane has looked at its clock again.
          plane.stopTicking()
          plane.standStill(HOLD.holdMs)
          publishActive(plane, null, { epoch: 2 })
          assert.equal(await faultOf(client!), 'pause-timeout')
        },
      )
    })

    test('the queue and total timeouts of the pool end the wait sooner', async () => {
      for (const timeouts of [{ queue: '1s' }, { response: '1s', total: '1s' }]) {
        const pool = { timeouts }
        await withStandby({ readInto, pool, backends: [silent, silent] }, async (plane) => {
          publishActive(plane, null, HOLD)
          const [client] = await held(plane, 1)
          plane.skip(1_000)
          assert.equal(await faultOf(client!), 'pause-timeout')
        })
      }
    })

    test('a snapshot that takes the hold away ends the wait at once with no-active', async () => {
      await withStandby({ readInto, pool: PATIENT, backends: [silent, silent] }, async (plane) => {
        publishActive(plane, null, HOLD)
        const clients = await held(plane, 3)
        publishActive(plane, null, { epoch: 2 })
        for (const client of clients) assert.equal(await faultOf(client), 'no-active')
      })
    })

    test('a later snapshot may prolong the hold', async () => {
      await withStandby(
        { readInto, pool: PATIENT, backends: [silent, answering('b')] },
        async (plane) => {
          publishActive(plane, null, HOLD)
          const [client] = await held(plane, 1)
          publishActive(plane, null, { epoch: 2, holdMs: 90_000 })
          plane.skip(70_000)
          assert.equal(plane.pool('queued'), 1)
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal((await response(client!)).body, 'b GET ')
        },
      )
    })

    test('without a hold the answer names the kind of pool', async () => {
      await withStandby({ readInto, pool: PATIENT, backends: [silent, silent] }, async (plane) => {
        publishActive(plane, null, { epoch: 2 })
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal(await faultOf(client), 'no-active')
      })
      await withPlane({ readInto, backends: [silent] }, async (plane) => {
        plane.publish({ a: 'no' })
        const client = await plane.connect()
        client.write(message('GET'))
        assert.equal(await faultOf(client), 'no-backend')
      })
    })

    test('no more are held than the queue may take', async () => {
      const pool = { ...PATIENT, limits: { queue: 5 } }
      await withStandby({ readInto, pool, backends: [silent, answering('b')] }, async (plane) => {
        publishActive(plane, null, HOLD)
        const clients = await held(plane, 5)
        const sixth = await plane.connect()
        sixth.write(message('GET'))
        assert.equal(await faultOf(sixth), 'queue-full')
        publishActive(plane, 'b', { epoch: 2 })
        for (const client of clients) assert.equal((await response(client)).body, 'b GET ')
      })
    })

    test('a thousand that are let go keep to the limit of the backend, and none is lost', async () => {
      let running = 0
      let most = 0
      const counts: Script = async (peer) => {
        for (;;) {
          await request(peer)
          most = Math.max(most, ++running)
          // Long enough for others to be sent meanwhile, if they were.
          await new Promise(setImmediate)
          running--
          peer.write(ok(''))
        }
      }
      const pool = { ...PATIENT, limits: { perBackend: 8 } }
      await withStandby({ readInto, pool, backends: [silent, counts] }, async (plane) => {
        publishActive(plane, null, HOLD)
        const clients = await Promise.all(Array.from({ length: 1_000 }, () => plane.connect()))
        for (const client of clients) client.write(message('POST', 'x'))
        await plane.until('the wait', () => plane.pool('queued') === 1_000)
        publishActive(plane, 'b', { epoch: 2 })
        for (const client of clients) assert.match((await response(client)).start, / 200 /)
        assert.ok(most <= 8, `${most} at once`)
        assert.equal(plane.backend(1, 'successes'), 1_000)
      })
    })

    test('planned moves to and fro under load lose no request, and repeat none', async () => {
      const seen: string[] = []
      const counts: Script = async (peer) => {
        for (;;) {
          const got = await request(peer)
          seen.push(got.body)
          await new Promise(setImmediate)
          peer.write(ok(got.body))
        }
      }
      await withStandby({ readInto, pool: PATIENT, backends: [counts, counts] }, async (plane) => {
        const load = { isOn: true }
        let sent = 0
        const ask = async (client: Peer): Promise<void> => {
          for (let turn = 0; load.isOn; turn++) {
            const body = String(sent++)
            client.write(message(turn % 2 === 0 ? 'POST' : 'PUT', body))
            const answer = await response(client)
            assert.equal(`${answer.start} ${answer.body}`, `HTTP/1.1 200 OK ${body}`)
          }
        }
        const clients = await Promise.all(Array.from({ length: 20 }, () => plane.connect()))
        const loads = clients.map(ask)
        for (let move = 0; move < 20; move++) {
          const [from, to] = move % 2 === 0 ? (['a', 'b'] as const) : (['b', 'a'] as const)
          const before = seen.length
          await plane.until('some traffic', () => seen.length > before + 50)
          plane.publish({ [from]: 'finish', [to]: 'cut' }, HOLD)
          await plane.until('the drain', () => plane.backend(move % 2, 'inFlight') === 0)
          publishActive(plane, null, HOLD)
          publishActive(plane, to, { epoch: 3 + move })
        }
        load.isOn = false
        await Promise.all(loads)
        assert.equal(new Set(seen).size, seen.length)
        assert.equal(seen.length, sent)
        assert.deepEqual([plane.pool('moved'), plane.pool('cut'), plane.pool('retries')], [0, 0, 0])
      })
    })

    test('a client that leaves while it is held is forgotten', async () => {
      const backends = [silent, answering('b')]
      for (const protocol of ['http', 'tcp']) {
        const options = { readInto, pool: PATIENT, listener: { protocol }, backends }
        await withStandby(options, async (plane) => {
          publishActive(plane, null, HOLD)
          const leaver = await connectTo(plane.port())
          if (protocol === 'http') leaver.write(message('POST', 'x'))
          await plane.until('the wait', () => plane.pool('queued') === 1)
          leaver.reset()
          await plane.until('the leaving', () => plane.pool('queued') === 0)
          publishActive(plane, 'b', { epoch: 2 })
          assert.equal(plane.servers[1]!.peers.length, 0)
          assert.equal(plane.faults('client-closed'), 1)
        })
      }
    })

    test('an attempt that fails on its own during the pause waits as well', async () => {
      const pool = { ...PATIENT, retry: { backoff: { min: '0ms', max: '0ms' } } }
      await withStandby({ readInto, pool, backends: [silent, answering('b')] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('GET'))
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        plane.publish({ a: 'finish', b: 'cut' }, HOLD)
        plane.servers[0]!.peers[0]!.reset()
        await plane.until('the wait', () => plane.pool('queued') === 1)
        publishActive(plane, 'b', { epoch: 2 })
        assert.equal((await response(client)).body, 'b GET ')
      })
    })
  })
}
