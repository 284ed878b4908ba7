// The postgres check against a real primary and its streaming replica.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PostgresCheckPlan } from '../../src/core/check-plan.ts'
import { startPostgres, startReplica } from '../support/postgres.ts'
import { probeOnce, words } from '../support/probe.ts'
import { connectTo } from '../support/raw.ts'
import { waitFor } from '../support/wait.ts'

const check: PostgresCheckPlan = {
  kind: 'postgres',
  user: 'probe',
  password: null,
  database: 'postgres',
}

test('a primary and its replica tell roles and lag, through kill, promotion and return', async (t) => {
  const primary = await startPostgres()
  t.after(() => primary.stop())
  await primary.sql('create role probe login')
  const replica = await startReplica(primary)
  t.after(() => replica.stop())

  const first = await probeOnce(primary.port, check)
  assert.equal(words(first), 'pass: primary in _ ms')
  assert.equal(first.role, 'primary')
  const second = await probeOnce(replica.port, check)
  assert.equal(words(second), 'pass: replica in _ ms')
  assert.equal(second.role, 'replica')
  assert.deepEqual(second.lag, { ms: 0, bytes: 0 })

  // Received, and not replayed, after something that was.
  await primary.sql('create table before ()')
  await waitFor(async () => (await replica.sql("select to_regclass('before')")) !== '')
  await replica.sql('select pg_wal_replay_pause()')
  await primary.sql('create table t as select generate_series(1, 1000) as n')
  const behind = await waitFor(async () => {
    const { lag } = await probeOnce(replica.port, check)
    return (lag?.bytes ?? 0) > 10_000 ? lag : null
  })
  assert.ok(behind.ms !== null && behind.ms > 0 && behind.ms < 60_000, `${behind.ms} ms`)
  await replica.sql('select pg_wal_replay_resume()')
  await waitFor(async () => (await probeOnce(replica.port, check)).lag?.ms === 0)

  await primary.kill('SIGSTOP')
  assert.equal(words(await probeOnce(primary.port, check, 200)), 'fail: no answer within 200ms')
  await primary.kill('SIGKILL')
  assert.equal(words(await probeOnce(primary.port, check)), 'fail: connection refused')
  const alone = await waitFor(async () => {
    const result = await probeOnce(replica.port, check)
    return words(result) === 'pass: replica, not streaming from its primary, in _ ms'
      ? result
      : null
  })
  assert.equal(alone.role, 'replica')
  assert.ok(alone.lag?.ms !== null && alone.lag?.bytes === null)

  await replica.promote()
  assert.equal((await probeOnce(replica.port, check)).role, 'primary')
  await primary.restart()
  assert.equal((await probeOnce(primary.port, check)).role, 'primary')
})

test('every login is done: trust, cleartext, md5, SCRAM, and their refusals in plain words', async (t) => {
  const users = ['trust', 'password', 'md5', 'scram-sha-256', 'reject'] as const
  const named = (method: string): string => `by_${method.replaceAll('-', '_')}`
  const postgres = await startPostgres({
    hba: users.map((method) => `host all ${named(method)} 127.0.0.1/32 ${method}`),
  })
  t.after(() => postgres.stop())
  // One with letters beyond ASCII, and a quote.
  const word = "p'äss-wörd"
  for (const method of users) {
    const kept = method === 'md5' ? 'md5' : 'scram-sha-256'
    await postgres.sql(
      `set password_encryption = '${kept}'; create role ${named(method)} login password '${word.replace("'", "''")}'`,
    )
  }
  const ask = async (method: string, password: string | null): Promise<string> =>
    words(await probeOnce(postgres.port, { ...check, user: named(method), password }))
  for (const method of ['password', 'md5', 'scram-sha-256']) {
    assert.equal(await ask(method, word), 'pass: primary in _ ms', method)
    assert.equal(
      await ask(method, 'wrong'),
      `fail: refuses the password of user ${named(method)}`,
      method,
    )
    assert.equal(
      await ask(method, null),
      'fail: asks for a password, and none is configured here',
      method,
    )
  }
  assert.equal(await ask('trust', null), 'pass: primary in _ ms')
  assert.equal(await ask('trust', word), 'pass: primary in _ ms')
  assert.match(await ask('reject', word), /^fail: refuses user by_reject: "pg_hba.conf rejects /)
  assert.match(await ask('nobody', word), /^fail: refuses user by_nobody: "role "by_nobody" does /)

  const other = { ...check, user: named('trust'), database: 'nowhere' }
  assert.equal(words(await probeOnce(postgres.port, other)), 'fail: there is no database nowhere')
  await postgres.sql('create database closed')
  await postgres.sql('revoke connect on database closed from public')
  assert.match(
    words(await probeOnce(postgres.port, { ...other, database: 'closed' })),
    /^fail: user by_trust lacks a right: "permission denied for database "closed""$/,
  )
})

test('a server that is full, starting or stopping says so, and logs no lost connection', async (t) => {
  const postgres = await startPostgres({
    settings: { max_connections: '4', superuser_reserved_connections: '1', log_connections: 'on' },
  })
  t.after(() => postgres.stop())
  await postgres.sql('create role probe login')
  const startup = Buffer.from('\0\0\0\0\0\x03\0\0user\0probe\0database\0postgres\0\0', 'latin1')
  startup.writeInt32BE(startup.length)
  const peers = []
  for (let i = 0; i < 3; i++) {
    const peer = await connectTo(postgres.port)
    peers.push(peer)
    peer.write(startup)
    await peer.until('Z\0\0\0\x05I')
  }
  assert.match(words(await probeOnce(postgres.port, check)), /^fail: too many connections: "/)
  // The smart shutdown waits for its clients, and takes no new ones.
  postgres.process().signal('SIGTERM')
  await waitFor(async () =>
    words(await probeOnce(postgres.port, check)).includes(
      'not ready: "the database system is shutting down"',
    ),
  )
  for (const peer of peers) peer.destroy()
  await postgres.process().exited
  assert.doesNotMatch(postgres.process().stderr(), /could not receive data|unexpected EOF/)
})
