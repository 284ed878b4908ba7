// Logins of MySQL and MariaDB: what a plugin answers to the server's nonce.

import { constants, createHash, publicEncrypt } from 'node:crypto'

/** Logins by a password alone that the probe can do. */
export const PLUGINS = ['mysql_native_password', 'caching_sha2_password'] as const
export type Plugin = (typeof PLUGINS)[number]

/** Bytes of a nonce that count; some servers send a closing NUL with them. */
const NONCE_BYTES = 20

/** The proof that we know the password; empty for an empty one. */
export function scramble(plugin: Plugin, password: string, nonce: Buffer): Buffer {
  if (password === '') return Buffer.alloc(0)
  const secret = Buffer.from(password)
  const salt = nonce.subarray(0, NONCE_BYTES)
  if (plugin === 'mysql_native_password') {
    const once = hash('sha1', secret)
    return xor(once, hash('sha1', salt, hash('sha1', once)))
  }
  const once = hash('sha256', secret)
  return xor(once, hash('sha256', hash('sha256', once), salt))
}

/**
 * The password for a server that has no hash of it in its cache, under the RSA key it gave
 * (caching_sha2_password, full authentication).
 * @throws if the key is none
 */
export function encryptPassword(password: string, nonce: Buffer, key: Buffer): Buffer {
  const salt = nonce.subarray(0, NONCE_BYTES)
  if (salt.length === 0) throw new Error('no nonce')
  const masked = Buffer.from(`${password}\0`).map((byte, i) => byte ^ salt[i % salt.length]!)
  return publicEncrypt(
    { key: key.toString('latin1'), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' },
    masked,
  )
}

function hash(name: 'sha1' | 'sha256', ...parts: readonly Buffer[]): Buffer {
  const digest = createHash(name)
  for (const part of parts) digest.update(part)
  return digest.digest()
}

function xor(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, i) => byte ^ right[i]!))
}
