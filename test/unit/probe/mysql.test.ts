// The mysql check against servers that follow a script; caching_sha2_password is only tested here,
// for no server that has it is at hand.

import assert from 'node:assert/strict'
import { constants, createHash, generateKeyPairSync, privateDecrypt } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import type { MysqlCheckPlan } from '../../../src/core/check-plan.ts'
import type { ProbeResult } from '../../../src/probe/contract.ts'
import {
  mysqlError,
  mysqlGreeting,
  mysqlOk,
  mysqlPacket,
  mysqlRows,
} from '../../support/probe-answers.ts'
import { probeOnce, words } from '../../support/probe.ts'
import { type Peer, type Script, serve } from '../../support/raw.ts'
import { waitFor } from '../../support/wait.ts'

const CHECK: MysqlCheckPlan = { kind: 'mysql', user: 'ada', password: 's3cret-word' }
const NONCE = Buffer.from('twenty bytes of salt')
const SECOND = Buffer.from('another twenty bytes')
const NATIVE = 'mysql_native_password'
const SHA2 = 'caching_sha2_password'

async function probed(
  t: TestContext,
  script: Script,
  check: Partial<MysqlCheckPlan> = {},
  timeoutMs = 10_000,
): Promise<ProbeResult> {
  const server = await serve(script)
  t.after(() => server.stop())
  return probeOnce(server.port, { ...CHECK, ...check }, timeoutMs)
}

/** The next packet: its number and body. */
async function packet(peer: Peer): Promise<[number, Buffer]> {
  const head = await peer.bytes(4)
  return [head[3]!, await peer.bytes(head.readUIntLE(0, 3))]
}

/** User, proof and plugin of a login. */
async function login(peer: Peer): Promise<[string, Buffer, string]> {
  const [sequence, body] = await packet(peer)
  assert.equal(sequence, 1)
  const end = body.indexOf(0, 32)
  const length = body[end + 1]!
  const proof = body.subarray(end + 2, end + 2 + length)
  return [body.toString('latin1', 32, end), proof, body.toString('latin1', end + 2 + length)]
}

async function question(peer: Peer): Promise<string> {
  const [sequence, body] = await packet(peer)
  assert.deepEqual([sequence, body[0]], [0, 3])
  return body.toString('latin1', 1)
}

const COLUMNS = ['@@global.read_only', '@@global.innodb_read_only']

/** Logs everybody in, answers the question for the role, and goes on. */
function open(row: readonly string[], more: Script = () => {}, version = '8.4.0'): Script {
  return async (peer, index) => {
    peer.write(mysqlGreeting(NONCE, NATIVE, version))
    await login(peer)
    peer.write(mysqlOk(2))
    assert.equal(await question(peer), 'select @@global.read_only, @@global.innodb_read_only')
    peer.write(mysqlRows(COLUMNS, [row]))
    await more(peer, index)
  }
}

const sha1 = (...parts: readonly (Buffer | string)[]): Buffer => digest('sha1', parts)
const sha256 = (...parts: readonly (Buffer | string)[]): Buffer => digest('sha256', parts)
function digest(name: string, parts: readonly (Buffer | string)[]): Buffer {
  const hash = createHash(name)
  for (const part of parts) hash.update(part)
  return hash.digest()
}
const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]!))

/** What a server knows of a password is enough to check a proof, as a server does. */
function provesNative(proof: Buffer, nonce: Buffer): boolean {
  const stored = sha1(sha1(CHECK.password!))
  return sha1(xor(proof, sha1(nonce, stored))).equals(stored)
}

function provesSha2(proof: Buffer, nonce: Buffer): boolean {
  const stored = sha256(sha256(CHECK.password!))
  return sha256(xor(proof, sha256(stored, nonce))).equals(stored)
}

test('a server that is not read-only is the primary, and the connection ends with COM_QUIT', async (t) => {
  let left = ''
  const server = await serve(
    open(['0', '0'], async (peer) => {
      left = await peer.end()
      peer.finish()
    }),
  )
  t.after(() => server.stop())
  const result = await probeOnce(server.port, CHECK)
  assert.equal(words(result), 'pass: primary in _ ms')
  assert.deepEqual([result.role, result.lag], ['primary', null])
  await waitFor(() => server.peers[0]?.closed)
  assert.deepEqual([left, server.peers[0]!.code], ['\x01\0\0\0\x01', ''])
})

test('any kind of read-only makes a replica, and the server tells its lag', async (t) => {
  const names = ['Replica_IO_State', 'Seconds_Behind_Source', 'Last_Error']
  const lagOf = async (row: string[], lags: (string | null)[]): Promise<[string, unknown]> => {
    const result = await probed(
      t,
      open(row, async (peer) => {
        assert.equal(await question(peer), 'show replica status')
        peer.write(
          mysqlRows(
            names,
            lags.map((lag) => ['Waiting', lag, 'x'.repeat(300)]),
          ),
        )
        await peer.gone()
      }),
    )
    assert.equal(result.role, 'replica')
    return [words(result), result.lag]
  }
  assert.deepEqual(await lagOf(['1', '0'], ['0']), [
    'pass: replica in _ ms',
    { ms: 0, bytes: null },
  ])
  assert.deepEqual(await lagOf(['0', '1'], ['3', '12']), [
    'pass: replica in _ ms',
    { ms: 12_000, bytes: null },
  ])
  assert.deepEqual(await lagOf(['ON', 'OFF'], ['3', null]), [
    'pass: replica, its replication broken or stopped, in _ ms',
    { ms: null, bytes: null },
  ])
  assert.deepEqual(await lagOf(['NO_LOCK_NO_ADMIN', '0'], []), [
    'pass: replica, following nobody, in _ ms',
    { ms: null, bytes: null },
  ])
})

test('old servers are asked in the old words, and a missing right leaves the lag unknown', async (t) => {
  const asked: string[] = []
  const old: Script = async (peer) => {
    asked.push(await question(peer))
    if (asked.at(-1) === 'show replica status') {
      peer.write(mysqlError(1, 1064, '42000', 'You have an error in your SQL syntax'))
      asked.push(await question(peer))
    }
    peer.write(mysqlRows(['Seconds_Behind_Master'], [['5']]))
    await peer.gone()
  }
  assert.deepEqual((await probed(t, open(['1', '0'], old, '5.7.44'))).lag, {
    ms: 5_000,
    bytes: null,
  })
  assert.deepEqual(
    (await probed(t, open(['1', '0'], old, '5.5.5-10.11.19-MariaDB'))).lag?.ms,
    5_000,
  )
  assert.deepEqual(asked, ['show replica status', 'show slave status', 'show slave status'])
  const refused = await probed(
    t,
    open(['1', '0'], async (peer) => {
      await question(peer)
      peer.write(mysqlError(1, 1227, '42000', 'Access denied; you need REPLICATION CLIENT'))
      await peer.gone()
    }),
  )
  assert.deepEqual([words(refused), refused.lag], ['pass: replica in _ ms', null])
})

test('a login proves the password without sending it, by either plugin', async (t) => {
  for (const [plugin, proves] of [
    [NATIVE, provesNative],
    [SHA2, provesSha2],
  ] as const) {
    const result = await probed(t, async (peer) => {
      peer.write(mysqlGreeting(NONCE, plugin))
      const [user, proof, name] = await login(peer)
      assert.deepEqual([user, name], ['ada', `${plugin}\0`])
      assert.ok(proves(proof, NONCE))
      if (plugin === SHA2) peer.write(mysqlPacket(2, '\x01\x03'))
      peer.write(mysqlOk(plugin === SHA2 ? 3 : 2))
      await question(peer)
      peer.write(mysqlRows(COLUMNS, [['0', '0']]))
      await peer.gone()
    })
    assert.equal(words(result), 'pass: primary in _ ms', plugin)
  }
})

test('an empty password has an empty proof', async (t) => {
  for (const plugin of [NATIVE, SHA2]) {
    const result = await probed(
      t,
      async (peer) => {
        peer.write(mysqlGreeting(NONCE, plugin))
        const [, proof] = await login(peer)
        assert.equal(proof.length, 0)
        peer.write(mysqlOk(2))
        await question(peer)
        peer.write(mysqlRows(COLUMNS, [['0', '0']]))
        await peer.gone()
      },
      { password: null },
    )
    assert.equal(words(result), 'pass: primary in _ ms', plugin)
  }
})

test('a server may switch to the other plugin, with a nonce of its own', async (t) => {
  for (const [from, to, proves] of [
    [SHA2, NATIVE, provesNative],
    [NATIVE, SHA2, provesSha2],
    ['auth_gssapi_client', NATIVE, provesNative],
  ] as const) {
    const result = await probed(t, async (peer) => {
      peer.write(mysqlGreeting(NONCE, from))
      await login(peer)
      peer.write(
        mysqlPacket(
          2,
          Buffer.concat([Buffer.from(`\xfe${to}\0`, 'latin1'), SECOND, Buffer.alloc(1)]),
        ),
      )
      const [sequence, proof] = await packet(peer)
      assert.equal(sequence, 3)
      assert.ok(proves(proof, SECOND))
      peer.write(mysqlOk(4))
      await question(peer)
      peer.write(mysqlRows(COLUMNS, [['0', '0']]))
      await peer.gone()
    })
    assert.equal(words(result), 'pass: primary in _ ms', to)
  }
  const switched = async (packet: string): Promise<string> =>
    words(
      await probed(t, async (peer) => {
        peer.write(mysqlGreeting(NONCE, NATIVE))
        await login(peer)
        peer.write(mysqlPacket(2, packet))
        await peer.gone()
      }),
    )
  const cannot = (plugin: string): string =>
    `fail: asks for a login by ${plugin}, which this check cannot do: ` +
    'give user ada mysql_native_password or caching_sha2_password'
  assert.equal(await switched('\xfeclient_ed25519\0nonce'), cannot('client_ed25519'))
  assert.equal(await switched('\xfemysql_clear_password\0'), cannot('mysql_clear_password'))
  assert.equal(await switched('\xfe'), cannot('mysql_old_password'))
})

test('a server without a hash in its cache gets the password under its public key', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const full =
    (key: string, opens = true): Script =>
    async (peer) => {
      peer.write(mysqlGreeting(NONCE, SHA2))
      await login(peer)
      peer.write(mysqlPacket(2, '\x01\x04'))
      assert.deepEqual(await packet(peer), [3, Buffer.from([2])])
      peer.write(mysqlPacket(4, `\x01${key}`))
      if (!opens) return
      const [sequence, sealed] = await packet(peer)
      assert.equal(sequence, 5)
      const padding = constants.RSA_PKCS1_OAEP_PADDING
      const masked = privateDecrypt({ key: privateKey, padding, oaepHash: 'sha1' }, sealed)
      const plain = Buffer.from(masked.map((byte, i) => byte ^ NONCE[i % NONCE.length]!))
      assert.equal(plain.toString(), 's3cret-word\0')
      peer.write(mysqlOk(6))
      await question(peer)
      peer.write(mysqlRows(COLUMNS, [['0', '0']]))
      await peer.gone()
    }
  assert.equal(words(await probed(t, full(publicKey))), 'pass: primary in _ ms')
  assert.match(
    words(await probed(t, full('no key', false))),
    /^fail: not a MySQL answer: ".*no key"$/,
  )
})

test('every refusal has a sentence, before the login and after', async (t) => {
  const early = async (code: number, text: string, state = ''): Promise<string> =>
    words(
      await probed(t, async (peer) => {
        peer.write(mysqlError(0, code, state, text))
        await peer.gone()
      }),
    )
  assert.equal(
    await early(1040, 'Too many connections'),
    'fail: too many connections: "Too many connections"',
  )
  assert.equal(
    await early(1129, "Host '10.0.0.1' is blocked because of many connection errors"),
    `fail: blocks this host after failed connections: "Host '10.0.0.1' is blocked because of many connection errors"`,
  )
  assert.equal(
    await early(1130, "Host 'x' is not allowed", 'HY000'),
    `fail: takes no connection from this host: "Host 'x' is not allowed"`,
  )
  assert.equal(await early(1053, 'Server shutdown'), 'fail: error 1053: "Server shutdown"')
  const late = await probed(t, async (peer) => {
    peer.write(mysqlGreeting(NONCE, NATIVE))
    await login(peer)
    peer.write(mysqlError(2, 1045, '28000', "Access denied for user 'ada' (using s3cret-word)"))
    await peer.gone()
  })
  assert.equal(words(late), 'fail: refuses user ada or its password')
  const asked = await probed(t, async (peer) => {
    peer.write(mysqlGreeting(NONCE, NATIVE))
    await login(peer)
    peer.write(mysqlOk(2))
    await question(peer)
    peer.write(mysqlError(1, 1193, 'HY000', 'Unknown variable s3cret-word'))
    await peer.gone()
  })
  assert.equal(words(asked), 'fail: error 1193: "Unknown variable ***"')
})

test('what is no MySQL answer is shown by its beginning', async (t) => {
  const said = async (...bytes: (Buffer | string)[]): Promise<string> =>
    words(
      await probed(t, async (peer) => {
        for (const part of bytes) peer.write(part)
        await peer.gone()
      }),
    )
  assert.equal(
    await said('SSH-2.0-OpenSSH\r\n'),
    'fail: not a MySQL answer: "SSH-2.0-OpenSSH\\r\\n"',
  )
  assert.equal(await said('+OK\r\n'), 'fail: not a MySQL answer: "+OK\\r\\n"')
  const greeting = mysqlGreeting(NONCE, NATIVE)
  for (const bytes of [
    [mysqlPacket(0, '')],
    [mysqlPacket(0, '\x0a8.0\0short')],
    [mysqlPacket(0, '\x098.0\0old')],
    [greeting, mysqlPacket(2, '\x05')],
    [greeting, mysqlPacket(2, '\x01\x04')],
    [greeting, mysqlOk(2), mysqlOk(1)],
    [greeting, mysqlOk(2), mysqlPacket(1, '\xfbfile')],
    [greeting, mysqlOk(2), mysqlPacket(1, '\x01'), mysqlPacket(2, '\x09x')],
    [greeting, mysqlOk(2), mysqlRows(COLUMNS, [])],
    [greeting, mysqlOk(2), mysqlRows(COLUMNS, [['1', '0']]), mysqlRows(['Other'], [['1']])],
    [
      greeting,
      mysqlOk(2),
      mysqlRows(COLUMNS, [['1', '0']]),
      mysqlRows(['Seconds_Behind_Source'], [['soon']]),
    ],
  ]) {
    assert.match(await said(...bytes), /^fail: not a MySQL answer: "/)
  }
  const half = await probed(t, (peer) => peer.write(greeting.subarray(0, 30)), {}, 100)
  assert.equal(words(half), 'fail: no answer within 100ms')
})
