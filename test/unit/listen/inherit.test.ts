import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findAddress, takeActivated } from '../../../src/listen/inherit.ts'

const tables = {
  tcp: `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C001 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 20 4 30 10 -1`,
  tcp6: `  sl  local_address                         remote_address                        st
   0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 113 1
   1: B80D0120000000000000000001000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 114 1`,
  unix: `Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000002 00000000 00010000 0001 01 115 /run/web.sock
0000000000000000: 00000002 00000000 00010000 0001 01 116 @abstract`,
}

test('where a socket listens is read from what Linux shows', () => {
  assert.deepEqual(findAddress(tables, '111'), { kind: 'tcp', host: '127.0.0.1', port: 8080 })
  assert.deepEqual(findAddress(tables, '113'), { kind: 'tcp', host: '::', port: 80 })
  assert.deepEqual(findAddress(tables, '114'), { kind: 'tcp', host: '2001:db8::1', port: 443 })
  assert.deepEqual(findAddress(tables, '115'), { kind: 'unix', path: '/run/web.sock' })
})

test('what does not listen, or is not known, has no address', () => {
  for (const inode of ['112', '116', '1']) assert.equal(findAddress(tables, inode), null)
})

test('variables for another process are removed and mean nothing', () => {
  const env = { LISTEN_PID: '4711', LISTEN_FDS: '1', LISTEN_FDNAMES: 'web', HOME: '/' }
  assert.deepEqual(takeActivated(env, 4712), [])
  assert.deepEqual(env, { HOME: '/' })
})

test('descriptors that are no sockets are left out', () => {
  const env = { LISTEN_PID: '4711', LISTEN_FDS: '3', LISTEN_FDNAMES: 'web' }
  assert.deepEqual(takeActivated(env, 4711), [])
})
