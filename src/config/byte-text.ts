// Text that stands for bytes on a wire: UTF-8, with the escapes that single quotes in YAML leave be.

import { accept, type Reading, refuse } from './units.ts'

const named: Readonly<Record<string, string>> = {
  r: '\r',
  n: '\n',
  t: '\t',
  '0': '\0',
  '\\': '\\',
}

/** Bytes as latin1 text. Escapes: `\r \n \t \0 \xNN \\`. */
export function readBytes(text: string): Reading<string> {
  if (text === '') return refuse('is empty', 'write the bytes, such as "PING\\r\\n"')
  let bytes = ''
  let at = 0
  for (const { index, 0: escape } of text.matchAll(/\\(?:x[0-9A-Fa-f]{2}|[^x]|x|$)/gs)) {
    const code = escape.slice(1)
    const isHex = code.length === 3
    const byte = isHex ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : named[code]
    if (byte === undefined) {
      return refuse(
        `${escape} is no escape`,
        'there are \\r, \\n, \\t, \\0, \\xNN and \\\\; a backslash itself is \\\\',
      )
    }
    bytes += utf8(text.slice(at, index)) + byte
    at = index + escape.length
  }
  return accept(bytes + utf8(text.slice(at)))
}

/** A password for a server: without NUL, which ends it in most protocols. */
export function readPassword(text: string): Reading<string> {
  return text.includes('\0') ? refuse('must not hold a NUL') : accept(text)
}

/** A name of a user or database. */
export function readServerName(text: string): Reading<string> {
  return text === '' ? refuse('is empty') : readPassword(text)
}

function utf8(text: string): string {
  return Buffer.from(text).toString('latin1')
}
