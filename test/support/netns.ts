// A small network of its own: nodes are Linux network namespaces on one bridge, so that links
// between any two can be cut and healed, and machines can lose power. Needs root, `ip` and `nft`.
//
// A guardian process outside of the test's process group removes everything when its standard input
// ends, that is when `remove` is called or the test process is gone, however it went.

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { runProcess, startProcess } from './processes.ts'
import type { Exit, Process, StartOptions } from './processes.ts'

/** One machine of the network. */
export interface NetworkNode {
  readonly name: string
  /** Its IPv4 address on `eth0`. */
  readonly address: string
  /** Name of its namespace, for `ip netns exec`. */
  readonly namespace: string
  /** Starts a program on it. The pid is the program's own. */
  start(command: string, args: readonly string[], options?: StartOptions): Process
  /** Runs a program on it to its end; throws with what it said if it fails. */
  run(command: string, args: readonly string[]): Promise<string>
  /** Command and arguments that run a program on it, for other ways of starting one. */
  command(command: string, args: readonly string[]): [command: string, args: readonly string[]]
}

export interface Network {
  /** In the order asked for: the first one has address `.1`. */
  readonly nodes: readonly NetworkNode[]
  /** The test process's own address; `null` without `host`. */
  readonly hostAddress: string | null
  /** The node of this name. */
  node(name: string): NetworkNode
  /** An address of the network: `address(100)` is `10.77.0.100`. */
  address(last: number): string
  /** Drops every frame between two nodes (or `host`), silently, in both directions or only in one. */
  cut(a: string, b: string, options?: { oneWay?: boolean }): Promise<void>
  /** Cuts a node off from all others and from the host. Its link stays up. */
  isolate(name: string): Promise<void>
  /**
   * Undoes the cuts between two nodes, all of one node, or all there are. Who asked for a silent
   * neighbour's address (ARP) asks again once a second: so long may the first connection take.
   */
  heal(a?: string, b?: string): Promise<void>
  /** Pulls a node's cable: its `eth0` has no carrier. */
  unplug(name: string): Promise<void>
  plug(name: string): Promise<void>
  /** Kills what still runs on the nodes and removes them. */
  remove(): Promise<void>
}

export interface NetworkOptions {
  /** Gives the test process an address in the network, too; cuts know it as `host`. */
  readonly host?: boolean
}

const HOST = 'host'
const HOST_LAST = 254
const guardianScript = `
trap '' HUP INT TERM
cat >/dev/null
for name in "$@"; do
  ip netns pids "$name" 2>/dev/null | xargs -r kill -9 2>/dev/null
  ip netns del "$name" 2>/dev/null
done
exit 0
`
let made = 0

/** Makes a network of nodes with these names (up to 12 of `a-z 0-9 -` each). */
export async function createNetwork(
  names: readonly string[],
  options: NetworkOptions = {},
): Promise<Network> {
  for (const name of [...names, HOST]) {
    const twice = names.filter((other) => other === name).length > (name === HOST ? 0 : 1)
    if (twice || !/^[a-z0-9-]{1,12}$/.test(name)) throw new Error(`bad node name '${name}'`)
  }
  const prefix = `evenkeel-${process.pid}-${++made}`
  const bridge = `${prefix}-bridge`
  const guardian = startGuardian([bridge, ...names.map((name) => `${prefix}-${name}`)])
  const subnet = options.host === true ? await freeSubnet() : '10.77.0'
  try {
    await must('ip', ['netns', 'add', bridge])
    const inBridge = (args: readonly string[]) => must('ip', ['-n', bridge, ...args])
    await inBridge(['link', 'add', 'br0', 'type', 'bridge'])
    await inBridge(['link', 'set', 'br0', 'up'])
    await nft(
      bridge,
      `table bridge evenkeel {
        set cut { type ifname . ifname; }
        chain forward { type filter hook forward priority 0; iifname . oifname @cut drop; }
      }`,
    )
    const nodes: NetworkNode[] = []
    for (const [i, name] of names.entries()) {
      const node = networkNode(name, `${prefix}-${name}`, `${subnet}.${i + 1}`)
      nodes.push(node)
      await must('ip', ['netns', 'add', node.namespace])
      await connectNode(bridge, node)
    }
    if (options.host === true) await connectHost(bridge, `${subnet}.${HOST_LAST}`)
    return new BridgedNetwork(bridge, subnet, nodes, options.host === true, guardian)
  } catch (error) {
    await endGuardian(guardian)
    throw error
  }
}

class BridgedNetwork implements Network {
  readonly nodes: readonly NetworkNode[]
  readonly hostAddress: string | null
  readonly #bridge: string
  readonly #subnet: string
  readonly #guardian: ChildProcess
  /** Pairs `from to` whose frames are dropped. */
  readonly #cuts = new Set<string>()

  constructor(
    bridge: string,
    subnet: string,
    nodes: readonly NetworkNode[],
    host: boolean,
    guardian: ChildProcess,
  ) {
    this.#bridge = bridge
    this.#subnet = subnet
    this.nodes = nodes
    this.hostAddress = host ? `${subnet}.${HOST_LAST}` : null
    this.#guardian = guardian
  }

  node(name: string): NetworkNode {
    const found = this.nodes.find((node) => node.name === name)
    if (found === undefined) throw new Error(`no node '${name}'`)
    return found
  }

  address(last: number): string {
    return `${this.#subnet}.${last}`
  }

  async cut(a: string, b: string, { oneWay = false }: { oneWay?: boolean } = {}): Promise<void> {
    this.#known(a)
    this.#known(b)
    this.#cuts.add(`${a} ${b}`)
    if (!oneWay) this.#cuts.add(`${b} ${a}`)
    await this.#applyCuts()
  }

  async isolate(name: string): Promise<void> {
    this.#known(name)
    const others = [...this.nodes.map((node) => node.name), HOST].filter((other) => other !== name)
    for (const other of others) this.#cuts.add(`${name} ${other}`).add(`${other} ${name}`)
    await this.#applyCuts()
  }

  async heal(a?: string, b?: string): Promise<void> {
    for (const cut of this.#cuts) {
      const ends = cut.split(' ')
      const meant = [a, b].every((name) => name === undefined || ends.includes(name))
      if (meant) this.#cuts.delete(cut)
    }
    await this.#applyCuts()
  }

  async unplug(name: string): Promise<void> {
    await must('ip', ['-n', this.#bridge, 'link', 'set', port(this.node(name).name), 'down'])
  }

  async plug(name: string): Promise<void> {
    await must('ip', ['-n', this.#bridge, 'link', 'set', port(this.node(name).name), 'up'])
  }

  async remove(): Promise<void> {
    await endGuardian(this.#guardian)
  }

  #known(name: string): void {
    if (name !== HOST) this.node(name)
  }

  async #applyCuts(): Promise<void> {
    // One file is one transaction: no moment in between with fewer cuts than before or after.
    const pairs = [...this.#cuts].map((cut) => {
      const [from, to] = cut.split(' ')
      return `"${port(from!)}" . "${port(to!)}"`
    })
    const add = pairs.length > 0 ? `add element bridge evenkeel cut { ${pairs.join(', ')} }` : ''
    await nft(this.#bridge, `flush set bridge evenkeel cut\n${add}\n`)
  }
}

/** Name of a node's port on the bridge; 15 characters is the kernel's limit. */
function port(name: string): string {
  return `p-${name}`
}

function networkNode(name: string, namespace: string, address: string): NetworkNode {
  const command: NetworkNode['command'] = (program, args) => [
    'ip',
    ['netns', 'exec', namespace, program, ...args],
  ]
  return {
    name,
    address,
    namespace,
    command,
    start: (program, args, options) => startProcess(...command(program, args), options),
    run: (program, args) => must(...command(program, args)),
  }
}

async function connectNode(bridge: string, { name, namespace, address }: NetworkNode) {
  const ends = ['eth0', 'netns', namespace, 'type', 'veth', 'peer', 'name', port(name)]
  await must('ip', ['link', 'add', ...ends, 'netns', bridge])
  await must('ip', ['-n', bridge, 'link', 'set', port(name), 'master', 'br0', 'up'])
  await must('ip', ['-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'eth0'])
  await must('ip', ['-n', namespace, 'link', 'set', 'lo', 'up'])
  await must('ip', ['-n', namespace, 'link', 'set', 'eth0', 'up'])
}

async function connectHost(bridge: string, address: string) {
  // Goes with the namespace that holds its other end.
  const name = `ek${process.pid}x${made}`
  await must('ip', ['link', 'add', name, 'type', 'veth', 'peer', port(HOST), 'netns', bridge])
  await must('ip', ['-n', bridge, 'link', 'set', port(HOST), 'master', 'br0', 'up'])
  await must('ip', ['address', 'add', `${address}/24`, 'dev', name])
  await must('ip', ['link', 'set', name, 'up'])
}

/** First three numbers of a /24 that the host has no address in. */
async function freeSubnet(): Promise<string> {
  const used = await must('ip', ['-o', '-4', 'address'])
  for (;;) {
    const subnet = `10.77.${1 + Math.floor(Math.random() * 254)}`
    if (!used.includes(` ${subnet}.`)) return subnet
  }
}

function startGuardian(namespaces: readonly string[]): ChildProcess {
  const guardian = spawn('sh', ['-c', guardianScript, 'guardian', ...namespaces], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  guardian.on('error', () => {})
  guardian.unref()
  return guardian
}

async function endGuardian(guardian: ChildProcess): Promise<void> {
  if (guardian.exitCode !== null) return
  guardian.ref()
  const exited = once(guardian, 'exit')
  guardian.stdin!.end()
  await exited
}

async function nft(namespace: string, rules: string): Promise<void> {
  await must('ip', ['netns', 'exec', namespace, 'nft', '-f', '-'], rules)
}

async function must(command: string, args: readonly string[], input = ''): Promise<string> {
  const ended: Exit & { stdout: string; stderr: string } = await runProcess(command, args, {
    input,
  })
  if (ended.code !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${ended.stderr}${ended.stdout}`)
  }
  return ended.stdout
}
