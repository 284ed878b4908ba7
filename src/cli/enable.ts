// `evenkeel enable`: ends drain and maintenance.

import type { Command } from 'commander'
import type { ChangeOptions } from './backend-change.ts'
import { askForAll, changeCommand, readBackends, tell } from './backend-change.ts'
import { EXIT } from './terminal.ts'

export function enableCommand(finish: (code: number) => void): Command {
  return changeCommand('enable', 'End drain and maintenance of a backend.')
    .argument('<POOL/BACKEND...>', 'which ones, of one pool; also: POOL BACKEND...')
    .option('--reason <TEXT>', 'why; for the log')
    .addHelpText(
      'after',
      `
It serves again as far as its health checks allow, and in slow start.

Example:
  evenkeel enable web/a`,
    )
    .action(async (words: string[], options: ChangeOptions) => {
      tell(await askForAll('enable', readBackends(words), {}, options), options)
      finish(EXIT.ok)
    })
}
