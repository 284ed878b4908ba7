// How connections end, where Node and libuv have opinions of their own.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { noHandler } from '../../src/proxy/channel.ts'
import { connect } from '../../src/proxy/socket.ts'
import { READ_INTO } from '../support/plane.ts'
import { serve } from '../support/raw.ts'
import { waitFor } from '../support/wait.ts'

/** Sockets this process has open, whatever Node thinks of them. */
function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

for (const readInto of READ_INTO) {
  test(`a reset while the FIN is on its way closes the descriptor, reading into ${readInto} buffers`, async (context) => {
    const server = createServer((socket) => socket.resume().on('error', () => {}))
    context.after(() => server.close())
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve)
    })
    const { port } = server.address() as AddressInfo
    const before = openDescriptors()
    for (let i = 0; i < 20; i++) {
      await new Promise<void>((resolve) => {
        const handler = { ...noHandler, onClose: () => resolve() }
        const channel = connect({ host: '127.0.0.1', port }, readInto, handler, () => {
          channel.end()
          channel.reset()
        })
      })
    }
    await waitFor(() => openDescriptors() <= before + 2, { what: 'all descriptors to be closed' })
    assert.ok(openDescriptors() <= before + 2)
  })

  test(`a reset drops what is pending even behind an end, reading into ${readInto} buffers`, async (context) => {
    const server = await serve((peer) => peer.stop())
    context.after(() => server.stop())
    const destination = { host: '127.0.0.1', port: server.port }
    const channel = await new Promise<ReturnType<typeof connect>>((resolve) => {
      const made = connect(destination, readInto, noHandler, () => resolve(made))
    })
    const chunk = Buffer.alloc(1024 * 1024)
    let written = 0
    while (!channel.pending) {
      channel.writeBytes(chunk, 0, chunk.length)
      written += chunk.length
      await new Promise(setImmediate)
    }
    channel.end()
    channel.reset()
    await waitFor(() => channel.closed, { what: 'the close', everyMs: 1 })
    const peer = await server.peer(0)
    peer.go()
    await peer.gone()
    // The kernel had taken all but the last chunk; much of that was still on our side.
    assert.ok(peer.received < written - chunk.length - 200_000, `${peer.received} of ${written}`)
  })
}
