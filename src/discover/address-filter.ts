// Which addresses a source may make backends of. Whoever can write a DNS record or start a container
// could else point the balancer at itself (a request would go round until the sockets run out), at
// services of this machine that trust it, or at a cloud's metadata service.

import { BlockList, isIP, SocketAddress } from 'node:net'
import type { Found } from '../core/membership.ts'
import type { Address, Plan } from '../core/plan.ts'

export interface FilterRules {
  /** CIDR blocks; `null`: everything but loopback, link-local, multicast and the like. */
  readonly allow: readonly string[] | null
  /** Addresses on which this process accepts. */
  readonly own: readonly Address[]
  /** IP addresses of this machine, from the operating system. */
  readonly machine: readonly string[]
}

export interface Filtered<T> {
  readonly found: readonly T[]
  /** One sentence each. */
  readonly refused: readonly string[]
}

const HARDLY_MEANT: readonly (readonly [block: string, what: string])[] = [
  ['0.0.0.0/8', 'is no address of a server'],
  ['::/128', 'is no address of a server'],
  ['127.0.0.0/8', 'is this machine itself'],
  ['::1/128', 'is this machine itself'],
  // 169.254.169.254 gives out a cloud's credentials.
  ['169.254.0.0/16', 'is link-local'],
  ['fe80::/10', 'is link-local'],
  ['fd00:ec2::254/128', 'is the metadata service of a cloud'],
  ['224.0.0.0/4', 'is multicast'],
  ['ff00::/8', 'is multicast'],
  ['240.0.0.0/4', 'is no address of a server'],
]
const hardlyMeant = HARDLY_MEANT.map(([block, what]) => ({ list: listOf([block]), what }))

/** Where this process accepts. The admin API, too: it would be asked from this machine. */
export function ownAddresses({ listeners, admin }: Plan): readonly Address[] {
  const own = listeners.map(({ address }) => address)
  if (admin === null) return own
  return [...own, admin.address, ...(admin.metrics === null ? [] : [admin.metrics])]
}

/** Takes out what must not become a backend. */
export function filterFound<T extends Found>(found: readonly T[], rules: FilterRules): Filtered<T> {
  const allowed = rules.allow === null ? null : listOf(rules.allow)
  const kept: T[] = []
  const refused: string[] = []
  for (const one of found) {
    const why = refusal(one.address, rules, allowed)
    if (why === null) kept.push(one)
    else refused.push(why)
  }
  return { found: kept, refused }
}

function refusal(address: Address, rules: FilterRules, allowed: BlockList | null): string | null {
  if (address.kind === 'unix') return null
  const { port } = address
  const host = plainHost(address.host)
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  if (!isPort) return `${host} has no usable port (${port})`
  if (isIP(host) === 0) return null
  if (allowed === null) {
    const odd = hardlyMeant.find(({ list }) => contains(list, host))
    if (odd !== undefined) return `${host} ${odd.what}; name its block in allow if it is meant`
  } else if (!contains(allowed, host)) return `${host} is in no block of allow`
  return isOurs(host, port, rules) ? `${host}:${port} is Evenkeel itself` : null
}

/** Whoever connects to no address in particular gets to this machine, as on the loopback address. */
const NOWHERE: ReadonlySet<string> = new Set(['', '0.0.0.0', '::'])
const LOOPBACK: ReadonlySet<string> = new Set(['127.0.0.1', '::1'])

function isOurs(host: string, port: number, { own, machine }: FilterRules): boolean {
  const isLoose = NOWHERE.has(host)
  const isHere = isLoose || host.startsWith('127.') || host === '::1' || machine.includes(host)
  return own.some((one) => {
    if (one.kind === 'unix' || one.port !== port) return false
    const ours = plainHost(one.host)
    if (ours === host || (isHere && NOWHERE.has(ours))) return true
    return isLoose && LOOPBACK.has(ours)
  })
}

function contains(list: BlockList, host: string): boolean {
  return list.check(host, isIP(host) === 6 ? 'ipv6' : 'ipv4')
}

// One spelling for each address. An IPv4 address in IPv6's clothes (RFC 4291 §2.5.5.2) is connected to
// as the IPv4 address it is.
function plainHost(host: string): string {
  const bare = host.split('%')[0]!.toLowerCase()
  if (isIP(bare) !== 6) return bare
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' })
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1] ?? address
}

function listOf(blocks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const block of blocks) {
    const [address = '', length = ''] = block.split('/')
    list.addSubnet(address, Number(length), isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }
  return list
}
