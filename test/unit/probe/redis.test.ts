// The redis check against servers that follow a script.

import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import type { RedisCheckPlan } from '../../../src/core/check-plan.ts'
import type { ProbeResult } from '../../../src/probe/contract.ts'
import { bulk, replicaInfo } from '../../support/probe-answers.ts'
import { probeOnce, words } from '../../support/probe.ts'
import { serve } from '../../support/raw.ts'
import { waitFor } from '../../support/wait.ts'

const INFO = '*2\r\n$4\r\nINFO\r\n$11\r\npersistence\r\n*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n'
const LOADED = bulk('# Persistence\r\nloading:0\r\nasync_loading:0\r\n')
const QUIT = '*1\r\n$4\r\nQUIT\r\n'

/** Asks a server that has loaded its data and answers INFO replication with this. */
async function told(
  t: TestContext,
  answer: string,
  { timeoutMs = 10_000, loaded = LOADED } = {},
): Promise<ProbeResult> {
  const server = await serve(async (peer) => {
    await peer.until(INFO)
    peer.write(loaded + answer)
    await peer.gone()
    peer.finish()
  })
  t.after(() => server.stop())
  return probeOnce(server.port, { kind: 'redis', user: null, password: null }, timeoutMs)
}

test('a master is the primary, and the connection ends with QUIT', async (t) => {
  let left = ''
  const server = await serve(async (peer) => {
    await peer.until(INFO)
    peer.write(LOADED)
    peer.write(
      bulk('# Replication\r\nrole:master\r\nconnected_slaves:1\r\nslave0:ip=role:slave\r\n'),
    )
    left = await peer.end()
    peer.finish('+OK\r\n')
  })
  t.after(() => server.stop())
  const result = await probeOnce(server.port, { kind: 'redis', user: null, password: null })
  assert.equal(words(result), 'pass: primary in _ ms')
  assert.equal(result.role, 'primary')
  assert.equal(result.lag, null)
  await waitFor(() => server.peers[0]?.closed)
  assert.deepEqual([left, server.peers[0]!.code], [QUIT, ''])
})

test('the lag of a replica is 0 while its link is up, and what has come is not applied yet', async (t) => {
  const lines = { master_link_status: 'up', master_last_io_seconds_ago: 10 }
  const up = await told(t, replicaInfo(lines))
  assert.equal(words(up), 'pass: replica in _ ms')
  assert.deepEqual([up.role, up.lag], ['replica', { ms: 0, bytes: null }])
  const offsets = { slave_read_repl_offset: 1_500, slave_repl_offset: 1_000 }
  const behind = await told(t, replicaInfo({ ...lines, ...offsets }))
  assert.deepEqual(behind.lag, { ms: 0, bytes: 500 })
})

test('a master that is silent for longer than it ever is counts as lag', async (t) => {
  const silent = await told(
    t,
    replicaInfo({ master_link_status: 'up', master_last_io_seconds_ago: 12 }),
  )
  assert.equal(words(silent), 'pass: replica, its master silent for 12s, in _ ms')
  assert.deepEqual(silent.lag, { ms: 12_000, bytes: null })
})

test('a replica without its master passes, and says for how long', async (t) => {
  const down = await told(
    t,
    replicaInfo({ master_link_status: 'down', master_link_down_since_seconds: 7 }),
  )
  assert.equal(words(down), 'pass: replica, no link to its master for 7s, in _ ms')
  assert.deepEqual([down.role, down.lag], ['replica', { ms: 7_000, bytes: null }])
  const never = await told(
    t,
    replicaInfo({
      master_link_status: 'down',
      master_link_down_since_seconds: -1,
      master_sync_in_progress: 1,
    }),
  )
  assert.equal(words(never), 'pass: replica, copying its master, in _ ms')
  assert.deepEqual(never.lag, { ms: null, bytes: null })
})

test('a server that loads its data fails, whatever its role', async (t) => {
  const loaded = bulk('# Persistence\r\nloading:1\r\nloading_eta_seconds:9\r\n')
  for (const role of [bulk('role:master\r\n'), replicaInfo({ master_link_status: 'down' })]) {
    assert.equal(words(await told(t, role, { loaded })), 'fail: is loading its data')
  }
  // What knows no such section says nothing of it.
  const result = await told(t, bulk('role:master\r\n'), { loaded: bulk('') })
  assert.equal(words(result), 'pass: primary in _ ms')
})

test('every refusal has a sentence', async (t) => {
  const cases = [
    ['-LOADING Redis is loading the dataset in memory', 'is loading its data'],
    ['-BUSY Redis is busy running a script.', 'is busy with a script'],
    ['-NOAUTH Authentication required.', 'asks for a password, and none is configured here'],
    ['-ERR operation not permitted', 'asks for a password, and none is configured here'],
    ['-ERR max number of clients reached', 'too many connections'],
    [
      '-DENIED Redis is running in protected mode because',
      'is in protected mode: without a password it serves its own machine only',
    ],
    ["-ERR unknown command 'INFO'", `answered "-ERR unknown command 'INFO'"`],
  ]
  for (const [answer, sentence] of cases) {
    assert.equal(words(await told(t, `${answer}\r\n`)), `fail: ${sentence}`)
  }
})

test('where INFO is forbidden, ROLE is asked', async (t) => {
  const ask = async (answer: string): Promise<ProbeResult> => {
    const server = await serve(async (peer) => {
      await peer.until(INFO)
      peer.write("-NOPERM this user has no permissions to run the 'info' command\r\n".repeat(2))
      await peer.until('*1\r\n$4\r\nROLE\r\n')
      peer.write(answer)
      await peer.end()
      peer.finish()
    })
    t.after(() => server.stop())
    return probeOnce(server.port, { kind: 'redis', user: null, password: null })
  }
  const master = await ask(`*3\r\n${bulk('master')}:3129659\r\n*0\r\n`)
  assert.deepEqual([words(master), master.role], ['pass: primary in _ ms', 'primary'])
  const replica = await ask(
    `*5\r\n${bulk('slave')}${bulk('::1')}:6379\r\n${bulk('connected')}:7\r\n`,
  )
  assert.deepEqual([words(replica), replica.role], ['pass: replica in _ ms', 'replica'])
  assert.equal(replica.lag, null)
  assert.equal(
    words(await ask(`*2\r\n${bulk('sentinel')}*0\r\n`)),
    'fail: tells no role: a Sentinel, perhaps, or not Redis',
  )
  assert.equal(
    words(await ask('-NOPERM no\r\n')),
    'fail: the user may neither INFO nor ROLE: grant it +info',
  )
})

test('the login goes first, and its refusal is not mistaken for that of INFO', async (t) => {
  const password = 's3cret-word'
  const ask = async (user: string | null, answer: string): Promise<[string, string]> => {
    let seen = ''
    const server = await serve(async (peer) => {
      seen = await peer.until(INFO)
      peer.write(answer)
      await peer.gone()
      peer.finish()
    })
    t.after(() => server.stop())
    const check: RedisCheckPlan = { kind: 'redis', user, password }
    const said = words(await probeOnce(server.port, check))
    return [seen.replace(INFO, ''), said]
  }
  const good = `+OK\r\n${LOADED}${bulk('role:master\r\n')}`
  assert.deepEqual(await ask(null, good), [
    '*2\r\n$4\r\nAUTH\r\n$11\r\ns3cret-word\r\n',
    'pass: primary in _ ms',
  ])
  assert.deepEqual(await ask('ada', good), [
    '*3\r\n$4\r\nAUTH\r\n$3\r\nada\r\n$11\r\ns3cret-word\r\n',
    'pass: primary in _ ms',
  ])
  const refusals = [
    ['-WRONGPASS invalid username-password pair', 'refuses the user or password'],
    ['-ERR invalid password', 'refuses the user or password'],
    [
      '-ERR Client sent AUTH, but no password is set',
      'has no password, though one is configured here',
    ],
    ['-NOPERM no', 'the user may neither INFO nor ROLE: grant it +info'],
    [
      "-ERR unknown command 'AUTH', with args beginning with: 's3cret-word'",
      `answered "-ERR unknown command 'AUTH', with args beginning with: '***'"`,
    ],
  ]
  for (const [answer, sentence] of refusals) {
    const [, said] = await ask(null, `${answer}\r\n${bulk('role:master\r\n')}`)
    assert.equal(said, `fail: ${sentence}`)
  }
})

test('what is no Redis answer is shown by its beginning', async (t) => {
  const cases = [
    'HTTP/1.1 400 Bad Request\r\n\r\n',
    'SSH-2.0-OpenSSH_9.2',
    ':5\r\n',
    '*x\r\n',
    '$9999999\r\n',
    '*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n',
  ]
  const said: string[] = []
  for (const answer of cases) said.push(words(await told(t, answer)))
  assert.deepEqual(said, [
    'fail: not a Redis answer: "HTTP/1.1 400 Bad Request\\r\\n\\r\\n"',
    'fail: not a Redis answer: "SSH-2.0-OpenSSH_9.2"',
    'fail: tells no role: a Sentinel, perhaps, or not Redis',
    'fail: not a Redis answer: "*x\\r\\n"',
    'fail: not a Redis answer: "$9999999\\r\\n"',
    'fail: not a Redis answer: "*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n*1\\r\\n:1\\r\\n"',
  ])
  assert.equal(
    words(await told(t, bulk(''))),
    'fail: tells no role: a Sentinel, perhaps, or not Redis',
  )
})

test('an answer without an end, a silence and a close each fail in words', async (t) => {
  assert.equal(
    words(await told(t, `$70000\r\n${'x'.repeat(69_000)}`)),
    'fail: the answer is longer than 64 KiB',
  )
  assert.equal(
    words(await told(t, '$100\r\nrole:mas', { timeoutMs: 100 })),
    'fail: no answer within 100ms',
  )
  const closing = await serve((peer) => peer.finish())
  t.after(() => closing.stop())
  assert.equal(
    words(await probeOnce(closing.port, { kind: 'redis', user: null, password: null })),
    'fail: connection closed before an answer',
  )
})
