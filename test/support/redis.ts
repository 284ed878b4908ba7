// A real redis-server without persistence in a folder of its own.

import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'

export interface Redis {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Starts redis-server and waits until it answers PING. */
export async function startRedis(options: { port?: number } = {}): Promise<Redis> {
  const port = options.port ?? (await freePort())
  const folder = temporaryFolder('redis')
  const settings = { port, bind: '127.0.0.1', dir: folder, save: '', appendonly: 'no' }
  const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
  const start = async (): Promise<Process> => {
    const started = startProcess('redis-server', args)
    await waitUntilReady(started, 'redis-server', async () => {
      return (await runProcess('redis-cli', ['-p', String(port), 'ping'])).stdout.includes('PONG')
    })
    return started
  }
  let running = await start()
  return {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    async kill(signal) {
      running.signal(signal)
      if (signal === 'SIGKILL') await running.exited
    },
    async restart() {
      await running.stop({ signal: 'SIGKILL' })
      running = await start()
    },
    async stop() {
      await running.stop({ signal: 'SIGKILL' })
    },
  }
}
