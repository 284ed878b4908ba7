// Which Host a request to the admin API may name. A web page can make its visitor's browser call us
// under the page's own name (DNS rebinding), so names that strangers can register are refused.
// An IP address is always fine: no name was involved.

import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Suffixes that no public DNS zone can have (RFC 6761, RFC 6762, ICANN's `.internal`) or that clusters use. */
const PRIVATE_SUFFIXES = ['.localhost', '.local', '.internal', '.svc']

/** Who can connect to the API: processes with the right to a file, this machine, or a network. */
export type Reach = 'file' | 'loopback' | 'network'

/** @param host value of the Host field; `undefined` if there is none */
export function isHostAllowed(host: string | undefined, reach: Reach): boolean {
  if (reach === 'file') return true
  if (host === undefined) return false
  const name = nameOf(host)
  if (name === '') return false
  if (isIP(name) > 0 || name === 'localhost' || name.endsWith('.localhost')) return true
  if (reach === 'loopback') return false
  // A name without a dot is found only through the search domains of our own network.
  if (!name.includes('.') || name === hostname().toLowerCase()) return true
  return PRIVATE_SUFFIXES.some((suffix) => name.endsWith(suffix))
}

function nameOf(host: string): string {
  const bracketed = /^\[([^\]]+)\](:\d+)?$/.exec(host)
  if (bracketed !== null) return bracketed[1]!.toLowerCase()
  const plain = /^([a-z0-9._-]+)(:\d+)?$/i.exec(host)
  return plain === null ? '' : plain[1]!.toLowerCase().replace(/\.$/, '')
}
