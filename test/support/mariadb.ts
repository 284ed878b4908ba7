// Real MariaDB servers, each in a folder of its own: a primary, and replicas that follow it.
// User `root` has no password and may come through the socket in that folder only.

import { join } from 'node:path'
import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'

export interface Mariadb {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  /** Runs SQL as root and returns what it gave: a line per row, tabs between columns. */
  sql(statement: string): Promise<string>
  /** Makes a replica a primary: it follows nobody and takes writes. */
  promote(): Promise<void>
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface MariadbOptions {
  readonly port?: number
  /** Further settings, as options of mariadbd without their dashes. */
  readonly settings?: Readonly<Record<string, string>>
}

let serverIds = 0

/** Makes a server with empty databases, starts it and waits until it answers. */
export async function startMariadb(wanted: MariadbOptions = {}): Promise<Mariadb> {
  const port = wanted.port ?? (await freePort())
  const folder = temporaryFolder('mariadb')
  const data = join(folder, 'data')
  const user = process.getuid?.() === 0 ? ['--user=root'] : []
  const made = await runProcess(
    'mariadb-install-db',
    [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      '--skip-name-resolve',
      ...user,
    ],
    { timeoutMs: 60_000 },
  )
  if (made.code !== 0) throw new Error(`mariadb-install-db failed: ${made.stdout}${made.stderr}`)
  const socket = join(folder, 'socket')
  const settings = {
    datadir: data,
    socket,
    port: String(port),
    'bind-address': '127.0.0.1',
    'server-id': String(++serverIds),
    'log-bin': 'log',
    'relay-log': 'relay',
    'innodb-buffer-pool-size': '16M',
    'innodb-log-file-size': '8M',
    'innodb-flush-log-at-trx-commit': '0',
    ...wanted.settings,
  }
  const args = Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
  const own = ['--no-defaults', `--socket=${socket}`, '-u', 'root']
  const start = async (): Promise<Process> => {
    const started = startProcess('mariadbd', [
      '--no-defaults',
      '--skip-name-resolve',
      ...user,
      ...args,
    ])
    const isReady = async (): Promise<boolean> =>
      (await runProcess('mariadb-admin', [...own, 'ping'])).code === 0
    await waitUntilReady(started, 'mariadbd', isReady, 20_000)
    return started
  }
  const sql = async (statement: string): Promise<string> => {
    const answer = await runProcess('mariadb', [...own, '-BNe', statement])
    if (answer.code !== 0) throw new Error(`mariadb failed: ${answer.stderr}`)
    return answer.stdout.trimEnd()
  }
  let running = await start()
  return {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    sql,
    async promote() {
      await sql('stop slave; reset slave all; set global read_only = off')
    },
    async kill(signal) {
      running.signal(signal)
      if (signal === 'SIGKILL') await running.exited
    },
    async restart() {
      await running.stop({ signal: 'SIGKILL' })
      running = await start()
    },
    async stop() {
      await running.stop({ signal: 'SIGKILL' })
    },
  }
}

/** Starts a read-only replica of `primary` and waits until it follows. */
export async function startMariadbReplica(
  primary: Mariadb,
  wanted: MariadbOptions = {},
): Promise<Mariadb> {
  const replica = await startMariadb({
    ...wanted,
    settings: { 'read-only': 'on', ...wanted.settings },
  })
  try {
    await primary.sql(
      "create user if not exists follower@127.0.0.1 identified by 'follows'; " +
        'grant replication slave on *.* to follower@127.0.0.1',
    )
    await replica.sql(
      `change master to master_host = '127.0.0.1', master_port = ${primary.port}, ` +
        "master_user = 'follower', master_password = 'follows', master_connect_retry = 1, " +
        'master_use_gtid = slave_pos; start slave',
    )
    await untilMariadbFollows(primary, replica)
    return replica
  } catch (error) {
    await replica.stop()
    throw error
  }
}

/** Waits until a replica has applied all that its primary wrote. */
export async function untilMariadbFollows(primary: Mariadb, replica: Mariadb): Promise<void> {
  const position = await primary.sql('select @@gtid_current_pos')
  const reached = await replica.sql(`select master_gtid_wait('${position}', 10)`)
  if (reached !== '0') throw new Error(`the replica has not reached ${position}`)
}
