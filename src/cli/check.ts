// `evenkeel check`: is a configuration right, and what would it do? Never opens a socket.

import { Command, Option } from 'commander'
import type { Plan } from '../core/plan.ts'
import type { Diagnostic } from '../config/diagnostics.ts'
import { loadSource, oneFile, requireConfig } from './find-config.ts'
import { EXIT, put } from './terminal.ts'

interface CheckOptions {
  readonly config?: string
  readonly output: 'text' | 'json'
  readonly strict: boolean
}

export function checkCommand(finish: (code: number) => void): Command {
  return new Command('check')
    .description('Check a configuration and say what it would do.')
    .argument('[FILE]', 'configuration (default: evenkeel.yaml, /etc/evenkeel/evenkeel.yaml)')
    .option('-c, --config <FILE>', 'the same')
    .addOption(
      new Option('-o, --output <FORMAT>', 'form of the result')
        .choices(['text', 'json'])
        .default('text'),
    )
    .option('--strict', 'warnings count as errors', false)
    .addHelpText(
      'after',
      `
Exit codes: 0 right, 1 wrong (or a warning with --strict), 2 wrong usage.

Examples:
  evenkeel check evenkeel.yaml
  evenkeel check --strict -o json evenkeel.yaml | jq '.diagnostics[].message'`,
    )
    .action(async (file: string | undefined, options: CheckOptions) => {
      finish(await check(oneFile(file, options.config), options))
    })
}

async function check(file: string | undefined, options: CheckOptions): Promise<number> {
  const source = requireConfig(file, process.env)
  const loaded = await loadSource(source, process.env)
  const diagnostics = loaded.ok ? [...loaded.warnings, ...loaded.notes] : loaded.diagnostics
  const isRefused = !loaded.ok || (options.strict && loaded.warnings.length > 0)
  const name = source.kind === 'file' ? source.path : 'environment'
  if (options.output === 'json') {
    const summary = loaded.ok ? summarize(loaded.plan) : null
    put(`${JSON.stringify({ ok: !isRefused, file: name, summary, diagnostics }, null, 2)}\n`)
  } else {
    const { formatDiagnostics } = await import('../config/diagnostics.ts')
    process.stderr.write(formatDiagnostics(diagnostics))
    if (loaded.ok && !isRefused) put(await textSummary(name, loaded.plan))
    else process.stderr.write(`evenkeel: ${name}: ${countOf(diagnostics)}\n`)
  }
  return isRefused ? EXIT.failed : EXIT.ok
}

function countOf(diagnostics: readonly Diagnostic[]): string {
  const errors = diagnostics.filter((one) => one.severity === 'error').length
  const warnings = diagnostics.filter((one) => one.severity === 'warning').length
  const parts = [
    ...(errors > 0 ? [`${errors} error${errors > 1 ? 's' : ''}`] : []),
    ...(warnings > 0 ? [`${warnings} warning${warnings > 1 ? 's' : ''}`] : []),
  ]
  return parts.join(', ')
}

function summarize(plan: Plan) {
  return {
    listeners: plan.listeners.length,
    routes: plan.listeners.reduce((sum, listener) => sum + listener.routes.length, 0),
    pools: plan.pools.length,
    backends: plan.pools.reduce((sum, pool) => sum + pool.backends.length, 0),
  }
}

/** What the configuration does, in a few lines: the listeners and where they lead. */
async function textSummary(name: string, plan: Plan): Promise<string> {
  const { formatAddress } = await import('../config/address.ts')
  const lines = [`${name} is right`]
  for (const { name: listener, address, protocol, routes, pool } of plan.listeners) {
    const pools =
      protocol === 'tcp'
        ? [plan.pools[pool]!.name]
        : routes.flatMap(({ action }) =>
            action.kind === 'pool' ? [plan.pools[action.pool]!.name] : [`(${action.kind})`],
          )
    lines.push(
      `  listener ${listener} on ${formatAddress(address)} (${protocol}) leads to ${[...new Set(pools)].join(', ')}`,
    )
  }
  for (const { name: pool, mode, balance, backends, healthCheck } of plan.pools) {
    const checked =
      healthCheck === null
        ? 'not checked'
        : `${healthCheck.check.kind} check every ${healthCheck.intervalMs} ms`
    const count = `${backends.length} backend${backends.length === 1 ? '' : 's'}`
    lines.push(`  pool ${pool}: ${count}, ${mode}, ${balance}, ${checked}`)
  }
  return `${lines.join('\n')}\n`
}
