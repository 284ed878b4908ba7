// A real DNS server, Knot from Debian, with one zone that a test changes while it runs.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import type { Process } from './processes.ts'
import { runProcess, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'

/** The zone; names in records are relative to it. */
export const ZONE = 'internal.test'

export interface DnsServer {
  /** `127.0.0.1:port`. */
  readonly address: string
  /**
   * Puts these records in place of all others, such as `api 1 A 10.0.0.1` (1 is the TTL). Starts the
   * server again if it is broken or stopped.
   */
  serve(records: readonly string[]): Promise<void>
  /** Answers SERVFAIL for everything in the zone, until `serve`. */
  break(): Promise<void>
  stop(): Promise<void>
  /** Again, on the same port, with the records it had. */
  start(): Promise<void>
}

/** Starts a server whose zone has these records. */
export async function startDns(records: readonly string[] = []): Promise<DnsServer> {
  const folder = temporaryFolder('knot')
  const port = await freePort()
  const socket = join(folder, 'knot.sock')
  const zone = join(folder, 'zone')
  let server: Process | null = null
  let serial = 0
  let isBroken = false

  const write = (records: readonly string[]): void => {
    serial++
    const head = [
      `$ORIGIN ${ZONE}.`,
      `@ 60 SOA ns hostmaster ${serial} 3600 600 86400 1`,
      '@ 60 NS ns',
      'ns 60 A 127.0.0.1',
    ]
    writeFileSync(zone, `${[...head, ...records].join('\n')}\n`)
  }
  const configure = (): string => {
    const file = join(folder, 'knot.conf')
    // A zone without its file is one for which the server fails.
    writeFileSync(file, configuration({ folder, port, socket, zone: isBroken ? 'none' : 'zone' }))
    return file
  }
  const start = async (): Promise<void> => {
    const started = startProcess('knotd', ['-c', configure()])
    server = started
    await waitUntilReady(started, 'knot', async () => {
      const { code } = await runProcess('knotc', ['-s', socket, 'status'])
      return code === 0
    })
  }
  const stop = async (): Promise<void> => {
    await server?.stop({ graceMs: 2_000 })
    server = null
  }
  write(records)
  await start()
  return {
    address: `127.0.0.1:${port}`,
    async serve(records) {
      write(records)
      if (isBroken || server === null) {
        isBroken = false
        await stop()
        await start()
        return
      }
      const { code, stderr } = await runProcess('knotc', ['-b', '-s', socket, 'zone-reload', ZONE])
      if (code !== 0) throw new Error(`knotc: ${stderr}`)
    },
    async break() {
      isBroken = true
      await stop()
      await start()
    },
    stop,
    start,
  }
}

function configuration(set: {
  readonly folder: string
  readonly port: number
  readonly socket: string
  readonly zone: string
}): string {
  return `server:
    listen: 127.0.0.1@${set.port}
    rundir: ${set.folder}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: ${set.socket}
database:
    storage: ${set.folder}/db
log:
  - target: stderr
    any: warning
zone:
  - domain: ${ZONE}
    storage: ${set.folder}
    file: ${set.zone}
    journal-content: none
    zonefile-sync: -1
`
}
