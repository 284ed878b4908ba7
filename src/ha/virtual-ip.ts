// Whether a virtual IP address is on this node. With the second chance every node has it on lo all
// the time, so only an interface that leads somewhere counts.

import { SocketAddress } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import { networkInterfaces } from 'node:os'

type Interfaces = Readonly<Record<string, readonly NetworkInterfaceInfo[] | undefined>>

/** Name of the interface that has it; `null` if none does. */
export function interfaceOf(
  vip: string,
  interfaces: Interfaces = networkInterfaces(),
): string | null {
  const wanted = canonicalIp(vip)
  for (const [name, addresses = []] of Object.entries(interfaces)) {
    const has = addresses.some(
      ({ address, internal }) => !internal && canonicalIp(address) === wanted,
    )
    if (has) return name
  }
  return null
}

/** One spelling for each IP address, without a zone. */
export function canonicalIp(address: string): string {
  const family = address.includes(':') ? 'ipv6' : 'ipv4'
  return new SocketAddress({ address: address.split('%')[0]!, family }).address
}
