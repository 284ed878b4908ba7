// Who may change something through the admin API, and the body that says what. A browser is made to
// send requests by any page it shows, so a change needs what a page can't send unasked: a JSON
// content type, and an Origin that is our own (CSRF, DNS rebinding).

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { nearest } from '../core/nearest.ts'
import type { Answer } from './answer.ts'
import { problem } from './answer.ts'
import type { Reach } from './host-check.ts'

/** Changes are a few words. */
export const BODY_BYTES_MAX = 16_384

/** Why these headers may not come with a change; `null` if they may. */
export function refuseChange(headers: IncomingHttpHeaders, reach: Reach): Answer | null {
  if (reach === 'network') {
    const detail =
      'This admin API is open to the network, so it can only be read. Bind it to 127.0.0.1 or to a unix socket to change something through it.'
    return problem(403, 'Read only', detail)
  }
  const { origin } = headers
  if (origin !== undefined && hostOf(origin) !== headers.host?.toLowerCase()) {
    const detail = `A page of ${origin} may not change anything here.`
    return problem(403, 'Foreign origin', detail)
  }
  const [type = ''] = (headers['content-type'] ?? '').split(';', 1)
  if (type.trim().toLowerCase() === 'application/json') return null
  const detail = 'Send the change as JSON, with the header Content-Type: application/json.'
  return problem(415, 'Not JSON', detail)
}

function hostOf(origin: string): string | null {
  return /^https?:\/\/([^/]+)$/.exec(origin.toLowerCase())?.[1] ?? null
}

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly answer: Answer }

/** The body as JSON. */
export async function readJson(request: IncomingMessage): Promise<Read<unknown>> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > BODY_BYTES_MAX) return { ok: false, answer: tooLarge() }
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    // Leaving the loop must not destroy the connection: it still carries the answer.
    const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > BODY_BYTES_MAX) return { ok: false, answer: tooLarge() }
      chunks.push(chunk)
    }
  } catch {
    return bad('The body ended early.')
  }
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks))
    return { ok: true, value: JSON.parse(text) }
  } catch {
    return bad('The body is not JSON.')
  }
}

function tooLarge(): Answer {
  const detail = `The body may have ${BODY_BYTES_MAX} bytes at most.`
  return problem(413, 'Body too large', detail)
}

/** A key that a body may have. Texts have a largest length in characters; numbers are whole. */
export type Key =
  | { readonly kind: 'text'; readonly charsMax: number; readonly required: boolean }
  | { readonly kind: 'flag' }
  | { readonly kind: 'number'; readonly min: number; readonly max: number }

/** What a body says: texts without blanks around them, flags; absent ones are left out. */
export interface Words {
  readonly texts: Readonly<Record<string, string>>
  readonly flags: Readonly<Record<string, boolean>>
  /** Whole numbers. */
  readonly numbers: Readonly<Record<string, number>>
}

/** Holds a body to its keys. */
export function readWords(body: unknown, keys: Readonly<Record<string, Key>>): Read<Words> {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return bad(`The body must be a JSON object with ${list(Object.keys(keys))}.`)
  }
  for (const name of Object.keys(body)) {
    if (!Object.hasOwn(keys, name)) return bad(unknownKey(name, Object.keys(keys)))
  }
  const texts: Record<string, string> = {}
  const flags: Record<string, boolean> = {}
  const numbers: Record<string, number> = {}
  for (const [name, key] of Object.entries(keys)) {
    const value = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined
    if (key.kind === 'flag') {
      if (value !== undefined && typeof value !== 'boolean') {
        return bad(`'${name}' must be true or false.`)
      }
      if (value !== undefined) flags[name] = value
      continue
    }
    if (key.kind === 'number') {
      if (value === undefined) continue
      if (!isWithin(value, key)) {
        return bad(`'${name}' must be a whole number from ${key.min} to ${key.max}.`)
      }
      numbers[name] = value
      continue
    }
    if (value === undefined && !key.required) continue
    const fault = faultOf(value, key.charsMax)
    if (fault !== null) return bad(`'${name}' ${fault}.`)
    texts[name] = (value as string).trim()
  }
  return { ok: true, value: { texts, flags, numbers } }
}

function isWithin(value: unknown, { min, max }: { min: number; max: number }): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max
}

function faultOf(value: unknown, charsMax: number): string | null {
  if (value === undefined) return 'is missing'
  if (typeof value !== 'string') return 'must be a text'
  if (value.trim() === '') return 'must not be empty'
  if (value.length > charsMax) return `may have ${charsMax} characters at most`
  // It ends up in logs, terminals and environments of hooks: one line of plain text.
  if (/[\p{Cc}\p{Zl}\p{Zp}]/u.test(value)) return 'must be one line without control characters'
  return null
}

function unknownKey(name: string, known: readonly string[]): string {
  const near = nearest(name, known)
  const hint = near === null ? `there are ${list(known)}` : `did you mean '${near}'?`
  return `There is no key '${name}': ${hint}`
}

function list(names: readonly string[]): string {
  return names.map((name) => `'${name}'`).join(', ')
}

function bad(detail: string): { readonly ok: false; readonly answer: Answer } {
  return { ok: false, answer: problem(400, 'Bad request', detail) }
}
