// What is known of host names among the backends of the configuration: the last good answer is used
// while a newer one is asked for, so that nobody waits for a resolver but the first, and one that
// fails takes no backend away. At most one question about a name at a time, few in all, and none soon
// after one that failed: a resolver that is silent must not eat the threads of the process.

export interface NameCachePorts {
  /** Monotonic. */
  nowMs(): number
  /** Asks the resolver; `done` with `''` and an error's code if there is no address. */
  ask(host: string, done: (address: string, error: string) => void): void
}

/** How long an answer is used before it is asked for again. */
const FRESH_MS = 5_000
/** How soon after a failure the name is asked for again. */
const FAILED_MS = 1_000
const AT_ONCE = 2

type Done = (address: string, error: string) => void

interface Known {
  /** `''`: no answer yet. */
  address: string
  error: string
  /** When it is to be asked for again. */
  nextMs: number
  isAsking: boolean
  waiting: Done[]
}

export class NameCache {
  readonly #ports: NameCachePorts
  readonly #names = new Map<string, Known>()
  readonly #queue: string[] = []
  #asking = 0

  constructor(ports: NameCachePorts) {
    this.#ports = ports
  }

  /** Calls `done` with an address, at once if one is known; else with `''` and the error's code. */
  resolve(host: string, done: Done): void {
    let known = this.#names.get(host)
    if (known === undefined) {
      known = { address: '', error: '', nextMs: -Infinity, isAsking: false, waiting: [] }
      this.#names.set(host, known)
    }
    if (!known.isAsking && this.#ports.nowMs() >= known.nextMs) {
      known.isAsking = true
      this.#queue.push(host)
      this.#work()
    }
    // The answer may have come while it was asked for.
    if (known.address !== '') done(known.address, '')
    else if (known.isAsking) known.waiting.push(done)
    else done('', known.error)
  }

  #work(): void {
    while (this.#asking < AT_ONCE) {
      const host = this.#queue.shift()
      if (host === undefined) return
      this.#asking++
      this.#ports.ask(host, (address, error) => this.#answered(host, address, error))
    }
  }

  #answered(host: string, address: string, error: string): void {
    const known = this.#names.get(host)!
    this.#asking--
    known.isAsking = false
    known.nextMs = this.#ports.nowMs() + (address === '' ? FAILED_MS : FRESH_MS)
    if (address !== '') known.address = address
    else known.error = error
    for (const done of known.waiting.splice(0)) done(address, error)
    this.#work()
  }
}
