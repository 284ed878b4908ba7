import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { findOccupant, listeningInodes } from '../../../src/runtime/occupant.ts'

const table = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 20 4 30 10 -1
   2: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1 0 100 0 0 10 0
`

test('only listening sockets on the very port count', () => {
  assert.deepEqual(listeningInodes(table, 8080), ['4711'])
  assert.deepEqual(listeningInodes(table, 80), ['4713'])
  assert.deepEqual(listeningInodes(table, 5), [])
  assert.deepEqual(listeningInodes('', 80), [])
})

test('the process behind a port is found', { skip: process.platform !== 'linux' }, async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  assert.equal((await findOccupant(port))?.pid, process.pid)
  server.close()
  await once(server, 'close')
  assert.equal(await findOccupant(port), null)
})
