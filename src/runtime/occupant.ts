// Finds the process that listens on a TCP port, by what Linux shows in /proc. Other systems, and
// processes of other users, show nothing: then the answer is that we don't know.

import { readFile, readdir, readlink } from 'node:fs/promises'

export interface Occupant {
  readonly pid: number
  /** Its name as the kernel knows it. */
  readonly program: string
}

const LISTEN = '0A'

/** The process that has a listening socket on `port`, on whichever local address; else `null`. */
export async function findOccupant(port: number): Promise<Occupant | null> {
  const tables = await Promise.all(['/proc/net/tcp', '/proc/net/tcp6'].map(readText))
  const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)))
  if (inodes.size === 0) return null
  for (const pid of await listNames('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const descriptor of await listNames(`/proc/${pid}/fd`)) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1]
      if (inode === undefined || !inodes.has(inode)) continue
      const program = (await readText(`/proc/${pid}/comm`)).trim()
      return { pid: Number(pid), program: program === '' ? 'a process' : program }
    }
  }
  return null
}

/** Inodes of the sockets that listen on `port`, from the text of /proc/net/tcp or tcp6. */
export function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  const inodes: string[] = []
  for (const line of table.split('\n').slice(1)) {
    // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
    const [, local = '', , state, , , , , , inode] = line.trim().split(/\s+/)
    if (state === LISTEN && local.endsWith(`:${wanted}`) && inode !== undefined) inodes.push(inode)
  }
  return inodes
}

async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '')
}

async function listNames(path: string): Promise<string[]> {
  return readdir(path).catch(() => [])
}
