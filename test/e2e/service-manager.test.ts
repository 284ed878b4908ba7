import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { stringify } from 'yaml'
import { startBackend } from '../support/backend.ts'
import { mainFile, startEvenkeel } from '../support/evenkeel.ts'
import { freePort } from '../support/ports.ts'
import { runProcess, temporaryFolder } from '../support/processes.ts'
import { waitFor } from '../support/wait.ts'

const folder = temporaryFolder('service')

/** What the process said to a `systemd-notify` that stands in for the real one. */
function notifications(): { readonly path: string; readonly said: () => string[] } {
  const file = join(folder, 'said')
  const program = join(folder, 'systemd-notify')
  writeFileSync(program, `#!/bin/sh\necho "$@" >> ${file}\n`)
  chmodSync(program, 0o755)
  // The shell makes the file before it writes the line.
  const said = (): string[] =>
    existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : []
  return { path: `${folder}:${process.env['PATH']}`, said }
}

test('systemd hears which process serves, before and after an upgrade, and that it stops', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const { path, said } = notifications()
  const running = await startEvenkeel(
    {
      listeners: { web: { pool: 'web' } },
      pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
    },
    { env: { NOTIFY_SOCKET: '/run/none', PATH: path } },
  )
  after(() => running.stop())
  const ready = (pid: number): string => `--ready --pid=${pid} --status=serving`
  await waitFor(() => said().length === 1)
  assert.deepEqual(said(), [ready(running.process.pid)])
  const admin = running.adminUrl.slice('http://'.length)
  const { code, stderr } = await runProcess(process.execPath, [
    mainFile,
    'upgrade',
    '--admin',
    admin,
  ])
  assert.equal(code, 0, stderr)
  const version = await fetch(`${running.adminUrl}/v1/version`)
  const { pid } = (await version.json()) as { pid: number }
  await waitFor(() => said().length === 2)
  assert.deepEqual(said(), [ready(running.process.pid), ready(pid)])
  process.kill(pid, 'SIGTERM')
  await running.process.exited
  // Only the process that serves says that the service stops.
  await waitFor(() => said().length === 3)
  assert.deepEqual(said().slice(2), ['STOPPING=1 --status=finishing what runs'])
})

async function opened(): Promise<{ server: Server; fd: number; port: number }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  return { server, fd, port: (server.address() as AddressInfo).port }
}

test('sockets of a service manager are taken by name or address, and handed on by an upgrade', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const [named, placed, admin] = [await opened(), await opened(), await opened()]
  const file = join(folder, 'evenkeel.yaml')
  const pool = { backends: { one: backend.address }, healthCheck: { http: '/health' } }
  const config = {
    log: { access: { format: 'off' } },
    admin: { bind: `127.0.0.1:${admin.port}` },
    listeners: {
      // The unit decides where it listens.
      web: { bind: `127.0.0.1:${await freePort()}`, pool: 'web' },
      other: { bind: `127.0.0.1:${placed.port}`, pool: 'web' },
    },
    pools: { web: pool },
  }
  writeFileSync(file, stringify(config))
  const script = `LISTEN_PID=$$ LISTEN_FDS=3 LISTEN_FDNAMES=web:unknown:admin exec ${process.execPath} ${mainFile} run ${file}`
  const child = spawn('sh', ['-c', script], {
    stdio: ['ignore', 'ignore', 'pipe', named.fd, placed.fd, admin.fd],
  })
  after(() => child.kill('SIGKILL'))
  // It may be gone before the command that replaced it has ended.
  const exited = once(child, 'exit')
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
  await waitFor(() => said.includes('is running'))
  // From here on nobody else accepts there.
  for (const { server } of [named, placed, admin]) server.close()
  const serves = async (): Promise<void> => {
    for (const { port } of [named, placed]) {
      const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } })
      assert.equal(await answer.text(), 'one')
    }
  }
  await serves()
  const words = [mainFile, 'upgrade', '--admin', `127.0.0.1:${admin.port}`]
  const { code, stdout, stderr } = await runProcess(process.execPath, words)
  assert.equal(code, 0, stderr)
  await exited
  const pid = Number(/^Process (\d+)/.exec(stdout)?.[1])
  after(() => process.kill(pid, 'SIGKILL'))
  await serves()
})

test('a data thread that fails with a socket of the service manager ends the process, which can get it again', async () => {
  const backend = await startBackend({ name: 'one' })
  after(() => backend.stop())
  const web = await opened()
  // The service manager holds the socket all the while.
  const holder = spawn('sleep', ['600'], { stdio: ['ignore', 'ignore', 'ignore', web.fd] })
  after(() => holder.kill('SIGKILL'))
  const file = join(folder, 'lost.yaml')
  const config = {
    runtime: { threads: 1 },
    log: { access: { format: 'off' } },
    admin: { bind: `127.0.0.1:${await freePort()}` },
    listeners: { web: { bind: `127.0.0.1:${web.port}`, pool: 'web' } },
    pools: { web: { backends: { one: backend.address }, healthCheck: { http: '/health' } } },
  }
  writeFileSync(file, stringify(config))
  const preload = new URL('../support/failing-preload.js', import.meta.url).href
  const script = `LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=web exec ${process.execPath} --import=${preload} ${mainFile} run ${file}`
  const child = spawn('sh', ['-c', script], { stdio: ['ignore', 'ignore', 'pipe', web.fd] })
  after(() => child.kill('SIGKILL'))
  const closed = once(child, 'close')
  let said = ''
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (said += text))
  await waitFor(() => said.includes('is running'))
  web.server.close()
  const headers = { connection: 'close' }
  assert.equal(await (await fetch(`http://127.0.0.1:${web.port}/`, { headers })).text(), 'one')
  child.kill('SIGWINCH')
  assert.deepEqual(await closed, [1, null])
  assert.ok(
    said.includes('a data thread is gone with sockets that only a new start gets again'),
    said,
  )
  assert.ok(!said.includes('a listener failed'), said)
})
