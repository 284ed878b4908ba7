// Real PostgreSQL clusters, each in a folder of its own, trusting everyone on the loopback address:
// a primary, and streaming replicas made from it.
// PostgreSQL refuses to run as root: as root, everything here runs as the user `postgres`.

import { chownSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Exit, Process } from './processes.ts'
import { waitFor } from './wait.ts'

export interface Postgres {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  /** Path of one of its own programs (`psql`, `pgbench`, …). */
  program(name: string): string
  /** Runs SQL as the superuser and returns what it gave: a line per row, `|` between columns. */
  sql(statement: string): Promise<string>
  /** Whether it is a replica. */
  isInRecovery(): Promise<boolean>
  /** The command line that makes a replica a primary, as for a promote hook. */
  readonly promoteCommand: readonly string[]
  /** Makes a replica a primary, and waits until it is one. */
  promote(): Promise<void>
  /**
   * SIGKILL takes the postmaster and whatever of it runs; SIGSTOP and SIGCONT all its processes,
   * so that a stopped server still accepts (its kernel does) and says nothing.
   */
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface PostgresOptions {
  readonly port?: number
  /** Lines for the top of pg_hba.conf, such as `host all ada 127.0.0.1/32 scram-sha-256`. */
  readonly hba?: readonly string[]
  /** Further settings, as in postgresql.conf. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Makes a cluster, starts it and waits until it answers. User and database are `postgres`. */
export async function startPostgres(wanted: PostgresOptions = {}): Promise<Postgres> {
  return startCluster(wanted, async (data) => {
    const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
    await must('initdb', ['-D', data, ...options])
    const hba = join(data, 'pg_hba.conf')
    if (wanted.hba !== undefined) {
      writeFileSync(hba, [...wanted.hba, readFileSync(hba, 'utf8')].join('\n'))
    }
  })
}

/** Makes a streaming replica of `primary` and waits until it has received all there is. */
export async function startReplica(
  primary: Postgres,
  wanted: PostgresOptions = {},
): Promise<Postgres> {
  const replica = await startCluster(wanted, async (data) => {
    const from = ['-h', '127.0.0.1', '-p', String(primary.port), '-U', 'postgres', '-w']
    const options = ['-D', data, '--write-recovery-conf', '--checkpoint=fast', '--no-sync']
    await must('pg_basebackup', [...from, ...options])
  })
  try {
    await untilCaughtUp(replica)
    return replica
  } catch (error) {
    await replica.stop()
    throw error
  }
}

/** Waits until a replica streams and has replayed all it received. */
export async function untilCaughtUp(replica: Postgres): Promise<void> {
  const question =
    'select pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and status = ' +
    "'streaming' from pg_stat_wal_receiver"
  await waitFor(async () => (await replica.sql(question)) === 't', {
    what: 'the replica to stream',
    everyMs: 50,
  })
}

async function startCluster(
  wanted: PostgresOptions,
  make: (data: string) => Promise<void>,
): Promise<Postgres> {
  const port = wanted.port ?? (await freePort())
  const folder = temporaryFolder('postgres')
  await giveAway(folder)
  const data = join(folder, 'data')
  await make(data)
  const settings = {
    fsync: 'off',
    full_page_writes: 'off',
    max_connections: '200',
    shared_buffers: '32MB',
    // A replica looks for its primary again after a second, not after five.
    wal_retrieve_retry_interval: '500ms',
    ...wanted.settings,
  }
  const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder]
  for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${value}`)
  const start = async (): Promise<Process> => {
    const [command, ...rest] = asPostgres([program('postgres'), ...args])
    const started = startProcess(command!, rest, { cwd: folder })
    const ready = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-t', '1']
    await waitUntilReady(
      started,
      'postgres',
      async () => (await runProcess(program('pg_isready'), ready)).code === 0,
      20_000,
    )
    return started
  }
  let running = await start()
  // Through the socket in its folder, so that pg_hba.conf's rules for addresses don't matter.
  const own = ['-h', folder, '-p', String(port), '-U', 'postgres', '-v', 'ON_ERROR_STOP=1']
  const sql = async (statement: string): Promise<string> => {
    const answer = await runAsPostgres(program('psql'), [...own, '-qAtc', statement])
    if (answer.code !== 0) throw new Error(`psql failed: ${answer.stderr}`)
    return answer.stdout.trimEnd()
  }
  const promoteCommand = asPostgres([program('pg_ctl'), 'promote', '-D', data])
  return {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    program,
    sql,
    isInRecovery: async () => (await sql('select pg_is_in_recovery()')) === 't',
    promoteCommand,
    async promote() {
      const [command, ...rest] = promoteCommand
      const done = await runProcess(command!, rest, { cwd: '/' })
      if (done.code !== 0) throw new Error(`pg_ctl promote failed: ${done.stdout}${done.stderr}`)
    },
    async kill(signal) {
      // Each of its processes leads a group of its own.
      const children = childrenOf(running.pid)
      running.signal(signal)
      for (const pid of children) signalOne(pid, signal)
      if (signal === 'SIGKILL') await running.exited
    },
    async restart() {
      await running.stop({ signal: 'SIGINT' })
      running = await start()
    },
    async stop() {
      for (const pid of childrenOf(running.pid)) signalOne(pid, 'SIGCONT')
      // SIGINT is PostgreSQL's fast shutdown: sessions are cut, nothing is left in shared memory.
      await running.stop({ signal: 'SIGINT' })
    },
  }
}

function childrenOf(pid: number): number[] {
  try {
    const listed = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return listed.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

function signalOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It has ended meanwhile.
  }
}

/** Debian keeps the programs of each version in a folder outside the PATH. */
function program(name: string): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folder = versions
    .map((version) => join(root, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')))
  if (folder === undefined) throw new Error(`no PostgreSQL under ${root}: run test/setup.sh`)
  return join(folder, name)
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

function asPostgres(command: readonly string[]): readonly string[] {
  const user = ['--reuid=postgres', '--regid=postgres', '--init-groups']
  return isRoot() ? ['setpriv', ...user, ...command] : command
}

async function giveAway(folder: string): Promise<void> {
  if (!isRoot()) return
  const ids = await Promise.all(
    ['-u', '-g'].map(async (flag) => Number((await runProcess('id', [flag, 'postgres'])).stdout)),
  )
  chownSync(folder, ids[0]!, ids[1]!)
}

async function runAsPostgres(
  file: string,
  args: readonly string[],
): Promise<Exit & { stdout: string; stderr: string }> {
  const [command, ...rest] = asPostgres([file, ...args])
  return runProcess(command!, rest, { cwd: '/', timeoutMs: 60_000 })
}

async function must(name: string, args: readonly string[]): Promise<void> {
  const done = await runAsPostgres(program(name), args)
  if (done.code !== 0) throw new Error(`${name} failed: ${done.stderr}`)
}
