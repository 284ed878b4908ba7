// Makes sure that one process alone writes a state directory. The lock is a unix socket that its holder
// listens on: the kernel closes it however the holder ends, so there is no pid to be reused, and it
// works between containers that share a volume. A process that is stopped still holds its lock.
// Must never break the lock of a process that lives.

import { randomBytes } from 'node:crypto'
import { chmodSync, linkSync, lstatSync, rmSync, unlinkSync } from 'node:fs'
import type { Server } from 'node:net'
import { connect, createServer } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'

/** A directory that is held. */
export interface StateLock {
  /** Nobody has removed or replaced the lock since it was taken. */
  isHeld(): boolean
  release(): Promise<void>
}

/** The directory is in use; the message names by whom. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
}

const NAME = 'failover.lock'
/** Longest socket path that all systems take, less some room. */
const PATH_BYTES_MAX = 100
/** How long the holder has to say who it is; it may be stopped. */
const ANSWER_MS = 250
/** Stale locks that others clear at the same time. */
const TRIES = 5

/**
 * Takes the lock of a directory, over from a process that is dead.
 * @param fd of the directory, open as long as the lock is
 * @throws LockedError when another process holds it; system errors
 */
export async function takeLock(dir: string, fd: number): Promise<StateLock> {
  const path = join(dir, NAME)
  // It listens before it gets its name, so that a lock that does not answer is always a dead one.
  const own = `${NAME}.${process.pid}.${randomBytes(4).toString('hex')}`
  const server = await listenAt(socketPath(dir, fd, own))
  try {
    chmodSync(join(dir, own), 0o600)
    for (let i = 0; i < TRIES; i++) {
      if (linked(join(dir, own), path)) return new HeldLock(server, path)
      await clearIfDead(path, socketPath(dir, fd, NAME))
    }
    throw new LockedError('other processes are taking it at the same time')
  } catch (error) {
    server.close()
    throw error
  } finally {
    rmSync(join(dir, own), { force: true })
  }
}

class HeldLock implements StateLock {
  readonly #server: Server
  readonly #path: string
  readonly #inode: bigint | null

  constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
    this.#inode = inodeOf(path)
  }

  // While it is open its inode belongs to nobody else.
  isHeld(): boolean {
    return this.#inode !== null && inodeOf(this.#path) === this.#inode
  }

  async release(): Promise<void> {
    if (this.isHeld()) unlinkSync(this.#path)
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
    })
  }
}

/** Removes a lock that nobody listens on. @throws LockedError when somebody does */
async function clearIfDead(path: string, address: string): Promise<void> {
  const inode = inodeOf(path)
  if (inode === null) return
  if (!lstatSync(path).isSocket()) throw new LockedError(`${path} is not a lock of Evenkeel's`)
  const holder = await holderOf(address)
  if (holder !== null) throw new LockedError(`${holder} uses it`)
  if (inodeOf(path) === inode) unlinkSync(path)
}

/** Who listens there; `null` if nobody does. */
function holderOf(address: string): Promise<string | null> {
  return new Promise((resolve) => {
    let said = ''
    const socket = connect(address)
    const end = (): void => {
      socket.destroy()
      resolve(said.trim() === '' ? 'another process' : said.trim())
    }
    socket.setTimeout(ANSWER_MS, end)
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => (said += text))
    socket.on('end', end)
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      if (code === 'ECONNREFUSED' || code === 'ENOENT') resolve(null)
      else end()
    })
  })
}

async function listenAt(address: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // Whoever asked may be stopped; that must not hold up our release.
    socket.end(`the process ${process.pid} on ${hostname()}\n`, () => socket.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, resolve)
  })
  server.on('error', () => {})
  return server.unref()
}

/** A socket's path is short by nature; Linux has a shorter one for any directory that is open. */
function socketPath(dir: string, fd: number, name: string): string {
  const path = join(dir, name)
  return Buffer.byteLength(path) <= PATH_BYTES_MAX ? path : `/proc/self/fd/${fd}/${name}`
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

function inodeOf(path: string): bigint | null {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })?.ino ?? null
}
