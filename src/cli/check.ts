// `evenkeel check`: is a configuration right, and what would it do? Never opens a socket.

import { Command } from 'commander'
import { assessObjectives } from '../core/objective.ts'
import { formatAddress } from '../core/address-text.ts'
import type { Plan } from '../core/plan.ts'
import type { Diagnostic } from '../config/diagnostics.ts'
import { outputOption } from './admin-options.ts'
import { systemFacts, systemNotes } from './check-system.ts'
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
    .addOption(outputOption())
    .option('--strict', 'warnings count as errors', false)
    .addHelpText(
      'after',
      `
Exit codes: 0 right, 1 wrong (or a warning with --strict), 2 wrong usage.

For each pool with objective.rto it shows the worst case, line by line; one that can't meet its
objective is a warning.

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
    const objectives = loaded.ok ? assessObjectives(loaded.plan) : []
    const { reportSources } = await import('./check-discovery.ts')
    const discovery = loaded.ok ? reportSources(loaded.plan, process.env) : []
    const system = loaded.ok ? systemNotes(loaded.plan, systemFacts()) : []
    const result = {
      ok: !isRefused,
      file: name,
      summary,
      discovery,
      objectives,
      system,
      diagnostics,
    }
    put(`${JSON.stringify(result, null, 2)}\n`)
  } else {
    const { formatDiagnostics } = await import('../config/diagnostics.ts')
    process.stderr.write(formatDiagnostics(diagnostics))
    if (loaded.ok && !isRefused) put(await textSummary(name, loaded.plan))
    if (loaded.ok) put(await objectiveTexts(loaded.plan))
    if (loaded.ok && !isRefused) {
      for (const note of systemNotes(loaded.plan, systemFacts())) put(`  note: ${note}\n`)
    }
    if (isRefused) process.stderr.write(`evenkeel: ${name}: ${countOf(diagnostics)}\n`)
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
  const pools = plan.pools.filter(({ replicasOf }) => replicasOf < 0)
  return {
    listeners: plan.listeners.length,
    routes: plan.listeners.reduce((sum, listener) => sum + listener.routes.length, 0),
    pools: pools.length,
    backends: pools.reduce((sum, pool) => sum + pool.backends.length, 0),
  }
}

/** The worst cases of the pools that have an objective, line by line. */
async function objectiveTexts(plan: Plan): Promise<string> {
  const { objectiveText } = await import('./objective-text.ts')
  return assessObjectives(plan)
    .flatMap(objectiveText)
    .map((line) => `${line}\n`)
    .join('')
}

/** What the configuration does, in a few lines: the listeners and where they lead. */
async function textSummary(name: string, plan: Plan): Promise<string> {
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
  const { reportSources, sourceLines } = await import('./check-discovery.ts')
  const sources = reportSources(plan, process.env)
  for (const { name: pool, mode, balance, backends, discovery, ...more } of plan.pools) {
    const { healthCheck, replicasOf } = more
    // A read side is no pool of the file.
    if (replicasOf >= 0) continue
    const checked =
      healthCheck === null
        ? 'not checked'
        : `${healthCheck.check.kind} check every ${healthCheck.intervalMs} ms`
    const fixed = `${backends.length} backend${backends.length === 1 ? '' : 's'}`
    const count =
      discovery === undefined ? fixed : `discovered backends and ${backends.length} fixed`
    const how = mode === 'active-standby' ? mode : `${mode}, ${balance}`
    lines.push(`  pool ${pool}: ${count}, ${how}, ${checked}`)
    lines.push(...sourceLines(sources, pool, discovery))
  }
  return `${lines.join('\n')}\n`
}
