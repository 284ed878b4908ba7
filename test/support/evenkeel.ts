// The balancer itself as a user runs it: a process started from a configuration file.

import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { stringify } from 'yaml'
import { freePort } from './ports.ts'
import { onCpu, startProcess, temporaryFolder, waitUntilReady } from './processes.ts'
import type { Exit, Process } from './processes.ts'

/** A configuration as a tree. Listeners without `bind` and an absent `admin` get a free port. */
export interface EvenkeelConfig {
  readonly runtime?: Readonly<Record<string, unknown>>
  readonly admin?: { readonly bind: string }
  readonly log?: Readonly<Record<string, unknown>>
  readonly tracing?: Readonly<Record<string, unknown>> | false
  readonly keepalived?: Readonly<Record<string, unknown>>
  readonly cluster?: Readonly<Record<string, unknown>>
  readonly alerts?: Readonly<Record<string, unknown>>
  readonly listeners: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly pools: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

export interface EvenkeelOptions {
  /** Pin it to this CPU. */
  readonly cpu?: number
  readonly env?: Readonly<Record<string, string>>
  /** How long it may take to be ready. Default 10 s. */
  readonly timeoutMs?: number
  /** Do not wait for readiness, e.g. when every backend is down. */
  readonly wait?: boolean
}

export interface Evenkeel {
  readonly process: Process
  /** The file it was started from, for `evenkeel … -c FILE` and for reloads. */
  readonly file: string
  readonly adminUrl: string
  /** Port of a listener, by its name; without a name, of the only one. */
  port(listener?: string): number
  /** `http://127.0.0.1:port` of a listener. */
  url(listener?: string): string
  /** Everything it has said so far. */
  logs(): string
  /** SIGTERM, and SIGKILL if that does not do within the grace. */
  stop(graceMs?: number): Promise<Exit>
}

/** Path of the compiled command line tool. */
export const mainFile: string = join(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  '..',
  'src',
  'main.js',
)

/** Starts it and waits until `/readyz` says 200. Says why it ended if it does. */
export async function startEvenkeel(
  config: EvenkeelConfig,
  options: EvenkeelOptions = {},
): Promise<Evenkeel> {
  const ports = new Map<string, number>()
  const listeners: Record<string, unknown> = {}
  for (const [name, listener] of Object.entries(config.listeners)) {
    const given = listener['bind']
    const bind = typeof given === 'string' ? given : `127.0.0.1:${await freePort()}`
    ports.set(name, Number(bind.slice(bind.lastIndexOf(':') + 1)))
    listeners[name] = { bind, ...listener }
  }
  const admin = config.admin ?? { bind: `127.0.0.1:${await freePort()}` }
  const folder = temporaryFolder('run')
  const file = join(folder, 'evenkeel.yaml')
  writeFileSync(
    file,
    stringify({ log: { access: { format: 'off' } }, ...config, admin, listeners }),
  )
  const started = startProcess(
    ...onCpu(options.cpu, process.execPath, [mainFile, 'run', file]),
    options.env === undefined ? {} : { env: options.env },
  )
  const logs = (): string => started.stdout() + started.stderr()
  const adminUrl = `http://${admin.bind}`
  if (options.wait !== false) {
    const isReady = async () => (await fetch(`${adminUrl}/readyz`)).status === 200
    await waitUntilReady(started, 'evenkeel', isReady, options.timeoutMs)
  }
  const port = (listener?: string): number => {
    const found = listener === undefined ? [...ports.values()][0] : ports.get(listener)
    if (found === undefined) throw new Error(`no listener ${listener}`)
    return found
  }
  return {
    process: started,
    file,
    adminUrl,
    port,
    url: (listener) => `http://127.0.0.1:${port(listener)}`,
    logs,
    stop: (graceMs = 10_000) => started.stop({ graceMs }),
  }
}
