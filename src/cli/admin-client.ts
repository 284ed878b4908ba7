// How commands find a running balancer, read from its admin API and ask it for changes.

import { request } from 'node:http'
import type { Address } from '../core/plan.ts'
import { formatAddress, readBind } from '../config/address.ts'
import { findConfig, loadSource } from './find-config.ts'
import { EXIT, Failure } from './terminal.ts'

export interface AdminTarget {
  /** `--admin ADDR`. */
  readonly admin?: string
  /** `-c FILE`. */
  readonly config?: string
}

const DEFAULT_ADDRESS: Address = { kind: 'tcp', host: '127.0.0.1', port: 9900 }
const TIMEOUT_MS = 5_000

/** Where the admin API should be: `--admin`, else what the configuration says. @throws Failure */
export async function findAdmin(target: AdminTarget): Promise<Address> {
  if (target.admin !== undefined) {
    const read = readBind(target.admin)
    if (!read.ok) {
      const hint = read.hint === null ? '' : ` (${read.hint})`
      throw new Failure(`--admin ${target.admin}: ${read.message}${hint}`, EXIT.usage)
    }
    return reachable(read.value)
  }
  const source = findConfig(target.config, process.env)
  if (source === null) return DEFAULT_ADDRESS
  const loaded = await loadSource(source, process.env)
  const name = source.kind === 'file' ? source.path : 'the environment'
  if (!loaded.ok) {
    throw new Failure(
      `${name} has errors, so the admin address is not known; use --admin ADDR (evenkeel check shows the errors)`,
    )
  }
  if (loaded.plan.admin === null) throw new Failure(`${name} switches the admin API off`)
  return reachable(loaded.plan.admin.address)
}

/** An address for everybody is reached here through loopback. */
function reachable(address: Address): Address {
  if (address.kind === 'unix') return address
  if (address.host === '0.0.0.0' || address.host === '') return { ...address, host: '127.0.0.1' }
  return address.host === '::' ? { ...address, host: '::1' } : address
}

export interface AdminReply {
  readonly status: number
  readonly body: string
}

/** Reads one path. @throws Failure when nobody answers */
export function readAdmin(address: Address, path: string): Promise<AdminReply> {
  return ask(address, { path, body: null, timeoutMs: TIMEOUT_MS })
}

/** Asks for a change, which may take as long as it is worth. @throws Failure when nobody answers */
export function postAdmin(
  address: Address,
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<AdminReply> {
  return ask(address, { path, body: JSON.stringify(body), timeoutMs })
}

/** The sentence of an answer that is a problem (RFC 9457), with what there is instead. */
export function detailOf(body: string): string {
  try {
    const { detail, pools, backends } = JSON.parse(body) as Record<string, unknown>
    const names = backends ?? pools
    if (!Array.isArray(names) || names.length === 0) return String(detail)
    return `${String(detail)} There are: ${names.join(', ')}.`
  } catch {
    return `the admin API answered what is not understood: ${body.slice(0, 200)}`
  }
}

interface Question {
  readonly path: string
  /** `null` reads. */
  readonly body: string | null
  readonly timeoutMs: number
}

async function ask(address: Address, question: Question): Promise<AdminReply> {
  try {
    return await exchange(address, question)
  } catch (error) {
    const { code = '', message } = error as NodeJS.ErrnoException
    const isNobody = code === 'ECONNREFUSED' || code === 'ENOENT'
    throw new Failure(
      isNobody
        ? `nothing runs at ${formatAddress(address)}; is it started? name its admin address with --admin ADDR or its configuration with -c FILE`
        : `the admin API at ${formatAddress(address)} can't be read: ${message}`,
    )
  }
}

function exchange(
  address: Address,
  { path, body: sent, timeoutMs }: Question,
): Promise<AdminReply> {
  const where =
    address.kind === 'unix'
      ? { socketPath: address.path }
      : { host: address.host, port: address.port }
  const change = {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(sent ?? ''),
    },
  }
  const options = { ...where, path, agent: false, ...(sent === null ? {} : change) }
  return new Promise((resolve, reject) => {
    const call = request(options, (response) => {
      let body = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    call.setTimeout(timeoutMs, () => call.destroy(new Error(`no answer in ${timeoutMs} ms`)))
    call.on('error', reject)
    call.end(sent ?? undefined)
  })
}
