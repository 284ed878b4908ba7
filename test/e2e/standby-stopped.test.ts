// A balancer that stood still while its right to send ran out (SIGSTOP, a frozen virtual machine)
// and goes on: nothing that reached it meanwhile leaves under the old right.

import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connectTo, ok, response, serve } from '../support/raw.ts'
import type { Script } from '../support/raw.ts'
import { message } from '../support/standby.ts'
import { pause } from '../support/wait.ts'

const RIGHT_MS = 300

/** Answers requests, and echoes everything else. */
const both: Script = (peer) => {
  peer.socket.on('data', (bytes) => {
    peer.socket.write(bytes.toString('latin1').includes('HTTP/1.1') ? ok('done') : bytes)
  })
}

test('a process that was stopped and continues sends nothing with its old right', async (t) => {
  const backend = await serve(both)
  t.after(() => backend.stop())
  const child = fork(fileURLToPath(new URL('../support/stopped-plane.js', import.meta.url)), [
    backend.address,
  ])
  t.after(() => child.kill('SIGKILL'))
  await once(child, 'message')
  child.send(60_000)
  const [ports] = (await once(child, 'message')) as [[number, number, number]]
  const web = await connectTo(ports[0])
  const fresh = await connectTo(ports[0])
  const raw = await connectTo(ports[1])
  const reader = await connectTo(ports[2])
  web.write(message('GET'))
  assert.equal((await response(web)).body, 'done')
  for (const tunnel of [raw, reader]) {
    tunnel.write('hello')
    assert.equal(await tunnel.text(5), 'hello')
  }

  child.send(RIGHT_MS)
  await once(child, 'message')
  child.kill('SIGSTOP')
  const seen = backend.peers.map(({ received }) => received)
  web.write(message('POST', 'late'))
  fresh.write(message('GET'))
  raw.write('late')
  reader.write('late')
  await pause(RIGHT_MS + 100)
  child.kill('SIGCONT')

  for (const client of [web, fresh]) {
    const answer = await response(client)
    assert.match(answer.start, / 503 /)
    assert.equal(answer.field('evenkeel-fault'), 'no-agreement')
  }
  assert.equal(await raw.close(), 'ECONNRESET')
  assert.equal(await reader.close(), 'ECONNRESET')
  assert.deepEqual(
    backend.peers.map(({ received }) => received),
    seen,
  )
})
