// Backends and a request for tests of tunnels, over tcp or behind a switch of protocols.

import type { Script } from './raw.ts'
import { message } from './standby.ts'

/** Asks for another protocol. */
export const upgrade = message('GET', null, 'Connection: Upgrade\r\nUpgrade: websocket\r\n')

/** Grants it. */
export const SWITCHED = 'HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'

/** Sends back what comes. */
export const echo: Script = (peer) => {
  peer.socket.on('data', (bytes) => peer.socket.write(bytes))
}

/** Switches protocols and sends back what comes. */
export const switching: Script = async (peer) => {
  await peer.until('\r\n\r\n')
  peer.write(SWITCHED)
  await echo(peer, 0)
}
