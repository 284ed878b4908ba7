// Two or three Evenkeels with keepalived before them, on a small network of their own, set up from what
// `evenkeel keepalived init` writes and from nothing else. The test process is the client and the
// backend.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { mainFile } from './evenkeel.ts'
import { createNetwork } from './netns.ts'
import type { Network, NetworkNode } from './netns.ts'
import { runProcess, temporaryFolder } from './processes.ts'
import type { Process } from './processes.ts'
import { waitFor } from './wait.ts'

const NAMES = ['one', 'two', 'three']

/** The answer to `/slow`, after `REPLY_MS`: long enough to be in flight for a while. */
export const BODY = 'x'.repeat(100_000)
const REPLY_MS = 100
/** Of the listener. */
export const PORT = 8080

/** One balancer's machine. */
export class VipNode {
  readonly name: string
  readonly node: NetworkNode
  /** Its own address, of the family of the virtual one. */
  readonly address: string
  readonly folder: string
  readonly vip: string
  evenkeel!: Process
  keepalived!: Process

  constructor(facts: Pick<VipNode, 'name' | 'node' | 'address' | 'folder' | 'vip'>) {
    this.name = facts.name
    this.node = facts.node
    this.address = facts.address
    this.folder = facts.folder
    this.vip = facts.vip
  }

  get file(): string {
    return join(this.folder, 'evenkeel.yaml')
  }

  /** Starts the balancer and waits until it is ready. */
  async startEvenkeel(): Promise<void> {
    this.evenkeel = this.node.start(process.execPath, [mainFile, 'run', this.file])
    await waitFor(
      async () => {
        if (!this.evenkeel.isRunning()) throw new Error(this.logs())
        return (await this.#curl('/readyz')) === 'ready\n'
      },
      { what: `evenkeel on ${this.name} to be ready`, timeoutMs: 15_000 },
    )
  }

  startKeepalived(): void {
    const { folder } = this
    // A killed one leaves them, and until somebody collects it, it counts as running.
    for (const name of ['keepalived.pid', 'vrrp.pid']) rmSync(join(folder, name), { force: true })
    const options = `-f ${folder}/keepalived.conf -p ${folder}/keepalived.pid -r ${folder}/vrrp.pid`
    const words = `--dont-fork --log-console --log-detail --vrrp ${options}`.split(' ')
    this.keepalived = this.node.start('keepalived', words)
  }

  /** As keepalived last said. */
  state(): 'MASTER' | 'BACKUP' | 'FAULT' | null {
    const said = this.keepalived.stdout() + this.keepalived.stderr()
    const states = [...said.matchAll(/\(evenkeel\) entering (MASTER|BACKUP|FAULT) state/gi)]
    return (states.at(-1)?.[1] as 'MASTER' | undefined) ?? null
  }

  /** Applies what the generated unit would. */
  async applyUnit(): Promise<void> {
    const unit = readFileSync(join(this.folder, 'evenkeel-vip.service'), 'utf8')
    for (const [, optional, line] of unit.matchAll(/^ExecStart=(-?)(.+)$/gm)) {
      const [command = '', ...args] = line!.split(' ')
      try {
        await this.node.run(command, args)
      } catch (error) {
        if (optional === '') throw error
      }
    }
  }

  /** Brings it back after a loss of power. */
  async revive(network: Network): Promise<void> {
    if (await this.hasVip()) {
      const prefix = this.vip.includes(':') ? 64 : 24
      await this.node.run('ip', ['address', 'delete', `${this.vip}/${prefix}`, 'dev', 'eth0'])
    }
    await network.plug(this.name)
    await this.startEvenkeel()
    this.startKeepalived()
  }

  /** Runs `evenkeel …` on it. */
  cli(...words: string[]): Promise<string> {
    return this.node.run(process.execPath, [mainFile, ...words])
  }

  handover(...options: string[]): Promise<string> {
    return this.cli('handover', '-c', this.file, ...options)
  }

  async hasVip(): Promise<boolean> {
    const shown = await this.node.run('ip', ['-o', 'address', 'show', 'dev', 'eth0'])
    return shown.includes(` ${this.vip}/`)
  }

  track(): string {
    return readFileSync(join(this.folder, 'run', 'track'), 'utf8').trim()
  }

  logs(): string {
    return this.evenkeel.stdout() + this.evenkeel.stderr()
  }

  async #curl(path: string): Promise<string> {
    try {
      return await this.node.run('curl', ['-s', '-m', '1', `http://127.0.0.1:9900${path}`])
    } catch {
      return ''
    }
  }
}

export class VipPair {
  readonly network: Network
  readonly vip: string
  readonly nodes: readonly VipNode[]
  readonly #backend: Server

  constructor(network: Network, vip: string, nodes: readonly VipNode[], backend: Server) {
    this.network = network
    this.vip = vip
    this.nodes = nodes
    this.#backend = backend
  }

  others(node: VipNode): readonly VipNode[] {
    return this.nodes.filter((one) => one !== node)
  }

  /** The other one of two. */
  other(node: VipNode): VipNode {
    return this.others(node)[0]!
  }

  /** `http://VIP:PORT/path`. */
  url(path: string): string {
    return `http://${this.vip.includes(':') ? `[${this.vip}]` : this.vip}:${PORT}${path}`
  }

  /** The only node that has the address; waits until there is one. */
  async holder(timeoutMs = 15_000): Promise<VipNode> {
    let found: VipNode | undefined
    await waitFor(
      async () => {
        const holders: VipNode[] = []
        for (const node of this.nodes) if (await node.hasVip()) holders.push(node)
        found = holders.length === 1 ? holders[0] : undefined
        return found !== undefined
      },
      { what: 'the address to be on one node', timeoutMs },
    )
    return found!
  }

  /** Waits until keepalived on this node would take the address. */
  async untilStandby(node: VipNode): Promise<void> {
    await waitFor(() => node.state() === 'BACKUP' || node.state() === 'MASTER', {
      what: `keepalived on ${node.name} to be fit`,
      timeoutMs: 15_000,
    })
  }

  async remove(): Promise<void> {
    this.#backend.closeAllConnections()
    this.#backend.close()
    await this.network.remove()
  }
}

export interface VipPairOptions {
  readonly profile: string
  /** Of the virtual address and of VRRP; the backend is reached over IPv4 either way. */
  readonly family?: 4 | 6
  /** How many, two or three. Default 2. */
  readonly nodes?: number
}

/** Sets two nodes up and waits until one of them has the address. */
export async function startVipPair(options: VipPairOptions): Promise<VipPair> {
  const { profile, family = 4 } = options
  const network = await createNetwork(NAMES.slice(0, options.nodes ?? 2), { host: true })
  const addresses = family === 4 ? null : await addIpv6(network)
  const vip = addresses?.vip ?? network.address(100)
  const backend = createServer((request, response) => {
    let bytes = 0
    request.on('data', (part: Buffer) => (bytes += part.length))
    request.on('end', () => {
      const isWhole = request.method !== 'POST' || bytes === BODY.length
      if (request.url === '/slow') setTimeout(() => response.end(isWhole ? BODY : ''), REPLY_MS)
      else response.end('ok')
    })
  })
  backend.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => {
    backend.listen(0, network.hostAddress!, resolve)
  })
  const { port } = backend.address() as { port: number }
  const folder = temporaryFolder('vip')
  const nodes = network.nodes.map(
    (node, i) =>
      new VipNode({
        name: node.name,
        node,
        address: addresses?.nodes[i] ?? node.address,
        folder: join(folder, node.name),
        vip,
      }),
  )
  const pair = new VipPair(network, vip, nodes, backend)
  try {
    await Promise.all(nodes.map((node) => prepare(pair, node, profile, port)))
    await Promise.all(nodes.map((node) => node.startEvenkeel()))
    for (const node of nodes) node.startKeepalived()
    await pair.holder()
    await Promise.all(nodes.map((node) => pair.untilStandby(node)))
    return pair
  } catch (error) {
    await pair.remove()
    throw error
  }
}

/** Gives the nodes and the test process IPv6 addresses beside their IPv4 ones. */
async function addIpv6(network: Network): Promise<{ vip: string; nodes: string[] }> {
  const hostAddress = network.hostAddress!
  const prefix = `fd77:${hostAddress.split('.')[2]}::`
  const link = Object.entries(networkInterfaces()).find(([, addresses]) =>
    addresses!.some(({ address }) => address === hostAddress),
  )![0]
  const add = ['address', 'add']
  const added = await runProcess('ip', [...add, `${prefix}fe/64`, 'dev', link, 'nodad'])
  if (added.code !== 0) throw new Error(added.stderr)
  const nodes = network.nodes.map((_, i) => `${prefix}${i + 1}`)
  for (const [i, node] of network.nodes.entries()) {
    await node.run('ip', [...add, `${nodes[i]}/64`, 'dev', 'eth0', 'nodad'])
  }
  return { vip: `${prefix}100`, nodes }
}

async function prepare(pair: VipPair, node: VipNode, profile: string, port: number): Promise<void> {
  mkdirSync(node.folder)
  const config = {
    runtime: { threads: 1, drain: '5s' },
    log: { access: 'off' },
    keepalived: { vip: pair.vip, trackFile: join(node.folder, 'run', 'track') },
    listeners: { web: { bind: `:${PORT}`, pool: 'app' } },
    pools: {
      app: {
        backends: [`${pair.network.hostAddress!}:${port}`],
        // The backend is this process, busy with being the client as well.
        healthCheck: false,
        outlierDetection: false,
      },
    },
  }
  writeFileSync(node.file, stringify(config))
  const init = `keepalived init -c ${node.file} --out ${node.folder} --profile ${profile}`
  const vip = `--vip ${pair.vip}/${pair.vip.includes(':') ? 64 : 24} --interface eth0`
  const peers = pair.others(node).map(({ address }) => `--peer ${address}`)
  const group = `--self ${node.address} ${peers.join(' ')}`
  await node.cli(...`${init} ${vip} ${group}`.split(' '))
  await node.applyUnit()
}
