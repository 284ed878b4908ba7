// The command tree. Commands load what they need when they run, so that `version` and help are quick.

import { Command, CommanderError } from 'commander'
import { alertsCommand } from './alerts.ts'
import { backendCommand } from './backend.ts'
import { checkCommand } from './check.ts'
import { completionCommand } from './completion.ts'
import { diffCommand } from './diff.ts'
import { explainCommand } from './explain.ts'
import { drainCommand } from './drain.ts'
import { enableCommand } from './enable.ts'
import { eventsCommand } from './events.ts'
import { failbackCommand } from './failback.ts'
import { freezeCommand, unfreezeCommand } from './freeze.ts'
import { handoverCommand } from './handover.ts'
import { healthcheckCommand } from './healthcheck.ts'
import { keepalivedCommand } from './keepalived.ts'
import { maintenanceCommand } from './maintenance.ts'
import { reportCommand } from './report.ts'
import { quickstartCommand } from './quickstart.ts'
import { confirmCommand, reloadCommand, revertCommand } from './reload.ts'
import { runCommand } from './run.ts'
import { statusCommand } from './status.ts'
import { switchoverCommand } from './switchover.ts'
import { traceCommand } from './trace.ts'
import { upgradeCommand } from './upgrade.ts'
import { versionCommand, versionText } from './version.ts'
import { weightCommand } from './weight.ts'
import { whyCommand } from './why.ts'
import { EXIT, Failure, put } from './terminal.ts'

/** Runs the command line; resolves to the exit code. */
export async function main(words: readonly string[]): Promise<number> {
  const exit = { code: EXIT.ok as number }
  const program = buildProgram((code) => {
    exit.code = code
  })
  try {
    await program.parseAsync([...words], { from: 'user' })
    return exit.code
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
    if (error instanceof Failure) {
      process.stderr.write(`evenkeel: ${error.message}\n`)
      return error.code
    }
    throw error
  }
}

/** The whole tree. `finish` takes the exit code of the command that ran. */
export function buildProgram(finish: (code: number) => void): Command {
  const program = new Command('evenkeel')
    .description('Load balancer with health checks, failover and an explanation for everything.')
    .usage('COMMAND')
    .addHelpText(
      'after',
      `
Examples:
  evenkeel quickstart                  see it work, with three demo backends
  evenkeel check evenkeel.yaml         is this configuration right?
  evenkeel run evenkeel.yaml           run it
  evenkeel diff new.yaml               what would it change?
  evenkeel reload                      have it read its configuration again
  evenkeel status                      who is up, and why not

Exit codes: 0 ok, 1 failed, 2 wrong usage.`,
    )
  const commands = [
    runCommand(finish),
    checkCommand(finish),
    diffCommand(finish),
    reloadCommand(finish),
    confirmCommand(finish),
    revertCommand(finish),
    statusCommand(finish),
    eventsCommand(finish),
    alertsCommand(finish),
    explainCommand(finish),
    whyCommand(finish),
    traceCommand(finish),
    drainCommand(finish),
    maintenanceCommand(finish),
    enableCommand(finish),
    weightCommand(finish),
    backendCommand(finish),
    switchoverCommand(finish),
    failbackCommand(finish),
    freezeCommand(finish),
    unfreezeCommand(finish),
    handoverCommand(finish),
    upgradeCommand(finish),
    healthcheckCommand(finish),
    keepalivedCommand(finish),
    reportCommand(finish),
    quickstartCommand(finish),
    completionCommand(() => program),
    versionCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  for (const command of [program, ...commands]) {
    command.configureOutput({ writeOut: put })
    command.exitOverride().showHelpAfterError(`(see: ${fullName(command)} --help)`)
    command.helpOption('-h, --help', 'show this help').configureHelp({ showGlobalOptions: false })
  }
  program.version(versionText(), '-V, --version', 'show the version')
  program.helpCommand('help [COMMAND]', 'show help for a command')
  return program
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${command.parent.name()} ${command.name()}`
}
