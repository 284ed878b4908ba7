import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Worker } from 'node:worker_threads'
import type { Address, Plan } from '../../../src/core/plan.ts'
import { settleAddress, settleAddresses } from '../../../src/runtime/port-check.ts'

const folder = await mkdtemp(join(tmpdir(), 'evenkeel-port-check-'))
after(() => rm(folder, { recursive: true }))

function tcp(port: number, host = '127.0.0.1'): Address {
  return { kind: 'tcp', host, port }
}

test('port 0 is settled on a port that is free afterwards', async () => {
  const plan = { listeners: [{ name: 'web', address: tcp(0) }] } as unknown as Plan
  const settled = await settleAddresses(plan)
  const address = settled.listeners[0]!.address
  assert.ok(address.kind === 'tcp' && address.port > 0)
  assert.deepEqual(await settleAddress(address, 'x'), address)
})

test('an occupied port is an error that names the address and who has it', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const who = process.platform === 'linux' ? `\\S+ \\(pid ${process.pid}\\)` : 'another program'
  await assert.rejects(settleAddress(tcp(port), "listener 'web'"), {
    name: 'AddressError',
    message: new RegExp(`^listener 'web' can't listen on 127.0.0.1:${port}: .* taken by ${who}$`),
  })
})

test('an address that is not ours is named as such', async () => {
  await assert.rejects(
    settleAddress(tcp(8080, '192.0.2.1'), 'admin'),
    /^AddressError: admin can't listen on 192.0.2.1:8080: no interface of this machine has/,
  )
})

test('a socket file is removed only when nobody listens on it', async () => {
  const path = join(folder, 'a.sock')
  const address = { kind: 'unix', path } as const
  const server = createServer().listen(path)
  await once(server, 'listening')
  await assert.rejects(settleAddress(address, 'web'), /another program listens there/)
  server.close()
  await once(server, 'close')

  // A process that is killed leaves its file behind.
  const { spawn } = await import('node:child_process')
  const code = `require('net').createServer().listen(${JSON.stringify(path)}, () => console.log('up'))`
  const child = spawn(process.execPath, ['-e', code])
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.ok(existsSync(path))
  await settleAddress(address, 'web')
  assert.ok(!existsSync(path))
})

test('a file that is no socket is never removed', async () => {
  const path = join(folder, 'precious')
  await writeFile(path, 'data')
  await assert.rejects(settleAddress({ kind: 'unix', path }, 'web'), /a file that is no socket/)
  assert.ok(existsSync(path))
})

test('the clock reads the same in every thread', async () => {
  const clock = new URL('../../../src/runtime/clock.js', import.meta.url).href
  const { systemClock } = await import('../../../src/runtime/clock.ts')
  const code = `import { parentPort } from 'node:worker_threads'
    import { systemClock } from ${JSON.stringify(clock)}
    parentPort.postMessage(systemClock().nowMs())`
  const before = systemClock().nowMs()
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`))
  const [there] = (await once(worker, 'message')) as [number]
  assert.ok(before <= there && there <= systemClock().nowMs())
})
