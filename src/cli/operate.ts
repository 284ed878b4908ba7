// What the commands for pools with an active share: the words they take, the request they make, and
// how its end reads. The balancer alone judges whether it is safe.

import { userInfo } from 'node:os'
import { Command, Option } from 'commander'
import { type ActAnswer, describeMove, type OperatorVerb } from '../core/operator.ts'
import type { MoveReport } from '../core/status.ts'
import { type AdminReply, type AdminTarget, detailOf } from './admin-client.ts'
import { findAdmin, postAdmin } from './admin-client.ts'
import { EXIT, harmless, put, say } from './terminal.ts'

/** A move may take its time; the API itself gives up after 120 s. */
const WAIT_MS = 125_000

interface OperateOptions extends AdminTarget {
  readonly reason: string
  readonly by?: string
  readonly to?: string
  readonly force?: boolean
  readonly dryRun?: boolean
  readonly output: 'text' | 'json'
}

/** A command `VERB POOL --reason TEXT`; what it has besides is added by its own file. */
export function operatorCommand(
  verb: OperatorVerb,
  description: string,
  finish: (code: number) => void,
): Command {
  return new Command(verb)
    .description(description)
    .argument('<POOL>', 'an active-standby pool')
    .requiredOption('--reason <TEXT>', 'why; for the log and the record of the move')
    .option('--by <NAME>', 'who asks (default: your login name)')
    .option('-c, --config <FILE>', 'configuration that says where its admin API is')
    .option('--admin <ADDR>', 'address of its admin API, such as 127.0.0.1:9900 or unix:/path')
    .addOption(
      new Option('-o, --output <FORMAT>', 'form of the result')
        .choices(['text', 'json'])
        .default('text'),
    )
    .action(async (pool: string, options: OperateOptions) => {
      finish(await operate(verb, pool, options))
    })
}

/** Options of commands that move something. */
export function withMoveOptions(command: Command): Command {
  return command
    .option('--dry-run', 'only say what would happen')
    .option('--force', 'also where the balancer advises against it; it says what that may cost')
}

async function operate(verb: OperatorVerb, pool: string, options: OperateOptions): Promise<number> {
  const { reason, by = loginName(), to, force, dryRun, output } = options
  const path = `/v1/pools/${encodeURIComponent(pool)}/${verb}`
  const address = await findAdmin(options)
  const body = { reason, by, to, force, dryRun }
  const reply = await postAdmin(address, path, body, WAIT_MS)
  if (output === 'json') put(reply.body)
  if (reply.status === 200) {
    if (output === 'text') put(`${sentenceOf(pool, reply)}\n`)
    return EXIT.ok
  }
  say(`evenkeel: ${reply.status === 202 ? messageOf(reply) : detailOf(reply.body)}`)
  return EXIT.failed
}

/** What was done: a move in figures, anything else in the balancer's words. */
function sentenceOf(pool: string, reply: AdminReply): string {
  const { report } = JSON.parse(reply.body, harmless) as { report: MoveReport | null }
  return report === null ? messageOf(reply) : describeMove(pool, report)
}

function messageOf({ body }: AdminReply): string {
  return (JSON.parse(body, harmless) as Pick<ActAnswer, 'message'>).message
}

/** Whoever became another user with sudo is still who asks. */
export function loginName(): string {
  const { SUDO_USER: before } = process.env
  if (before !== undefined && before !== '') return before
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
