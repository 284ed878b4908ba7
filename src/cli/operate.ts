// What the commands for pools with an active share: the words they take, the request they make, and
// how its end reads. The balancer alone judges whether it is safe.

import { Command, Option } from 'commander'
import { describeMove, type OperatorVerb } from '../core/operator.ts'
import type { MoveReport } from '../core/status.ts'
import { type AdminReply, detailOf } from './admin-client.ts'
import { findAdmin, messageOf, poolPath, postAdmin } from './admin-client.ts'
import {
  outputOption,
  reasonOption,
  type SignedOptions,
  signatureOf,
  withChangeOptions,
} from './admin-options.ts'
import { EXIT, harmless, put, say } from './terminal.ts'

/** A move may take its time; the API itself gives up after 120 s. */
const WAIT_MS = 125_000

interface OperateOptions extends SignedOptions {
  readonly to?: string
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly output: 'text' | 'json'
}

/** A command `VERB POOL --reason TEXT`, with options of its own. */
export function operatorCommand(
  verb: OperatorVerb,
  description: string,
  finish: (code: number) => void,
  own: readonly Option[] = [],
): Command {
  const command = new Command(verb)
    .description(description)
    .argument('<POOL>', 'an active-standby pool')
  for (const option of own) command.addOption(option)
  const reason = reasonOption('for the log and the record of the move').makeOptionMandatory()
  return withChangeOptions(command, reason)
    .addOption(outputOption())
    .action(async (pool: string, options: OperateOptions) => {
      finish(await operate(verb, pool, options))
    })
}

/** Options of commands that move something. */
export function moveOptions(): readonly Option[] {
  const risk = 'also where the balancer advises against it; it says what that may cost'
  return [new Option('--dry-run', 'only say what would happen'), new Option('--force', risk)]
}

async function operate(verb: OperatorVerb, pool: string, options: OperateOptions): Promise<number> {
  const { to, force, dryRun, output } = options
  const path = `${poolPath(pool)}/${verb}`
  const address = await findAdmin(options)
  const body = { ...signatureOf(options), to, force, dryRun }
  const reply = await postAdmin(address, path, body, WAIT_MS)
  if (output === 'json') put(reply.body)
  if (reply.status === 200) {
    if (output === 'text') put(`${sentenceOf(pool, reply)}\n`)
    return EXIT.ok
  }
  say(`evenkeel: ${reply.status === 202 ? messageOf(reply.body) : detailOf(reply.body)}`)
  return EXIT.failed
}

/** What was done: a move in figures, anything else in the balancer's words. */
function sentenceOf(pool: string, reply: AdminReply): string {
  const { report } = JSON.parse(reply.body, harmless) as { report: MoveReport | null }
  return report === null ? messageOf(reply.body) : describeMove(pool, report)
}
