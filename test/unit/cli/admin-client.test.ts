import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { postAdmin, readAnswer } from '../../../src/cli/admin-client.ts'

test('a change without an answer may have been made, and that is said', async () => {
  const server = createServer(({ url, socket }) => {
    if (url === '/gone') socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const address = { kind: 'tcp', host: '127.0.0.1', port } as const
  const place = { address, token: null, tls: null }
  const start = `the admin API at 127.0.0.1:${port} can't be read:`
  const doubt = 'nobody knows whether it was done; look at evenkeel status before you try again'
  await assert.rejects(postAdmin(place, '/still', {}, 100), {
    message: `${start} no answer in 0.1 s; ${doubt}`,
  })
  await assert.rejects(postAdmin(place, '/gone', {}, 5_000), {
    message: `${start} socket hang up; if it speaks TLS, write https:// before the address; ${doubt}`,
  })
  await assert.rejects(readAnswer(place, '/gone'), {
    message: `${start} socket hang up; if it speaks TLS, write https:// before the address`,
  })
  server.closeAllConnections()
  server.close()
})
