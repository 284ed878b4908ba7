// Finds out whether several threads can share one port here (Node 22.12 and up, on Linux and most
// BSDs), by trying it: older versions ignore the option without a word.

import type { Server } from 'node:net'
import { createServer } from 'node:net'
import { once } from 'node:events'

/** Whether two listeners can be opened on one port with `reusePort`. */
export async function canReusePort(): Promise<boolean> {
  const first = createServer()
  const second = createServer()
  try {
    await listen(first, 0)
    const address = first.address()
    await listen(second, typeof address === 'object' && address !== null ? address.port : 0)
    return true
  } catch {
    return false
  } finally {
    first.close()
    second.close()
  }
}

async function listen(server: Server, port: number): Promise<void> {
  // The type definitions are those of the oldest Node we run on.
  server.listen({ host: '127.0.0.1', port, reusePort: true } as { host: string; port: number })
  await once(server, 'listening')
}
