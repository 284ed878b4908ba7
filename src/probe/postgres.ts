// Probe of PostgreSQL by its own protocol (version 3, without TLS): log in, one question, goodbye.
// The question is whether it is in recovery, which is what tells a replica from a primary.
//
// Lag of a replica: 0 ms while it streams and has replayed all it received; else the time since the
// newest commit it replayed, which is longer than the truth where its primary had nothing to say.
// Bytes are what it has received and not replayed; unknown while it does not stream.

import { createHash } from 'node:crypto'
import type { PostgresCheckPlan } from '../core/check-plan.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { ANSWER_BYTES_MAX, converse, type Protocol, type Talk, Unreadable } from './conversation.ts'
import { ScramLogin } from './scram.ts'
import { serverText } from './server-text.ts'

/**
 * Needs no right but to log in: without `pg_read_all_stats` the view of the receiver shows only
 * that there is one, which is all that is asked.
 */
const QUESTION = `select replica,
 case when replica then pg_catalog.pg_wal_lsn_diff(
  pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn()) end,
 case when replica then (extract(epoch from
  pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp()) * 1000)::bigint end,
 exists (select from pg_catalog.pg_stat_wal_receiver)
from pg_catalog.pg_is_in_recovery() as replica`

/** One conversation with a PostgreSQL server. See `Prober`. */
export function probePostgres(
  request: ProbeRequest,
  check: PostgresCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  return converse(request, new PostgresProtocol(check), done)
}

class PostgresProtocol implements Protocol {
  readonly expects = 'a PostgreSQL answer'
  readonly secrets: readonly string[]
  readonly #check: PostgresCheckPlan
  #scram: ScramLogin | null = null
  #isLoggedIn = false
  #asked = false
  #row: readonly (string | null)[] | null = null

  constructor(check: PostgresCheckPlan) {
    this.#check = check
    this.secrets = check.password === null ? [] : [check.password]
  }

  opened(talk: Talk): void {
    const { user, database } = this.#check
    const settings = { user, database, application_name: 'evenkeel health check' }
    const words = Object.entries(settings).flatMap(([name, value]) => [name, value])
    const version = Buffer.from([0, 3, 0, 0])
    talk.send(sized(Buffer.concat([version, Buffer.from(`${words.join('\0')}\0\0`)])))
  }

  received(bytes: Buffer, talk: Talk): number {
    const type = String.fromCharCode(bytes[0]!)
    if (!'RSKEZTDCNv'.includes(type)) throw new Unreadable()
    if (bytes.length < 5) return 0
    const length = bytes.readInt32BE(1)
    if (length < 4 || length > ANSWER_BYTES_MAX) throw new Unreadable()
    if (bytes.length < 1 + length) return 0
    this.#message(type, bytes.subarray(5, 1 + length), talk)
    return 1 + length
  }

  #message(type: string, body: Buffer, talk: Talk): void {
    switch (type) {
      case 'R':
        this.#authenticate(body, talk)
        return
      case 'E':
        talk.attempt.end('fail', this.#errorSentence(body))
        return
      case 'D':
        if (!this.#asked) throw new Unreadable()
        this.#row = columns(body)
        return
      case 'Z':
        this.#ready(talk)
        return
      default:
        // Settings, key, notices, descriptions: nothing the probe needs.
        return
    }
  }

  #ready(talk: Talk): void {
    if (!this.#isLoggedIn) throw new Unreadable()
    if (!this.#asked) {
      this.#asked = true
      talk.farewell = message('X', Buffer.alloc(0))
      talk.send(message('Q', Buffer.from(`${QUESTION}\0`)))
    } else if (this.#row === null) throw new Unreadable()
    else judge(this.#row, talk.attempt)
  }

  #authenticate(body: Buffer, talk: Talk): void {
    const kind = body.readInt32BE(0)
    const { user, password } = this.#check
    if (kind === 0) {
      // A server that did not show that it knows the password is none that asked for it.
      if (this.#scram !== null) throw new Unreadable()
      this.#isLoggedIn = true
    } else if (UNABLE[kind] !== undefined) {
      talk.attempt.end('fail', `asks for a login by ${UNABLE[kind]}, which this check cannot do`)
    } else if (password === null) {
      talk.attempt.end('fail', 'asks for a password, and none is configured here')
    } else if (kind === 3) talk.send(passwordMessage(password))
    else if (kind === 5) talk.send(passwordMessage(md5Answer(user, password, body)))
    else this.#scramStep(kind, body.subarray(4), password, talk)
  }

  #scramStep(kind: number, data: Buffer, password: string, talk: Talk): void {
    if (kind === 10 && this.#scram === null) {
      const offered = data.toString('latin1').split('\0')
      if (!offered.includes('SCRAM-SHA-256')) throw new Unreadable()
      this.#scram = new ScramLogin(password)
      const first = Buffer.from(this.#scram.first())
      const name = Buffer.from('SCRAM-SHA-256\0')
      talk.send(message('p', Buffer.concat([name, sized(first, 0)])))
    } else if (kind === 11 && this.#scram !== null) {
      this.#scram.proof(data.toString('latin1'), (final) => {
        if (!talk.attempt.isOpen) return
        if (final === null) talk.attempt.end('void', 'the password could not be hashed')
        else talk.send(message('p', Buffer.from(final)))
      })
    } else if (kind === 12 && this.#scram !== null) {
      if (!this.#scram.isGenuine(data.toString('latin1'))) {
        talk.attempt.end('fail', 'does not know the password itself: not the server it should be')
      }
      this.#scram = null
    } else throw new Unreadable()
  }

  #errorSentence(body: Buffer): string {
    const fields = new Map<string, string>()
    for (const field of body.toString('utf8').split('\0'))
      fields.set(field[0] ?? '', field.slice(1))
    const code = fields.get('C') ?? ''
    const said = serverText(fields.get('M') ?? '', this.secrets)
    const { user, database } = this.#check
    switch (code) {
      case '57P03':
        return `not ready: ${said}`
      case '53300':
        return `too many connections: ${said}`
      case '28P01':
        return `refuses the password of user ${user}`
      case '28000':
        return `refuses user ${user}: ${said}`
      case '3D000':
        return `there is no database ${database}`
      case '42501':
        return `user ${user} lacks a right: ${said}`
      default:
        return `error ${serverText(code, this.secrets).slice(1, -1)}: ${said}`
    }
  }
}

/** Ways to log in that need more than a password. */
const UNABLE: Readonly<Record<number, string>> = { 2: 'Kerberos', 7: 'GSSAPI', 9: 'SSPI' }

function judge(row: readonly (string | null)[], attempt: Talk['attempt']): void {
  const [replica, bytesText, msText, streams] = row
  if (replica === 'f') {
    attempt.pass('primary', { role: 'primary', lag: null })
    return
  }
  if (replica !== 't') throw new Unreadable()
  const bytes = number(bytesText)
  const ms = number(msText)
  if (streams === 't') {
    const lag = { ms: bytes === 0 ? 0 : ms, bytes }
    attempt.pass('replica', { role: 'replica', lag })
    return
  }
  const lag = { ms, bytes: null }
  attempt.pass('replica, not streaming from its primary,', { role: 'replica', lag })
}

/** Below 0 where the clocks of two servers disagree. */
function number(text: string | null | undefined): number | null {
  if (text === null || text === undefined) return null
  if (!/^-?\d{1,15}(\.\d+)?$/.test(text)) throw new Unreadable()
  return Math.max(0, Math.round(Number(text)))
}

/** Columns of a DataRow. */
function columns(body: Buffer): (string | null)[] {
  const values: (string | null)[] = []
  let at = 2
  for (let left = body.readInt16BE(0); left > 0; left--) {
    const length = body.readInt32BE(at)
    at += 4
    if (length < 0) values.push(null)
    else {
      if (at + length > body.length) throw new Unreadable()
      values.push(body.toString('utf8', at, at + length))
      at += length
    }
  }
  return values
}

/** `md5` + md5(md5(password + user) + salt). */
function md5Answer(user: string, password: string, body: Buffer): string {
  const salt = body.subarray(4, 8)
  if (salt.length < 4) throw new Unreadable()
  const inner = createHash('md5').update(`${password}${user}`).digest('hex')
  return `md5${createHash('md5').update(inner).update(salt).digest('hex')}`
}

function passwordMessage(text: string): Buffer {
  return message('p', Buffer.from(`${text}\0`))
}

function message(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), sized(body)])
}

/** `body` after its length, which counts itself unless told otherwise. */
function sized(body: Buffer, own = 4): Buffer {
  const head = Buffer.alloc(4)
  head.writeInt32BE(body.length + own)
  return Buffer.concat([head, body])
}
