// Real Patroni members, each with a PostgreSQL of its own, that elect a primary through etcd.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { asPostgres, giveAway, postgresProgram } from './postgres.ts'
import { runProcess, startProcess, temporaryFolder } from './processes.ts'

export interface PatroniMember {
  readonly name: string
  /** Of its REST API. */
  readonly restPort: number
  /** Of its PostgreSQL. */
  readonly port: number
  /** Status of a GET to its REST API; 0 if it does not answer. */
  status(path: string): Promise<number>
  /** What Patroni and its PostgreSQL have said. */
  log(): string
  stop(): Promise<void>
}

/** Starts a member. Its name must be new in the cluster; the first one makes the database. */
export async function startPatroni(etcd: string, name: string): Promise<PatroniMember> {
  const [port, restPort] = [await freePort(), await freePort()]
  const folder = temporaryFolder('patroni')
  const data = join(folder, 'data')
  const file = join(folder, 'patroni.yml')
  const login = (username: string): object => ({ username, password: 'inside' })
  const settings = {
    scope: 'evenkeel',
    name,
    restapi: { listen: `127.0.0.1:${restPort}`, connect_address: `127.0.0.1:${restPort}` },
    etcd3: { hosts: new URL(etcd).host },
    bootstrap: {
      dcs: {
        ttl: 20,
        loop_wait: 1,
        retry_timeout: 3,
        postgresql: {
          parameters: { fsync: 'off', full_page_writes: 'off', shared_buffers: '16MB' },
        },
      },
      initdb: [{ encoding: 'UTF8' }, { locale: 'C' }, 'no-sync'],
    },
    postgresql: {
      listen: `127.0.0.1:${port}`,
      connect_address: `127.0.0.1:${port}`,
      data_dir: data,
      bin_dir: postgresProgram('.'),
      pgpass: join(folder, 'pgpass'),
      pg_hba: [
        'local all all trust',
        'host all all 127.0.0.1/32 trust',
        'host replication all 127.0.0.1/32 trust',
      ],
      parameters: { unix_socket_directories: folder },
      basebackup: [{ checkpoint: 'fast' }, 'no-sync'],
      authentication: { superuser: login('postgres'), replication: login('follower') },
    },
  }
  // YAML takes JSON.
  writeFileSync(file, JSON.stringify(settings))
  await giveAway(folder)
  const [command, ...args] = asPostgres(['patroni', file])
  const running = startProcess(command!, args, { cwd: folder })
  return {
    name,
    port,
    restPort,
    log: () => running.stdout() + running.stderr(),
    async status(path) {
      try {
        return (await fetch(`http://127.0.0.1:${restPort}${path}`)).status
      } catch {
        return 0
      }
    },
    async stop() {
      await running.stop({ graceMs: 8_000 })
      // Its PostgreSQL leads a session of its own, and outlives a Patroni that was killed.
      const [stop, ...rest] = asPostgres([
        postgresProgram('pg_ctl'),
        'stop',
        '-m',
        'immediate',
        '-D',
        data,
      ])
      await runProcess(stop!, rest, { cwd: '/' })
    },
  }
}
