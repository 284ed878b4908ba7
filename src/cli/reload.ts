// `evenkeel reload`, `confirm` and `revert`: another configuration for the running process. The
// process reads its own file with its own environment; this only asks and tells the answer.

import { Command, Option } from 'commander'
import type { ConfigFinding, ReloadAnswer } from '../core/reload.ts'
import { CONFIRM_MAX_MS, CONFIRM_MIN_MS } from '../core/reload.ts'
import { formatDuration } from '../config/units.ts'
import { type AdminReply, type AdminTarget, detailOf, postAdmin } from './admin-client.ts'
import { diffText } from './diff-text.ts'
import { durationOption } from './duration-option.ts'
import { loginName } from './operate.ts'
import { findReloadable } from './reload-target.ts'
import { EXIT, Failure, put, say, wantsColor } from './terminal.ts'

/** A reload waits for the data threads, 5 s at most, and for those before it. */
export const RELOAD_WAIT_MS = 30_000

interface ReloadOptions extends AdminTarget {
  readonly confirm?: string
  readonly by?: string
  readonly reason?: string
  readonly dryRun?: boolean
  readonly output: 'text' | 'json'
}

export function reloadCommand(finish: (code: number) => void): Command {
  return withTarget(new Command('reload'))
    .description('Have the running balancer read its configuration again and apply it.')
    .option('--confirm <DURATION>', 'take it back after that long, unless it is confirmed')
    .option('--reason <TEXT>', 'why; for the log')
    .option('--by <NAME>', 'who asks (default: your login name)')
    .option('--dry-run', 'only say what would happen')
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
It reads the file it was started from, with the environment it was started with. A configuration
with errors, or one that needs a restart, changes nothing.

Exit codes: 0 applied or unchanged, 1 refused, 2 wrong usage.

Examples:
  evenkeel reload
  evenkeel reload --dry-run
  evenkeel reload --confirm 60s --reason 'two more servers'`,
    )
    .action(async (options: ReloadOptions) => {
      finish(await reload(options))
    })
}

export function confirmCommand(finish: (code: number) => void): Command {
  return pendingCommand('confirm', finish)
    .description('Keep the configuration that waits for its confirmation.')
    .addHelpText(
      'after',
      `
Example:
  evenkeel reload --confirm 60s
  evenkeel confirm`,
    )
}

export function revertCommand(finish: (code: number) => void): Command {
  return pendingCommand('revert', finish)
    .description('Take the configuration that waits for its confirmation back at once.')
    .addHelpText(
      'after',
      `
The file stays as it is: correct it before the next reload.

Example:
  evenkeel reload --confirm 10m
  evenkeel revert --reason 'more errors than before'`,
    )
}

interface PendingOptions extends AdminTarget {
  readonly by?: string
  readonly reason?: string
}

function pendingCommand(verb: 'confirm' | 'revert', finish: (code: number) => void): Command {
  return withTarget(new Command(verb))
    .option('--reason <TEXT>', 'why; for the log')
    .option('--by <NAME>', 'who asks (default: your login name)')
    .action(async (options: PendingOptions) => {
      const { by = loginName(), reason } = options
      const address = await findReloadable(options)
      const reply = await postAdmin(address, `/v1/config/${verb}`, { by, reason }, RELOAD_WAIT_MS)
      if (reply.status === 200) put(`${(JSON.parse(reply.body) as { message: string }).message}\n`)
      else say(`evenkeel: ${detailOf(reply.body)}`)
      finish(reply.status === 200 ? EXIT.ok : EXIT.failed)
    })
}

/** Where the running balancer is. */
export function withTarget(command: Command): Command {
  return command
    .option('-c, --config <FILE>', 'configuration that says where its admin API is')
    .option('--admin <ADDR>', 'address of its admin API, such as 127.0.0.1:9900 or unix:/path')
}

export function outputOption(): Option {
  return new Option('-o, --output <FORMAT>', 'form of the result')
    .choices(['text', 'json'])
    .default('text')
}

async function reload(options: ReloadOptions): Promise<number> {
  const { by = loginName(), reason, confirm, dryRun = false, output } = options
  const confirmMs = confirm === undefined ? undefined : confirmTime(confirm)
  const address = await findReloadable(options)
  const body = { by, reason, confirmMs, dryRun }
  const reply = await postAdmin(address, '/v1/config/reload', body, RELOAD_WAIT_MS)
  if (output === 'json') put(reply.body)
  const answer = answerOf(reply)
  if (answer === null) return EXIT.failed
  if (output === 'text') put(textOf(answer))
  return EXIT.ok
}

function confirmTime(text: string): number {
  const ms = durationOption('--confirm', text)
  if (ms >= CONFIRM_MIN_MS && ms <= CONFIRM_MAX_MS) return ms
  const range = `${formatDuration(CONFIRM_MIN_MS)} to ${formatDuration(CONFIRM_MAX_MS)}`
  throw new Failure(`--confirm: ${text} is out of range, which is ${range}`, EXIT.usage)
}

/** The answer if all is well; otherwise says what is wrong. */
export function answerOf(reply: AdminReply): ReloadAnswer | null {
  if (reply.status === 200) return JSON.parse(reply.body) as ReloadAnswer
  const errors = errorsOf(reply.body)
  for (const error of errors) say(findingText(error, 'error'))
  const rest = errors.length === 0 ? detailOf(reply.body) : 'configuration refused; nothing changed'
  say(`evenkeel: ${rest}`)
  return null
}

function errorsOf(body: string): readonly ConfigFinding[] {
  try {
    const { errors } = JSON.parse(body) as { errors?: readonly ConfigFinding[] }
    return errors ?? []
  } catch {
    return []
  }
}

/** As `evenkeel check` writes it, without the line of text, which stays with the process. */
export function findingText(finding: ConfigFinding, severity: 'error' | 'warning'): string {
  const { file, path, line, column, message, hint } = finding
  const where = line > 0 ? `${file}:${line}:${column}` : file
  const text = `${where}: ${severity}: ${path === '' ? '' : `${path}: `}${message}`
  return hint === null ? text : `${text}\n  hint: ${hint}`
}

function textOf(answer: ReloadAnswer): string {
  for (const warning of answer.warnings) say(findingText(warning, 'warning'))
  const lines = [...diffText(answer, wantsColor(process.stdout)), answer.message]
  if (answer.revertsInMs !== null) {
    lines.push(`confirm it within ${formatDuration(answer.revertsInMs)}: evenkeel confirm`)
  }
  return lines.map((line) => `${line}\n`).join('')
}
