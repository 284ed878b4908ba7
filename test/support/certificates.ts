// Makes certificates for tests, so that no key lies in the repository and no openssl is needed: X.509
// (RFC 5280) in DER (X.690), as little of it as TLS asks for.

import type { KeyObject } from 'node:crypto'
import { generateKeyPairSync, sign } from 'node:crypto'

export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM, without a passphrase. */
  readonly key: string
}

export interface Authority extends Certificate {
  /** A certificate for `name`, good for servers at 127.0.0.1 and for clients. */
  issue(name: string): Certificate
}

/** An authority of its own. */
export function makeAuthority(name: string): Authority {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const own = certificate({
    subject: name,
    issuer: name,
    publicKey,
    signer: privateKey,
    isCa: true,
  })
  return {
    cert: own,
    key: pemOf(privateKey),
    issue: (subject) => {
      const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const { publicKey } = pair
      const cert = certificate({
        subject,
        issuer: name,
        publicKey,
        signer: privateKey,
        isCa: false,
      })
      return { cert, key: pemOf(pair.privateKey) }
    },
  }
}

interface Draft {
  readonly subject: string
  readonly issuer: string
  readonly publicKey: KeyObject
  readonly signer: KeyObject
  readonly isCa: boolean
}

let serial = 0

function certificate({ subject, issuer, publicKey, signer, isCa }: Draft): string {
  const day = 86_400_000
  const body = sequence(
    element(0xa0, integer(2)),
    integer(++serial),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(Date.now() - day), time(Date.now() + day)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    element(0xa3, sequence(isCa ? authorityOnly : atLoopback)),
  )
  const signature = sign('sha256', body, signer)
  const whole = sequence(body, ecdsaWithSha256, element(0x03, Buffer.of(0), signature))
  const lines = whole
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string
}

function element(tag: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts)
  const { length } = content
  const size =
    length < 128
      ? [length]
      : length < 256
        ? [0x81, length]
        : [0x82, Math.floor(length / 256), length % 256]
  return Buffer.concat([Buffer.of(tag, ...size), content])
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return element(0x30, ...parts)
}

function integer(value: number): Buffer {
  return element(
    0x02,
    Buffer.of(0, Math.floor(value / 256), value % 256).subarray(value < 128 ? 2 : 0),
  )
}

function oid(...bytes: readonly number[]): Buffer {
  return element(0x06, Buffer.of(...bytes))
}

function nameOf(common: string): Buffer {
  const attribute = sequence(oid(0x55, 0x04, 0x03), element(0x0c, Buffer.from(common)))
  return sequence(element(0x31, attribute))
}

function time(ms: number): Buffer {
  const text = new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '')
  return element(0x17, Buffer.from(text.slice(2)))
}

const ecdsaWithSha256 = sequence(oid(0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02))
const yes = element(0x01, Buffer.of(0xff))
/** Critical basicConstraints: CA. */
const authorityOnly = sequence(oid(0x55, 0x1d, 0x13), yes, element(0x04, sequence(yes)))
/** subjectAltName: 127.0.0.1 and localhost. */
const atLoopback = sequence(
  oid(0x55, 0x1d, 0x11),
  element(
    0x04,
    sequence(element(0x87, Buffer.of(127, 0, 0, 1)), element(0x82, Buffer.from('localhost'))),
  ),
)
