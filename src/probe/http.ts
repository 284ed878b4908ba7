// Probe by one HTTP/1.1 request on a connection of its own: a kept connection would hide that the
// backend accepts no new ones. Redirects are answers like any other and never followed.
// On node:http rather than undici: one request per connection needs no dispatcher, and headers go
// out exactly as given (undici refuses a Host of one's own beside the one it makes).

import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Address } from '../core/plan.ts'
import type { HttpCheckPlan } from '../core/check-plan.ts'
import type { BackendRole } from '../core/status.ts'
import { ProbeAttempt } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { probeTarget } from './conversation.ts'
import { probeLookup } from './names.ts'

/** How much of a body is searched for the expected text. */
export const BODY_BYTES_MAX = 64 * 1024

/** What is asked of the backend, and who hears the answer. */
interface Question {
  readonly method: string
  readonly path: string
  readonly answered: (response: IncomingMessage) => void
}

/** One request and its answer, and those for the role. See `Prober`. */
export function probeHttp(
  request: ProbeRequest,
  check: HttpCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  const { address, port } = request
  const target = probeTarget(address, port)
  let current: ClientRequest | null = null
  const attempt = new ProbeAttempt(request.timeoutMs, done, () => current?.destroy())
  const ask = ({ method, path, answered }: Question): void => {
    const headers = headerList({ ...check, method }, address, port)
    const where = 'path' in target ? { socketPath: target.path } : target
    const options = { ...where, agent: false, method, path, headers, lookup: probeLookup }
    const outgoing = httpRequest(options)
    current?.destroy()
    current = outgoing
    outgoing.on('socket', (socket) =>
      socket.on('connect', () => {
        attempt.connected = true
      }),
    )
    outgoing.on('error', (error) => {
      if (current !== outgoing) return
      if (attempt.connected && isClose(error)) {
        attempt.end('fail', 'connection closed before an answer')
      } else attempt.fail(error)
    })
    outgoing.on('upgrade', answered)
    outgoing.on('response', answered)
    outgoing.end()
  }
  const { method, path } = check
  ask({ method, path, answered: (response) => judge({ check, response, attempt, ask }) })
  return () => attempt.cancel()
}

/** The answer to `path`, and the means to ask on. */
interface Answer {
  readonly check: HttpCheckPlan
  readonly response: IncomingMessage
  readonly attempt: ProbeAttempt
  readonly ask: (question: Question) => void
}

function judge(answer: Answer): void {
  const { check, response, attempt } = answer
  const status = response.statusCode ?? 0
  if (!check.status.some(([low, high]) => status >= low && status <= high)) {
    attempt.end('fail', `status ${status}, expected ${rangesText(check.status)}`)
    return
  }
  if (check.body === null) passed(answer)
  else searchBody(check.body, answer)
}

/** Alive; now its role, if that is asked for: on connections of their own, as Patroni closes each. */
function passed({ check, response, attempt, ask }: Answer): void {
  const status = String(response.statusCode)
  const { roles } = check
  if (roles === null) {
    attempt.pass(status)
    return
  }
  const askRole = (path: string, role: BackendRole, otherwise: () => void): void =>
    ask({
      method: 'GET',
      path,
      answered: ({ statusCode = 0 }) => {
        if (statusCode < 200 || statusCode > 299) otherwise()
        else attempt.pass(`${status}, ${role}`, { role, lag: null })
      },
    })
  const none = (): void => attempt.pass(`${status}, no role`, { role: null, lag: null })
  askRole(roles.primary, 'primary', () => {
    if (roles.replica === null) none()
    else askRole(roles.replica, 'replica', none)
  })
}

function searchBody(wanted: string, answer: Answer): void {
  const { response, attempt } = answer
  const needle = Buffer.from(wanted)
  let seen = Buffer.alloc(0)
  let isFound = false
  const fail = (text: string): void => {
    if (!isFound) attempt.end('fail', text)
  }
  const missing = (): void => fail(`body does not contain ${JSON.stringify(wanted)}`)
  response.on('data', (chunk: Buffer) => {
    if (isFound) return
    seen = Buffer.concat([seen, chunk.subarray(0, BODY_BYTES_MAX - seen.length)])
    isFound = seen.includes(needle)
    if (isFound) passed(answer)
    else if (seen.length === BODY_BYTES_MAX) missing()
  })
  response.on('end', missing)
  response.on('error', (error) => {
    if (isClose(error)) fail('connection closed before the end of the body')
    else if (!isFound) attempt.fail(error)
  })
}

function headerList(check: HttpCheckPlan, address: Address, port: number | null): string[] {
  const own = new Set(check.headers.map(({ name }) => name.toLowerCase()))
  const list: string[] = []
  if (!own.has('host')) list.push('Host', check.host ?? authority(address, port))
  if (!own.has('user-agent')) list.push('User-Agent', 'evenkeel-health-check')
  for (const { name, value } of check.headers) {
    if (name.toLowerCase() !== 'connection') list.push(name, value)
  }
  const mayHaveBody = !['GET', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'].includes(check.method)
  if (mayHaveBody && !own.has('content-length')) list.push('Content-Length', '0')
  list.push('Connection', 'close')
  return list
}

function authority(address: Address, port: number | null): string {
  if (address.kind === 'unix') return 'localhost'
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return `${host}:${port ?? address.port}`
}

/** The peer closed without a word: node:http calls it a reset. */
function isClose(error: Error): boolean {
  return error.message === 'socket hang up' || error.message === 'aborted'
}

function rangesText(ranges: HttpCheckPlan['status']): string {
  return ranges.map(([low, high]) => (low === high ? `${low}` : `${low}-${high}`)).join(', ')
}
