// Probe by connecting: whoever accepts a connection is up. It can't see a backend that has stopped
// but whose queue of new connections still has room; live traffic (outlier detection) can, and so
// can steps: bytes to send, and bytes that must come back.

import { connect } from 'node:net'
import type { TcpCheckPlan, TcpCheckStep } from '../core/check-plan.ts'
import { ProbeAttempt } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { converse, probeTarget, type Protocol, type Talk } from './conversation.ts'
import { probeLookup } from './names.ts'
import { serverText } from './server-text.ts'

/** One connect, the steps, and the close. See `Prober`. */
export function probeTcp(
  request: ProbeRequest,
  check: TcpCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  if (check.steps.length > 0) return converse(request, new Steps(check.steps), done)
  const socket = connect({ ...probeTarget(request.address, request.port), lookup: probeLookup })
  const attempt = new ProbeAttempt(request.timeoutMs, done, () => socket.destroy())
  socket.on('connect', () => attempt.pass('connected'))
  socket.on('error', (error) => attempt.fail(error))
  return () => attempt.cancel()
}

class Steps implements Protocol {
  readonly expects = 'readable'
  readonly secrets: readonly string[]
  readonly #steps: readonly TcpCheckStep[]
  #next = 0
  /** What has come since the last expected bytes. */
  #got: Buffer = Buffer.alloc(0)

  constructor(steps: readonly TcpCheckStep[]) {
    this.#steps = steps
    // A server may repeat what it was sent, and that may hold a password.
    const sent = steps.flatMap((step) => (step.kind === 'send' ? [step.bytes] : []))
    this.secrets = sent.flatMap((bytes) => bytes.split(/\s+/)).filter(isTelling)
  }

  opened(talk: Talk): void {
    talk.farewell = ''
    talk.attempt.missing = () => this.#missing()
    this.#proceed(talk)
  }

  received(bytes: Buffer, talk: Talk): number {
    const step = this.#steps[this.#next]
    if (step?.kind !== 'expect') return bytes.length
    this.#got = bytes
    const wanted = Buffer.from(step.bytes, 'latin1')
    const at = bytes.indexOf(wanted)
    if (at < 0) return 0
    this.#got = Buffer.alloc(0)
    this.#next++
    this.#proceed(talk)
    return at + wanted.length
  }

  /** Sends what is to be sent before the next answer. */
  #proceed(talk: Talk): void {
    for (; this.#next < this.#steps.length; this.#next++) {
      const step = this.#steps[this.#next]!
      if (step.kind === 'expect') return
      talk.send(step.bytes)
    }
    talk.attempt.pass('answered')
  }

  #missing(): string | null {
    const step = this.#steps[this.#next]
    if (step?.kind !== 'expect') return null
    const got = this.#got.length === 0 ? 'nothing' : serverText(this.#got, this.secrets)
    return `expected ${serverText(step.bytes, this.secrets)}, got ${got}`
  }
}

/** Long enough to be a password; commands such as PING or AUTH are shorter. */
function isTelling(word: string): boolean {
  return word.length >= 6
}
