// Ends a connection with a reset, where Node can.

import type { Socket } from 'node:net'

/**
 * Resets a connection. One whose FIN is on its way is only closed: libuv would refuse the reset, and
 * Node would take the handle for closed, so that the process could never end.
 */
export function resetSocket(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}
