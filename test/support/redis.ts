// Real redis-servers without persistence, each in a folder of its own: a master, its replicas, and
// the Sentinels that watch them.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Process } from './processes.ts'
import { waitFor } from './wait.ts'

export interface Redis {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  /** Runs one command through redis-cli and returns what it printed, without the last newline. */
  command(...words: string[]): Promise<string>
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

export interface RedisOptions {
  readonly port?: number
  /** Follows this one; is ready once the link is up. */
  readonly replicaOf?: Redis
  /** Asked of clients, and given to the master. */
  readonly password?: string
  /** Further settings, as in redis.conf. */
  readonly settings?: Readonly<Record<string, string>>
}

/** Starts redis-server and waits until it answers, as a replica until it follows its master. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const { replicaOf, password, settings = {} } = options
  const port = options.port ?? (await freePort())
  const folder = temporaryFolder('redis')
  const all: Record<string, string> = {
    port: String(port),
    bind: '127.0.0.1',
    dir: folder,
    save: '',
    appendonly: 'no',
    'repl-diskless-sync-delay': '0',
    ...(password === undefined ? {} : { requirepass: password, masterauth: password }),
    ...settings,
  }
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value])
  if (replicaOf !== undefined) args.push('--replicaof', '127.0.0.1', String(replicaOf.port))
  const login = password === undefined ? [] : ['-a', password, '--no-auth-warning']
  const command = async (...words: string[]): Promise<string> =>
    (await runProcess('redis-cli', ['-p', String(port), ...login, ...words])).stdout.trimEnd()
  const start = async (): Promise<Process> => {
    const started = startProcess('redis-server', args)
    await waitUntilReady(started, 'redis-server', async () =>
      (await command('ping')).includes('PONG'),
    )
    return started
  }
  let running = await start()
  const redis: Redis = {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    command,
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
  try {
    if (replicaOf !== undefined) await untilFollowing(redis)
    return redis
  } catch (error) {
    await redis.stop()
    throw error
  }
}

/** Waits until a replica's link to its master is up. */
export async function untilFollowing(replica: Redis): Promise<void> {
  await waitFor(
    async () => (await replica.command('info', 'replication')).includes('master_link_status:up'),
    { what: 'the replica to follow its master', everyMs: 50 },
  )
}

export interface Sentinel {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  /** Sends it one command and returns what it printed. */
  ask(...words: string[]): Promise<string>
  /** Port of the server it holds for the master. */
  masterPort(): Promise<number>
  stop(): Promise<void>
}

/**
 * Starts a Sentinel that watches `master` under the name `main`.
 * @param quorum Sentinels that must agree that the master is down
 */
export async function startSentinel(
  master: Redis,
  quorum: number,
  downAfterMs = 1_000,
): Promise<Sentinel> {
  const port = await freePort()
  // Sentinel keeps what it learns in its configuration file.
  const file = join(temporaryFolder('sentinel'), 'sentinel.conf')
  writeFileSync(
    file,
    `port ${port}
bind 127.0.0.1
sentinel monitor main 127.0.0.1 ${master.port} ${quorum}
sentinel down-after-milliseconds main ${downAfterMs}
sentinel failover-timeout main 3000
sentinel parallel-syncs main 1
`,
  )
  const ask = async (...words: string[]): Promise<string> =>
    (await runProcess('redis-cli', ['-p', String(port), ...words])).stdout
  const running = startProcess('redis-server', [file, '--sentinel'])
  await waitUntilReady(running, 'sentinel', async () => (await ask('ping')).includes('PONG'))
  return {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    ask,
    async masterPort() {
      return Number((await ask('sentinel', 'get-master-addr-by-name', 'main')).split('\n')[1])
    },
    async stop() {
      await running.stop({ signal: 'SIGKILL' })
    },
  }
}
