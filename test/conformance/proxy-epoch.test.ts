// `Evenkeel-Epoch`: under which epoch a request was sent is our word alone, and it is true for the
// attempt that carries it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { READ_INTO, withPlane } from '../support/plane.ts'
import { field, ok, request, response } from '../support/raw.ts'
import type { Message, Script } from '../support/raw.ts'
import { message, publishActive, silent, withStandby } from '../support/standby.ts'
import { SWITCHED } from '../support/tunnels.ts'

const STRIPPED: readonly [string, string][] = [
  ['plain', 'Evenkeel-Epoch: 9\r\n'],
  ['in capitals', 'EVENKEEL-EPOCH: 9\r\n'],
  ['several', 'Evenkeel-Epoch: 9\r\nA: b\r\nevenkeel-epoch: 10\r\n'],
  ['nominated in Connection', 'Connection: Evenkeel-Epoch\r\nEvenkeel-Epoch: 9\r\n'],
  ['only nominated in Connection', 'Connection: close, evenkeel-epoch\r\n'],
  ['with an underscore', 'Evenkeel_Epoch: 9\r\n'],
]

for (const readInto of READ_INTO) {
  describe(`the epoch, reading into ${readInto} buffers`, () => {
    const keeping = (seen: Message[]): Script => {
      return async (peer) => {
        for (;;) {
          seen.push(await request(peer))
          peer.write(ok(''))
        }
      }
    }

    for (const [what, lines] of STRIPPED) {
      test(`${what}: the client's word goes, ours comes if there is an epoch`, async () => {
        const seen: Message[] = []
        await withPlane({ readInto, backends: [keeping(seen)] }, async (plane) => {
          for (const epoch of [0, 7]) {
            plane.publish({}, { epoch })
            for (const method of ['GET', 'POST']) {
              const client = await plane.connect()
              client.write(message(method, method === 'GET' ? null : 'x', lines))
              await response(client)
            }
          }
        })
        const epochs = seen.map(({ head }) => field(head, 'evenkeel-epoch'))
        assert.deepEqual(epochs, [null, null, '7', '7'])
        for (const { head, start, body } of seen) {
          assert.ok(!/evenkeel_epoch|(^|, )(9|10)$/im.test(head), head)
          assert.equal(body, start.startsWith('GET') ? '' : 'x')
        }
      })
    }

    test('in a trailer it does not pass either', async () => {
      const seen: Message[] = []
      await withPlane({ readInto, backends: [keeping(seen)] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('POST', null, 'Transfer-Encoding: chunked\r\n'))
        client.write('1\r\nx\r\n0\r\nEvenkeel-Epoch: 9\r\nX-Sum: 1\r\n\r\n')
        await response(client)
      })
      assert.equal(seen[0]!.trailers, 'X-Sum: 1\r\n')
    })

    test('a kept connection carries the epoch of each request, not of its first', async () => {
      const seen: Message[] = []
      await withStandby({ readInto, backends: [keeping(seen)] }, async (plane) => {
        const client = await plane.connect()
        for (const epoch of [1, 2, 3]) {
          publishActive(plane, 'a', { epoch })
          client.write(message('GET'))
          await response(client)
        }
        assert.equal(plane.servers[0]!.peers.length, 1)
      })
      assert.deepEqual(
        seen.map((one) => one.field('evenkeel-epoch')),
        ['1', '2', '3'],
      )
    })

    test('an attempt that is made again carries the new epoch, with its body', async () => {
      const seen: Message[] = []
      await withStandby({ readInto, backends: [silent, keeping(seen)] }, async (plane) => {
        const client = await plane.connect()
        client.write(message('PUT', 'data'))
        const old = await plane.servers[0]!.peer(0)
        assert.equal(field(await old.until('\r\n\r\n'), 'evenkeel-epoch'), '1')
        publishActive(plane, 'b', { epoch: 2 })
        assert.match((await response(client)).start, / 200 /)
      })
      assert.deepEqual([seen[0]!.field('evenkeel-epoch'), seen[0]!.body], ['2', 'data'])
    })

    test('the upgrade of a WebSocket carries it, and the client’s own goes', async () => {
      const heads: string[] = []
      const notes: Script = async (peer) => {
        heads.push(await peer.until('\r\n\r\n'))
        peer.write(SWITCHED)
      }
      await withStandby({ readInto, backends: [notes] }, async (plane) => {
        const client = await plane.connect()
        const lines =
          'Connection: Upgrade, Evenkeel-Epoch\r\nUpgrade: websocket\r\nEvenkeel-Epoch: 9\r\n'
        client.write(message('GET', null, lines))
        await client.until('\r\n\r\n')
      })
      assert.equal(field(heads[0]!, 'evenkeel-epoch'), '1')
      assert.equal(field(heads[0]!, 'connection'), 'Upgrade')
    })
  })
}
