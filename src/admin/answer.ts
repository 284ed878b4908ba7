// What an admin request is answered with, as a value, and its way onto the wire.

import type { ServerResponse } from 'node:http'
import { STATUS_CODES } from 'node:http'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string | Buffer | Stream
  readonly headers?: Readonly<Record<string, string>>
}

/**
 * Writes a body that takes its time, and ends it. The head has been sent. Must bound what it buffers
 * (`response.writableLength`) and let go of everything at the response's `close`.
 */
export type Stream = (response: ServerResponse) => void

/** A line of plain text. */
export function text(status: number, line: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n` }
}

/** Pretty-printed JSON: it is read by people with curl as often as by programs. */
export function json(
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const body = `${JSON.stringify(value, null, 2)}\n`
  return { status, type: 'application/json', body, headers }
}

/** The bytes of an answer to what could not even be read as a request; the connection ends with it. */
export function rawAnswer({ status, type, body }: Answer): string {
  const text = typeof body === 'string' ? body : ''
  const fields = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    `Content-Type: ${type}`,
    `Content-Length: ${Buffer.byteLength(text)}`,
    'Cache-Control: no-store',
    'Connection: close',
  ]
  return `${fields.join('\r\n')}\r\n\r\n${text}`
}

/**
 * Writes an answer. The body of an answer to HEAD is left out by Node.
 * @param unreadMs a client that reads none of it for so long, or twice as long, is cut
 */
export function send(
  response: ServerResponse,
  { status, type, body, headers }: Answer,
  unreadMs: number,
): void {
  const common = {
    'content-type': type,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  }
  if (typeof body !== 'function') {
    const length = { 'content-length': Buffer.byteLength(body) }
    response.writeHead(status, { ...common, ...length, ...headers })
    response.end(body)
    // Node takes the limit back when all is written; as long as some of it goes out it does not fire.
    if (!response.writableFinished) response.setTimeout(unreadMs, () => response.destroy())
    return
  }
  response.writeHead(status, { ...common, ...headers })
  if (response.req.method === 'HEAD') response.end()
  else body(response)
}
