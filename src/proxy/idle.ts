// Kept-alive backend connections of one backend on one thread. The last one used is the first one
// taken (LIFO), so that the others can grow old and go. Any byte or end on an idle connection
// destroys it: that is the connection's own doing (`http1-backend.ts`), which then calls `remove`.

/** What an idle connection shows to the stack. */
export interface IdleConnection {
  /** Position in the stack, −1 outside. */
  idleIndex: number
  /** Monotonic ms since which it is idle. */
  idleSinceMs: number
  /** Monotonic ms after which it must not be used again. */
  idleUntilMs: number
  discard(): void
  /** Breaks it visibly; what it had been given and the kernel still holds is dropped. */
  abort(): void
}

/** A request that can't be replayed takes only a connection idle for less than this. */
const FRESHNESS_MS = 1_000

export class IdleConnections {
  private readonly stack: IdleConnection[] = []
  private max: number

  constructor(limits: { readonly idleMax: number }) {
    this.max = limits.idleMax
  }

  /** Keeps at most so many from now on; 0 keeps none. Those idle for longest go first. */
  resize(max: number): void {
    this.max = max
    while (this.stack.length > max) {
      const connection = this.stack[0]!
      this.remove(connection)
      connection.discard()
    }
  }

  get size(): number {
    return this.stack.length
  }

  /** The connection used last, or null. `replayable: false` asks for one that is surely alive. */
  take(nowMs: number, replayable: boolean): IdleConnection | null {
    const connection = this.stack.at(-1)
    if (connection === undefined || connection.idleUntilMs <= nowMs) return null
    if (!replayable && nowMs - connection.idleSinceMs >= FRESHNESS_MS) return null
    this.stack.pop()
    connection.idleIndex = -1
    return connection
  }

  /** Keeps a connection; false if there is no room for it. */
  put(connection: IdleConnection): boolean {
    if (this.stack.length >= this.max) return false
    connection.idleIndex = this.stack.length
    this.stack.push(connection)
    return true
  }

  /** Forgets a connection that has closed. */
  remove(connection: IdleConnection): void {
    const index = connection.idleIndex
    if (index < 0) return
    this.stack.splice(index, 1)
    for (let i = index; i < this.stack.length; i++) this.stack[i]!.idleIndex = i
    connection.idleIndex = -1
  }

  /** Discards those whose time is over. The oldest lie at the bottom. */
  expire(nowMs: number): void {
    while (this.stack.length > 0 && this.stack[0]!.idleUntilMs <= nowMs) {
      const connection = this.stack[0]!
      this.remove(connection)
      connection.discard()
    }
  }

  /** Discards all, e.g. when the backend went down. */
  clear(): void {
    for (const connection of this.takeAll()) connection.discard()
  }

  /** Breaks all, when not a byte may reach the backend any more. */
  cut(): void {
    for (const connection of this.takeAll()) connection.abort()
  }

  private takeAll(): readonly IdleConnection[] {
    const all = this.stack.splice(0)
    for (const connection of all) connection.idleIndex = -1
    return all
  }
}
