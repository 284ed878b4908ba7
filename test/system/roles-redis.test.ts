// The redis check against real servers.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RedisCheckPlan } from '../../src/core/check-plan.ts'
import { probeOnce, words } from '../support/probe.ts'
import { connectTo } from '../support/raw.ts'
import { startRedis, startSentinel } from '../support/redis.ts'
import { waitFor } from '../support/wait.ts'

const check: RedisCheckPlan = { kind: 'redis', user: null, password: null }

test('a master and its replica tell their roles, also while the master is stopped, killed and replaced', async (t) => {
  const master = await startRedis()
  t.after(() => master.stop())
  const replica = await startRedis({ replicaOf: master })
  t.after(() => replica.stop())

  const first = await probeOnce(master.port, check)
  assert.equal(words(first), 'pass: primary in _ ms')
  assert.equal(first.role, 'primary')
  const second = await probeOnce(replica.port, check)
  assert.equal(words(second), 'pass: replica in _ ms')
  assert.equal(second.role, 'replica')
  assert.deepEqual(second.lag, { ms: 0, bytes: 0 })

  await master.kill('SIGSTOP')
  assert.equal(words(await probeOnce(master.port, check, 200)), 'fail: no answer within 200ms')
  await master.kill('SIGKILL')
  assert.equal(words(await probeOnce(master.port, check)), 'fail: connection refused')
  const alone = await waitFor(
    async () => {
      const result = await probeOnce(replica.port, check)
      return (result.lag?.ms ?? 0) >= 1_000 ? result : null
    },
    { what: 'the lag to grow', everyMs: 100 },
  )
  assert.match(words(alone), /^pass: replica, no link to its master for \ds, in _ ms$/)
  assert.equal(alone.role, 'replica')

  await replica.command('replicaof', 'no', 'one')
  assert.equal((await probeOnce(replica.port, check)).role, 'primary')
})

test('passwords and users are asked for, refused and accepted in plain words', async (t) => {
  const redis = await startRedis({ password: 's3cret-word' })
  t.after(() => redis.stop())
  const ask = async (user: string | null, password: string | null): Promise<string> =>
    words(await probeOnce(redis.port, { kind: 'redis', user, password }))
  assert.equal(await ask(null, null), 'fail: asks for a password, and none is configured here')
  assert.equal(await ask(null, 'wrong'), 'fail: refuses the user or password')
  assert.equal(await ask(null, 's3cret-word'), 'pass: primary in _ ms')

  const may = async (...rights: string[]): Promise<void> => {
    await redis.command('acl', 'setuser', 'probe', 'reset', 'on', '>probe-word', ...rights)
  }
  await may('+info')
  assert.equal(await ask('probe', 'probe-word'), 'pass: primary in _ ms')
  await may('+role')
  assert.equal(await ask('probe', 'probe-word'), 'pass: primary in _ ms')
  await may()
  assert.equal(
    await ask('probe', 'probe-word'),
    'fail: the user may neither INFO nor ROLE: grant it +info',
  )
  assert.equal(await ask('nobody', 'probe-word'), 'fail: refuses the user or password')

  const open = await startRedis()
  t.after(() => open.stop())
  assert.equal(
    words(await probeOnce(open.port, { kind: 'redis', user: null, password: 's3cret-word' })),
    'fail: has no password, though one is configured here',
  )
  await open.command('config', 'set', 'maxclients', '1')
  const other = await connectTo(open.port)
  t.after(() => other.destroy())
  other.write('PING\r\n')
  await other.until('PONG')
  assert.equal(words(await probeOnce(open.port, check)), 'fail: too many connections')
})

test('a server that still loads its data is none to send to, though it tells its role', async (t) => {
  // So slowly that it is asked many times meanwhile; without compression it looks up now and then.
  const settings = {
    rdbcompression: 'no',
    'key-load-delay': '50000',
    'loading-process-events-interval-bytes': '1024',
  }
  const redis = await startRedis({ settings })
  t.after(() => redis.stop())
  const fill = `for i = 1, 1000 do redis.call('set', 'key' .. i, string.rep('x', 2000)) end`
  await redis.command('eval', fill, '0')
  assert.equal(await redis.command('save'), 'OK')
  const restarted = redis.restart()
  const loading = await waitFor(
    async () => {
      const result = await probeOnce(redis.port, check)
      return /connection (refused|reset|closed)/.test(result.text) ? null : result
    },
    { what: 'Redis to answer', everyMs: 20 },
  )
  assert.equal(words(loading), 'fail: is loading its data')
  assert.match(await redis.command('info', 'replication'), /^role:master/m)
  await redis.command('config', 'set', 'key-load-delay', '0')
  await restarted
  assert.equal(words(await probeOnce(redis.port, check)), 'pass: primary in _ ms')
})

test('a Sentinel is not taken for a server with a role', async (t) => {
  const master = await startRedis()
  t.after(() => master.stop())
  const sentinel = await startSentinel(master, 1)
  t.after(() => sentinel.stop())
  assert.equal(
    words(await probeOnce(sentinel.port, check)),
    'fail: tells no role: a Sentinel, perhaps, or not Redis',
  )
})
