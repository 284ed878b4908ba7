// Several Evenkeels with a real etcd and two backends, each on a machine of its own (a network
// namespace), a load on every replica, and a record of what reached the backends under which epoch.

import { request } from 'node:http'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { mainFile } from './evenkeel.ts'
import { createNetwork, type Network } from './netns.ts'
import { temporaryFolder, type Process } from './processes.ts'
import { pause, waitFor } from './wait.ts'

/** What a backend got. Times are of the one monotonic clock that all processes here share. */
export interface Arrival {
  readonly atMs: number
  readonly epoch: number
  readonly backend: string
}

export const REPLICAS = ['r1', 'r2', 'r3'] as const
export const BACKENDS = ['a', 'b'] as const
export const ETCD = 'etcd'
const PORT = 8080

// Notes when the head of a request has come, before anything else is done.
const backendScript = `
const server = require('node:http').createServer((request, response) => {
  const at = Number(process.hrtime.bigint()) / 1e6
  if (request.url !== '/health') console.log(at, request.headers['evenkeel-epoch'])
  response.end(process.argv[1])
})
server.listen(${PORT})`

export class ReplicaNetwork {
  readonly network: Network
  readonly #folder = temporaryFolder('replicas')
  readonly #running = new Map<string, Process>()
  /** What processes that are gone had written. */
  readonly #ended: Arrival[] = []
  #loading = true
  readonly #loads: Promise<void>[] = []

  private constructor(network: Network) {
    this.network = network
  }

  /** Starts everything and waits until every replica serves. */
  static async start(): Promise<ReplicaNetwork> {
    const network = await createNetwork([...REPLICAS, ETCD, ...BACKENDS], { host: true })
    const made = new ReplicaNetwork(network)
    for (const name of [ETCD, ...BACKENDS, ...REPLICAS]) made.begin(name)
    for (const name of REPLICAS) made.#loads.push(made.#load(name))
    return made
  }

  process(name: string): Process {
    return this.#running.get(name)!
  }

  /** Starts what runs on a machine, if it doesn't. */
  begin(name: string): void {
    if (this.#running.get(name)?.isRunning() === true) return
    this.#keep(name)
    const node = this.network.node(name)
    const isBackend = (BACKENDS as readonly string[]).includes(name)
    if (isBackend)
      this.#running.set(name, node.start(process.execPath, ['-e', backendScript, name]))
    else if (name === ETCD) this.#running.set(name, node.start('etcd', this.#etcdArguments()))
    else {
      const started = node.start(process.execPath, [mainFile, 'run', this.#config(name)])
      this.#running.set(name, started)
    }
  }

  async kill(name: string): Promise<void> {
    const running = this.process(name)
    running.signal('SIGCONT')
    running.signal('SIGKILL')
    await running.exited
  }

  /** Everything that reached a backend, in order of time. */
  arrivals(): readonly Arrival[] {
    const live = BACKENDS.flatMap((name) => arrivalsOf(name, this.process(name)))
    return [...this.#ended, ...live].sort((one, other) => one.atMs - other.atMs)
  }

  /** What a replica answers: the backend's name, or its status. */
  async ask(name: string, timeoutMs = 500): Promise<string> {
    const { address } = this.network.node(name)
    const signal = AbortSignal.timeout(timeoutMs)
    const answer = await fetch(`http://${address}:${PORT}/`, { signal })
    const text = await answer.text()
    return answer.status === 200 ? text : String(answer.status)
  }

  /** What a replica says of the pool; throws if it does not answer. */
  async status(name: string): Promise<{ active: string | null; epoch: number; reason: string }> {
    const text = await new Promise<string>((resolve, reject) => {
      const path = { socketPath: this.#socket(name), path: '/v1/pools', timeout: 500 }
      const asking = request(path, (answer) => {
        let body = ''
        answer.setEncoding('utf8').on('data', (part: string) => (body += part))
        answer.on('end', () => resolve(body))
      })
      asking.on('error', reject).on('timeout', () => asking.destroy(new Error('no answer')))
      asking.end()
    })
    const { pools } = JSON.parse(text) as { pools: { failover: never }[] }
    return pools[0]!.failover
  }

  async untilAllServe(what: string, timeoutMs = 30_000): Promise<void> {
    for (const name of REPLICAS) {
      await waitFor(async () => (BACKENDS as readonly string[]).includes(await this.ask(name)), {
        what: `${name} to serve ${what}`,
        timeoutMs,
        everyMs: 50,
      })
    }
  }

  /** The last lines of what each replica has said. */
  logs(): string {
    return REPLICAS.map((name) => {
      const lines = this.process(name).stderr().trim().split('\n')
      return `${name}:\n${lines.slice(-25).join('\n')}`
    }).join('\n')
  }

  async stop(): Promise<void> {
    this.#loading = false
    await Promise.all(this.#loads)
    await this.network.remove()
  }

  async #load(name: string): Promise<void> {
    while (this.#loading) {
      await this.ask(name, 300).catch(() => '')
      await pause(20)
    }
  }

  #keep(name: string): void {
    const before = this.#running.get(name)
    if (before !== undefined && (BACKENDS as readonly string[]).includes(name)) {
      this.#ended.push(...arrivalsOf(name, before))
    }
  }

  #socket(name: string): string {
    return join(this.#folder, `${name}.sock`)
  }

  #config(name: string): string {
    const { network } = this
    const peers = REPLICAS.map((peer) => [peer, `${network.node(peer).address}:7070`])
    const backends = BACKENDS.map((one) => [one, `${network.node(one).address}:${PORT}`])
    const config = {
      runtime: { threads: 1, stateDir: join(this.#folder, `${name}.state`) },
      admin: { bind: `unix:${this.#socket(name)}` },
      log: { access: { format: 'off' } },
      listeners: { web: { bind: `0.0.0.0:${PORT}`, pool: 'web' } },
      cluster: {
        replica: name,
        replicas: Object.fromEntries(peers) as object,
        etcd: { endpoints: [`http://${network.node(ETCD).address}:2379`] },
        ttl: '3s',
      },
      pools: {
        web: {
          mode: 'active-standby',
          backends: Object.fromEntries(backends) as object,
          healthCheck: { http: '/health', interval: '300ms', timeout: '200ms' },
          failover: {
            agreement: 'etcd',
            readyFor: '300ms',
            holdDown: '100ms',
            allDown: 'any',
            pauseMax: '200ms',
          },
          timeouts: { connect: '300ms', response: '500ms' },
        },
      },
    }
    const file = join(this.#folder, `${name}.yaml`)
    writeFileSync(file, stringify(config))
    return file
  }

  #etcdArguments(): readonly string[] {
    const { address } = this.network.node(ETCD)
    const settings = {
      'data-dir': join(this.#folder, 'etcd'),
      'listen-client-urls': `http://${address}:2379`,
      'advertise-client-urls': `http://${address}:2379`,
      'log-level': 'error',
    }
    const args = Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value])
    return [...args, '--unsafe-no-fsync']
  }
}

function arrivalsOf(backend: string, running: Process): Arrival[] {
  return running
    .stdout()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [at, epoch] = line.split(' ')
      return { atMs: Number(at), epoch: Number(epoch), backend }
    })
}
