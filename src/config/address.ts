// Addresses and address blocks: `host:port`, `[v6]:port`, `:port`, `unix:/path`, `10.0.0.0/8`.
// Pure text work; nothing is looked up.

import { isIPv4, isIPv6 } from 'node:net'
import { formatAddress } from '../core/address-text.ts'
import type { Address } from '../core/plan.ts'
import { accept, quote, type Reading, refuse } from './units.ts'

/** Longest path of a unix socket: `sun_path` of Linux less its final NUL. */
const unixPathMax = 107

const bindHint = 'write host:port, [ipv6]:port, :port for all addresses, or unix:/path'
const backendHint = 'write host:port, [ipv6]:port or unix:/path'

/** Where a listener binds; `:8080` and `*:8080` are every address (`host: ''`), port 0 any port. */
export function readBind(text: string): Reading<Address> {
  if (/^\d+$/.test(text)) {
    return refuse(
      `${quote(text)} is a port without an address`,
      `write 127.0.0.1:${text} for this machine only, or :${text} for all addresses`,
    )
  }
  const all = /^\*?(:.*)$/.exec(text)
  if (all !== null && !text.startsWith('::')) {
    const port = readPort(text, all[1]!.slice(1), 0)
    return port.ok ? accept({ kind: 'tcp', host: '', port: port.value }) : port
  }
  return readAddress(text, 0, bindHint)
}

/** Where a backend is reached. */
export function readBackendAddress(text: string): Reading<Address> {
  const port = /^\*?:(\d+)$/.exec(text)?.[1] ?? /^(\d+)$/.exec(text)?.[1]
  if (port !== undefined) {
    return refuse(`${quote(text)} has no host`, `write 127.0.0.1:${port} for this machine`)
  }
  return readAddress(text, 1, backendHint)
}

function readAddress(text: string, portMin: number, hint: string): Reading<Address> {
  const scheme = /^([a-z][a-z0-9+]*):\/\/([^/]*)/i.exec(text)
  if (scheme !== null) {
    return refuse(`${quote(text)} is a URL, not an address`, `write ${scheme[2] || 'host:port'}`)
  }
  if (text.startsWith('unix:')) return readUnix(text)
  if (text.startsWith('/') || text.startsWith('./')) {
    return refuse(`${quote(text)} is a path`, `for a unix socket write unix:${text}`)
  }
  if (isIPv6(text))
    return refuse(`${quote(text)} has no brackets around its IPv6 address`, bracket(text))
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text)
  if (bracketed !== null) {
    const [, host, portText] = bracketed
    if (!isIPv6(host!)) return refuse(`${quote(host!)} is not an IPv6 address`, hint)
    if (portText === undefined) return refuse(`${quote(text)} has no port`, hint)
    const port = readPort(text, portText, portMin)
    return port.ok ? accept({ kind: 'tcp', host: host!, port: port.value }) : port
  }
  const parts = text.split(':')
  const last = parts.at(-1)!
  if (parts.length > 2 && isIPv6(parts.slice(0, -1).join(':'))) {
    const v6 = parts.slice(0, -1).join(':')
    return refuse(
      `${quote(text)} has no brackets around its IPv6 address`,
      `write "[${v6}]:${last}"`,
    )
  }
  if (parts.length > 2) return refuse(`${quote(text)} is not an address`, hint)
  const host = readHost(parts[0]!)
  if (!host.ok) return { ...host, hint: host.hint ?? hint }
  if (parts.length === 1) return refuse(`${quote(text)} has no port`, `write ${text}:8080`)
  const port = readPort(text, last, portMin)
  return port.ok ? accept({ kind: 'tcp', host: host.value, port: port.value }) : port
}

// What somebody may have meant by an IPv6 address without brackets: its last group may be a port.
function bracket(text: string): string {
  if (/^::\d+$/.test(text)) return `write "[::]${text.slice(1)}"`
  const cut = text.lastIndexOf(':')
  const [host, port] = [text.slice(0, cut), text.slice(cut + 1)]
  const isPort = isIPv6(host) && /^\d+$/.test(port)
  return `write "${isPort ? `[${host}]:${port}` : `[${text}]:8080`}"`
}

function readUnix(text: string): Reading<Address> {
  const path = text.slice('unix:'.length)
  if (!path.startsWith('/')) {
    return refuse(`${quote(text)} is not an absolute path`, 'write unix:/run/name.sock')
  }
  if (Buffer.byteLength(path) > unixPathMax) {
    return refuse(`${quote(text)} is longer than the ${unixPathMax} bytes a unix socket may have`)
  }
  if (path.includes('\0')) return refuse(`${quote(text)} holds a NUL`)
  return accept({ kind: 'unix', path })
}

function readPort(text: string, port: string, min: number): Reading<number> {
  if (port === '') return refuse(`${quote(text)} has no port`, `write ${text}8080`)
  if (!/^\d{1,9}$/.test(port))
    return refuse(`${quote(port)} is not a port`, `a port is a number from ${min} to 65535`)
  const value = Number(port)
  if (value < min || value > 65_535) {
    return refuse(`port ${value} is out of range`, `ports go from ${min} to 65535`)
  }
  return accept(value)
}

// RFC 1123 labels, and underscores because container names have them.
const hostPattern =
  /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\.?$/i

function readHost(host: string): Reading<string> {
  if (isIPv4(host)) return accept(host)
  if (/^[\d.]+$/.test(host)) {
    return refuse(`${quote(host)} is not an IPv4 address`, 'four numbers from 0 to 255 with dots')
  }
  if (!hostPattern.test(host)) return refuse(`${quote(host)} is not a host name`)
  return accept(host)
}

/** One spelling per address: lower case, IPv6 in its short form. */
export function canonicalAddress(address: Address): string {
  if (address.kind === 'unix') return formatAddress(address)
  const { host, port } = address
  return `${canonicalHost(host)}:${port}`
}

function canonicalHost(host: string): string {
  if (!isIPv6(host)) return host.toLowerCase().replace(/\.$/, '')
  const [bare = '', zone] = host.split('%')
  const short = new URL(`http://[${bare}]/`).hostname
  return zone === undefined ? short : `${short}%${zone}`
}

/** Whether binding one address takes the other's port. Port 0 is a new port each time. */
export function overlap(one: Address, two: Address): boolean {
  if (one.kind === 'unix' || two.kind === 'unix') {
    return one.kind === two.kind && canonicalAddress(one) === canonicalAddress(two)
  }
  if (one.port !== two.port || one.port === 0) return false
  return addressesOf(one.host).some((a) => addressesOf(two.host).some((b) => sameHost(a, b)))
}

function addressesOf(host: string): readonly string[] {
  const name = canonicalHost(host)
  return name === 'localhost' ? ['127.0.0.1', '[::1]'] : [name]
}

function sameHost(one: string, two: string): boolean {
  if (one === two || takesEvery(one) || takesEvery(two)) return true
  if (one === '0.0.0.0') return isIPv4(two)
  return two === '0.0.0.0' && isIPv4(one)
}

// A socket on `::` takes IPv4 as well (Node sets ipv6Only to false).
function takesEvery(host: string): boolean {
  return host === '' || host === '[::]'
}

/** Whether a host stands for every address of a machine: a place to listen, none to connect to. */
export function isEvery(host: string): boolean {
  const name = canonicalHost(host)
  return takesEvery(name) || name === '0.0.0.0'
}

/** Whether only processes of this machine reach the address. */
export function isLocal(address: Address): boolean {
  if (address.kind === 'unix') return true
  const host = canonicalHost(address.host)
  return host === 'localhost' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
}

/** A CIDR block; a single address is a block of one. In its written form with a prefix length. */
export function readBlock(text: string): Reading<string> {
  const hint = 'write an address block such as 10.0.0.0/8, or one address'
  const [address = '', length, ...rest] = text.split('/')
  const bits = isIPv4(address) ? 32 : isIPv6(address) && !address.includes('%') ? 128 : 0
  if (bits === 0 || rest.length > 0) return refuse(`${quote(text)} is not an address block`, hint)
  if (length === undefined) return accept(`${address}/${bits}`)
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) {
    return refuse(`${quote(text)} has a bad prefix length`, `it goes from 0 to ${bits}`)
  }
  return accept(`${address}/${Number(length)}`)
}
