// A data plane for the supervision tests: answers each request with its thread's number, and fails
// in the way the request's path names. Takes the place of the real one in a data thread.

import { openSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server, ServerResponse } from 'node:http'
import type { ControlMessage } from '../../src/core/snapshot.ts'
import { THREAD } from '../../src/core/shared-layout.ts'
import type { DataPlaneOptions } from '../../src/runtime/data-plane.ts'

export class DataPlane {
  readonly #options: DataPlaneOptions
  readonly #row: Float64Array
  readonly #server: Server
  #isDeaf = false
  /** What `/hold` asks for is answered only when everything ends. */
  readonly #held: ServerResponse[] = []

  constructor(options: DataPlaneOptions) {
    this.#options = options
    this.#row = options.table.rows[options.thread]!
    this.#server = createServer((request, response) => {
      this.#row[THREAD.faults]!++
      this.#fail(request.url ?? '')
      if (request.url === '/hold') this.#hold(response)
      else response.end(String(options.thread))
    })
    this.#beat()
    setInterval(() => this.#beat(), 20)
  }

  receive(message: ControlMessage): void {
    if (message.kind === 'snapshot' && !this.#isDeaf) {
      const { version, plan } = message.snapshot
      this.#row[THREAD.appliedVersion] = version
      if (plan !== undefined) this.#options.send({ kind: 'adopted', version })
    }
    if (message.kind === 'listen') this.#listen()
    if (message.kind === 'drain') {
      this.#server.close()
      if (this.#held.length === 0) this.#finish()
      else setTimeout(() => this.#finish(), 200)
    }
  }

  #hold(response: ServerResponse): void {
    this.#held.push(response)
    this.#row[THREAD.exchanges]!++
  }

  #finish(): void {
    for (const response of this.#held.splice(0)) {
      response.end(String(this.#options.thread))
      this.#row[THREAD.exchanges]!--
    }
    this.#server.closeAllConnections()
    this.#options.send({ kind: 'drained' })
  }

  #listen(): void {
    const { plan, reusePort } = this.#options
    const address = plan.listeners[0]!.address
    if (address.kind !== 'tcp') throw new Error('only tcp')
    const options = { host: address.host, port: address.port, reusePort }
    this.#server.listen(options, () => this.#options.send({ kind: 'ready' }))
    this.#server.on('error', (error) =>
      this.#options.send({
        kind: 'listen-failed',
        listener: plan.listeners[0]!.name,
        message: error.message,
      }),
    )
  }

  #beat(): void {
    this.#row[THREAD.heartbeatMs] = this.#options.clock.nowMs()
  }

  #fail(path: string): void {
    if (path === '/throw') setImmediate(() => hurt('thrown on purpose'))
    if (path === '/reject') void Promise.reject(new Error('rejected on purpose'))
    if (path === '/loop') setImmediate(spin)
    if (path === '/heap') setImmediate(fillHeap)
    // Until the test opens the other end: the kernel has the thread, so nobody can end it.
    if (path.startsWith('/stuck/')) setImmediate(() => openSync(path.slice('/stuck'.length), 'r'))
    if (path === '/deaf') this.#isDeaf = true
    if (path === '/exit') setImmediate(() => process.exit(3))
  }
}

function hurt(message: string): never {
  throw new Error(message)
}

function spin(): void {
  for (let i = 0; ; i++) if (i < 0) return
}

const kept: unknown[] = []

// In small steps: a thread that fills its heap in one go is taken for one that stands still.
function fillHeap(): void {
  kept.push(Array.from({ length: 20_000 }, (_, i) => ({ i })))
  setImmediate(fillHeap)
}
