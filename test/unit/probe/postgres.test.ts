// The postgres check against servers that follow a script.

import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import type { PostgresCheckPlan } from '../../../src/core/check-plan.ts'
import type { ProbeResult } from '../../../src/probe/contract.ts'
import {
  POSTGRES_LOGGED_IN,
  POSTGRES_READY,
  postgresAnswer,
  postgresAuthentication,
  postgresError,
  postgresMessage,
} from '../../support/probe-answers.ts'
import { probeOnce, words } from '../../support/probe.ts'
import { type Peer, type Script, serve } from '../../support/raw.ts'
import { waitFor } from '../../support/wait.ts'

const CHECK: PostgresCheckPlan = {
  kind: 'postgres',
  user: 'ada',
  password: 's3cret-word',
  database: 'app',
}

async function probed(
  t: TestContext,
  script: Script,
  check: Partial<PostgresCheckPlan> = {},
  timeoutMs = 10_000,
): Promise<ProbeResult> {
  const server = await serve(script)
  t.after(() => server.stop())
  return probeOnce(server.port, { ...CHECK, ...check }, timeoutMs)
}

async function startup(peer: Peer): Promise<string> {
  const length = (await peer.bytes(4)).readInt32BE()
  return peer.text(length - 4)
}

/** The next message: its type and body. */
async function message(peer: Peer): Promise<[string, Buffer]> {
  const type = await peer.text(1)
  const length = (await peer.bytes(4)).readInt32BE()
  return [type, await peer.bytes(length - 4)]
}

/** Says these bytes after the startup, whatever is asked. */
function says(...bytes: readonly Buffer[]): Script {
  return async (peer) => {
    await startup(peer)
    peer.write(Buffer.concat(bytes))
    await peer.gone()
    peer.finish()
  }
}

test('a probe starts, asks one question and terminates', async (t) => {
  let left = ''
  const server = await serve(async (peer) => {
    assert.equal(
      await startup(peer),
      '\0\x03\0\0user\0ada\0database\0app\0application_name\0evenkeel health check\0\0',
    )
    peer.write(POSTGRES_LOGGED_IN)
    const [type, question] = await message(peer)
    assert.equal(type, 'Q')
    assert.match(question.toString(), /^select replica,.* as replica\0$/s)
    peer.write(postgresAnswer(['f', null, null, 'f']))
    left = await peer.end()
    peer.finish()
  })
  t.after(() => server.stop())
  const result = await probeOnce(server.port, CHECK)
  assert.equal(words(result), 'pass: primary in _ ms')
  assert.deepEqual([result.role, result.lag], ['primary', null])
  await waitFor(() => server.peers[0]?.closed)
  assert.deepEqual([left, server.peers[0]!.code], ['X\0\0\0\x04', ''])
})

test('a replica that streams is behind by what it has not replayed', async (t) => {
  const lagOf = async (...row: (string | null)[]): Promise<[string, unknown]> => {
    const result = await probed(t, says(POSTGRES_LOGGED_IN, postgresAnswer(['t', ...row])))
    assert.equal(result.role, 'replica')
    return [words(result), result.lag]
  }
  const fine = 'pass: replica in _ ms'
  assert.deepEqual(await lagOf('0', '86400000', 't'), [fine, { ms: 0, bytes: 0 }])
  assert.deepEqual(await lagOf('4096', '1200', 't'), [fine, { ms: 1_200, bytes: 4_096 }])
  // Clocks that disagree.
  assert.deepEqual(await lagOf('4096', '-1200', 't'), [fine, { ms: 0, bytes: 4_096 }])
  assert.deepEqual(await lagOf('4096', null, 't'), [fine, { ms: null, bytes: 4_096 }])
  const alone = 'pass: replica, not streaming from its primary, in _ ms'
  assert.deepEqual(await lagOf('0', '3500', 'f'), [alone, { ms: 3_500, bytes: null }])
  assert.deepEqual(await lagOf(null, null, 'f'), [alone, { ms: null, bytes: null }])
})

test('every error has a sentence', async (t) => {
  const cases = [
    [
      '57P03',
      'the database system is starting up',
      'not ready: "the database system is starting up"',
    ],
    [
      '53300',
      'sorry, too many clients already',
      'too many connections: "sorry, too many clients already"',
    ],
    ['28P01', 'password authentication failed', 'refuses the password of user ada'],
    ['28000', 'role "ada" does not exist', 'refuses user ada: "role "ada" does not exist"'],
    ['3D000', 'database "app" does not exist', 'there is no database app'],
    ['42501', 'permission denied', 'user ada lacks a right: "permission denied"'],
    ['XX000', 'you said s3cret-word', 'error XX000: "you said ***"'],
  ]
  for (const [code, said, sentence] of cases) {
    const early = await probed(t, says(postgresError(code!, said!)))
    assert.equal(words(early), `fail: ${sentence}`)
    const late = await probed(t, says(POSTGRES_LOGGED_IN, postgresError(code!, said!)))
    assert.equal(words(late), `fail: ${sentence}`)
  }
})

test('a password goes out only when it is asked for, and as it is asked for', async (t) => {
  const answered = async (kind: number, data: Buffer | string = ''): Promise<string> => {
    let answer = ''
    await probed(t, async (peer) => {
      await startup(peer)
      peer.write(postgresAuthentication(kind, data))
      const [type, body] = await message(peer)
      answer = `${type}:${body.toString()}`
      peer.finish()
    })
    return answer
  }
  assert.equal(await answered(3), 'p:s3cret-word\0')
  const md5 = (text: string | Buffer): string => createHash('md5').update(text).digest('hex')
  const salt = Buffer.from([1, 2, 3, 255])
  const inner = Buffer.from(md5('s3cret-wordada'))
  assert.equal(await answered(5, salt), `p:md5${md5(Buffer.concat([inner, salt]))}\0`)
  assert.equal(
    words(await probed(t, says(postgresAuthentication(3)), { password: null })),
    'fail: asks for a password, and none is configured here',
  )
  assert.equal(
    words(await probed(t, says(postgresAuthentication(7)))),
    'fail: asks for a login by GSSAPI, which this check cannot do',
  )
})

/** A server's side of SCRAM-SHA-256 (RFC 5802), with an ending of the caller's. */
function scramServer(password: string, ending: (signature: string) => Buffer): Script {
  const salt = Buffer.from('a salt of the server')
  const hmac = (key: Buffer, text: string): Buffer =>
    createHmac('sha256', key).update(text).digest()
  return async (peer) => {
    await startup(peer)
    peer.write(postgresAuthentication(10, 'SCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0'))
    const [, first] = await message(peer)
    const length = first.readInt32BE(14)
    assert.equal(first.toString('latin1', 0, 14), 'SCRAM-SHA-256\0')
    const clientFirst = first.toString('latin1', 18)
    assert.equal(clientFirst.length, length)
    const bare = clientFirst.replace(/^n,,/, '')
    const serverFirst = `${bare.replace('n=,', '')}server,s=${salt.toString('base64')},i=4096`
    peer.write(postgresAuthentication(11, serverFirst))
    const [, final] = await message(peer)
    const [, withoutProof, proof] = /^(c=biws,r=[^,]+),p=(.*)$/.exec(final.toString())!
    const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256')
    const signed = `${bare},${serverFirst},${withoutProof}`
    const clientKey = hmac(salted, 'Client Key')
    const stored = createHash('sha256').update(clientKey).digest()
    const key = hmac(stored, signed).map((byte, i) => byte ^ Buffer.from(proof!, 'base64')[i]!)
    if (!timingSafeEqual(createHash('sha256').update(key).digest(), stored)) {
      peer.write(postgresError('28P01', 'password authentication failed'))
      return
    }
    peer.write(ending(hmac(hmac(salted, 'Server Key'), signed).toString('base64')))
    await peer.gone()
  }
}

test('SCRAM proves the password to the server, and asks the same of it', async (t) => {
  const done = Buffer.concat([POSTGRES_LOGGED_IN, postgresAnswer(['f', null, null, 'f'])])
  const good = (signature: string): Buffer =>
    Buffer.concat([postgresAuthentication(12, `v=${signature}`), done])
  assert.equal(words(await probed(t, scramServer('s3cret-word', good))), 'pass: primary in _ ms')
  assert.equal(
    words(await probed(t, scramServer('another', good))),
    'fail: refuses the password of user ada',
  )
  const forged = (): Buffer =>
    Buffer.concat([postgresAuthentication(12, `v=${Buffer.alloc(32).toString('base64')}`), done])
  assert.equal(
    words(await probed(t, scramServer('s3cret-word', forged))),
    'fail: does not know the password itself: not the server it should be',
  )
  const unsigned = await probed(
    t,
    scramServer('s3cret-word', () => done),
  )
  assert.match(words(unsigned), /^fail: not a PostgreSQL answer: "R/)
})

test('a SCRAM exchange that is out of order or asks for an hour of work is refused', async (t) => {
  const begin = postgresAuthentication(10, 'SCRAM-SHA-256\0\0')
  const proofFor = (nonce: string): Script => {
    return async (peer) => {
      await startup(peer)
      peer.write(begin)
      const [, first] = await message(peer)
      const own = first.toString('latin1').split('r=')[1]!
      peer.write(postgresAuthentication(11, nonce.replace('OWN', own)))
      await peer.gone()
    }
  }
  for (const nonce of [
    'r=other,s=QQ==,i=4096',
    'r=OWN,s=QQ==,i=4096',
    'r=OWNx,s=QQ==,i=0',
    'r=OWNx,s=QQ==,i=9999999',
    'r=OWNx,s=QQ==',
    '',
  ]) {
    assert.match(
      words(await probed(t, proofFor(nonce))),
      /^fail: not a PostgreSQL answer: "R/,
      nonce,
    )
  }
  for (const bytes of [
    postgresAuthentication(11, 'r=x,s=QQ==,i=1'),
    postgresAuthentication(12, 'v=QQ=='),
    postgresAuthentication(10, 'SCRAM-SHA-512\0\0'),
    postgresAuthentication(5, 'xy'),
    Buffer.concat([begin, begin]),
  ]) {
    assert.match(words(await probed(t, says(bytes))), /^fail: not a PostgreSQL answer: "R/)
  }
})

test('what is no PostgreSQL answer is shown by its beginning', async (t) => {
  const said = async (...bytes: Buffer[]): Promise<string> => words(await probed(t, says(...bytes)))
  assert.equal(
    await said(Buffer.from('HTTP/1.1 400 Bad Request')),
    'fail: not a PostgreSQL answer: "HTTP/1.1 400 Bad Request"',
  )
  assert.match(await said(Buffer.from('Sorry')), /^fail: not a PostgreSQL answer: "Sorry"$/)
  for (const bytes of [
    POSTGRES_READY,
    Buffer.concat([POSTGRES_LOGGED_IN, POSTGRES_READY]),
    Buffer.concat([POSTGRES_LOGGED_IN, postgresAnswer(['x'])]),
    Buffer.concat([POSTGRES_LOGGED_IN, postgresAnswer(['t', 'many', null, 't'])]),
    Buffer.concat([POSTGRES_LOGGED_IN, postgresMessage('D', '\0\x04\0\0\0\x09f')]),
    postgresAnswer(['f', null, null, 'f']),
    postgresMessage('R', ''),
  ]) {
    assert.match(await said(bytes), /^fail: not a PostgreSQL answer: "/, bytes.toString())
  }
  assert.match(
    await said(postgresMessage('N', 'x'.repeat(70_000))),
    /^fail: not a PostgreSQL answer: "N\\x00\\x01\\x11tx+…"$/,
  )
  const notices = Array.from({ length: 9 }, () => postgresMessage('N', 'x'.repeat(8_000)))
  assert.equal(await said(...notices), 'fail: the answer is longer than 64 KiB')
})

test('a server that says nothing, or leaves, fails in words', async (t) => {
  assert.equal(words(await probed(t, says(), {}, 100)), 'fail: no answer within 100ms')
  assert.equal(
    words(await probed(t, (peer) => peer.finish())),
    'fail: connection closed before an answer',
  )
})
