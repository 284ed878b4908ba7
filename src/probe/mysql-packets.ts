// The insides of packets of the MySQL protocol. Every function throws on bytes that are not what it
// reads; none reads beyond them.

import { Unreadable } from './conversation.ts'

export interface Greeting {
  readonly version: string
  readonly nonce: Buffer
  /** The login that the server would like; '' if it names none. */
  readonly plugin: string
}

/** The server's first packet, of protocol version 10. */
export function greeting(packet: Buffer): Greeting {
  const version = bytesUntilNul(packet, 1)
  // Behind the version and its NUL: thread, nonce (first part), filler.
  const at = 1 + version.length + 1 + 4
  const first = packet.subarray(at, at + 8)
  let next = at + 8 + 1
  // Capabilities, character set, status, length of the nonce, reserved.
  const capabilities = packet.readUInt16LE(next) | (packet.readUInt16LE(next + 5) << 16)
  if ((capabilities & PROTOCOL_41) === 0) throw new Unreadable()
  const nonceBytes = packet.readUInt8(next + 7)
  next += 8 + 10
  const rest = Math.max(13, nonceBytes - 8)
  const second = packet.subarray(next, next + rest)
  if (second.length < 12) throw new Unreadable()
  const nonce = Buffer.concat([first, second.subarray(0, 12)])
  const named = (capabilities & PLUGIN_AUTH) !== 0 && packet.length > next + rest
  const plugin = named ? bytesUntilNul(packet, next + rest).toString('latin1') : ''
  return { version: version.toString('latin1'), nonce, plugin }
}

const PROTOCOL_41 = 0x200
const PLUGIN_AUTH = 0x80000

/** Up to a NUL, or to the end where there is none. */
export function bytesUntilNul(packet: Buffer, from: number): Buffer {
  const end = packet.indexOf(0, from)
  return packet.subarray(from, end < 0 ? packet.length : end)
}

export type Row = readonly (string | null)[]

/** A row of this many columns, as text. */
export function row(packet: Buffer, columns: number): Row {
  const values: (string | null)[] = []
  let at = 0
  for (let left = columns; left > 0; left--) {
    if (packet.readUInt8(at) === 0xfb) {
      values.push(null)
      at++
    } else {
      const { text, next } = lengthEncoded(packet, at)
      values.push(text)
      at = next
    }
  }
  return values
}

/** A text with its length before it. */
export function lengthEncoded(packet: Buffer, at: number): { text: string; next: number } {
  const first = packet.readUInt8(at)
  let length = first
  let from = at + 1
  if (first >= 0xfb) {
    const bytes = first === 0xfc ? 2 : first === 0xfd ? 3 : 0
    if (bytes === 0) throw new Unreadable()
    length = packet.readUIntLE(from, bytes)
    from += bytes
  }
  const next = from + length
  if (next > packet.length) throw new Unreadable()
  return { text: packet.toString('utf8', from, next), next }
}
