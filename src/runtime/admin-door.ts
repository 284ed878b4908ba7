// Where the admin API listens: on a socket of its own, or on one that the process before had.

import { chmod } from 'node:fs/promises'
import type { Door } from '../admin/server.ts'
import type { Address } from '../core/plan.ts'
import { SocketName } from '../listen/socket-name.ts'
import { settleAddress } from './port-check.ts'

/** A socket of the process before. */
export interface Inherited {
  readonly fd: number
  readonly address: Address
}

/**
 * @param inherited the socket that listens there already; `null` if there is none
 * @param owner whose it is, for a sentence about an address that is taken
 * @throws AddressError when the address is taken
 */
export async function openDoor(
  wanted: Address,
  inherited: Inherited | null,
  owner: string,
): Promise<Door> {
  const address = inherited?.address ?? (await settleAddress(wanted, owner))
  const name = address.kind === 'unix' ? new SocketName(address.path, inherited !== null) : null
  return {
    address,
    where: whereOf(address, inherited?.fd ?? null, name),
    isLasting: name?.isLasting ?? true,
    opened: async () => {
      if (name === null || address.kind !== 'unix') return
      if (inherited === null) name.settle()
      await chmod(address.path, 0o660)
    },
    removed: () => name?.remove(),
  }
}

function whereOf(address: Address, fd: number | null, name: SocketName | null): Door['where'] {
  if (fd !== null) return { fd }
  if (address.kind === 'tcp') return { host: address.host, port: address.port }
  return { path: name!.bindPath }
}
