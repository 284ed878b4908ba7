// Probe of MySQL and MariaDB by their own protocol (handshake version 10, without TLS): log in, ask
// whether the server is read-only, which is what tells a replica from a primary; of a replica, ask
// how far behind it is; goodbye.
//
// Lag is the server's own figure, whole seconds. It is unknown without the right to ask, and while
// replication is broken or stopped, when the server has no figure itself.

import type { MysqlCheckPlan } from '../core/check-plan.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { converse, type Protocol, type Talk, Unreadable } from './conversation.ts'
import { encryptPassword, type Plugin, PLUGINS, scramble } from './mysql-login.ts'
import {
  bytesUntilNul,
  type Greeting,
  greeting,
  lengthEncoded,
  row,
  type Row,
} from './mysql-packets.ts'
import { serverText } from './server-text.ts'

/** One conversation with a MySQL or MariaDB server. See `Prober`. */
export function probeMysql(
  request: ProbeRequest,
  check: MysqlCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  return converse(request, new MysqlProtocol(check), done)
}

// LONG_PASSWORD, PROTOCOL_41, TRANSACTIONS, SECURE_CONNECTION, PLUGIN_AUTH
const CAPABILITIES = 0x1 | 0x200 | 0x2000 | 0x8000 | 0x80000
const UTF8MB4 = 45
const PACKET_BYTES_MAX = 1 << 20

/** innodb_read_only is how a replica of Aurora shows; super_read_only never stands alone. */
const ROLE_QUESTION = 'select @@global.read_only, @@global.innodb_read_only'
const LAG_COLUMNS = new Set(['Seconds_Behind_Source', 'Seconds_Behind_Master'])

/** ERR codes of the server. */
const TOO_MANY = new Set([1040, 1203, 1226])
const HOST_BLOCKED = 1129
const HOST_REFUSED = 1130
const ACCESS_DENIED = new Set([1045, 1698])
const SYNTAX_ERROR = 1064
/** Access to one statement refused: the right to see the state of replication is missing. */
const LACKS_RIGHT = new Set([1227, 1044, 1142])

/** The rows of an answer, as they come. */
interface Rows {
  columns: string[]
  columnsLeft: number
  /** The rows have begun. */
  isOpen: boolean
  readonly rows: Row[]
}

class MysqlProtocol implements Protocol {
  readonly expects = 'a MySQL answer'
  readonly secrets: readonly string[]
  readonly #check: MysqlCheckPlan
  #step: 'greeting' | 'login' | 'role' | 'lag' = 'greeting'
  #greeting: Greeting | null = null
  #plugin: Plugin = 'mysql_native_password'
  #nonce: Buffer = Buffer.alloc(0)
  #wantsKey = false
  #hasAskedOldWay = false
  #rows: Rows | null = null

  constructor(check: MysqlCheckPlan) {
    this.#check = check
    this.secrets = check.password === null ? [] : [check.password]
  }

  opened(): void {
    // The server speaks first.
  }

  received(bytes: Buffer, talk: Talk): number {
    if (bytes.length < 4) return 0
    const length = bytes.readUIntLE(0, 3)
    if (length === 0 || length > PACKET_BYTES_MAX) throw new Unreadable()
    // The first packet begins with the version of the protocol, or an error.
    const first = bytes[4]
    if (this.#step === 'greeting' && first !== undefined && first !== 10 && first !== 0xff) {
      throw new Unreadable()
    }
    if (bytes.length < 4 + length) return 0
    const packet = bytes.subarray(4, 4 + length)
    const sequence = bytes[3]!
    if (packet[0] === 0xff) this.#refused(packet, talk)
    else if (this.#step === 'greeting') this.#greet(packet, sequence, talk)
    else if (this.#step === 'login') this.#login(packet, sequence, talk)
    else this.#answer(packet, talk)
    return 4 + length
  }

  #greet(packet: Buffer, sequence: number, talk: Talk): void {
    const { user, password } = this.#check
    const found = greeting(packet)
    this.#greeting = found
    this.#step = 'login'
    this.#nonce = found.nonce
    this.#plugin = PLUGINS.find((name) => name === found.plugin) ?? 'mysql_native_password'
    const proof = scramble(this.#plugin, password ?? '', this.#nonce)
    const head = Buffer.alloc(32)
    head.writeUInt32LE(CAPABILITIES, 0)
    head.writeUInt32LE(PACKET_BYTES_MAX, 4)
    head[8] = UTF8MB4
    const body = [
      head,
      Buffer.from(`${user}\0`),
      Buffer.from([proof.length]),
      proof,
      Buffer.from(`${this.#plugin}\0`),
    ]
    talk.send(packed(Buffer.concat(body), sequence + 1))
  }

  #login(packet: Buffer, sequence: number, talk: Talk): void {
    switch (packet[0]) {
      case 0:
        talk.farewell = packed(Buffer.from([1]), 0)
        this.#ask('role', ROLE_QUESTION, talk)
        return
      case 1:
        this.#moreData(packet.subarray(1), sequence, talk)
        return
      case 0xfe:
        this.#switchPlugin(packet, sequence, talk)
        return
      default:
        throw new Unreadable()
    }
  }

  #switchPlugin(packet: Buffer, sequence: number, talk: Talk): void {
    const name = packet.length === 1 ? 'mysql_old_password' : bytesUntilNul(packet, 1).toString()
    const plugin = PLUGINS.find((known) => known === name)
    if (plugin === undefined) {
      const shown = serverText(name, this.secrets).slice(1, -1)
      talk.attempt.end(
        'fail',
        `asks for a login by ${shown}, which this check cannot do: give user ${this.#check.user} ` +
          PLUGINS.join(' or '),
      )
      return
    }
    this.#plugin = plugin
    this.#nonce = Buffer.from(packet.subarray(2 + name.length))
    talk.send(packed(scramble(plugin, this.#check.password ?? '', this.#nonce), sequence + 1))
  }

  /** caching_sha2_password: 3 the proof will do, 4 the password itself is needed, or the key. */
  #moreData(data: Buffer, sequence: number, talk: Talk): void {
    if (this.#plugin !== 'caching_sha2_password') throw new Unreadable()
    if (this.#wantsKey) {
      this.#wantsKey = false
      const { password } = this.#check
      talk.send(packed(encryptPassword(password ?? '', this.#nonce, data), sequence + 1))
    } else if (data.length === 1 && data[0] === 4) {
      this.#wantsKey = true
      talk.send(packed(Buffer.from([2]), sequence + 1))
    } else if (data.length !== 1 || data[0] !== 3) throw new Unreadable()
  }

  #ask(step: 'role' | 'lag', question: string, talk: Talk): void {
    this.#step = step
    this.#rows = { columns: [], columnsLeft: -1, isOpen: false, rows: [] }
    talk.send(packed(Buffer.concat([Buffer.from([3]), Buffer.from(question)]), 0))
  }

  /** A part of the rows: their number of columns, the columns, an end, the rows, an end. */
  #answer(packet: Buffer, talk: Talk): void {
    const rows = this.#rows!
    const isEnd = packet[0] === 0xfe && packet.length < 9
    if (rows.columnsLeft < 0) {
      // 0: no rows at all; 0xfb: the server wants a file of ours.
      const count = packet[0]!
      if (count === 0 || count > 0xfa) throw new Unreadable()
      rows.columnsLeft = count
    } else if (rows.columnsLeft > 0) {
      rows.columns.push(columnName(packet))
      rows.columnsLeft--
    } else if (!rows.isOpen) {
      if (!isEnd) throw new Unreadable()
      rows.isOpen = true
    } else if (!isEnd) rows.rows.push(row(packet, rows.columns.length))
    else if (this.#step === 'role') this.#judgeRole(rows.rows, talk)
    else judgeLag(rows, talk.attempt)
  }

  #judgeRole([first]: readonly Row[], talk: Talk): void {
    if (first === undefined) throw new Unreadable()
    // MariaDB has further values beside 0 and 1, and all of them are kinds of read-only.
    const isReadOnly = first.some((value) => value !== '0' && value !== 'OFF')
    if (isReadOnly) this.#ask('lag', lagQuestion(this.#greeting!), talk)
    else talk.attempt.pass('primary', { role: 'primary', lag: null })
  }

  #refused(packet: Buffer, talk: Talk): void {
    const code = packet.readUInt16LE(1)
    if (this.#step === 'lag') {
      if (code === SYNTAX_ERROR && !this.#hasAskedOldWay) {
        this.#hasAskedOldWay = true
        this.#ask('lag', OLD_LAG_QUESTION, talk)
        return
      }
      if (LACKS_RIGHT.has(code)) {
        talk.attempt.pass('replica', { role: 'replica', lag: null })
        return
      }
    }
    talk.attempt.end('fail', this.#errorSentence(code, packet))
  }

  #errorSentence(code: number, packet: Buffer): string {
    // `#` and five characters of SQLSTATE come first, but for errors before the login.
    const from = packet[3] === 0x23 ? 9 : 3
    const said = serverText(packet.subarray(from), this.secrets)
    if (TOO_MANY.has(code)) return `too many connections: ${said}`
    if (code === HOST_BLOCKED) return `blocks this host after failed connections: ${said}`
    if (code === HOST_REFUSED) return `takes no connection from this host: ${said}`
    if (ACCESS_DENIED.has(code)) return `refuses user ${this.#check.user} or its password`
    return `error ${code}: ${said}`
  }
}

const NEW_LAG_QUESTION = 'show replica status'
const OLD_LAG_QUESTION = 'show slave status'

/** Every MariaDB knows the old words; MySQL 8.4 only the new ones. */
function lagQuestion({ version }: Greeting): string {
  return version.includes('MariaDB') ? OLD_LAG_QUESTION : NEW_LAG_QUESTION
}

/** No row: read-only, and follows nobody. Several: the server has several sources. */
function judgeLag({ columns, rows }: Rows, attempt: Talk['attempt']): void {
  const at = columns.findIndex((name) => LAG_COLUMNS.has(name))
  if (at < 0) throw new Unreadable()
  const seconds = rows.map((values) => values[at] ?? null)
  if (seconds.some((text) => text !== null && !/^\d{1,12}$/.test(text))) throw new Unreadable()
  const isBroken = seconds.includes(null)
  const ms = isBroken || rows.length === 0 ? null : 1_000 * Math.max(...seconds.map(Number))
  const what = isBroken
    ? 'replica, its replication broken or stopped,'
    : rows.length === 0
      ? 'replica, following nobody,'
      : 'replica'
  attempt.pass(what, { role: 'replica', lag: { ms, bytes: null } })
}

/** catalog, schema, table, original table, name, ... */
function columnName(packet: Buffer): string {
  let at = 0
  for (let skipped = 0; skipped < 4; skipped++) at = lengthEncoded(packet, at).next
  return lengthEncoded(packet, at).text
}

function packed(body: Buffer, sequence: number): Buffer {
  const head = Buffer.alloc(4)
  head.writeUIntLE(body.length, 0, 3)
  head[3] = sequence & 0xff
  return Buffer.concat([head, body])
}
