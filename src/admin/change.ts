// How a change comes, and the body that says what. A browser is made to send requests by any page it
// shows, so a change needs what a page can't send unasked: a content type that no form has, and an
// Origin that is our own (CSRF, DNS rebinding). Who may change something is the guard's matter.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Answer } from './answer.ts'
import { bad, type Read } from './input.ts'
import { problem } from './problem.ts'
import type { ChangeRoute } from './route.ts'

/** Most changes are a few words. */
export const BODY_BYTES_MAX = 16_384

const JSON_TYPES: readonly string[] = ['application/json']

/** Why these headers may not come with a change; `null` if they may. */
export function refuseChange(
  headers: IncomingHttpHeaders,
  route: Pick<ChangeRoute, 'body' | 'bodyTypes' | 'method'>,
): Answer | null {
  const { origin } = headers
  if (origin !== undefined && hostOf(origin) !== headers.host?.toLowerCase()) {
    return problem('foreign-origin', `A page of ${origin} may not change anything here.`)
  }
  // No page can send a DELETE to another site without asking first (WHATWG fetch, preflight).
  if (route.body === undefined && route.method === 'DELETE') return null
  const types = route.bodyTypes ?? JSON_TYPES
  if (types.includes(typeOf(headers))) return null
  const detail =
    types === JSON_TYPES
      ? 'Send the change as JSON, with the header Content-Type: application/json.'
      : `Send the change with one of the content types ${types.join(', ')}.`
  return problem('not-json', detail)
}

function typeOf(headers: IncomingHttpHeaders): string {
  const [type = ''] = (headers['content-type'] ?? '').split(';', 1)
  return type.trim().toLowerCase()
}

function hostOf(origin: string): string | null {
  return /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())?.[1] ?? null
}

/** The body of a change: a value if it is JSON, else its text. */
export async function readBody(
  request: IncomingMessage,
  route: Pick<ChangeRoute, 'body' | 'bodyBytesMax'>,
): Promise<Read<unknown>> {
  const bytesMax = route.bodyBytesMax ?? BODY_BYTES_MAX
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > bytesMax) return { ok: false, answer: tooLarge(bytesMax) }
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    // Leaving the loop must not destroy the connection: it still carries the answer.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > bytesMax) return { ok: false, answer: tooLarge(bytesMax) }
      chunks.push(chunk)
    }
  } catch {
    return bad('The body ended early.')
  }
  const isJson = typeOf(request.headers) === 'application/json'
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    // A body may be left out where none is taken.
    if (text === '' && route.body === undefined) return { ok: true, value: undefined }
    return { ok: true, value: isJson ? JSON.parse(text) : text }
  } catch {
    return bad(isJson ? 'The body is not JSON.' : 'The body is not UTF-8.')
  }
}

function tooLarge(bytesMax: number): Answer {
  return problem('body-too-large', `The body may have ${bytesMax} bytes at most.`)
}
