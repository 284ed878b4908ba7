// The name of a unix socket that we listen on. libuv removes the name that a socket was bound to when
// the socket is closed, even if another process has inherited the socket and still listens on it. So
// it is bound to a name for a moment and then moved to its real one, which only we remove.

import { randomBytes } from 'node:crypto'
import { linkSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Longest socket path that all systems take, less the terminating NUL. */
const PATH_BYTES_MAX = 103

export class SocketName {
  /** What to bind to. */
  readonly bindPath: string
  readonly #path: string

  /** @param isInherited the socket has this name already */
  constructor(path: string, isInherited = false) {
    const beside = join(dirname(path), `.${randomBytes(4).toString('hex')}`)
    this.#path = path
    const fits = Buffer.byteLength(beside) <= PATH_BYTES_MAX
    this.bindPath = fits || isInherited ? beside : path
  }

  /** Whether the name stays when the socket is closed, until it is removed. */
  get isLasting(): boolean {
    return this.bindPath !== this.#path
  }

  /** Gives the bound socket its name. @throws Error when there is something of that name */
  settle(): void {
    if (!this.isLasting) return
    try {
      linkSync(this.bindPath, this.#path)
    } finally {
      rmSync(this.bindPath, { force: true })
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true })
  }
}
