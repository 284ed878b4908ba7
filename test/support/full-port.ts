// A port that never completes a connect: its listener's queue is full and its owner stands still,
// so the kernel lets every further SYN fall.

import { spawn } from 'node:child_process'
import net from 'node:net'
import { once } from 'node:events'

const OWNER = `
const server = require('node:net').createServer()
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
  require('node:fs').writeSync(1, server.address().port + '\\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000)
})`

export interface FullPort {
  readonly address: string
  stop(): void
}

/** Makes such a port. */
export async function fullPort(): Promise<FullPort> {
  const child = spawn(process.execPath, ['-e', OWNER], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const port = Number(line.toString())
  const fillers: net.Socket[] = []
  // A backlog of 1 takes two; whoever comes after them waits for ever.
  for (let i = 0; i < 2; i++) {
    const socket = net.connect(port, '127.0.0.1')
    fillers.push(socket)
    await once(socket, 'connect')
  }
  return {
    address: `127.0.0.1:${port}`,
    stop: () => {
      for (const socket of fillers) socket.on('error', () => {}).destroy()
      child.kill('SIGKILL')
    },
  }
}
