// `evenkeel diff`: what another configuration would change about the running process, which knows
// what is in flight. Nothing is applied.

import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import { describeFileError } from '../config/environment.ts'
import { type AdminReply, type AdminTarget, postAdmin, postYaml } from './admin-client.ts'
import { loginName, outputOption, withAdminOptions } from './admin-options.ts'
import { diffText } from './diff-text.ts'
import { findReloadable } from './reload-target.ts'
import { answerOf, findingText, RELOAD_WAIT_MS } from './reload.ts'
import { EXIT, Failure, harmless, put, say, wantsColor } from './terminal.ts'

interface DiffOptions extends AdminTarget {
  readonly output: 'text' | 'json'
}

/** As `diff` has them: 0 the same, 1 trouble; but 3, because 2 is wrong usage here. */
const DIFFERS = 3

export function diffCommand(finish: (code: number) => void): Command {
  const command = new Command('diff')
    .description('Show what a configuration would change about the running balancer.')
    .argument('[FILE]', 'the new configuration (default: the file the balancer was started from)')
  return withAdminOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The balancer reads it as if it were its own: with its environment, and files it names from its
folder. Lines begin with + new, - gone, ~ changed, ! not possible without a restart.

Exit codes: 0 no difference, 1 it would be refused, 2 wrong usage, 3 it would be applied.

Examples:
  evenkeel diff
  evenkeel diff new.yaml
  evenkeel diff new.yaml -o json | jq '.leaving'`,
    )
    .action(async (file: string | undefined, options: DiffOptions) => {
      finish(await diff(file, options))
    })
}

async function diff(file: string | undefined, options: DiffOptions): Promise<number> {
  const reply = await ask(file, options)
  if (options.output === 'json') put(reply.body)
  const answer = answerOf(reply)
  if (answer === null) {
    if (options.output === 'text') put(linesOf(JSON.parse(reply.body, harmless) as Facts))
    return EXIT.failed
  }
  if (options.output === 'text') {
    for (const warning of answer.warnings) say(findingText(warning, 'warning'))
    put(linesOf(answer))
    say(`evenkeel: ${answer.message}`)
  }
  return answer.outcome === 'unchanged' ? EXIT.ok : DIFFERS
}

type Facts = Partial<Parameters<typeof diffText>[0]>

function linesOf({ changes = null, leaving = [], drainMs = 0 }: Facts): string {
  return diffText({ changes, leaving, drainMs }, wantsColor(process.stdout))
    .map((line) => `${line}\n`)
    .join('')
}

async function ask(file: string | undefined, options: DiffOptions): Promise<AdminReply> {
  const address = await findReloadable(options)
  const by = loginName()
  if (file === undefined) {
    return postAdmin(address, '/v1/config/reload', { by, dryRun: true }, RELOAD_WAIT_MS)
  }
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw new Failure(`${file} cannot be read: ${describeFileError(error)}`)
  }
  const query = new URLSearchParams({ dryRun: 'true', by, name: file })
  return postYaml(address, `/v1/config?${query.toString()}`, text, RELOAD_WAIT_MS)
}
