// Probe of Redis (and what speaks its protocol, RESP2): INFO replication, and from its answer who
// writes, who follows, and how far behind. INFO persistence comes first: a server that still loads its
// data tells its role as any other does, and serves nobody.
//
// A replica whose link to its master is down is alive: it passes, and its lag is the time since the
// link went down (unknown if there has never been one). While the link is up the lag is 0, unless the master has been silent for longer
// than it ever is (it pings every 10 s): then it is the time since its last byte. In bytes it is
// what has been received and not applied yet (Redis 7.0 and later tell).

import type { RedisCheckPlan } from '../core/check-plan.ts'
import { durationText } from './attempt.ts'
import type { ProbeRequest, ProbeResult } from './contract.ts'
import { converse, type Protocol, type Talk, Unreadable } from './conversation.ts'
import { serverText } from './server-text.ts'

/** `repl-ping-replica-period`, and a little. */
const SILENCE_MS = 11_000

/** One conversation with a Redis server. See `Prober`. */
export function probeRedis(
  request: ProbeRequest,
  check: RedisCheckPlan,
  done: (result: ProbeResult) => void,
): () => void {
  return converse(request, new RedisProtocol(check), done)
}

/** A reply; an array as its items. */
type Reply =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'array'; readonly items: readonly Reply[] }

class RedisProtocol implements Protocol {
  readonly expects = 'a Redis answer'
  readonly secrets: readonly string[]
  readonly #check: RedisCheckPlan
  #awaits: 'auth' | 'loading' | 'info' | 'role' = 'loading'

  constructor(check: RedisCheckPlan) {
    this.#check = check
    this.secrets = check.password === null ? [] : [check.password]
  }

  opened(talk: Talk): void {
    const { user, password } = this.#check
    talk.farewell = command('QUIT')
    const said: Buffer[] = []
    if (password !== null) {
      this.#awaits = 'auth'
      said.push(user === null ? command('AUTH', password) : command('AUTH', user, password))
    }
    said.push(command('INFO', 'persistence'), command('INFO', 'replication'))
    // At once: a server that is full says so and closes, and writing on would lose what it said.
    talk.send(Buffer.concat(said))
  }

  received(bytes: Buffer, talk: Talk): number {
    const reader = new RespReader(bytes)
    const reply = reader.reply()
    if (reply === null) return 0
    if (reply.kind === 'error') this.#refused(reply.text, talk)
    else if (this.#awaits === 'auth') this.#awaits = 'loading'
    else if (this.#awaits === 'loading') this.#judgeLoading(reply, talk)
    else if (this.#awaits === 'role') this.#judgeRole(reply, talk)
    else if (reply.kind === 'text') this.#judgeInfo(reply.text, talk)
    else throw new Unreadable()
    return reader.at
  }

  #judgeLoading(reply: Reply, { attempt }: Talk): void {
    if (reply.kind === 'text' && /^loading:1\r?$/m.test(reply.text)) attempt.end('fail', LOADING)
    else this.#awaits = 'info'
  }

  #judgeInfo(info: string, { attempt }: Talk): void {
    const field = (name: string): string | null =>
      new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? null
    const role = field('role')
    if (role === 'master') attempt.pass('primary', { role: 'primary', lag: null })
    else if (role === 'slave') judgeReplica(field, attempt)
    else attempt.end('fail', NO_ROLE)
  }

  #judgeRole(reply: Reply, { attempt }: Talk): void {
    const first = reply.kind === 'array' ? reply.items[0] : undefined
    const name = first?.kind === 'text' ? first.text : ''
    if (name === 'master') attempt.pass('primary', { role: 'primary', lag: null })
    else if (name === 'slave') attempt.pass('replica', { role: 'replica', lag: null })
    else attempt.end('fail', NO_ROLE)
  }

  #refused(error: string, talk: Talk): void {
    // The right to INFO can be missing where that to ROLE is given.
    if (error.startsWith('NOPERM') && this.#awaits === 'loading') {
      this.#awaits = 'info'
      return
    }
    if (error.startsWith('NOPERM') && this.#awaits === 'info') {
      this.#awaits = 'role'
      talk.send(command('ROLE'))
      return
    }
    const found = REFUSALS.find(([beginning]) => error.startsWith(beginning))
    talk.attempt.end('fail', found?.[1] ?? `answered ${serverText(`-${error}`, this.secrets)}`)
  }
}

const LOADING = 'is loading its data'
const NO_ROLE = 'tells no role: a Sentinel, perhaps, or not Redis'

const WRONG_LOGIN = 'refuses the user or password'
const NO_PASSWORD_THERE = 'has no password, though one is configured here'
const REFUSALS: readonly (readonly [beginning: string, sentence: string])[] = [
  ['LOADING', LOADING],
  ['BUSY', 'is busy with a script'],
  ['NOAUTH', 'asks for a password, and none is configured here'],
  ['ERR operation not permitted', 'asks for a password, and none is configured here'],
  ['WRONGPASS', WRONG_LOGIN],
  ['ERR invalid password', WRONG_LOGIN],
  ['ERR AUTH <password> called without any password', NO_PASSWORD_THERE],
  ['ERR Client sent AUTH, but no password is set', NO_PASSWORD_THERE],
  ['NOPERM', 'the user may neither INFO nor ROLE: grant it +info'],
  ['ERR max number of clients reached', 'too many connections'],
  ['DENIED', 'is in protected mode: without a password it serves its own machine only'],
]

function judgeReplica(field: (name: string) => string | null, attempt: Talk['attempt']): void {
  const seconds = (name: string): number | null => {
    const text = field(name) ?? ''
    return /^\d{1,12}$/.test(text) ? Number(text) * 1_000 : null
  }
  const received = offset(field('slave_read_repl_offset'))
  const applied = offset(field('slave_repl_offset'))
  const bytes = received === null || applied === null ? null : Math.max(0, received - applied)
  if (field('master_link_status') === 'up') {
    const silentMs = seconds('master_last_io_seconds_ago')
    const isSilent = silentMs !== null && silentMs > SILENCE_MS
    attempt.pass(
      isSilent ? `replica, its master silent for ${durationText(silentMs)},` : 'replica',
      { role: 'replica', lag: { ms: isSilent ? silentMs : 0, bytes } },
    )
    return
  }
  // -1, or absent, when there has never been a link.
  const downMs = seconds('master_link_down_since_seconds')
  const isCopying = field('master_sync_in_progress') === '1'
  const how = isCopying ? 'copying its master' : 'no link to its master'
  const since = downMs === null ? '' : ` for ${durationText(downMs)}`
  attempt.pass(`replica, ${how}${since},`, {
    role: 'replica',
    lag: { ms: downMs, bytes: null },
  })
}

function offset(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null
}

/** A command as a RESP array of bulk strings. */
function command(...words: readonly string[]): Buffer {
  const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)
  return Buffer.from(`*${words.length}\r\n${parts.join('')}`)
}

/** Reads one reply off the beginning of `bytes`. */
class RespReader {
  readonly #bytes: Buffer
  /** What has been read. */
  at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** `null`: not whole yet. */
  reply(depth = 0): Reply | null {
    const line = this.#line()
    if (line === null) return null
    const rest = line.slice(1)
    switch (line[0]) {
      case '+':
      case ':':
        return { kind: 'text', text: rest }
      case '-':
        return { kind: 'error', text: rest }
      case '$':
        return this.#bulk(count(rest))
      case '*':
        return depth < 4 ? this.#array(count(rest), depth) : unreadable()
      default:
        return unreadable()
    }
  }

  #line(): string | null {
    const end = this.#bytes.indexOf('\r\n', this.at)
    if (end < 0) {
      // A line is short, and begins as replies do: what doesn't is told at once, not by timeout.
      const first = this.#bytes[this.at]
      if (first !== undefined && !'+-:$*'.includes(String.fromCharCode(first))) unreadable()
      return null
    }
    const line = this.#bytes.toString('utf8', this.at, end)
    this.at = end + 2
    return line
  }

  #bulk(length: number): Reply | null {
    if (length < 0) return { kind: 'text', text: '' }
    const end = this.at + length
    if (this.#bytes.length < end + 2) return null
    const text = this.#bytes.toString('utf8', this.at, end)
    this.at = end + 2
    return { kind: 'text', text }
  }

  #array(length: number, depth: number): Reply | null {
    const items: Reply[] = []
    for (let i = 0; i < length; i++) {
      const item = this.reply(depth + 1)
      if (item === null) return null
      items.push(item)
    }
    return { kind: 'array', items }
  }
}

/** −1 is null. */
function count(text: string): number {
  if (!/^(-1|\d{1,6})$/.test(text)) unreadable()
  return Number(text)
}

function unreadable(): never {
  throw new Unreadable()
}
