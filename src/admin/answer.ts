// What an admin request is answered with, as a value, and its way onto the wire. Errors are problem
// details (RFC 9457), so that a script can read them and a person needs no manual.

import type { ServerResponse } from 'node:http'

export interface Answer {
  readonly status: number
  readonly type: string
  readonly body: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

/** A line of plain text. */
export function text(status: number, line: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${line}\n` }
}

/** Pretty-printed JSON: it is read by people with curl as often as by programs. */
export function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json', body: `${JSON.stringify(value, null, 2)}\n` }
}

/** An error. `more` holds further members, such as what would have been possible. */
export function problem(
  status: number,
  title: string,
  detail: string,
  more: Readonly<Record<string, unknown>> = {},
): Answer {
  const body = { title, status, detail, ...more }
  return { ...json(status, body), type: 'application/problem+json' }
}

/** Writes an answer. The body of an answer to HEAD is left out by Node. */
export function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    'content-type': answer.type,
    'content-length': Buffer.byteLength(answer.body),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    ...answer.headers,
  })
  response.end(answer.body)
}
