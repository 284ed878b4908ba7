// `evenkeel reload`, `confirm` and `revert`: another configuration for the running process. The
// process reads its own file with its own environment; this only asks and tells the answer.

import { Command } from 'commander'
import type { ConfigFinding, ReloadAnswer } from '../core/reload.ts'
import { CONFIRM_MAX_MS, CONFIRM_MIN_MS } from '../core/reload.ts'
import { formatDuration } from '../config/units.ts'
import { type AdminReply, detailOf, messageOf, postAdmin } from './admin-client.ts'
import {
  outputOption,
  type SignedOptions,
  signatureOf,
  withChangeOptions,
} from './admin-options.ts'
import { diffText } from './diff-text.ts'
import { durationOption } from './duration-option.ts'
import { findReloadable } from './reload-target.ts'
import { EXIT, harmless, put, say, wantsColor } from './terminal.ts'

/** A reload waits for the data threads, 5 s at most, and for those before it. */
export const RELOAD_WAIT_MS = 30_000

interface ReloadOptions extends SignedOptions {
  readonly confirm?: string
  readonly dryRun?: boolean
  readonly output: 'text' | 'json'
}

export function reloadCommand(finish: (code: number) => void): Command {
  const command = new Command('reload')
    .description('Have the running balancer read its configuration again and apply it.')
    .option('--confirm <DURATION>', 'take it back after that long, unless it is confirmed')
    .option('--dry-run', 'only say what would happen')
  return withChangeOptions(command)
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

function pendingCommand(verb: 'confirm' | 'revert', finish: (code: number) => void): Command {
  return withChangeOptions(new Command(verb)).action(async (options: SignedOptions) => {
    const address = await findReloadable(options)
    const path = `/v1/config/${verb}`
    const reply = await postAdmin(address, path, signatureOf(options), RELOAD_WAIT_MS)
    if (reply.status === 200) put(`${messageOf(reply.body)}\n`)
    else say(`evenkeel: ${detailOf(reply.body)}`)
    finish(reply.status === 200 ? EXIT.ok : EXIT.failed)
  })
}

async function reload(options: ReloadOptions): Promise<number> {
  const { confirm, dryRun = false, output } = options
  const confirmMs =
    confirm === undefined
      ? undefined
      : durationOption('--confirm', confirm, CONFIRM_MAX_MS, CONFIRM_MIN_MS)
  const address = await findReloadable(options)
  const body = { ...signatureOf(options), confirmMs, dryRun }
  const reply = await postAdmin(address, '/v1/config/reload', body, RELOAD_WAIT_MS)
  if (output === 'json') put(reply.body)
  const answer = answerOf(reply)
  if (answer === null) return EXIT.failed
  if (output === 'text') put(textOf(answer))
  return EXIT.ok
}

/** The answer if all is well; otherwise says what is wrong. */
export function answerOf(reply: AdminReply): ReloadAnswer | null {
  if (reply.status === 200) return JSON.parse(reply.body, harmless) as ReloadAnswer
  const errors = errorsOf(reply.body)
  for (const error of errors) say(findingText(error, 'error'))
  const rest = errors.length === 0 ? detailOf(reply.body) : 'configuration refused; nothing changed'
  say(`evenkeel: ${rest}`)
  return null
}

function errorsOf(body: string): readonly ConfigFinding[] {
  try {
    const { errors } = JSON.parse(body, harmless) as { errors?: readonly ConfigFinding[] }
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
