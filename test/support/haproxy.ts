// A real HAProxy, for the same scenario side by side with Evenkeel.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, isListening } from './ports.ts'
import { startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'

export interface Haproxy {
  readonly port: number
  readonly url: string
  readonly process: Process
  stop(): Promise<void>
}

/** `backend` are the lines of its `backend` section. Timeouts are those its manual recommends. */
export async function startHaproxy(backend: readonly string[]): Promise<Haproxy> {
  const port = await freePort()
  const file = join(temporaryFolder('haproxy'), 'haproxy.cfg')
  const lines = [
    'global',
    '  maxconn 4000',
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 50s',
    '  timeout server 50s',
    'frontend web',
    `  bind 127.0.0.1:${port}`,
    '  default_backend web',
    'backend web',
    ...backend.map((line) => `  ${line}`),
    '',
  ]
  writeFileSync(file, lines.join('\n'))
  const started = startProcess('haproxy', ['-db', '-f', file])
  await waitUntilReady(started, 'haproxy', () => isListening(port))
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    process: started,
    async stop() {
      await started.stop({ signal: 'SIGKILL' })
    },
  }
}
