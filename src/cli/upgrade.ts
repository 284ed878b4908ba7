// `evenkeel upgrade`: has a new process take over from the running one without a gap.

import { Command } from 'commander'
import { UPGRADE_TIMEOUT_MAX_MS } from '../core/upgrade.ts'
import { detailOf, findAdmin, messageOf, postAdmin } from './admin-client.ts'
import {
  outputOption,
  type SignedOptions,
  signatureOf,
  withChangeOptions,
} from './admin-options.ts'
import { durationOption } from './duration-option.ts'
import { EXIT, Failure, put } from './terminal.ts'

interface UpgradeOptions extends SignedOptions {
  readonly timeout: string
  readonly output: 'text' | 'json'
}

const TIMEOUT_MIN_MS = 100
/** The last steps and the answer have their own time. */
const LAST_STEPS_MS = 45_000

export function upgradeCommand(finish: (code: number) => void): Command {
  const command = new Command('upgrade')
    .description('Have a new process, from the program on the disk, take over without a gap.')
    .option('--timeout <TIME>', 'how long the new process may take to be ready', '30s')
  return withChangeOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The running process starts the new one with its own command line and environment, and hands it every
listening socket. Once the new one has read its configuration, judged its backends and accepts
connections, the old one stops accepting, finishes what runs within runtime.drain, and ends. If the
new one fails, the old one goes on as before, and the exit code is 1. USR2 does the same.

Example:
  npm install --global evenkeel@latest && evenkeel upgrade --reason 'new version'`,
    )
    .action(async (options: UpgradeOptions) => {
      await upgrade(options)
      finish(EXIT.ok)
    })
}

async function upgrade(options: UpgradeOptions): Promise<void> {
  const { timeout } = options
  const timeoutMs = durationOption('--timeout', timeout, UPGRADE_TIMEOUT_MAX_MS, TIMEOUT_MIN_MS)
  const address = await findAdmin(options)
  const body = { timeoutMs, ...signatureOf(options) }
  const reply = await postAdmin(address, '/v1/upgrade', body, timeoutMs + LAST_STEPS_MS)
  if (reply.status !== 200) throw new Failure(detailOf(reply.body))
  if (options.output === 'json') put(reply.body)
  else put(`${messageOf(reply.body)}\n`)
}
