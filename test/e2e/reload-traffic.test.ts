// What is in progress when a reload comes goes on as if nothing had happened, and what begins next
// goes by the new plan.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { TestPlane, Tree } from '../support/plane.ts'
import { ok, request, response, serve } from '../support/raw.ts'
import type { Peer, Script } from '../support/raw.ts'
import { answering, message, silent } from '../support/standby.ts'
import { echo, switching, upgrade } from '../support/tunnels.ts'

const GET = message('GET')
const respond = (body: string): object => ({ routes: [{ respond: { status: 200, body } }] })
const quick = { retry: { backoff: { min: '0ms', max: '0ms' } } }

/** Addresses of the plane's own servers, as backends of these names, in this order. */
function named(plane: TestPlane, names: string): Record<string, string> {
  return Object.fromEntries(
    Array.from(names, (name) => [name, plane.servers[name.codePointAt(0)! - 97]!.address]),
  )
}

async function ask(client: Peer, text = GET): Promise<string> {
  client.write(text)
  return (await response(client)).body
}

for (const readInto of READ_INTO) {
  describe(`a reload, reading into ${readInto} buffers`, () => {
    test('a client connection stays, and its next request takes the new routes', async () => {
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        const client = await plane.connect()
        assert.equal(await ask(client), 'a GET ')
        assert.deepEqual(
          await plane.reload({ listener: { pool: undefined, ...respond('new') } }),
          [],
        )
        assert.equal(await ask(client), 'new')
        assert.equal(plane.listener('connections'), 1)
        assert.equal(plane.listener('accepted'), 1)
      })
    })

    test('a request and its idle connection stay with a backend whose position changes', async () => {
      await withPlane({ readInto, backends: [silent, silent] }, async (plane) => {
        const clients = [await plane.connect(), await plane.connect()]
        for (const client of clients) client.write(GET)
        const peers = [await plane.servers[0]!.peer(0), await plane.servers[1]!.peer(0)]
        for (const peer of peers) await request(peer)
        await plane.reload({ backends: named(plane, 'ba') })
        for (const [index, peer] of peers.entries()) peer.write(ok(String(index)))
        const bodies = [(await response(clients[0]!)).body, (await response(clients[1]!)).body]
        assert.deepEqual(bodies.sort(), ['0', '1'])
        assert.equal(plane.backend(0, 'inFlight'), 0)
        assert.equal(plane.backend(0, 'successes'), 1)
        assert.equal(plane.backend(1, 'successes'), 1)
        assert.equal(plane.backend(0, 'idleConnections'), 1)
        // The connections are used again.
        for (const client of clients) client.write(GET)
        for (const peer of peers) {
          await request(peer)
          peer.write(ok('again'))
        }
        for (const client of clients) assert.equal((await response(client)).body, 'again')
        assert.deepEqual([plane.backend(0, 'connects'), plane.backend(1, 'connects')], [1, 1])
      })
    })

    test('pipelined requests are each answered by the plan of their time, in order', async () => {
      await withPlane({ readInto, backends: [silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET + GET + GET)
        const peer = await plane.servers[0]!.peer(0)
        await request(peer)
        await plane.reload({ listener: { pool: undefined, ...respond('new') } })
        peer.write(ok('old'))
        const bodies = []
        for (let i = 0; i < 3; i++) bodies.push((await response(client)).body)
        assert.deepEqual(bodies, ['old', 'new', 'new'])
      })
    })

    test('an upload goes on to its end, where it began', async () => {
      await withPlane({ readInto, backends: [answering('a'), answering('b')] }, async (plane) => {
        const body = 'x'.repeat(200_000)
        const text = message('POST', body)
        const half = text.length / 2
        const client = await plane.connect()
        await client.send(text.slice(0, half))
        await plane.until('the upload', () => plane.backend(0, 'bytesTo') > 0)
        await plane.reload({ backends: named(plane, 'b') })
        await client.send(text.slice(half))
        assert.equal((await response(client)).body, `a POST ${body}`)
      })
    })

    test('tunnels go on, upgraded ones and those of TCP listeners', async () => {
      const tcp = { listeners: { main: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'main' } } }
      const rows = [
        { backends: [switching, silent], config: {} },
        { backends: [echo, echo], config: tcp },
      ]
      for (const { backends, config } of rows) {
        await withPlane({ readInto, backends, config }, async (plane) => {
          const client = await plane.connect()
          if (backends[0] === switching) {
            client.write(upgrade)
            await client.until('\r\n\r\n')
          }
          client.write('one')
          assert.equal(await client.text(3), 'one')
          await plane.reload({ backends: named(plane, 'ba'), config })
          client.write('two')
          assert.equal(await client.text(3), 'two')
          assert.equal(plane.backend(0, 'inFlight'), 1)
          client.reset()
          await plane.until('the end', () => plane.backend(0, 'inFlight') === 0)
        })
      }
    })

    test('who waits in a queue keeps its place and gets what the new plan has', async () => {
      const pool = { limits: { perBackend: 1 } }
      const backends = [silent, answering('b'), answering('c')]
      const addresses = ['127.0.0.1:1']
      await withPlane({ readInto, backends, pool, addresses }, async (plane) => {
        // Only `a` at first.
        await plane.reload({ backends: named(plane, 'a') })
        const clients = []
        for (let i = 0; i < 4; i++) {
          clients.push(await plane.connect())
          clients[i]!.write(GET)
          await plane.until('its place', () => plane.pool('queued') === i)
        }
        await plane.reload({ backends: named(plane, 'bac') })
        // First come, first served.
        const bodies = [(await response(clients[1]!)).body, (await response(clients[2]!)).body]
        assert.deepEqual(bodies.sort(), ['b GET ', 'c GET '])
        assert.match((await response(clients[3]!)).body, /^[bc] GET $/)
        // Without the limit nobody waits.
        const late = [await plane.connect(), await plane.connect(), await plane.connect()]
        await plane.reload({ backends: named(plane, 'a') })
        for (const client of late) client.write(GET)
        await plane.until('the queue', () => plane.pool('queued') === 3)
        await plane.reload({ backends: named(plane, 'a'), pool: { limits: { perBackend: 0 } } })
        await plane.until('their turns', () => plane.backend(1, 'inFlight') === 4)
        assert.equal(plane.pool('queued'), 0)
      })
    })

    test('a retry that spans a reload leaves out what was tried before it', async () => {
      const pool = { retry: { backoff: { min: '1s', max: '1s' } } }
      const failing: Script = async (peer) => {
        for (;;) {
          await request(peer)
          peer.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n')
        }
      }
      for (const balance of ['round-robin', 'least-connections', 'random-two']) {
        const backends = [failing, answering('b'), answering('c')]
        await withPlane({ readInto, backends, pool: { ...pool, balance } }, async (plane) => {
          await plane.reload({ backends: named(plane, 'a'), pool: { balance } })
          // The retry comes when it is told to, however long the reload takes.
          plane.stopTicking()
          const client = await plane.connect()
          client.write(GET)
          await plane.until('the first failure', () => plane.backend(0, 'failures') === 1)
          assert.equal(plane.thread(3), 1)
          // `a` is where `b` was, and has nearly all of the weight; `b` has its old position.
          const heavy = { address: plane.servers[0]!.address, weight: 60_000 }
          const light = { address: plane.servers[1]!.address, weight: 1 }
          await plane.reload({ backends: { b: light, a: heavy }, pool: { balance } })
          plane.skip(1_000)
          assert.equal((await response(client)).body, 'b GET ')
          assert.equal(plane.backend(0, 'attempts'), 1)
        })
      }
    })

    test('a rescue after a reload goes to a backend that came with it', async () => {
      await withPlane(
        { readInto, backends: [silent, answering('b')], pool: quick },
        async (plane) => {
          await plane.reload({ backends: named(plane, 'a'), pool: quick })
          const client = await plane.connect()
          client.write(GET)
          await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
          await plane.reload({ backends: named(plane, 'ba'), pool: quick }, { a: 'no' })
          assert.equal((await response(client)).body, 'b GET ')
          assert.equal(plane.pool('rescues'), 1)
        },
      )
    })

    test('limits and timeouts of the new plan count from the next request on', async () => {
      await withPlane({ readInto, backends: [silent] }, async (plane) => {
        const [first, second] = [await plane.connect(), await plane.connect()]
        const long = message('GET', null, `X-Long: ${'x'.repeat(3_000)}\r\n`)
        first.write(long)
        await request(await plane.servers[0]!.peer(0))
        const change = {
          listener: { limits: { head: '2KiB', target: '1KiB' } },
          pool: { timeouts: { response: '1s' }, retry: false },
        }
        await plane.reload(change)
        second.write(long)
        assert.match((await response(second)).start, / 431 /)
        const third = await plane.connect()
        third.write(GET)
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 2)
        plane.skip(1_500)
        assert.equal((await response(third)).field('evenkeel-fault'), 'backend-response-timeout')
        // The first one has the time it was given.
        assert.equal(plane.backend(0, 'waiting'), 1)
      })
    })

    test('a queue that may hold fewer takes nobody new, and keeps who waits', async () => {
      const limited = (queue: number): { pool: Tree } => ({
        pool: { limits: { perBackend: 1, queue }, retry: false },
      })
      await withPlane({ readInto, backends: [silent], ...limited(10) }, async (plane) => {
        const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
        for (const [index, client] of clients.entries()) {
          client.write(GET)
          await plane.until('its place', () => plane.pool('queued') === index)
        }
        await plane.reload(limited(2))
        const late = await plane.connect()
        late.write(GET)
        assert.equal((await response(late)).field('evenkeel-fault'), 'queue-full')
        const peer = await plane.servers[0]!.peer(0)
        for (const client of clients) {
          await request(peer)
          peer.write(ok('yes'))
          assert.equal((await response(client)).body, 'yes')
        }
      })
    })

    test('a listener that takes fewer connections refuses the next one', async () => {
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        const client = await plane.connect()
        assert.equal(await ask(client), 'a GET ')
        await plane.reload({ listener: { maxConnections: 1 } })
        await (await plane.connect()).gone()
        assert.equal(plane.listener('refused'), 1)
        assert.equal(await ask(client), 'a GET ')
      })
    })

    test('whom a listener trusts changes for open connections too', async () => {
      const seen: Script = async (peer) => {
        for (;;) peer.write(ok((await request(peer)).field('x-forwarded-for') ?? ''))
      }
      await withPlane({ readInto, backends: [seen] }, async (plane) => {
        const client = await plane.connect()
        const text = message('GET', null, 'X-Forwarded-For: 192.0.2.1\r\n')
        assert.equal(await ask(client, text), '127.0.0.1')
        await plane.reload({ listener: { trustForwarded: ['127.0.0.0/8'] } })
        assert.equal(await ask(client, text), '192.0.2.1, 127.0.0.1')
        await plane.reload({})
        assert.equal(await ask(client, text), '127.0.0.1')
      })
    })

    test('counters go on, and shares are kept while backends come and go', async () => {
      const backends = [answering('a'), answering('b'), answering('c'), answering('d')]
      await withPlane({ readInto, backends, pool: { balance: 'round-robin' } }, async (plane) => {
        const client = await plane.connect()
        const pool = { balance: 'round-robin' }
        const got: Record<string, number> = {}
        const orders = ['abc', 'cab', 'bca', 'bcad', 'acb']
        for (let i = 0; i < 60; i++) {
          await plane.reload({ backends: named(plane, orders[i % orders.length]!), pool })
          const name = (await ask(client))[0]!
          got[name] = (got[name] ?? 0) + 1
        }
        const { a = 0, b = 0, c = 0, d = 0 } = got
        for (const count of [a, b, c]) assert.ok(Math.abs(count - (60 - d) / 3) <= 2, `${count}`)
        assert.equal(plane.listener('requests'), 60)
        assert.equal(plane.pool('requests'), 60)
      })
    })
  })
}

test('an access log that is switched on and off by a reload is kept from then to then', async () => {
  const server = await serve(answering('a'))
  const { address } = server
  await withPlane({ readInto: 'shared', addresses: [address] }, async (plane) => {
    const client = await plane.connect()
    const lines = (): string[] =>
      plane.messages.flatMap((one) =>
        one.kind === 'access'
          ? one.lines
              .trim()
              .split('\n')
              .map((line) => line.trim())
          : [],
      )
    await ask(client)
    await plane.reload({ config: { log: { access: { format: 'json' } } } })
    await ask(client)
    plane.skip(0)
    await plane.reload({})
    await ask(client)
    plane.skip(0)
    assert.equal(lines().length, 1)
    const { attempts, backend } = JSON.parse(lines()[0]!) as Record<string, unknown>
    assert.deepEqual([backend, (attempts as unknown[]).length], ['a', 1])
  })
  await server.stop()
})
