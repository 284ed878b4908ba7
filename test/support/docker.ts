// A stand-in for the Docker daemon, true to its protocol as far as it is read here: HTTP on a unix
// socket, versions that it refuses, filters, a list, and a chunked stream of events.

import { rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { temporaryFolder } from './processes.ts'

export interface FakeContainer {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  /** Networks with the address in each. */
  readonly networks: Readonly<Record<string, string>>
  readonly ports?: readonly number[]
  readonly health?: 'healthy' | 'unhealthy' | 'starting'
  readonly state?: 'running' | 'exited' | 'paused'
}

export interface FakeDockerOptions {
  readonly version?: string
  readonly least?: string
  readonly socket?: string
  /** The head of the event stream comes with its first event only. */
  readonly isShy?: boolean
}

/** Labels of a container that wants to be a backend of a pool. */
export function labelsFor(pool: string, more: Readonly<Record<string, string>> = {}) {
  return { 'evenkeel.enable': 'true', 'evenkeel.pool': pool, ...more }
}

export class FakeDocker {
  readonly socket: string
  /** Paths that were asked for, without their queries. */
  readonly asked: string[] = []
  /** Answers everything but pings with this status. */
  broken: number | null = null
  readonly #options: FakeDockerOptions
  #containers = new Map<string, FakeContainer>()
  #server: Server | null = null
  readonly #streams = new Set<ServerResponse>()

  constructor(options: FakeDockerOptions = {}) {
    this.#options = options
    this.socket = options.socket ?? join(temporaryFolder('docker'), 'docker.sock')
  }

  /** How many follow the events. */
  get followers(): number {
    return this.#streams.size
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => this.#answer(request, response))
    this.#server = server
    rmSync(this.socket, { force: true })
    await new Promise<void>((resolve) => {
      server.listen(this.socket, () => resolve())
    })
    return this
  }

  async stop(): Promise<void> {
    const server = this.#server
    if (server === null) return
    this.#server = null
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
    this.#streams.clear()
  }

  /** Starts a container, or changes one, and tells of it. */
  run(container: FakeContainer): void {
    const isNew = !this.#containers.has(container.name)
    this.#containers.set(container.name, container)
    this.tell(isNew ? 'start' : `health_status: ${container.health ?? 'healthy'}`, container.name)
  }

  remove(name: string): void {
    this.#containers.delete(name)
    this.tell('die', name)
  }

  /** Changes the list without a word: an event that got lost. */
  swap(containers: readonly FakeContainer[]): void {
    this.#containers = new Map(containers.map((one) => [one.name, one]))
  }

  /** An event to all that follow. */
  tell(action: string, name: string): void {
    const actor = { ID: name, Attributes: { name } }
    const event = {
      Type: 'container',
      Action: action,
      status: action,
      Actor: actor,
      scope: 'local',
    }
    for (const stream of this.#streams) stream.write(`${JSON.stringify(event)}\n`)
  }

  /** Ends all event streams. */
  hangUp(): void {
    for (const stream of this.#streams) stream.destroy()
    this.#streams.clear()
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { version = '1.51' } = this.#options
    const url = new URL(request.url ?? '/', 'http://docker')
    this.asked.push(url.pathname)
    response.setHeader('api-version', version)
    if (url.pathname === '/_ping') {
      response.end('OK')
      return
    }
    if (this.broken !== null) {
      json(response, this.broken, { message: 'the daemon has a bad day' })
      return
    }
    const [, asked = '', rest = ''] = /^\/v(\d+\.\d+)(\/.*)$/.exec(url.pathname) ?? []
    const refusal = this.#refusal(asked)
    if (refusal !== null) json(response, 400, { message: refusal })
    else if (rest === '/version') json(response, 200, this.#versions())
    else if (rest === '/containers/json') json(response, 200, this.#list(url))
    else if (rest === '/events') this.#follow(response)
    else json(response, 404, { message: 'page not found' })
  }

  #versions() {
    const { version = '1.51', least = '1.24' } = this.#options
    return { ApiVersion: version, MinAPIVersion: least }
  }

  /** In the words of the daemon. */
  #refusal(asked: string): string | null {
    const { ApiVersion: newest, MinAPIVersion: least } = this.#versions()
    if (minor(asked) < minor(least)) {
      return `client version ${asked} is too old. Minimum supported API version is ${least}, please upgrade your client to a newer version`
    }
    if (minor(asked) > minor(newest)) {
      return `client version ${asked} is too new. Maximum supported API version is ${newest}`
    }
    return null
  }

  #list(url: URL) {
    const filters = JSON.parse(url.searchParams.get('filters') ?? '{}') as {
      label?: string[]
      status?: string[]
    }
    const fits = ({ labels, state = 'running' }: FakeContainer): boolean =>
      (filters.status ?? ['running']).includes(state) &&
      (filters.label ?? []).every((wanted) => {
        const [key = '', value] = wanted.split('=')
        return value === undefined ? key in labels : labels[key] === value
      })
    return [...this.#containers.values()].filter(fits).map(describe)
  }

  #follow(response: ServerResponse): void {
    response.writeHead(200, { 'content-type': 'application/json' })
    if (this.#options.isShy !== true) response.flushHeaders()
    this.#streams.add(response)
    response.on('close', () => this.#streams.delete(response))
  }
}

function describe(container: FakeContainer, index: number) {
  const { name, labels, networks, ports = [], health, state = 'running' } = container
  const note = { healthy: ' (healthy)', unhealthy: ' (unhealthy)', starting: ' (health: starting)' }
  return {
    Id: `${index}`.padStart(64, 'f'),
    Names: [`/other/${name}-alias`, `/${name}`],
    Image: 'nginx',
    Labels: labels,
    State: state,
    Status: `Up 3 minutes${health === undefined ? '' : note[health]}`,
    Ports: ports.map((port) => ({ PrivatePort: port, Type: 'tcp' })),
    HostConfig: { NetworkMode: Object.keys(networks)[0] },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(networks).map(([key, address]) => [
          key,
          { IPAddress: address, GlobalIPv6Address: '' },
        ]),
      ),
    },
  }
}

function minor(version: string): number {
  return Number(version.split('.')[1] ?? 0)
}

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}
