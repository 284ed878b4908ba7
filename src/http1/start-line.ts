// Small readings of a start line: methods, versions, absolute-form targets. Bytes in, numbers and
// shared strings out.

import { DIGIT, KIND } from './bytes.ts'

const METHODS = ['GET', 'POST', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'] as const
const REFUSED = ['CONNECT', 'TRACE'] as const

/** The shared string of a common method in `bytes[start..end)`, `''` for any other. */
export function commonMethod(bytes: Uint8Array, start: number, end: number): string {
  for (const method of METHODS) {
    if (method.length === end - start && bytesAre(bytes, start, method)) return method
  }
  return ''
}

/** CONNECT or TRACE, in any case: a backend that ignores case must not see them either. */
export function refusedMethod(bytes: Uint8Array, start: number, end: number): boolean {
  for (const method of REFUSED) {
    if (method.length !== end - start) continue
    let i = 0
    while (i < method.length && (bytes[start + i]! & 0xdf) === method.charCodeAt(i)) i++
    if (i === method.length) return true
  }
  return false
}

/** Do the bytes from `start` spell `text`? The caller knows that they are long enough. */
function bytesAre(bytes: Uint8Array, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[start + i] !== text.charCodeAt(i)) return false
  return true
}

/** What `bytes[start..start + 8)` says of the version: 1 or 0 for HTTP/1.1 and 1.0. */
export const VERSION = { malformed: -1, unsupported: -2 } as const

/** The minor version in the 8 bytes from `start`, or a `VERSION`. */
export function parseVersion(bytes: Uint8Array, start: number): number {
  if (!bytesAre(bytes, start, 'HTTP/') || bytes[start + 6] !== 0x2e) return VERSION.malformed
  const major = bytes[start + 5]!
  const minor = bytes[start + 7]!
  if ((KIND[major]! & KIND[minor]! & DIGIT) === 0) return VERSION.malformed
  return major === 0x31 && minor <= 0x31 ? minor - 0x30 : VERSION.unsupported
}

/** Offset of the authority in an absolute-form http(s) target, −1 if it is none. */
export function authorityOffset(bytes: Uint8Array, start: number, end: number): number {
  const scheme = end - start > 7 && (bytes[start + 4]! | 0x20) === 0x73 ? 'https' : 'http'
  if (end - start < scheme.length + 4) return -1
  for (let i = 0; i < scheme.length; i++) {
    if ((bytes[start + i]! | 0x20) !== scheme.charCodeAt(i)) return -1
  }
  return bytesAre(bytes, start + scheme.length, '://') ? start + scheme.length + 3 : -1
}
