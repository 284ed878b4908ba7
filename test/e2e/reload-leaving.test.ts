// What a reload leaves out finishes what it has, gets nothing new, and is gone when it is done.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { LISTENER_CELLS, BACKEND_CELLS, POOL_CELLS } from '../../src/core/shared-layout.ts'
import { READ_INTO, withPlane } from '../support/plane.ts'
import type { PlaneChange, TestPlane, Tree } from '../support/plane.ts'
import { freePort, isListening } from '../support/ports.ts'
import { connectTo, ok, request, response } from '../support/raw.ts'
import type { Peer, RawServer, Script } from '../support/raw.ts'
import { CLUSTER, STANDBY, answering, message, silent } from '../support/standby.ts'
import { echo, switching, upgrade } from '../support/tunnels.ts'

const GET = message('GET')
const DRAIN_MS = 8_000
const quick = { retry: { backoff: { min: '0ms', max: '0ms' } } }

async function ask(client: Peer, text = GET): Promise<string> {
  client.write(text)
  return (await response(client)).body
}

function only(plane: TestPlane, name: string): { backends: Record<string, string> } {
  const server = plane.servers[name.codePointAt(0)! - 97]!
  return { backends: { [name]: server.address } }
}

/** Another pool takes the place of `main`, with the plane's last server. */
function instead(plane: TestPlane, pool: Tree = {}): PlaneChange {
  const { address } = plane.servers.at(-1)!
  return {
    config: {
      listeners: { main: { bind: '127.0.0.1:0', pool: 'other' } },
      pools: { other: { backends: { a: address }, ...pool } },
    },
  }
}

/** In a row that nobody had. */
function elsewhere<T extends { readonly slot: number }>(one: T): T {
  return { ...one, slot: one.slot + 20 }
}

/** Cells of the rows of everything that is in no plan any more. */
function left(plane: TestPlane): readonly number[] {
  const { table, plan } = plane
  const row = table.rows[0]!
  const cells: number[] = []
  const look = (base: number, count: number): void => {
    for (let cell = base; cell < base + count; cell++) if (row[cell] !== 0) cells.push(cell)
  }
  const used = {
    listeners: new Set(plan.listeners.map(({ slot }) => slot)),
    pools: new Set(plan.pools.map(({ slot }) => slot)),
    backends: new Set(plan.pools.flatMap(({ backends }) => backends.map(({ slot }) => slot))),
  }
  const { listeners, pools, slots } = table.shape
  for (let slot = 0; slot < listeners; slot++) {
    if (!used.listeners.has(slot)) look(table.listenerBase(slot), LISTENER_CELLS)
  }
  for (let slot = 0; slot < pools; slot++) {
    if (!used.pools.has(slot)) look(table.poolBase(slot), POOL_CELLS)
  }
  for (let slot = 0; slot < slots; slot++) {
    if (!used.backends.has(slot)) look(table.backendBase(slot), BACKEND_CELLS)
  }
  return cells
}

for (const readInto of READ_INTO) {
  describe(`what a reload leaves out, reading into ${readInto} buffers`, () => {
    test('a backend: idle connections close, requests finish, nothing new comes', async () => {
      const backends = [silent, answering('b')]
      await withPlane({ readInto, backends }, async (plane) => {
        await plane.reload(only(plane, 'a'))
        const [busy, other] = [await plane.connect(), await plane.connect()]
        busy.write(GET)
        other.write(GET)
        const [first, second] = [await plane.servers[0]!.peer(0), await plane.servers[0]!.peer(1)]
        await request(second)
        second.write(ok('idle'))
        await response(other)
        assert.equal(plane.backend(0, 'idleConnections'), 1)
        await plane.reload(only(plane, 'b'))
        // Whichever of the two was the idle one.
        await second.end()
        assert.equal(plane.backend(0, 'connections'), 1)
        for (let i = 0; i < 4; i++) assert.equal(await ask(other), 'b GET ')
        await request(first)
        first.write(ok('late'))
        assert.equal((await response(busy)).body, 'late')
        await first.end()
        assert.equal(await ask(busy), 'b GET ')
        assert.equal(plane.servers[0]!.peers.length, 2)
        assert.deepEqual(
          plane.messages.filter(({ kind }) => kind === 'suspect'),
          [],
        )
        plane.skip(0)
        assert.deepEqual(plane.plane['context'].pools[0]!.leaving, [])
      })
    })

    test('a backend that fails what it still has is asked no more and suspected by nobody', async () => {
      const backends = [silent, answering('b')]
      await withPlane({ readInto, backends, pool: quick }, async (plane) => {
        await plane.reload(only(plane, 'a'))
        const client = await plane.connect()
        client.write(GET)
        const peer = await plane.servers[0]!.peer(0)
        await request(peer)
        await plane.reload({ ...only(plane, 'b'), pool: quick })
        peer.reset()
        assert.equal((await response(client)).body, 'b GET ')
        assert.deepEqual(
          plane.messages.filter(({ kind }) => kind === 'suspect'),
          [],
        )
      })
    })

    test('a backend: its tunnels have the drain time of the new plan', async () => {
      const tcp = { listeners: { main: { bind: '127.0.0.1:0', protocol: 'tcp', pool: 'main' } } }
      for (const { script, config } of [
        { script: switching, config: {} },
        { script: echo, config: tcp },
      ]) {
        const backends = [script, script]
        await withPlane({ readInto, backends, config }, async (plane) => {
          await plane.reload({ ...only(plane, 'a'), config })
          const client = await plane.connect()
          if (script === switching) await upgraded(client)
          await echoes(client, 'one')
          await plane.reload({
            ...only(plane, 'b'),
            config: { ...config, runtime: { drain: '3s' } },
          })
          plane.skip(2_900)
          await echoes(client, 'two')
          assert.equal(plane.faults('draining'), 0)
          plane.skip(200)
          assert.equal(await client.close(), 'ECONNRESET')
          assert.equal(plane.faults('draining'), 1)
          assert.equal(plane.backend(0, 'inFlight'), 0)
          assert.equal(plane.backend(0, 'failures'), 0)
          const next = await plane.connect()
          if (script === switching) await upgraded(next)
          await echoes(next, 'three')
          assert.equal(plane.backend(1, 'inFlight'), 1)
        })
      }
    })

    test('a backend that comes back before it is done is the one it was', async () => {
      const backends = [switching, silent]
      await withPlane({ readInto, backends }, async (plane) => {
        await plane.reload(only(plane, 'a'))
        const client = await plane.connect()
        await upgraded(client)
        const before = plane.plane['context'].pools[0]!.backends[0]
        await plane.reload(only(plane, 'b'))
        await plane.reload(only(plane, 'a'))
        assert.equal(plane.plane['context'].pools[0]!.backends[0], before)
        plane.skip(2 * DRAIN_MS)
        await echoes(client, 'still here')
        // It is known again as one that can be lost, too.
        plane.publish({ a: 'cut' })
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('taken-out'), 1)
      })
    })

    test('a pool: requests finish, who waits in its queue gets what frees up', async () => {
      const pool = { limits: { perBackend: 1 } }
      const backends = [silent, answering('other')]
      await withPlane({ readInto, backends, pool }, async (plane) => {
        await plane.reload(only(plane, 'a'))
        const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
        for (const [index, client] of clients.entries()) {
          client.write(GET)
          await plane.until('its place', () => plane.pool('queued') === index)
        }
        await plane.reload(instead(plane))
        for (const name of ['one', 'two']) {
          const peer = await plane.servers[0]!.peer(name === 'one' ? 0 : 1)
          await request(peer)
          peer.write(ok(name))
          // It is not kept.
          await peer.end()
        }
        assert.deepEqual(
          [(await response(clients[0]!)).body, (await response(clients[1]!)).body],
          ['one', 'two'],
        )
        // The last one's time runs out.
        await request(await plane.servers[0]!.peer(2))
        const late = await plane.connect()
        assert.equal(await ask(late), 'other GET ')
        for (const client of clients.slice(0, 2)) assert.equal(await ask(client), 'other GET ')
        plane.servers[0]!.peers[2]!.write(ok('three'))
        assert.equal((await response(clients[2]!)).body, 'three')
        plane.skip(0)
        assert.deepEqual(plane.plane['context'].leavingPools, [])
        const freed = plane.free()
        assert.deepEqual(freed, { listeners: [], pools: [0], backends: [0, 1] })
        assert.deepEqual(left(plane), [])
      })
    })

    test('a pool: who waits too long in it is told so, and a retry stays in it', async () => {
      const pool = { limits: { perBackend: 1 }, timeouts: { queue: '1s' } }
      const backends = [silent, silent, answering('other')]
      await withPlane({ readInto, backends, pool }, async (plane) => {
        const [a, b] = plane.servers as [RawServer, RawServer]
        await plane.reload({ backends: { a: a.address, b: b.address } })
        const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
        for (const [index, client] of clients.entries()) {
          client.write(GET)
          const isWaiting = (): boolean => plane.backend(index, 'waiting') === 1
          await plane.until('its place', index < 2 ? isWaiting : () => plane.pool('queued') === 1)
        }
        await plane.reload(instead(plane))
        plane.skip(1_200)
        const refused = await response(clients[2]!)
        assert.equal(refused.field('evenkeel-fault'), 'queue-timeout')
        const first = await a.peer(0)
        await request(first)
        first.reset()
        // Its retry can only go to the other backend, which is busy: it waits, without a backoff.
        await plane.until('the retry', () => plane.pool('queued') === 1)
        b.peers[0]!.write(ok('first of b'))
        const again = await b.peer(1)
        await request(again)
        again.write(ok('second of b'))
        const bodies = [(await response(clients[0]!)).body, (await response(clients[1]!)).body]
        assert.deepEqual(bodies.sort(), ['first of b', 'second of b'])
        plane.skip(0)
        assert.deepEqual(plane.plane['context'].leavingPools, [])
      })
    })

    test('a pool: a retry that begins in it does not wait, one that waits finds nobody', async () => {
      const failing: Script = async (peer) => {
        await request(peer)
        peer.write('HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n')
      }
      const pool = { retry: { backoff: { min: '2s', max: '2s' } } }
      const backends = [silent, answering('b'), answering('other')]
      await withPlane({ readInto, backends, pool }, async (plane) => {
        const [a, b] = plane.servers as [RawServer, RawServer]
        const change = { backends: { a: a.address, b: { address: b.address, weight: 1 } }, pool }
        await plane.reload(change, { b: 'no' })
        const client = await plane.connect()
        client.write(GET)
        const peer = await a.peer(0)
        await plane.reload(change)
        await plane.reload(instead(plane))
        // No clock moves on for it.
        plane.stopTicking()
        await failing(peer, 0)
        assert.equal((await response(client)).body, 'b GET ')
        // One that is between two attempts when the rows are taken away.
        await plane.reload(change, { b: 'no' })
        const next = await plane.connect(0)
        next.write(GET)
        await plane.reload(change)
        await failing(await a.peer(1), 1)
        await plane.until('the failure', () => plane.backend(0, 'failures') === 2)
        await plane.reload(instead(plane))
        plane.free()
        plane.skip(3_000)
        assert.equal((await response(next)).field('evenkeel-fault'), 'no-backend')
        assert.deepEqual([a.peers.length, b.peers.length], [2, 1])
        assert.deepEqual(plane.negative(), [])
      })
    })

    test('a pool that comes back is the one it was, with all that it carries', async () => {
      await withPlane({ readInto, backends: [silent, silent] }, async (plane) => {
        const client = await plane.connect()
        client.write(GET)
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        const before = plane.plane['context'].pools[0]
        await plane.reload(instead(plane))
        assert.deepEqual(plane.plane['context'].leavingPools, [before])
        await plane.reload({})
        assert.deepEqual(plane.plane['context'].pools, [before])
        assert.equal(before!.plan.retry!.backoffMaxMs, 250)
        plane.servers[0]!.peers[0]!.write(ok('late'))
        assert.equal((await response(client)).body, 'late')
        await plane.until('the connection is kept', () => plane.backend(0, 'idleConnections') === 1)
      })
    })

    test('a listener: no new connections, open ones close after an answer or half of the time', async () => {
      await withPlane({ readInto, backends: [silent] }, async (plane) => {
        const port = plane.port()
        const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
        const [asking, idle, waiting] = clients as [Peer, Peer, Peer]
        waiting.write(GET)
        const peer = await plane.servers[0]!.peer(0)
        await request(peer)
        const listeners = { elsewhere: { bind: '127.0.0.1:0', pool: 'main' } }
        await plane.reload({ config: { listeners } })
        assert.equal(await isListening(port), false)
        assert.ok(plane.port() !== port)
        peer.write(ok('late'))
        const late = await response(waiting)
        assert.deepEqual([late.body, late.field('connection')], ['late', 'close'])
        await waiting.end()
        plane.skip(DRAIN_MS / 2 - 200)
        asking.write(GET)
        await request(peer)
        peer.write(ok('once more'))
        assert.equal((await response(asking)).field('connection'), 'close')
        assert.equal(idle.ended, false)
        plane.skip(300)
        await idle.end()
        for (const client of clients) client.finish()
        await plane.until('the end', () => plane.listener('connections', 0) === 0)
        plane.skip(0)
        assert.equal(plane.plane['listeners'].connections().length, 0)
        assert.equal(await ask2(plane, peer), 'new')
        assert.deepEqual(plane.free().listeners, [0])
        assert.deepEqual(left(plane), [])
      })
    })

    test('a listener: its tunnels have the drain time', async () => {
      await withPlane({ readInto, backends: [switching] }, async (plane) => {
        const client = await plane.connect()
        await upgraded(client)
        const listeners = { elsewhere: { bind: '127.0.0.1:0', pool: 'main' } }
        await plane.reload({ config: { listeners } })
        plane.skip(DRAIN_MS - 100)
        await echoes(client, 'one')
        plane.skip(200)
        assert.equal(await client.close(), 'ECONNRESET')
        assert.equal(plane.faults('draining'), 1)
      })
    })

    test('a listener whose name or protocol changes keeps its socket', async () => {
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        const port = await freePort()
        const bind = `127.0.0.1:${port}`
        const set = (name: string, more = {}): Tree => ({
          listeners: { [name]: { bind, pool: 'main', ...more } },
        })
        await plane.reload({ config: set('one') })
        const client = await plane.connect()
        assert.equal(await ask(client), 'a GET ')
        const socket = plane.plane['listeners'].sockets()[0]!.fd
        assert.deepEqual(await plane.reload({ config: set('two') }), [])
        assert.deepEqual(await plane.reload({ config: set('two', { protocol: 'tcp' }) }), [])
        const [after, ...others] = plane.plane['listeners'].sockets()
        assert.deepEqual([after!.listener, after!.fd, others], ['two', socket, []])
        // Told to go, as its listener has.
        client.write(GET)
        assert.equal((await response(client)).field('connection'), 'close')
        // What answers now is the backend itself.
        const tunnel = await connectTo(port)
        assert.equal(await ask(tunnel), 'a GET ')
        assert.equal(plane.listener('requests', plane.plan.listeners[0]!.slot), 1)
        tunnel.reset()
      })
    })

    test('a unix socket keeps its name from one listener to the next', async () => {
      const directory = mkdtempSync(path.join(tmpdir(), 'evenkeel-'))
      const socket = path.join(directory, 'socket')
      const set = (name: string, bind: string): PlaneChange => ({
        config: { listeners: { [name]: { bind, pool: 'main' } } },
      })
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        for (const name of ['one', 'two', 'two', 'one']) {
          assert.deepEqual(await plane.reload(set(name, `unix:${socket}`)), [])
          const client = await connectTo(socket)
          assert.equal(await ask(client), 'a GET ')
          client.destroy()
        }
        await plane.reload(set('one', '127.0.0.1:0'))
        await assert.rejects(connectTo(socket))
        await plane.reload(set('one', `unix:${socket}`))
        const client = await connectTo(socket)
        assert.equal(await ask(client), 'a GET ')
        client.destroy()
      })
      rmSync(directory, { recursive: true })
    })

    test('a listener makes way for one whose address is a part of its own', async () => {
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        const port = await freePort()
        for (const host of ['0.0.0.0', '127.0.0.1', '0.0.0.0']) {
          const bind = `${host}:${port}`
          const listeners = { main: { bind, pool: 'main' } }
          assert.deepEqual(await plane.reload({ config: { listeners } }), [])
          assert.equal(await isListening(port), true)
        }
      })
    })

    test('one that cannot be opened is named, the others are, and there is a way back', async () => {
      await withPlane({ readInto, backends: [answering('a')] }, async (plane) => {
        const { port } = plane.servers[0]!
        const [first, second] = [await freePort(), await freePort()]
        const at = (where: number): Tree => ({ bind: `127.0.0.1:${where}`, pool: 'main' })
        const before = { config: { listeners: { one: at(first) } } }
        await plane.reload(before)
        const client = await plane.connect()
        const fd = plane.plane['listeners'].sockets()[0]!.fd
        const listeners = { bad: at(port), good: at(second) }
        assert.deepEqual(await plane.reload({ config: { listeners } }), ['bad'])
        const failure = plane.messages.find(({ kind }) => kind === 'listen-failed')
        assert.ok(failure?.kind === 'listen-failed')
        assert.match(failure.message, /is in use by another program/)
        assert.equal(await isListening(second), true)
        assert.equal(await isListening(first), true)
        assert.deepEqual(await plane.reload(before), [])
        assert.equal(plane.plane['listeners'].sockets()[0]!.fd, fd)
        assert.equal(await isListening(second), false)
        plane.skip(2_500)
        assert.equal(await isListening(first), true)
        assert.equal(await ask(client), 'a GET ')
        assert.equal(await ask(client), 'a GET ', 'it stays open')
        // Nobody goes back: then it closes by itself.
        await plane.reload({ config: { listeners } })
        plane.skip(2_500)
        assert.equal(await isListening(first), false)
      })
    })

    test('rows are empty when they are given back, and who still is there is cut', async () => {
      const backends = [silent, switching, answering('c')]
      await withPlane({ readInto, backends, pool: { retry: false } }, async (plane) => {
        await plane.reload({ backends: { a: plane.servers[0]!.address } })
        const first = await plane.connect()
        first.write(GET)
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        await plane.reload({ backends: { b: plane.servers[1]!.address } })
        const second = await plane.connect()
        await upgraded(second)
        const port = plane.port()
        const bound = { listeners: { new: { bind: '127.0.0.1:0', pool: 'other' } } }
        const pools = { other: { backends: { c: plane.servers[2]!.address } } }
        await plane.reload({ config: { ...bound, pools } })
        const freed = plane.free()
        assert.deepEqual(freed, { listeners: [0], pools: [0], backends: [0, 1, 2] })
        assert.deepEqual(left(plane), [])
        await first.gone()
        assert.equal(await second.close(), 'ECONNRESET')
        assert.equal(await isListening(port), false)
        assert.deepEqual(plane.negative(), [])
        // Others use the rows from their beginnings.
        await plane.reload({ backends: { c: plane.servers[2]!.address } })
        const third = await plane.connect()
        assert.equal(await ask(third), 'c GET ')
        const { slot } = plane.plan.pools[0]!.backends[0]!
        assert.ok(freed.backends.includes(slot))
        assert.equal(plane.backend(slot, 'attempts'), 1)
        assert.deepEqual(plane.negative(), [])
      })
    })

    test('whoever still uses a row that is given back is cut, also of a listener that stays', async () => {
      const pool = { limits: { perBackend: 1 }, retry: false }
      const backends = [silent, silent, answering('other')]
      await withPlane({ readInto, backends, pool }, async (plane) => {
        const [a, b] = plane.servers as [RawServer, RawServer]
        const both = { backends: { a: a.address, b: b.address }, pool }
        await plane.reload(both)
        const clients = [await plane.connect(), await plane.connect(), await plane.connect()]
        for (const client of clients) client.write(GET)
        await plane.until('their places', () => plane.pool('queued') === 1)
        const faultOf = async (client: Peer): Promise<string | null> =>
          (await response(client)).field('evenkeel-fault')
        // One backend of a pool that stays: another one takes who waits.
        await plane.reload({ backends: { b: b.address }, pool })
        assert.deepEqual(plane.free().backends.includes(0), true)
        assert.equal(await Promise.race(clients.map(faultOf)), 'draining')
        await a.peers[0]!.gone()
        // And the pool itself, with its queue.
        await plane.reload(instead(plane))
        plane.free()
        assert.deepEqual(left(plane), [])
        assert.deepEqual(plane.negative(), [])
        await b.peers[0]!.gone()
        await plane.until('the answers', () => clients.every((one) => one.received > 0))
        assert.deepEqual([plane.faults('draining'), plane.faults('queue-timeout')], [2, 1])
      })
    })

    test('a backend whose row is given back before its pool is done gets nothing more', async () => {
      const backends = [silent, answering('b'), answering('other')]
      await withPlane({ readInto, backends, pool: quick }, async (plane) => {
        const [a, b] = plane.servers as [RawServer, RawServer]
        await plane.reload({ backends: { a: a.address, b: b.address }, pool: quick }, { b: 'no' })
        const client = await plane.connect()
        client.write(GET)
        const peer = await a.peer(0)
        await request(peer)
        await plane.reload({ backends: { a: a.address, b: b.address }, pool: quick })
        await plane.reload(instead(plane))
        const freed = { listeners: [], pools: [], backends: [1] }
        plane.plane.receive({ kind: 'snapshot', snapshot: { version: 99, pools: [], freed } })
        // Its retry has nowhere to go but the backend that failed.
        peer.reset()
        await request(await a.peer(1))
        assert.equal(b.peers.length, 0)
        a.peers[1]!.write(ok('again'))
        assert.equal((await response(client)).body, 'again')
      })
    })

    test('a standby that goes is cut at once, the active and its epoch stay', async () => {
      const seen: Script = async (peer) => {
        for (;;) peer.write(ok((await request(peer)).field('evenkeel-epoch') ?? 'none'))
      }
      const backends = [seen, silent]
      await withPlane({ readInto, backends, pool: STANDBY }, async (plane) => {
        plane.publish({ b: 'finish' }, { epoch: 3 })
        const client = await plane.connect()
        assert.equal(await ask(client), '3')
        // Something that still runs on the old active.
        plane.publish({ a: 'finish' }, { epoch: 4 })
        const other = await plane.connect()
        other.write(message('POST', 'pay'))
        await plane.until('the wait', () => plane.backend(1, 'waiting') === 1)
        plane.publish({ b: 'finish' }, { epoch: 5 })
        await plane.reload({ ...only(plane, 'a'), pool: STANDBY })
        assert.equal((await response(other)).field('evenkeel-fault'), 'active-moved')
        await plane.servers[1]!.peers[0]!.gone()
        assert.equal(plane.pool('unknownOutcomes'), 1)
      })
    })

    test('a pool with an active that comes back in other rows ends what the old one has', async () => {
      const backends = [silent, silent, answering('other')]
      await withPlane({ readInto, backends, pool: STANDBY }, async (plane) => {
        plane.publish({ b: 'cut' })
        const { plan } = plane
        const client = await plane.connect()
        client.write(message('POST', 'pay'))
        await plane.until('the wait', () => plane.backend(0, 'waiting') === 1)
        await plane.reload(instead(plane))
        assert.equal(plane.backend(0, 'waiting'), 1)
        const [main] = plan.pools
        const again = main!.backends.map(elsewhere)
        const pools = [{ ...elsewhere(main!), backends: again }]
        const listeners = plan.listeners.map(elsewhere)
        const none = {
          pool: 0,
          eligibility: Uint8Array.from(again, () => 0),
          weight: Float64Array.from(again, () => 1),
          probationThread: Int8Array.from(again, () => -1),
          halfAvailable: false,
          epoch: 4,
          holdUntilMs: 0,
        }
        const next = { ...plan, pools, listeners }
        const snapshot = { version: 99, pools: [none], plan: next }
        plane.plane.receive({ kind: 'snapshot', snapshot })
        await plane.servers[0]!.peers[0]!.gone()
        assert.equal(plane.backend(0, 'waiting'), 0)
      })
    })

    test('the right to send ends for what leaves, too', async () => {
      const pool = { ...STANDBY, failover: { agreement: 'etcd' } }
      await withPlane(
        { readInto, backends: [silent, switching], pool, config: CLUSTER },
        async (plane) => {
          plane.grant(60_000)
          plane.publish({ a: 'cut' })
          const client = await plane.connect()
          await upgraded(client)
          await plane.reload({ ...instead(plane), pool })
          await echoes(client, 'one')
          plane.grant(-1)
          plane.skip(0)
          assert.equal(await client.close(), 'ECONNRESET')
          assert.equal(plane.faults('no-agreement'), 1)
        },
      )
    })
  })
}

async function upgraded(client: Peer): Promise<void> {
  client.write(upgrade)
  await client.until('\r\n\r\n')
}

async function echoes(client: Peer, text: string): Promise<void> {
  client.write(text)
  assert.equal(await client.text(text.length), text)
}

/** A request over a new connection, answered by this peer of the backend. */
async function ask2(plane: TestPlane, peer: Peer): Promise<string> {
  const client = await plane.connect()
  client.write(GET)
  await request(peer)
  peer.write(ok('new'))
  return (await response(client)).body
}
