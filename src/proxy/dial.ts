// From a backend's name to an address to connect to. IP addresses and sockets need nothing; a host
// name is looked up in the background and the last good answer is served meanwhile, so that no
// request waits for the resolver but the first, and a resolver that fails takes no backend away.

import dns from 'node:dns'
import net from 'node:net'
import type { Destination } from './socket.ts'

/** How long a name's answer is used before it is asked for again. */
const FRESH_MS = 5_000

interface Known {
  address: string
  /** Reading of `process.uptime` (s) at which the answer came. */
  at: number
  asking: boolean
}

const known = new Map<string, Known>()

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
  const answer = known.get(host)
  if (answer === undefined) {
    lookUp(host, (address, error) => done(address === '' ? null : { host: address, port }, error))
    return
  }
  if (!answer.asking && process.uptime() - answer.at > FRESH_MS / 1000) {
    answer.asking = true
    lookUp(host, () => {
      answer.asking = false
    })
  }
  done({ host: answer.address, port }, '')
}

function lookUp(host: string, done: (address: string, error: string) => void): void {
  dns.lookup(host, { verbatim: false }, (error, address) => {
    if (error !== null) {
      done('', error.code ?? 'ENOTFOUND')
      return
    }
    known.set(host, { address, at: process.uptime(), asking: false })
    done(address, '')
  })
}
