// `evenkeel quickstart`: the balancer with three demo backends, and what to try with them.

import { Command } from 'commander'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Plan } from '../core/plan.ts'
import { Failure, exitSoon, say, wantsColor } from './terminal.ts'

/** How long a killed demo backend stays away, so that its failure can be watched. */
const ABSENCE_MS = 10_000

export function quickstartCommand(finish: (code: number) => void): Command {
  return new Command('quickstart')
    .description('Run the balancer with three demo backends, to see it work.')
    .addHelpText('after', '\nExample:\n  evenkeel quickstart')
    .action(async () => {
      finish(await quickstart())
    })
}

async function quickstart(): Promise<number> {
  const file = fileURLToPath(new URL('../../../conf/quickstart.yaml', import.meta.url))
  const { loadConfig } = await import('../config/load.ts')
  const loaded = loadConfig(file, process.env)
  if (!loaded.ok) {
    const { formatDiagnostics } = await import('../config/diagnostics.ts')
    throw new Failure(
      `the quickstart configuration is broken:\n${formatDiagnostics(loaded.diagnostics)}`,
    )
  }
  const { AddressError } = await import('../runtime/port-check.ts')
  const demo = new DemoBackends(loaded.plan)
  try {
    await demo.start()
  } catch (error) {
    demo.stop()
    if (error instanceof AddressError) throw new Failure(error.message)
    throw error
  }
  const { openLog } = await import('../observe/log.ts')
  const { runUntilStopped } = await import('../runtime/shutdown.ts')
  const color = wantsColor(process.stderr)
  const log = openLog({
    level: loaded.plan.log.level,
    pretty: process.stderr.isTTY,
    color,
  })
  const code = await runUntilStopped(loaded.plan, log, {
    started: () => say(advice(loaded.plan, demo.pids())),
  })
  demo.stop()
  exitSoon(code)
  return code
}

interface Demo {
  readonly name: string
  readonly port: number
  child: ChildProcess | null
}

class DemoBackends {
  readonly #all: readonly Demo[]
  #isStopping = false

  constructor(plan: Plan) {
    this.#all = plan.pools[0]!.backends.map(({ name, address }) => ({
      name,
      port: address.kind === 'tcp' ? address.port : 0,
      child: null,
    }))
  }

  /** @throws AddressError when a port is taken */
  async start(): Promise<void> {
    const { settleAddress } = await import('../runtime/port-check.ts')
    for (const { name, port } of this.#all) {
      await settleAddress({ kind: 'tcp', host: '127.0.0.1', port }, `demo backend '${name}'`)
    }
    await Promise.all(this.#all.map((demo) => this.#launch(demo)))
  }

  pids(): readonly { readonly name: string; readonly pid: number }[] {
    return this.#all.map(({ name, child }) => ({ name, pid: child?.pid ?? 0 }))
  }

  stop(): void {
    this.#isStopping = true
    for (const { child } of this.#all) if (child?.connected === true) child.disconnect()
  }

  async #launch(demo: Demo): Promise<void> {
    const { fork } = await import('node:child_process')
    const file = fileURLToPath(new URL('./demo-backend.js', import.meta.url))
    const child = fork(file, [demo.name, String(demo.port)])
    demo.child = child
    child.on('exit', () => this.#missed(demo))
    await new Promise<void>((resolve) => {
      child.once('message', () => resolve())
      child.once('exit', () => resolve())
    })
  }

  #missed(demo: Demo): void {
    if (this.#isStopping) return
    say(`demo backend ${demo.name} is gone; it comes back in ${ABSENCE_MS / 1000} s`)
    const timer = setTimeout(() => {
      if (!this.#isStopping) void this.#return(demo)
    }, ABSENCE_MS)
    timer.unref()
  }

  async #return(demo: Demo): Promise<void> {
    await this.#launch(demo)
    say(`demo backend ${demo.name} is back: kill ${demo.child?.pid}`)
  }
}

function advice(plan: Plan, pids: readonly { name: string; pid: number }[]): string {
  const address = plan.listeners[0]!.address
  const port = address.kind === 'tcp' ? address.port : 0
  const admin = plan.admin?.address
  const page =
    admin?.kind === 'tcp' ? `\n     or look:          http://${admin.host}:${admin.port}/` : ''
  return `
Evenkeel spreads http://127.0.0.1:${port}/ over three demo backends. Try, in another terminal:

  1. watch it:       while sleep 0.2; do curl -s http://127.0.0.1:${port}/; done
  2. kill a backend: ${pids.map(({ name, pid }) => `kill ${pid}  # ${name}`).join('\n                     ')}
     no request fails; the backend comes back after ${ABSENCE_MS / 1000} s and is given traffic slowly again
  3. ask why:        npx evenkeel status${page}

Ctrl-C drains and stops.
`
}
