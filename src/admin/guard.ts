// Who asks, and what he may: judged from the connection and its headers. Tokens are asked for on TCP
// where one is configured, from this machine too: loopback is open to every local user, to containers
// on the host's network and to what a server can be tricked into requesting. A unix socket asks for
// nothing: its mode says who may open it.

import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { BY_CHARS_MAX } from '../core/operator.ts'
import type { AdminPlan } from '../core/plan.ts'
import type { Answer } from './answer.ts'
import type { Reach } from './host-check.ts'
import { problem } from './problem.ts'
import type { Caller } from './route.ts'

/** The verdict on a request. */
export interface Admission {
  /** `null`: nothing but the open paths. */
  readonly may: 'read' | 'change' | null
  readonly who: Caller
  /** Who asks has proved it with what no page of a browser can have. */
  readonly isProven: boolean
  /** A token or certificate was shown, and it is none of ours. */
  readonly isWrong: boolean
}

export class Guard {
  readonly #reach: Reach
  readonly #admin: Buffer | null
  readonly #readOnly: Buffer | null
  readonly #hasClients: boolean

  constructor(reach: Reach, plan: Pick<AdminPlan, 'tokens' | 'tls'>) {
    const { admin, readOnly } = plan.tokens
    this.#reach = reach
    this.#admin = admin === null ? null : digest(admin)
    this.#readOnly = readOnly === null ? null : digest(readOnly)
    this.#hasClients = plan.tls !== null && plan.tls.clientCa !== null
  }

  judge(request: IncomingMessage): Admission {
    const reach = this.#reach
    const address = reach === 'file' ? undefined : request.socket.remoteAddress
    const from = address ?? 'unix socket'
    const stranger = { who: { from, name: null }, isProven: false, isWrong: false }
    if (reach === 'file') return { ...stranger, may: 'change' }
    const certificate = this.#hasClients ? certificateOf(request) : null
    if (certificate !== null && certificate.isTrusted) {
      const { name } = certificate
      const who = { from: `${from}, certificate ${name}`, name }
      return { may: 'change', who, isProven: true, isWrong: false }
    }
    const isOpen = this.#admin === null && this.#readOnly === null && !this.#hasClients
    // The configuration allows no such address; a program that makes its own plan gets this much.
    if (isOpen) return { ...stranger, may: reach === 'network' ? 'read' : 'change' }
    const token = tokenOf(request)
    if (token === null) return { ...stranger, may: null, isWrong: certificate !== null }
    const given = digest(token)
    // Both are always compared, so that the time says nothing about either.
    const isAdmin = equal(given, this.#admin)
    const isReader = equal(given, this.#readOnly)
    if (!isAdmin && !isReader) return { ...stranger, may: null, isWrong: true }
    const who = { from: `${from}, ${isAdmin ? 'admin' : 'read-only'} token`, name: null }
    return { may: isAdmin ? 'change' : 'read', who, isProven: true, isWrong: false }
  }

  /** What somebody who may not even look is told (RFC 9110 §11.6.1, RFC 6750 §3). */
  refusal({ isWrong }: Admission): Answer {
    const challenge = 'Bearer realm="evenkeel"'
    if (isWrong) {
      const detail = 'The token or certificate is not one of those that are configured.'
      const headers = { 'www-authenticate': `${challenge}, error="invalid_token"` }
      return problem('not-known', detail, {}, headers)
    }
    const detail =
      'This admin API asks for a token: send Authorization: Bearer TOKEN (evenkeel: --token-file FILE).'
    return problem('not-known', detail, {}, { 'www-authenticate': challenge })
  }
}

function tokenOf({ headers }: IncomingMessage): string | null {
  return /^bearer +([\x21-\x7e]+) *$/i.exec(headers.authorization ?? '')?.[1] ?? null
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

const nothing = Buffer.alloc(32)

function equal(given: Buffer, ours: Buffer | null): boolean {
  return timingSafeEqual(given, ours ?? nothing) && ours !== null
}

interface Certificate {
  readonly name: string
  readonly isTrusted: boolean
}

function certificateOf({ socket }: IncomingMessage): Certificate | null {
  if (!(socket instanceof TLSSocket)) return null
  const shown = socket.getPeerCertificate()
  if (shown.subject === undefined) return null
  const { CN: common } = shown.subject
  const [first] = typeof common === 'string' ? [common] : (common ?? [])
  const name = first ?? shown.subjectaltname ?? shown.fingerprint256
  return { name: oneLine(name), isTrusted: socket.authorized }
}

/** A name from outside as it may stand in a log line. */
function oneLine(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu, '?').slice(0, BY_CHARS_MAX)
}
