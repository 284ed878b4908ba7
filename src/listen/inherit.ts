// Sockets that a service manager has opened for this process (sd_listen_fds(3)): which descriptors
// they are, and where they listen, as Linux shows it in /proc. Must never open or close one.

import { readFileSync, readlinkSync } from 'node:fs'
import type { Address } from '../core/plan.ts'

/** A socket that listens already. */
export interface ActivatedSocket {
  readonly fd: number
  /** `FileDescriptorName=` of its unit; systemd's default is the name of the unit. */
  readonly name: string
  readonly address: Address
}

/** The first descriptor that a service manager passes. */
const FIRST_FD = 3
/** State of a listening socket in /proc/net/tcp. */
const LISTEN = '0A'

const VARIABLES = ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES'] as const

/**
 * What the environment says was passed to this very process, and no other: the variables are removed.
 * Descriptors that don't listen are left out.
 */
export function takeActivated(
  env: Record<string, string | undefined>,
  pid: number,
): ActivatedSocket[] {
  const [forPid, fds = '0', fdNames = ''] = VARIABLES.map((name) => env[name])
  for (const name of VARIABLES) delete env[name]
  if (forPid !== String(pid)) return []
  const count = Number(fds)
  const names = fdNames.split(':')
  const tables = { tcp: tableOf('tcp'), tcp6: tableOf('tcp6'), unix: tableOf('unix') }
  const sockets: ActivatedSocket[] = []
  for (let i = 0; i < count; i++) {
    const fd = FIRST_FD + i
    const inode = inodeOf(fd)
    const address = inode === null ? null : findAddress(tables, inode)
    if (address !== null) sockets.push({ fd, name: names[i] ?? '', address })
  }
  return sockets
}

export interface SocketTables {
  readonly tcp: string
  readonly tcp6: string
  readonly unix: string
}

/** Where the listening socket with this inode listens, by the texts of /proc/net. */
export function findAddress({ tcp, tcp6, unix }: SocketTables, inode: string): Address | null {
  for (const table of [tcp, tcp6]) {
    for (const line of table.split('\n').slice(1)) {
      // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
      const [, local = '', , state, , , , , , found] = line.trim().split(/\s+/)
      if (state === LISTEN && found === inode) return readLocal(local)
    }
  }
  for (const line of unix.split('\n').slice(1)) {
    // Num RefCount Protocol Flags Type St Inode Path
    const [, , , , , , found, path = ''] = line.trim().split(/\s+/)
    if (found === inode && path.startsWith('/')) return { kind: 'unix', path }
  }
  return null
}

/** `0100007F:1F90`: words of the address in the byte order of the machine, which is little-endian. */
function readLocal(text: string): Address {
  const [host = '', port = ''] = text.split(':')
  const bytes = (host.match(/.{8}/g) ?? []).flatMap((word) =>
    (word.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16)).reverse(),
  )
  const at = Number.parseInt(port, 16)
  if (bytes.length === 4) return { kind: 'tcp', host: bytes.join('.'), port: at }
  return { kind: 'tcp', host: shortest(bytes), port: at }
}

/** An IPv6 address as RFC 5952 writes it. */
function shortest(bytes: readonly number[]): string {
  const groups: string[] = []
  for (let i = 0; i < bytes.length; i += 2) {
    groups.push(((bytes[i]! << 8) | bytes[i + 1]!).toString(16))
  }
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1)
}

function tableOf(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, 'utf8')
  } catch {
    return ''
  }
}

function inodeOf(fd: number): string | null {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? null
  } catch {
    return null
  }
}
