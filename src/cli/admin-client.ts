// How commands find a running balancer, read from its admin API and ask it for changes.

import { readFileSync } from 'node:fs'
import type { ClientRequest, IncomingMessage } from 'node:http'
import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { Address, AdminPlan } from '../core/plan.ts'
import { readBind } from '../config/address.ts'
import { formatAddress } from '../core/address-text.ts'
import { describeFileError } from '../config/environment.ts'
import { openTls, type Trust } from './admin-tls.ts'
import { findConfig, loadSource } from './find-config.ts'
import { EXIT, Failure, harmless, plain } from './terminal.ts'

export interface AdminTarget {
  /** `--admin ADDR`. */
  readonly admin?: string
  /** `-c FILE`. */
  readonly config?: string
  /** `--token-file FILE`. */
  readonly tokenFile?: string
  /** `--ca FILE`: authorities to believe. */
  readonly ca?: string
  /** `--cert FILE`, `--key FILE`: who we are. */
  readonly cert?: string
  readonly key?: string
}

/** An admin API, and how to get in. */
export interface AdminPlace {
  readonly address: Address
  /** `null`: none is shown. */
  readonly token: string | null
  /** `null`: plain HTTP. */
  readonly tls: Trust | null
}

const DEFAULT_ADDRESS: Address = { kind: 'tcp', host: '127.0.0.1', port: 9900 }
const TIMEOUT_MS = 5_000

/**
 * Where the admin API should be, and what opens it: `--admin` and its like, else what the
 * configuration says. A token of the configuration goes to the address of the configuration alone.
 * @throws Failure
 */
export async function findAdmin(target: AdminTarget): Promise<AdminPlace> {
  const token = givenToken(target)
  const trust = givenTrust(target)
  if (target.admin !== undefined) {
    const [, scheme, bare = ''] = /^(https?:\/\/)?(.*?)\/?$/.exec(target.admin) ?? []
    const text = scheme === undefined ? target.admin : bare
    const read = readBind(text)
    if (!read.ok) {
      const hint = read.hint === null ? '' : ` (${read.hint})`
      throw new Failure(`--admin ${target.admin}: ${read.message}${hint}`, EXIT.usage)
    }
    const tls = trust ?? (scheme === 'https://' ? {} : null)
    return { address: reachable(read.value), token, tls }
  }
  const plan = await configured(target)
  if (plan === null) return { address: DEFAULT_ADDRESS, token, tls: trust }
  const { address, tokens, tls } = plan
  const own = address.kind === 'unix' || tls === null ? null : { ...trust, pinned: tls.cert }
  return {
    address: reachable(address),
    token: token ?? tokens.admin ?? tokens.readOnly,
    tls: trust?.ca === undefined ? own : trust,
  }
}

/** What the configuration says; `null` if there is none. */
async function configured(target: AdminTarget): Promise<AdminPlan | null> {
  const source = findConfig(target.config, process.env)
  if (source === null) return null
  const loaded = await loadSource(source, process.env)
  const name = source.kind === 'file' ? source.path : 'the environment'
  if (!loaded.ok) {
    throw new Failure(
      `${name} has errors, so the admin address is not known; use --admin ADDR (evenkeel check shows the errors)`,
    )
  }
  if (loaded.plan.admin === null) throw new Failure(`${name} switches the admin API off`)
  return loaded.plan.admin
}

function givenToken({ tokenFile }: AdminTarget): string | null {
  const { EVENKEEL_TOKEN: fromEnvironment = '' } = process.env
  const token =
    tokenFile === undefined ? fromEnvironment.trim() : readOption('--token-file', tokenFile).trim()
  if (token === '') {
    if (tokenFile === undefined) return null
    throw new Failure(`--token-file ${tokenFile}: the file is empty`, EXIT.usage)
  }
  // It becomes a header.
  if (/^[\x21-\x7e]+$/.test(token)) return token
  const name = tokenFile === undefined ? 'EVENKEEL_TOKEN' : `--token-file ${tokenFile}`
  throw new Failure(`${name}: a token is one line of ASCII without blanks`, EXIT.usage)
}

function givenTrust({ ca, cert, key }: AdminTarget): Trust | null {
  if (ca === undefined && cert === undefined && key === undefined) return null
  if ((cert === undefined) !== (key === undefined)) {
    throw new Failure('--cert and --key belong together', EXIT.usage)
  }
  return {
    ...(ca === undefined ? {} : { ca: readOption('--ca', ca) }),
    ...(cert === undefined ? {} : { cert: readOption('--cert', cert) }),
    ...(key === undefined ? {} : { key: readOption('--key', key) }),
  }
}

function readOption(option: string, path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Failure(`${option} ${path}: ${describeFileError(error)}`, EXIT.usage)
  }
}

/** An address for everybody is reached here through loopback. */
function reachable(address: Address): Address {
  if (address.kind === 'unix') return address
  if (address.host === '0.0.0.0' || address.host === '') return { ...address, host: '127.0.0.1' }
  return address.host === '::' ? { ...address, host: '::1' } : address
}

export interface AdminReply {
  readonly status: number
  /** Its content type, in small letters and without parameters. */
  readonly type: string
  readonly body: string
}

/** Path of a backend, or of its pool, in the API. */
export function poolPath(pool: string, backend?: string): string {
  const start = `/v1/pools/${encodeURIComponent(pool)}`
  return backend === undefined ? start : `${start}/backends/${encodeURIComponent(backend)}`
}

/** Reads one path. @throws Failure when nobody answers */
export function readAdmin(place: AdminPlace, path: string): Promise<AdminReply> {
  return sendAdmin(place, { method: 'GET', path, timeoutMs: TIMEOUT_MS })
}

/** Reads one path that has an answer. @throws Failure also when the API says why it has none */
export async function readAnswer(place: AdminPlace, path: string): Promise<string> {
  const { status, body } = checked(place, await readAdmin(place, path))
  if (status !== 200) throw new Failure(detailOf(body))
  return body
}

/** Asks for a change, which may take as long as it is worth. @throws Failure when nobody answers */
export async function postAdmin(
  place: AdminPlace,
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<AdminReply> {
  const json = { type: 'application/json', body: JSON.stringify(body) }
  return checked(place, await sendAdmin(place, { method: 'POST', path, ...json, timeoutMs }))
}

/** Sends a configuration. @throws Failure when nobody answers */
export async function postYaml(
  place: AdminPlace,
  path: string,
  text: string,
  timeoutMs: number,
): Promise<AdminReply> {
  const yaml = { type: 'application/yaml', body: text }
  return checked(place, await sendAdmin(place, { method: 'POST', path, ...yaml, timeoutMs }))
}

/**
 * Anybody may listen at an address, a listener for traffic above all.
 * @param wanted the content type of what the path tells
 * @throws Failure when it is not the admin API that has answered
 */
export function checked<T extends Pick<AdminReply, 'status' | 'type'>>(
  { address }: AdminPlace,
  reply: T,
  wanted = 'application/json',
): T {
  const { status, type } = reply
  if (type === (status < 300 ? wanted : 'application/problem+json')) return reply
  const what = plain(`${status}${type === '' ? '' : `, ${type}`}`)
  throw new Failure(
    `who answers at ${formatAddress(address)} is not the admin API of Evenkeel (${what}); name its address with --admin ADDR or its configuration with -c FILE`,
  )
}

/** The sentence of a change that was made. */
export function messageOf(body: string): string {
  return (JSON.parse(body, harmless) as { message: string }).message
}

/** The sentence of an answer that is a problem (RFC 9457), with what there is instead. */
export function detailOf(body: string): string {
  try {
    const { detail, ...more } = JSON.parse(body, harmless) as Record<string, unknown>
    const names = more['backends'] ?? more['pools'] ?? more['targets']
    if (!Array.isArray(names) || names.length === 0) return String(detail)
    return `${String(detail)} There are: ${names.join(', ')}.`
  } catch {
    return `the admin API answered what is not understood: ${plain(body.slice(0, 200))}`
  }
}

/** A request to the admin API. */
interface AdminQuestion {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly path: string
  /** Content type of the body. */
  readonly type?: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  /** How long nothing may come. */
  readonly timeoutMs: number
}

/** Asks, and reads the whole answer. @throws Failure when nobody answers */
async function sendAdmin(place: AdminPlace, question: AdminQuestion): Promise<AdminReply> {
  const response = await openAdmin(place, question)
  try {
    let body = ''
    response.setEncoding('utf8')
    for await (const chunk of response) body += String(chunk)
    return { status: response.statusCode ?? 0, type: typeOf(response), body }
  } catch (error) {
    throw unanswered(place, question, error)
  }
}

/** Content type of an answer, in small letters and without parameters. */
export function typeOf({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]!.trim().toLowerCase()
}

/** Asks, and resolves when the answer begins. @throws Failure when nobody answers */
export async function openAdmin(
  place: AdminPlace,
  question: AdminQuestion,
): Promise<IncomingMessage> {
  try {
    const { address, tls } = place
    const socket =
      tls === null || address.kind === 'unix' ? null : await openTls(address, tls, TIMEOUT_MS)
    return await exchange(place, question, socket)
  } catch (error) {
    throw error instanceof Failure ? error : unanswered(place, question, error)
  }
}

function unanswered({ address, tls }: AdminPlace, { method }: AdminQuestion, error: unknown) {
  const { code = '', message } = error as NodeJS.ErrnoException
  const place = formatAddress(address)
  if (code === 'ECONNREFUSED' || code === 'ENOENT') {
    const hint = 'name its admin address with --admin ADDR or its configuration with -c FILE'
    return new Failure(`nothing runs at ${place}; is it started? ${hint}`)
  }
  const reason = `the admin API at ${place} can't be read: ${reasonOf(code, message, tls !== null)}`
  // Whoever stood still may carry it out yet, and whoever went away may have.
  const isLost = method !== 'GET' && (error instanceof SilenceError || code === 'ECONNRESET')
  const doubt = 'nobody knows whether it was done; look at evenkeel status before you try again'
  return new Failure(isLost ? `${reason}; ${doubt}` : reason)
}

/** The question was sent, and no answer came. */
class SilenceError extends Error {
  override readonly name = 'SilenceError'
}

/** What went wrong, and what to do where that is known. */
function reasonOf(code: string, message: string, isTls: boolean): string {
  if (code === 'EACCES') return 'this user may not open it'
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'EPROTO') {
    return 'it does not speak TLS as asked for; write http:// before the address'
  }
  if (code === 'ECONNRESET' && !isTls) {
    return `${message}; if it speaks TLS, write https:// before the address`
  }
  if (isTls && /CERT|SIGNATURE/.test(code)) {
    const who = '--ca FILE names its authority, -c FILE the configuration that has the certificate'
    return `${message.replace(/[:\s]+$/, '')}; ${who}`
  }
  return message
}

function exchange(
  { address, token }: AdminPlace,
  { method, path, type, body, headers = {}, timeoutMs }: AdminQuestion,
  socket: Socket | null,
): Promise<IncomingMessage> {
  const where =
    address.kind === 'unix'
      ? { socketPath: address.path }
      : { host: address.host, port: address.port }
  const content =
    type === undefined || body === undefined
      ? {}
      : { 'content-type': type, 'content-length': Buffer.byteLength(body) }
  const login = token === null ? {} : { authorization: `Bearer ${token}` }
  const options = {
    ...where,
    // An agent, be it none at all (`false`), would open a connection of its own.
    ...(socket === null ? { agent: false as const } : { createConnection: () => socket }),
    method,
    path,
    headers: { ...content, ...login, ...headers },
  }
  return new Promise((resolve, reject) => {
    const call: ClientRequest = request(options, resolve)
    call.setTimeout(timeoutMs, () => {
      const time = `${timeoutMs / 1_000} s`
      const isThere = call.socket?.connecting === false
      call.destroy(
        isThere ? new SilenceError(`no answer in ${time}`) : new Error(`no connection in ${time}`),
      )
    })
    call.on('error', reject)
    call.end(body)
  })
}
