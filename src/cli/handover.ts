// `evenkeel handover`: gives the virtual IP address to another node and stops, losing nothing.

import { Command } from 'commander'
import { HANDOVER_TIMEOUT_MAX_MS } from '../core/handover.ts'
import { detailOf, findAdmin, messageOf, postAdmin } from './admin-client.ts'
import {
  outputOption,
  type SignedOptions,
  signatureOf,
  withChangeOptions,
} from './admin-options.ts'
import { durationOption } from './duration-option.ts'
import { EXIT, Failure, put } from './terminal.ts'

interface HandoverOptions extends SignedOptions {
  readonly timeout: string
  readonly stay: boolean
  readonly back: boolean
  readonly output: 'text' | 'json'
}

/** What runs may take as long to finish as `runtime.drain` can be. */
const DRAIN_MAX_MS = 3_600_000

export function handoverCommand(finish: (code: number) => void): Command {
  const command = new Command('handover')
    .description('Give the virtual IP address to another node, finish what runs, and stop.')
    .option('--timeout <TIME>', 'how long the address may take to leave', '60s')
    .option('--stay', 'give the address away, but go on running', false)
    .option('--back', 'be ready to have the address again', false)
  return withChangeOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
If no other node is ready to take it, the address stays, nothing changes, and the exit code is 1.

Examples:
  evenkeel handover --reason "reboot"   before an upgrade or a reboot of this node
  evenkeel handover --stay             leave this node without the address for a while
  evenkeel handover --back             and end that`,
    )
    .action(async (options: HandoverOptions) => {
      await handover(options)
      finish(EXIT.ok)
    })
}

async function handover(options: HandoverOptions): Promise<void> {
  const { stay, back } = options
  if (stay && back) throw new Failure('use either --stay or --back', EXIT.usage)
  const timeoutMs = durationOption('--timeout', options.timeout, HANDOVER_TIMEOUT_MAX_MS)
  const address = await findAdmin(options)
  const wish = { ...(stay ? { stay } : {}), ...(back ? { back } : {}) }
  const body = { timeoutMs, ...wish, ...signatureOf(options) }
  const reply = await postAdmin(address, '/v1/handover', body, timeoutMs + DRAIN_MAX_MS)
  if (reply.status !== 200) throw new Failure(detailOf(reply.body))
  if (options.output === 'json') put(reply.body)
  else put(`${messageOf(reply.body)}\n`)
}
