// A login by SCRAM-SHA-256 (RFC 5802, RFC 7677), the client's side, without channel binding.
// The key derivation runs in the thread pool: a server chooses how long it takes.

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { Unreadable } from './conversation.ts'

/** PostgreSQL asks for 4096. A hostile server may ask for an hour of work. */
const ITERATIONS_MAX = 1_000_000

// No channel binding, no authorization identity (RFC 5802 §7: gs2-header).
const GS2_HEADER = 'n,,'

/** One login. Messages are text, for the caller to frame. */
export class ScramLogin {
  readonly #password: string
  readonly #nonce: string
  #serverSignature: Buffer | null = null
  #asked = false

  constructor(password: string, nonce: string = randomBytes(18).toString('base64')) {
    // SASLprep is NFKC for whatever it allows; PostgreSQL takes the rest as it is.
    this.#password = password.normalize('NFKC')
    this.#nonce = nonce
  }

  /** The client's first message. PostgreSQL takes the user from the startup message. */
  first(): string {
    return `${GS2_HEADER}${this.#bare()}`
  }

  #bare(): string {
    return `n=,r=${this.#nonce}`
  }

  /**
   * The client's final message, from the server's first.
   * @param ready called later; with `null` if the derivation failed
   * @throws Unreadable if it is none, or not the first
   */
  proof(serverFirst: string, ready: (final: string | null) => void): void {
    const found = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/=]+),i=(\d{1,7})$/.exec(serverFirst)
    const [, nonce = '', salt = '', rounds = ''] = found ?? []
    const iterations = Number(rounds)
    const isOurs = nonce.startsWith(this.#nonce) && nonce.length > this.#nonce.length
    const isFair = iterations >= 1 && iterations <= ITERATIONS_MAX && !this.#asked
    if (!isOurs || !isFair) throw new Unreadable()
    this.#asked = true
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString('base64')},r=${nonce}`
    const signed = `${this.#bare()},${serverFirst},${withoutProof}`
    const derived = (error: Error | null, salted: Buffer): void => {
      if (error !== null) {
        ready(null)
        return
      }
      const clientKey = hmac(salted, 'Client Key')
      const storedKey = createHash('sha256').update(clientKey).digest()
      const signature = hmac(storedKey, signed)
      const proof = clientKey.map((byte, i) => byte ^ signature[i]!)
      this.#serverSignature = hmac(hmac(salted, 'Server Key'), signed)
      ready(`${withoutProof},p=${Buffer.from(proof).toString('base64')}`)
    }
    pbkdf2(this.#password, Buffer.from(salt, 'base64'), iterations, 32, 'sha256', derived)
  }

  /** Whether the server, too, knows the password: its final message. */
  isGenuine(serverFinal: string): boolean {
    const given = Buffer.from(/^v=([A-Za-z0-9+/=]+)$/.exec(serverFinal)?.[1] ?? '', 'base64')
    const own = this.#serverSignature
    return own !== null && given.length === own.length && timingSafeEqual(given, own)
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
