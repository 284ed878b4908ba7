// One connection on which a probe speaks a protocol: bytes in, bytes out, one result, and a polite
// end. What the bytes mean is the protocol's business; nothing it throws gets out of here.

import { connect } from 'node:net'
import type { Address } from '../core/plan.ts'
import { ProbeAttempt } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { probeLookup } from './names.ts'
import { serverText } from './server-text.ts'

/** How much a backend may say before the probe gives up. */
export const ANSWER_BYTES_MAX = 64 * 1024

/** How long a backend may take to close after the farewell, before the connection is cut. */
const FAREWELL_MS = 500

/** The other side does not speak the protocol. */
export class Unreadable extends Error {}

/** A protocol's side of a conversation. */
export interface Protocol {
  /** `a Redis answer`: what the bytes should have been. */
  readonly expects: string
  /** Never to be shown, whoever says them. */
  readonly secrets: readonly string[]
  /** The connection stands. */
  opened(talk: Talk): void
  /**
   * Takes a message off the beginning of `bytes`, and says how many bytes that was; 0 if it is not
   * whole yet. Called until it returns 0. May throw whatever reading rubbish throws.
   */
  received(bytes: Buffer, talk: Talk): number
}

/** What a protocol can do. */
export interface Talk {
  readonly attempt: ProbeAttempt
  /**
   * What to say at the end, so that the server does not count a lost client; `null` as long as it
   * would not understand.
   */
  farewell: Buffer | string | null
  /** Text is latin1. */
  send(bytes: Buffer | string): void
}

/** Where a probe connects to. */
export function probeTarget(
  address: Address,
  port: number | null,
): { readonly path: string } | { readonly host: string; readonly port: number } {
  if (address.kind === 'unix') return { path: address.path }
  return { host: address.host, port: port ?? address.port }
}

/** Holds one conversation. See `Prober`. */
export function converse(
  request: ProbeRequest,
  protocol: Protocol,
  done: (result: ProbeResult) => void,
): () => void {
  const target = probeTarget(request.address, request.port)
  const socket = connect({ ...target, noDelay: true, lookup: probeLookup })
  let cancelled = false
  const leave = (): void => {
    if (talk.farewell === null || cancelled || socket.destroyed) {
      socket.destroy()
      return
    }
    socket.end(talk.farewell, 'latin1')
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS).unref()
    socket.once('close', () => clearTimeout(timer))
    socket.unref()
  }
  const attempt = new ProbeAttempt(request.timeoutMs, done, leave)
  const talk: Talk = {
    attempt,
    farewell: null,
    send: (bytes) => void socket.write(bytes, 'latin1'),
  }
  const inbox = new Inbox(protocol, talk)
  socket.on('connect', () => {
    attempt.connected = true
    protocol.opened(talk)
  })
  socket.on('data', (bytes: Buffer) => {
    if (attempt.isOpen) inbox.take(bytes)
  })
  socket.on('error', (error) => attempt.fail(error))
  socket.on('close', () => {
    attempt.end('fail', attempt.missing?.() ?? 'connection closed before an answer')
  })
  return () => {
    cancelled = true
    attempt.cancel()
  }
}

/** What has come and is not read yet. */
class Inbox {
  readonly #protocol: Protocol
  readonly #talk: Talk
  #bytes: Buffer = Buffer.alloc(0)
  #total = 0

  constructor(protocol: Protocol, talk: Talk) {
    this.#protocol = protocol
    this.#talk = talk
  }

  take(bytes: Buffer): void {
    const { attempt } = this.#talk
    const within = bytes.subarray(0, ANSWER_BYTES_MAX - this.#total)
    this.#total += bytes.length
    this.#bytes = this.#bytes.length === 0 ? within : Buffer.concat([this.#bytes, within])
    try {
      while (attempt.isOpen && this.#bytes.length > 0) {
        const taken = this.#protocol.received(this.#bytes, this.#talk)
        if (taken === 0) break
        this.#bytes = this.#bytes.subarray(taken)
      }
    } catch {
      const { expects, secrets } = this.#protocol
      attempt.end('fail', `not ${expects}: ${serverText(this.#bytes, secrets)}`)
    }
    if (this.#total > ANSWER_BYTES_MAX) attempt.end('fail', 'the answer is longer than 64 KiB')
  }
}
