import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withPlane } from '../support/plane.ts'
import { connectTo, ok, request, response } from '../support/raw.ts'

test('an IPv4 client of a listener on :: is told to backends by its IPv4 address', async () => {
  const seen: (string | null)[] = []
  await withPlane(
    {
      readInto: 'shared',
      listener: { bind: '[::]:0', trustForwarded: '127.0.0.0/8' },
      backends: [
        async (peer) => {
          const message = await request(peer)
          seen.push(message.field('x-forwarded-for'))
          peer.write(ok('x'))
        },
      ],
    },
    async (plane) => {
      const client = await connectTo(plane.port())
      client.write('GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 10.0.0.9\r\n\r\n')
      await response(client)
      client.destroy()
      assert.deepEqual(seen, ['10.0.0.9, 127.0.0.1'])
    },
  )
})
