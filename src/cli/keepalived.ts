// `evenkeel keepalived init`: writes what keepalived and the kernel need for a virtual IP address in
// front of two or more Evenkeels. Changes nothing on the machine but the files it is told to write.

import { isIP } from 'node:net'
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Argument, Command, Option } from 'commander'
import { overlap } from '../config/address.ts'
import type { Address, KeepalivedPlan, ListenerPlan, Plan } from '../core/plan.ts'
import type { GeneratedFile, ProfileName, VipSetup } from '../ha/keepalived.ts'
import { canonicalIp } from '../ha/virtual-ip.ts'
import { PRIORITY_MIN, PROFILE_NAMES } from '../ha/keepalived.ts'
import { requireConfig, loadSource } from './find-config.ts'
import { EXIT, Failure, put, say } from './terminal.ts'

/** What the command line may say; texts as they came. */
export interface InitOptions {
  readonly config?: string
  readonly vip: string
  readonly interface: string
  readonly self: string
  readonly peer: readonly string[]
  readonly profile: ProfileName
  readonly priority: string
  readonly vrid: string
  readonly out?: string
  readonly force: boolean
  readonly print?: string
}

const FOLDER = '/etc/keepalived'
const PARTS = ['conf', 'check', 'nft', 'sysctl', 'unit', 'steps'] as const

export function keepalivedCommand(finish: (code: number) => void): Command {
  const collect = (value: string, before: readonly string[]) => [...before, value]
  return new Command('keepalived')
    .description("Write keepalived's configuration for a virtual IP address in front of Evenkeels.")
    .addArgument(new Argument('<ACTION>', 'what to do').choices(['init']))
    .requiredOption('--vip <ADDR/PREFIX>', 'the virtual IP address, such as 10.0.0.100/24')
    .requiredOption('--interface <IF>', 'where it will be, such as eth0')
    .requiredOption('--self <ADDR>', "this node's own address on that interface")
    .requiredOption('--peer <ADDR>', "another node's address; once for each", collect, [])
    .addOption(
      new Option('--profile <NAME>', 'how soon failures are noticed')
        .choices(PROFILE_NAMES)
        .default('default'),
    )
    .option('--priority <N>', `the same on every node, ${PRIORITY_MIN} to 254`, '100')
    .option('--vrid <N>', 'virtual router id, the same on every node, 1 to 255', '51')
    .option('-c, --config <FILE>', 'configuration of the Evenkeel on this node')
    .option('--out <DIR>', 'write the files into this folder instead of showing them')
    .option('--force', 'overwrite files that are there', false)
    .addOption(new Option('--print <WHAT>', 'show only one of the files').choices(PARTS))
    .addHelpText(
      'after',
      `
Run it on every node; only --self and --peer differ. The configuration must have
  keepalived: { vip: ADDR }

Examples:
  evenkeel keepalived init --vip 10.0.0.9/24 --interface eth0 --self 10.0.0.1 --peer 10.0.0.2
  evenkeel keepalived init ... -c evenkeel.yaml --out /etc/keepalived
  evenkeel keepalived init ... --print nft`,
    )
    .action(async (_action: string, options: InitOptions) => {
      await init(options)
      finish(EXIT.ok)
    })
}

async function init(options: InitOptions): Promise<void> {
  if (options.out !== undefined && options.print !== undefined) {
    throw new Failure('--out writes all files, --print shows one: use either', EXIT.usage)
  }
  const source = requireConfig(options.config, process.env)
  const name = source.kind === 'file' ? source.path : 'the environment'
  const loaded = await loadSource(source, process.env)
  if (!loaded.ok) throw new Failure(`${name} has errors; evenkeel check shows them`)
  const setup = readSetup(options, loaded.plan, name)
  const { vipFiles } = await import('../ha/vip-files.ts')
  const files = vipFiles(setup)
  if (options.out !== undefined) writeFiles(files, options.out, options.force)
  else if (options.print !== undefined) {
    put(files.find((file) => file.what === options.print)!.text)
  } else put(files.map((file) => `===== ${join(setup.folder, file.name)}\n${file.text}`).join('\n'))
}

/** Checks what the command line and the configuration say together. @throws Failure */
export function readSetup(options: InitOptions, plan: Plan, config: string): VipSetup {
  const { vip, prefix, family } = readVip(options.vip)
  const keepalived = planOf(plan, vip, config)
  const self = readNode('--self', options.self, family, vip)
  const peers = options.peer.map((peer) => readNode('--peer', peer, family, vip))
  for (const [i, peer] of peers.entries()) {
    if (peer === self) refuse(`--peer ${peer}: that is --self; name the other nodes`)
    if (peers.indexOf(peer) !== i) refuse(`--peer ${peer} is named twice`)
  }
  if (!/^[\w.@-]{1,15}$/.test(options.interface)) {
    refuse(`--interface ${options.interface}: not the name of an interface`)
  }
  const { profile } = options
  return {
    profile,
    vip,
    prefix,
    family,
    interface: options.interface,
    self,
    peers,
    priority: readNumber('--priority', options.priority, PRIORITY_MIN, 254),
    vrid: readNumber('--vrid', options.vrid, 1, 255),
    ports: portsOn(plan.listeners, vip, config),
    trackFile: quotable('keepalived.trackFile', keepalived.trackFile),
    admin: adminOf(plan, config),
    folder: quotable('--out', options.out === undefined ? FOLDER : resolve(options.out)),
  }
}

function refuse(message: string): never {
  throw new Failure(message, EXIT.usage)
}

function readVip(text: string): { vip: string; prefix: number; family: 4 | 6 } {
  const [vip = '', length, ...rest] = text.split('/')
  const family = isIP(vip)
  if ((family !== 4 && family !== 6) || vip.includes('%') || rest.length > 0) {
    return refuse(`--vip ${text}: not an IP address with a prefix length, such as 10.0.0.100/24`)
  }
  const longest = family === 4 ? 32 : 128
  if (length === undefined) {
    return refuse(
      `--vip ${text}: add the prefix length of its network, such as ${vip}/${family === 4 ? 24 : 64}`,
    )
  }
  return {
    vip: canonicalIp(vip),
    prefix: readNumber(`--vip ${text}: prefix length`, length, 1, longest),
    family,
  }
}

function readNode(option: string, text: string, family: 4 | 6, vip: string): string {
  if (isIP(text) === 0 || text.includes('%')) refuse(`${option} ${text}: not an IP address`)
  if (isIP(text) !== family) {
    refuse(
      `${option} ${text}: --vip is an IPv${family} address, so the nodes need IPv${family} too`,
    )
  }
  const address = canonicalIp(text)
  if (address === vip) refuse(`${option} ${text}: that is the virtual address; name the node's own`)
  return address
}

function readNumber(option: string, text: string, min: number, max: number): number {
  const value = /^\d{1,4}$/.test(text) ? Number(text) : -1
  if (value < min || value > max) refuse(`${option} ${text}: use ${min} to ${max}`)
  return value
}

function planOf(plan: Plan, vip: string, config: string): KeepalivedPlan {
  if (plan.keepalived === null) {
    throw new Failure(
      `${config} does not say that Evenkeel works with keepalived; add: keepalived: { vip: "${vip}" }`,
    )
  }
  if (canonicalIp(plan.keepalived.vip) !== vip) {
    throw new Failure(`--vip is ${vip}, but ${config} has keepalived.vip ${plan.keepalived.vip}`)
  }
  return plan.keepalived
}

function portsOn(listeners: readonly ListenerPlan[], vip: string, config: string): number[] {
  const isOn = (address: Address): address is Address & { kind: 'tcp' } =>
    address.kind === 'tcp' && overlap(address, { kind: 'tcp', host: vip, port: address.port })
  const ports = listeners.flatMap(({ address }) => (isOn(address) ? [address.port] : []))
  if (ports.length === 0) {
    throw new Failure(
      `no listener of ${config} is on ${vip}; bind one to it, or to every address (:8080)`,
    )
  }
  return ports
}

function adminOf(plan: Plan, config: string): VipSetup['admin'] {
  if (plan.admin === null) {
    throw new Failure(
      `${config} switches the admin API off, but keepalived asks its /readyz; remove admin: false (unix:/path will do)`,
    )
  }
  const { address, tls } = plan.admin
  if (address.kind === 'unix') {
    return { kind: 'unix', path: quotable('admin.bind', address.path) }
  }
  const everyone: Readonly<Record<string, string>> = {
    '': '127.0.0.1',
    '0.0.0.0': '127.0.0.1',
    '::': '::1',
  }
  const host = everyone[address.host] ?? address.host
  const scheme = tls === null ? 'http' : 'https'
  return {
    kind: 'http',
    base: `${scheme}://${host.includes(':') ? `[${host}]` : host}:${address.port}`,
  }
}

// Paths end up between quotes in files of several languages.
function quotable(what: string, path: string): string {
  if (/^[\w./@:+-]+$/.test(path)) return path
  throw new Failure(`${what}: use a path of letters, digits and ./@:+-_ only, not ${path}`)
}

function writeFiles(files: readonly GeneratedFile[], folder: string, force: boolean): void {
  const there = files.filter((file) => existsSync(join(folder, file.name)))
  if (there.length > 0 && !force) {
    const names = there.map((file) => file.name).join(', ')
    throw new Failure(`${folder} has ${names} already; nothing was written (--force overwrites)`)
  }
  try {
    mkdirSync(folder, { recursive: true })
    for (const file of files) {
      const path = join(folder, file.name)
      writeFileSync(path, file.text)
      chmodSync(path, file.mode)
      say(`wrote ${path}`)
    }
  } catch (error) {
    throw new Failure(`can't write to ${folder}: ${(error as Error).message}`)
  }
  say(`what to do with them: ${join(folder, 'evenkeel-vip.txt')}`)
}
