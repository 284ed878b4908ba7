// Probe by one HTTP/1.1 request on a connection of its own: a kept connection would hide that the
// backend accepts no new ones. Redirects are answers like any other and never followed.
// On node:http rather than undici: one request per connection needs no dispatcher, and headers go
// out exactly as given (undici refuses a Host of one's own beside the one it makes).

import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Address, HttpCheckPlan } from '../core/plan.ts'
import { ProbeAttempt } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { probeTarget } from './tcp.ts'

/** How much of a body is searched for the expected text. */
export const BODY_BYTES_MAX = 64 * 1024

/** One request and its answer. See `Prober`. */
export function probeHttp(
  request: ProbeRequest,
  check: HttpCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  const target = probeTarget(request.address, request.port)
  const outgoing = httpRequest({
    ...('path' in target ? { socketPath: target.path } : target),
    agent: false,
    method: check.method,
    path: check.path,
    headers: headerList(check, request.address, request.port),
  })
  const attempt = new ProbeAttempt(request.timeoutMs, done, () => outgoing.destroy())
  outgoing.on('socket', (socket) =>
    socket.on('connect', () => {
      attempt.connected = true
    }),
  )
  outgoing.on('error', (error) =>
    attempt.connected && isClose(error)
      ? attempt.end('fail', 'connection closed before an answer')
      : attempt.fail(error),
  )
  outgoing.on('upgrade', (response) => judge(check, response, attempt))
  outgoing.on('response', (response) => judge(check, response, attempt))
  outgoing.end()
  return () => attempt.cancel()
}

function judge(check: HttpCheckPlan, response: IncomingMessage, attempt: ProbeAttempt): void {
  const status = response.statusCode ?? 0
  if (!check.status.some(([low, high]) => status >= low && status <= high)) {
    attempt.end('fail', `status ${status}, expected ${rangesText(check.status)}`)
    return
  }
  if (check.body === null) pass(status, attempt)
  else searchBody(check.body, response, attempt)
}

function pass(status: number, attempt: ProbeAttempt): void {
  attempt.end('pass', `${status} in ${Math.round(attempt.tookMs)} ms`)
}

function searchBody(wanted: string, response: IncomingMessage, attempt: ProbeAttempt): void {
  const needle = Buffer.from(wanted)
  let seen = Buffer.alloc(0)
  const missing = () => attempt.end('fail', `body does not contain ${JSON.stringify(wanted)}`)
  response.on('data', (chunk: Buffer) => {
    seen = Buffer.concat([seen, chunk.subarray(0, BODY_BYTES_MAX - seen.length)])
    if (seen.includes(needle)) pass(response.statusCode ?? 0, attempt)
    else if (seen.length === BODY_BYTES_MAX) missing()
  })
  response.on('end', missing)
  response.on('error', (error) =>
    isClose(error)
      ? attempt.end('fail', 'connection closed before the end of the body')
      : attempt.fail(error),
  )
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
