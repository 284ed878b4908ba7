// `evenkeel weight`: another share of the load for a backend.

import { Command } from 'commander'
import { readWeight } from '../core/override-request.ts'
import { poolPath } from './admin-client.ts'
import { outputOption, withChangeOptions } from './admin-options.ts'
import type { ChangeOptions } from './backend-change.ts'
import { askChange, readBackend, shownReasonOption, tell } from './backend-change.ts'
import { EXIT, Failure } from './terminal.ts'

interface WeightOptions extends ChangeOptions {
  readonly reset?: boolean
  readonly force?: boolean
}

export function weightCommand(finish: (code: number) => void): Command {
  const command = new Command('weight')
    .description('Give a backend another weight than the configured one.')
    .argument('<POOL/BACKEND>', 'which one')
    .argument('[WEIGHT]', 'a whole number, or a share of the configured weight such as 50%')
    .option('--reset', 'back to the configured weight')
    .option('--force', 'weight 0 also below minAvailable')
  return withChangeOptions(command, shownReasonOption())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
It lasts over reloads and restarts until --reset.

Examples:
  evenkeel weight web/a 50% --reason "new version, carefully"
  evenkeel weight web/a --reset`,
    )
    .action(async (word: string, text: string | undefined, options: WeightOptions) => {
      // A second word is the weight.
      if (!word.includes('/')) throw new Failure(`'${word}' is not POOL/BACKEND`, EXIT.usage)
      const { pool, backend } = readBackend([word])
      const { reset = false, force = false } = options
      const body = { weight: reset ? null : wishOf(text, options), force }
      if (reset && text !== undefined) {
        throw new Failure('give either a weight or --reset', EXIT.usage)
      }
      tell(await askChange(`${poolPath(pool, backend)}/weight`, body, options), options)
      finish(EXIT.ok)
    })
}

function wishOf(text: string | undefined, { reason }: WeightOptions): string {
  if (text === undefined) throw new Failure('give a weight, or --reset', EXIT.usage)
  if (reason === undefined) throw new Failure('say why, with --reason TEXT', EXIT.usage)
  if (readWeight(text) !== null) return text
  const message = `'${text}' is not a weight: use a whole number up to 65535, or a share such as 50%`
  throw new Failure(message, EXIT.usage)
}
