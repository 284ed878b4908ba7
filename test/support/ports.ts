// Ports on the loopback address for servers that cannot be told to take port 0 and say which, and
// for those that must come back on the port they had.
// They lie below the range of ephemeral ports: while a server is down nobody's outgoing connection
// can take its port, and a client that polls it cannot connect to itself.
// Test files run side by side, and a port that one of them has been given may be free for a while:
// so each process has blocks of ports to itself, and holds the first port of each as long as it lives.

import { connect, createServer } from 'node:net'
import type { Server } from 'node:net'

const FIRST = 20_000
const BLOCK = 40
const BLOCKS = 300
/** What is left of our latest block. */
let next = 0
let end = 0

/** A TCP port that is free now, and that nobody else is given by this function. */
export async function freePort(): Promise<number> {
  for (;;) {
    while (next < end) {
      const port = next++
      if (await canBind(port)) return port
    }
    await takeBlock()
  }
}

async function takeBlock(): Promise<void> {
  const start = Math.floor(Math.random() * BLOCKS)
  for (let i = 0; i < BLOCKS; i++) {
    const first = FIRST + ((start + i) % BLOCKS) * BLOCK
    const guard = await listen(first)
    if (guard === null) continue
    guard.unref()
    next = first + 1
    end = first + BLOCK
    return
  }
  throw new Error('every block of ports is taken')
}

/** Whether something accepts connections there. */
export function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

async function canBind(port: number): Promise<boolean> {
  const server = await listen(port)
  if (server === null) return false
  await new Promise((resolve) => server.close(resolve))
  return true
}

/** `null`: somebody has the port. */
function listen(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(null))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
