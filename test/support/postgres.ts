// A real PostgreSQL cluster in a folder of its own, trusting everyone on the loopback address.
// PostgreSQL refuses to run as root: as root, everything here runs as the user `postgres`.

import { chownSync, existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Exit, Process } from './processes.ts'

export interface Postgres {
  readonly port: number
  readonly address: string
  readonly process: () => Process
  /** Path of one of its own programs (`psql`, `pgbench`, …). */
  program(name: string): string
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void>
  restart(): Promise<void>
  stop(): Promise<void>
}

/** Makes a cluster, starts it and waits until it answers. User and database are `postgres`. */
export async function startPostgres(wanted: { port?: number } = {}): Promise<Postgres> {
  const port = wanted.port ?? (await freePort())
  const folder = temporaryFolder('postgres')
  const programs = findPrograms()
  await giveAway(folder)
  const data = join(folder, 'data')
  const options = ['-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync']
  const made = await runAsPostgres(join(programs, 'initdb'), ['-D', data, ...options])
  if (made.code !== 0) throw new Error(`initdb failed: ${made.stderr}`)
  const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder]
  const fast = ['fsync=off', 'full_page_writes=off', 'max_connections=200', 'shared_buffers=32MB']
  for (const setting of fast) args.push('-c', setting)
  const start = async (): Promise<Process> => {
    const [command, ...rest] = asPostgres([join(programs, 'postgres'), ...args])
    const started = startProcess(command!, rest, { cwd: folder })
    const ready = ['-h', '127.0.0.1', '-p', String(port), '-U', 'postgres', '-t', '1']
    await waitUntilReady(
      started,
      'postgres',
      async () => (await runProcess(join(programs, 'pg_isready'), ready)).code === 0,
      20_000,
    )
    return started
  }
  let running = await start()
  return {
    port,
    address: `127.0.0.1:${port}`,
    process: () => running,
    program: (name) => join(programs, name),
    async kill(signal) {
      running.signal(signal)
      if (signal === 'SIGKILL') await running.exited
    },
    async restart() {
      await running.stop({ signal: 'SIGINT' })
      running = await start()
    },
    async stop() {
      // SIGINT is PostgreSQL's fast shutdown: sessions are cut, nothing is left in shared memory.
      await running.stop({ signal: 'SIGINT' })
    },
  }
}

/** Debian keeps the programs of each version in a folder outside the PATH. */
function findPrograms(): string {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const folder = versions
    .map((version) => join(root, version, 'bin'))
    .find((path) => existsSync(join(path, 'initdb')))
  if (folder === undefined) throw new Error(`no PostgreSQL under ${root}: run test/setup.sh`)
  return folder
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
  program: string,
  args: readonly string[],
): Promise<Exit & { stdout: string; stderr: string }> {
  const [command, ...rest] = asPostgres([program, ...args])
  return runProcess(command!, rest, { cwd: '/' })
}
