// From a backend's name to an address to connect to. IP addresses and sockets need nothing; a host
// name is looked up by the system's resolver, which knows /etc/hosts and search lists, through a
// cache that serves the last good answer meanwhile. No request waits for it but the first.

import dns from 'node:dns'
import net from 'node:net'
import { NameCache } from '../core/name-cache.ts'
import type { Destination } from './socket.ts'

const names = new NameCache({
  nowMs: () => performance.now(),
  ask: (host, done) => {
    dns.lookup(host, { verbatim: false }, (error, address) => {
      if (error === null) done(address, '')
      else done('', error.code ?? 'ENOTFOUND')
    })
  },
})

/** Calls `done` with where to connect, at once if that is known; else with the resolver's error. */
export function resolve(
  destination: Destination,
  done: (destination: Destination | null, error: string) => void,
): void {
  if ('path' in destination || net.isIP(destination.host) !== 0) {
    done(destination, '')
    return
  }
  const { host, port } = destination
  names.resolve(host, (address, error) =>
    done(address === '' ? null : { host: address, port }, error),
  )
}
