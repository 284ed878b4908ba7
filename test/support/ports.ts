// Ports on the loopback address for servers that cannot be told to take port 0 and say which, and
// for those that must come back on the port they had.
// They lie below the range of ephemeral ports: while a server is down nobody's outgoing connection
// can take its port, and a client that polls it cannot connect to itself.

import { connect, createServer } from 'node:net'

const first = 20_000
const last = 32_000
let next = first + Math.floor(Math.random() * (last - first))

/** A TCP port that is free now and that this process has not given out lately. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = next
    next = next === last ? first : next + 1
    if (await canBind(port)) return port
  }
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

function canBind(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}
