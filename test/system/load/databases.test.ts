// PostgreSQL and Redis with their own clients through a TCP listener.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startEvenkeel } from '../../support/evenkeel.ts'
import type { Evenkeel } from '../../support/evenkeel.ts'
import { startPostgres } from '../../support/postgres.ts'
import { runProcess } from '../../support/processes.ts'
import { startRedis } from '../../support/redis.ts'
import { waitFor } from '../../support/wait.ts'

async function startTcp(context: TestContext, address: string): Promise<Evenkeel> {
  const evenkeel = await startEvenkeel({
    runtime: { drain: '200ms' },
    listeners: { database: { protocol: 'tcp', pool: 'database' } },
    pools: { database: { backends: { one: address }, healthCheck: { tcp: {} } } },
  })
  context.after(() => evenkeel.stop())
  return evenkeel
}

/** Runs a client and returns what it printed; fails with what it said if it failed. */
async function client(command: string, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runProcess(command, args, { input, timeoutMs: 30_000 })
  assert.equal(code, 0, `${command} ${args.join(' ')}: ${stderr}`)
  return stdout
}

test('psql and pgbench work through a TCP pool, also after the server was killed', async (context) => {
  const postgres = await startPostgres()
  context.after(() => postgres.stop())
  const evenkeel = await startTcp(context, postgres.address)
  const to = ['-h', '127.0.0.1', '-p', String(evenkeel.port()), '-U', 'postgres']
  const psql = (sql: string, input = ''): Promise<string> =>
    client(postgres.program('psql'), [...to, '-v', 'ON_ERROR_STOP=1', '-qAtc', sql], input)

  assert.equal(await psql('select 6 * 7'), '42\n')
  // Megabytes in both directions on one connection, one right after the other.
  const rows = Array.from({ length: 20_000 }, (_, row) => `${row}\t${'x'.repeat(200)}\n`).join('')
  await psql('create table bulk (row int, text text)')
  await psql('copy bulk from stdin', rows)
  const copied = await psql('copy (select * from bulk order by row) to stdout')
  assert.ok(copied === rows, `${copied.length} of ${rows.length} characters came back`)

  await client(postgres.program('pgbench'), [...to, '-i', '-q', '-s', '1', 'postgres'])
  const load = [...to, '-c', '8', '-j', '1', '-T', '3', '-n', 'postgres']
  const kept = await client(postgres.program('pgbench'), load)
  context.diagnostic(/^tps.*/m.exec(kept)?.[0] ?? '')
  assert.match(kept, /number of failed transactions: 0 /)
  const connecting = await client(postgres.program('pgbench'), ['-C', '-S', ...load])
  context.diagnostic(/^tps.*/m.exec(connecting)?.[0] ?? '')
  assert.match(connecting, /number of failed transactions: 0 /)

  await postgres.kill('SIGKILL')
  const refused = await runProcess(postgres.program('psql'), [...to, '-c', 'select 1'])
  assert.notEqual(refused.code, 0)
  await postgres.restart()
  await waitFor(() => psql('select 1'), { what: 'psql to work again', everyMs: 100 })
})

test('redis-cli and redis-benchmark work through a TCP pool', async (context) => {
  const redis = await startRedis()
  context.after(() => redis.stop())
  const evenkeel = await startTcp(context, redis.address)
  const to = ['-p', String(evenkeel.port())]

  assert.equal(await client('redis-cli', [...to, 'set', 'name', 'value']), 'OK\n')
  assert.equal(await client('redis-cli', [...to, 'get', 'name']), 'value\n')
  const large = 'y'.repeat(8 << 20)
  assert.equal(await client('redis-cli', [...to, '-x', 'set', 'large'], large), 'OK\n')
  assert.equal(await client('redis-cli', [...to, 'strlen', 'large']), `${large.length}\n`)
  const read = await runProcess('sh', [
    '-c',
    `redis-cli -p ${evenkeel.port()} get large | tr -d '\\n' | md5sum; printf %s "$(yes y | head -n ${large.length} | tr -d '\\n')" | md5sum`,
  ])
  const [got, wanted] = read.stdout.split('\n')
  assert.equal(got, wanted)

  for (const pipeline of ['1', '16']) {
    const args = [
      ...to,
      '-q',
      '-n',
      '20000',
      '-c',
      '50',
      '-t',
      'set,get',
      '-P',
      pipeline,
      '-d',
      '100',
    ]
    const printed = await client('redis-benchmark', args)
    const rates = [...printed.matchAll(/(SET|GET): ([\d.]+) requests per second/g)]
    assert.equal(rates.length, 2, printed)
    const shown = rates.map(([, name, rate]) => `${name} ${rate}/s`).join(', ')
    context.diagnostic(`pipeline ${pipeline}: ${shown}`)
  }
})
