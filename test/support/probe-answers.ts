// What servers say to a probe, message by message, built from their protocols' documentation.

/** RESP: a bulk string. */
export function bulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}

/** INFO replication of a Redis replica, with these lines beside its role. */
export function replicaInfo(lines: Readonly<Record<string, string | number>>): string {
  const all = { role: 'slave', master_host: '127.0.0.1', master_port: 6379, ...lines }
  const text = Object.entries(all).map(([name, value]) => `${name}:${value}\r\n`)
  return bulk(`# Replication\r\n${text.join('')}`)
}

/** PostgreSQL: a message. */
export function postgresMessage(type: string, body: Buffer | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const head = Buffer.from(`${type}\0\0\0\0`)
  head.writeInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

/** PostgreSQL: an authentication request or its good end (0). */
export function postgresAuthentication(kind: number, data: Buffer | string = ''): Buffer {
  const code = Buffer.alloc(4)
  code.writeInt32BE(kind)
  const rest = typeof data === 'string' ? Buffer.from(data, 'latin1') : data
  return postgresMessage('R', Buffer.concat([code, rest]))
}

export function postgresRow(columns: readonly (string | null)[]): Buffer {
  const count = Buffer.alloc(2)
  count.writeInt16BE(columns.length)
  const parts = columns.map((column) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(column === null ? -1 : Buffer.byteLength(column))
    return Buffer.concat([length, Buffer.from(column ?? '')])
  })
  return postgresMessage('D', Buffer.concat([count, ...parts]))
}

export function postgresError(code: string, message: string): Buffer {
  return postgresMessage('E', `SFATAL\0VFATAL\0C${code}\0M${message}\0Fpostmaster.c\0\0`)
}

export const POSTGRES_READY = postgresMessage('Z', 'I')

/** PostgreSQL: what comes between a good login and the first question. */
export const POSTGRES_LOGGED_IN = Buffer.concat([
  postgresAuthentication(0),
  postgresMessage('S', 'server_version\x0015.6\0'),
  postgresMessage('K', Buffer.alloc(8, 7)),
  POSTGRES_READY,
])

/** PostgreSQL: the answer to the probe's question. */
export function postgresAnswer(columns: readonly (string | null)[]): Buffer {
  const names = columns.map((_, i) => `c${i}\0${'\0'.repeat(18)}`).join('')
  return Buffer.concat([
    postgresMessage('T', `\0${String.fromCharCode(columns.length)}${names}`),
    postgresRow(columns),
    postgresMessage('C', 'SELECT 1\0'),
    POSTGRES_READY,
  ])
}

/** MySQL: a packet. */
export function mysqlPacket(sequence: number, body: Buffer | string): Buffer {
  const bytes = typeof body === 'string' ? Buffer.from(body, 'latin1') : body
  const head = Buffer.alloc(4)
  head.writeUIntLE(bytes.length, 0, 3)
  head[3] = sequence
  return Buffer.concat([head, bytes])
}

/** MySQL: the server's first packet. The nonce has 20 bytes. */
export function mysqlGreeting(nonce: Buffer, plugin: string, version = '8.4.0'): Buffer {
  const body = [
    Buffer.from(`\x0a${version}\0`),
    Buffer.from([1, 0, 0, 0]),
    nonce.subarray(0, 8),
    // Filler, capabilities (all), character set, status, capabilities (plugins), nonce length.
    Buffer.from([0, 0xff, 0xf7, 45, 2, 0, 0x0f, 0x00, 21]),
    Buffer.alloc(10),
    nonce.subarray(8, 20),
    Buffer.from([0]),
    Buffer.from(`${plugin}\0`),
  ]
  return mysqlPacket(0, Buffer.concat(body))
}

export function mysqlOk(sequence: number): Buffer {
  return mysqlPacket(sequence, Buffer.from([0, 0, 0, 2, 0, 0, 0]))
}

/** @param state SQLSTATE, '' for an error before the login */
export function mysqlError(sequence: number, code: number, state: string, text: string): Buffer {
  const number = String.fromCharCode(code & 0xff, code >> 8)
  return mysqlPacket(sequence, `\xff${number}${state === '' ? '' : `#${state}`}${text}`)
}

/** MySQL: rows, whole. */
export function mysqlRows(
  names: readonly string[],
  rows: readonly (readonly (string | null)[])[],
): Buffer {
  const text = (value: string | null): Buffer => {
    if (value === null) return Buffer.from([0xfb])
    const bytes = Buffer.from(value)
    const isLong = bytes.length > 250
    const length = isLong ? [0xfc, bytes.length & 0xff, bytes.length >> 8] : [bytes.length]
    return Buffer.concat([Buffer.from(length), bytes])
  }
  const column = (name: string): Buffer =>
    Buffer.concat([...['def', '', '', '', name, name].map(text), Buffer.alloc(13, 12)])
  const end = Buffer.from([0xfe, 0, 0, 2, 0])
  const bodies = [
    Buffer.from([names.length]),
    ...names.map(column),
    end,
    ...rows.map((values) => Buffer.concat(values.map(text))),
    end,
  ]
  return Buffer.concat(bodies.map((body, i) => mysqlPacket(i + 1, body)))
}
