// `evenkeel run`: the balancer in the foreground. Its log goes to standard error, the access log to
// standard output (or to the file that the configuration names).

import { Command } from 'commander'
import { loadSource, oneFile, requireConfig } from './find-config.ts'
import { EXIT, exitSoon, say, wantsColor } from './terminal.ts'

export function runCommand(finish: (code: number) => void): Command {
  return new Command('run')
    .description('Run the balancer in the foreground.')
    .argument('[FILE]', 'configuration (default: evenkeel.yaml, /etc/evenkeel/evenkeel.yaml)')
    .option('-c, --config <FILE>', 'the same')
    .addHelpText(
      'after',
      `
Without a file, and with EVENKEEL_BACKENDS set, the environment alone is the configuration.

Signals: TERM and INT drain and stop (a second one stops at once), HUP reads the configuration
again and applies it, USR1 reopens the access log, USR2 starts a new process that takes over
without a gap (see: evenkeel upgrade --help).

Examples:
  evenkeel run evenkeel.yaml
  EVENKEEL_LISTEN=:8080 EVENKEEL_BACKENDS=10.0.0.1:80,10.0.0.2:80 evenkeel run`,
    )
    .action(async (file: string | undefined, options: { config?: string }) => {
      finish(await run(oneFile(file, options.config)))
    })
}

async function run(file: string | undefined): Promise<number> {
  // First of all: what the process before says is lost if it ends before somebody listens.
  const { followed } = await import('../runtime/upgrade-predecessor.ts')
  const predecessor = followed(process.env)
  predecessor.catch(() => {})
  const source = requireConfig(file, process.env)
  const loaded = await loadSource(source, process.env)
  if (!loaded.ok) {
    const { formatDiagnostics } = await import('../config/diagnostics.ts')
    // What goes into a log must not quote lines of the file: a secret may stand in them.
    const text = formatDiagnostics(loaded.diagnostics.map((one) => ({ ...one, excerpt: null })))
    process.stderr.write(process.stderr.isTTY ? formatDiagnostics(loaded.diagnostics) : text)
    const old = await predecessor
    old?.failed(text)
    say('evenkeel: not started; the configuration has errors')
    return EXIT.failed
  }
  const { openLog } = await import('../observe/log.ts')
  const log = openLog({
    level: loaded.plan.log.level,
    pretty: process.stderr.isTTY,
    color: wantsColor(process.stderr),
  })
  for (const { message, path, line, hint } of loaded.warnings) {
    log.warn(message, { path, ...(line > 0 ? { line } : {}), ...(hint === null ? {} : { hint }) })
  }
  const { runUntilStopped } = await import('../runtime/shutdown.ts')
  const { environmentOrigin, fileOrigin } = await import('../config/origin.ts')
  const origin =
    source.kind === 'file' ? fileOrigin(source.path, process.env) : environmentOrigin(process.env)
  const code = await runUntilStopped(loaded.plan, log, { origin, predecessor })
  exitSoon(code)
  return code
}
