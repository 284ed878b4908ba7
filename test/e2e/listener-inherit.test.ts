import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { NetConnectOpts } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Address } from '../../src/core/plan.ts'
import { Listener } from '../../src/listen/listener.ts'
import { temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

function listenerAt(address: Address): { listener: Listener; accepted: () => number } {
  let accepted = 0
  const listener = new Listener({
    address,
    reusePort: false,
    owner: {
      onAccept: (handle) => {
        accepted++
        handle.close()
      },
      onError: (message) => assert.fail(message),
    },
  })
  after(() => listener.close())
  return { listener, accepted: () => accepted }
}

/** Another process that accepts on a socket of ours and says its name to whoever comes. */
async function heirOf(fd: number): Promise<void> {
  const code = `
    require('node:net').createServer((socket) => socket.end('heir'))
      .listen({ fd: 3 }, () => process.stdout.write('ready'))`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit', fd] })
  after(() => child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
}

function answerOf(where: NetConnectOpts): Promise<string> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(where)
    socket.setEncoding('utf8').on('data', (text: string) => (said += text))
    socket.on('end', () => resolve(said))
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
}

test('a port that another process has inherited is accepted on when we stop', async () => {
  const { listener } = listenerAt({ kind: 'tcp', host: '127.0.0.1', port: 0 })
  await listener.open()
  const { address } = listener
  assert.equal(listener.descriptors.length, 1)
  await heirOf(listener.descriptors[0]!)
  listener.close(true)
  assert.ok(address.kind === 'tcp')
  for (let i = 0; i < 20; i++) assert.equal(await answerOf({ ...address }), 'heir')
})

test('a unix socket that is handed over keeps its name', async () => {
  const path = join(temporaryFolder('inherit'), 'web.sock')
  const { listener } = listenerAt({ kind: 'unix', path })
  await listener.open()
  await heirOf(listener.descriptors[0]!)
  listener.close(true)
  for (let i = 0; i < 20; i++) assert.equal(await answerOf({ path }), 'heir')
  listener.close()
  assert.ok(existsSync(path))
})

test('a unix socket that is not handed over takes its name with it', async () => {
  const folder = temporaryFolder('inherit')
  const path = join(folder, 'web.sock')
  const { listener, accepted } = listenerAt({ kind: 'unix', path })
  await listener.open()
  await answerOf({ path })
  await waitFor(() => accepted() === 1)
  listener.close()
  assert.ok(!existsSync(path))
})

test('a unix socket does not take the place of a file', async () => {
  const path = join(temporaryFolder('inherit'), 'web.sock')
  writeFileSync(path, '')
  const { listener } = listenerAt({ kind: 'unix', path })
  await assert.rejects(listener.open(), new RegExp(`unix:${path} is in use`))
  assert.ok(existsSync(path))
})

test('an address that is taken is named as it is written in a configuration', async () => {
  const first = listenerAt({ kind: 'tcp', host: '::1', port: 0 })
  await first.listener.open()
  const { port } = first.listener.address as { port: number }
  const second = listenerAt({ kind: 'tcp', host: '::1', port })
  const message = `[::1]:${port} is in use by another program`
  await assert.rejects(second.listener.open(), (error: Error) => error.message.includes(message))
})
