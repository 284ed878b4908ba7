// The mysql check against a real MariaDB primary and its replica.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MysqlCheckPlan } from '../../src/core/check-plan.ts'
import { startMariadb, startMariadbReplica } from '../support/mariadb.ts'
import { probeOnce, words } from '../support/probe.ts'
import { waitFor } from '../support/wait.ts'

const check: MysqlCheckPlan = { kind: 'mysql', user: 'probe', password: 'probe-word' }

test('a primary and its replica tell roles and lag, with and without the right to ask', async (t) => {
  const primary = await startMariadb()
  t.after(() => primary.stop())
  const replica = await startMariadbReplica(primary)
  t.after(() => replica.stop())
  const own = 'set session sql_log_bin = 0; '
  for (const server of [primary, replica]) {
    await server.sql(`${own}create user probe@127.0.0.1 identified by 'probe-word'`)
  }

  const first = await probeOnce(primary.port, check)
  assert.equal(words(first), 'pass: primary in _ ms')
  assert.equal(first.role, 'primary')
  const second = await probeOnce(replica.port, check)
  assert.equal(words(second), 'pass: replica in _ ms')
  assert.equal(second.role, 'replica')
  assert.equal(second.lag, null)
  await replica.sql(`${own}grant replica monitor on *.* to probe@127.0.0.1`)
  assert.deepEqual((await probeOnce(replica.port, check)).lag, { ms: 0, bytes: null })

  await primary.kill('SIGKILL')
  const alone = await waitFor(async () => {
    const result = await probeOnce(replica.port, check)
    return result.lag?.ms === null ? result : null
  })
  assert.equal(words(alone), 'pass: replica, its replication broken or stopped, in _ ms')
  await replica.sql('stop slave; reset slave all')
  assert.equal(
    words(await probeOnce(replica.port, check)),
    'pass: replica, following nobody, in _ ms',
  )
  await replica.promote()
  assert.equal((await probeOnce(replica.port, check)).role, 'primary')
})

test('logins and refusals in plain words, and no connection counted as lost', async (t) => {
  const server = await startMariadb({
    settings: { 'max-connections': '10', 'max-connect-errors': '2' },
  })
  t.after(() => server.stop())
  await server.sql(`
    install soname 'auth_ed25519';
    create user native@127.0.0.1 identified via mysql_native_password using password('probe-word');
    create user open@127.0.0.1;
    create user other@127.0.0.1 identified via ed25519 using password('probe-word');
    create user elsewhere@127.0.0.2`)
  const ask = async (user: string, password: string | null): Promise<string> =>
    words(await probeOnce(server.port, { kind: 'mysql', user, password }))
  assert.equal(await ask('native', 'probe-word'), 'pass: primary in _ ms')
  assert.equal(await ask('open', null), 'pass: primary in _ ms')
  assert.equal(await ask('native', 'wrong-word'), 'fail: refuses user native or its password')
  assert.equal(await ask('native', null), 'fail: refuses user native or its password')
  assert.equal(await ask('nobody', 'probe-word'), 'fail: refuses user nobody or its password')
  assert.equal(
    await ask('other', 'probe-word'),
    'fail: asks for a login by client_ed25519, which this check cannot do: ' +
      'give user other mysql_native_password or caching_sha2_password',
  )
  const count = async (name: string): Promise<number> =>
    Number((await server.sql(`show global status like '${name}'`)).split('\t')[1])
  assert.equal(await count('Aborted_clients'), 0)
  const failed = await count('Aborted_connects')
  for (let i = 0; i < 20; i++) assert.equal(await ask('open', null), 'pass: primary in _ ms')
  assert.equal(await count('Aborted_clients'), 0)
  assert.equal(await count('Aborted_connects'), failed)

  await server.sql('set global read_only = 1')
  assert.equal(await ask('open', null), 'pass: replica in _ ms')
})
