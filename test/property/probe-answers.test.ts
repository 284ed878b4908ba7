// Whatever a server says, in whatever pieces: a probe has one result, throws nothing, and shows no
// password.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { CheckPlan } from '../../src/core/check-plan.ts'
import {
  bulk,
  mysqlGreeting,
  mysqlOk,
  mysqlRows,
  POSTGRES_LOGGED_IN,
  postgresAnswer,
  postgresAuthentication,
  replicaInfo,
} from '../support/probe-answers.ts'
import { probeOnce, words } from '../support/probe.ts'
import { pause } from '../support/wait.ts'
import { type Peer, type RawServer, serve } from '../support/raw.ts'

const PASSWORD = 's3cret-word'
const NONCE = Buffer.from('twenty bytes of salt')

/** A whole conversation as the server's side sees it, and what it comes to. */
interface Case {
  readonly check: CheckPlan
  readonly said: Buffer
  readonly comesTo: string
}

const cases: Readonly<Record<string, Case>> = {
  redis: {
    check: { kind: 'redis', user: null, password: PASSWORD },
    said: Buffer.from(
      `+OK\r\n${bulk('loading:0\r\n')}${replicaInfo({ master_link_status: 'up' })}`,
    ),
    comesTo: 'pass: replica in _ ms',
  },
  'redis by ROLE': {
    check: { kind: 'redis', user: null, password: PASSWORD },
    said: Buffer.from(
      `+OK\r\n-NOPERM no\r\n-NOPERM no\r\n*3\r\n${bulk('master')}:3\r\n*1\r\n*0\r\n`,
    ),
    comesTo: 'pass: primary in _ ms',
  },
  postgres: {
    check: { kind: 'postgres', user: 'ada', password: PASSWORD, database: 'app' },
    said: Buffer.concat([
      postgresAuthentication(5, 'salt'),
      POSTGRES_LOGGED_IN,
      postgresAnswer(['t', '0', '12', 't']),
    ]),
    comesTo: 'pass: replica in _ ms',
  },
  mysql: {
    check: { kind: 'mysql', user: 'ada', password: PASSWORD },
    said: Buffer.concat([
      mysqlGreeting(NONCE, 'mysql_native_password'),
      mysqlOk(2),
      mysqlRows(['@@global.read_only', '@@global.innodb_read_only'], [['1', '0']]),
      mysqlRows(['State', 'Seconds_Behind_Source'], [['x'.repeat(400), '4']]),
    ]),
    comesTo: 'pass: replica in _ ms',
  },
  tcp: {
    check: {
      kind: 'tcp',
      steps: [
        { kind: 'expect', bytes: '220 ' },
        { kind: 'send', bytes: `AUTH ${PASSWORD}\r\n` },
        { kind: 'expect', bytes: 'OK' },
      ],
    },
    said: Buffer.from('220 ready\r\n250 OK\r\n'),
    comesTo: 'pass: answered in _ ms',
  },
}

/** Servers say these pieces, one after the other, and end. */
let pieces: readonly Buffer[] = []
async function play(peer: Peer): Promise<void> {
  for (const piece of pieces) {
    await peer.send(piece)
    if (pieces.length > 1) await pause(0)
  }
  peer.finish()
}

/** Where to cut `bytes`, as shares of them. */
function cut(bytes: Buffer, shares: readonly number[]): Buffer[] {
  const ends = shares.map((share) => Math.floor(share * bytes.length)).sort((a, b) => a - b)
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end))
}

const share = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true })

for (const [name, { check, said, comesTo }] of Object.entries(cases)) {
  const ask = async (server: RawServer): Promise<string> => {
    const result = await probeOnce(server.port, check, 5_000)
    assert.ok(!result.text.includes(PASSWORD), result.text)
    return words(result)
  }

  test(`${name}: a good conversation comes to the same in any pieces`, async () => {
    const server = await serve(play)
    await fc.assert(
      fc.asyncProperty(fc.array(share, { maxLength: 8 }), async (shares) => {
        pieces = cut(said, shares)
        assert.equal(await ask(server), comesTo)
      }),
      { numRuns: 40 },
    )
    await server.stop()
  })

  test(`${name}: one that breaks off, anywhere, fails or was good already`, async () => {
    const server = await serve(play)
    await fc.assert(
      fc.asyncProperty(share, async (end) => {
        pieces = [said.subarray(0, Math.floor(end * said.length))]
        const result = await ask(server)
        assert.ok(result.startsWith('fail: ') || result === comesTo, result)
      }),
      { numRuns: 40 },
    )
    await server.stop()
  })

  test(`${name}: bytes that were changed, or are any at all, come to one result`, async () => {
    const server = await serve(play)
    const changed = fc
      .array(fc.tuple(share, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 6 })
      .map((changes) => {
        const bytes = Buffer.from(said)
        for (const [at, byte] of changes) bytes[Math.floor(at * bytes.length)] = byte
        return bytes
      })
    const any = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))
    // Garbage behind a good beginning gets further in.
    const behind = fc
      .tuple(share, any)
      .map(([end, rest]) => Buffer.concat([said.subarray(0, Math.floor(end * said.length)), rest]))
    const repeating = any.map((rest) => Buffer.concat([Buffer.from(PASSWORD), rest]))
    await fc.assert(
      fc.asyncProperty(fc.oneof(changed, any, behind, repeating), async (bytes) => {
        pieces = [bytes]
        assert.match(await ask(server), /^(pass|fail): ./)
      }),
      { numRuns: 120 },
    )
    await server.stop()
  })
}
