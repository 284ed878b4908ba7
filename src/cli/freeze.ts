// `evenkeel freeze` and `unfreeze`: whether a pool may change its active by itself.

import type { Command } from 'commander'
import { operatorCommand } from './operate.ts'

export function freezeCommand(finish: (code: number) => void): Command {
  const description = 'Let an active-standby pool stay as it is, whatever happens to its backends.'
  return operatorCommand('freeze', description, finish).addHelpText(
    'after',
    `
Example:
  evenkeel freeze postgres --reason "maintenance of the network"`,
  )
}

export function unfreezeCommand(finish: (code: number) => void): Command {
  const description = 'Let a frozen pool move again.'
  return operatorCommand('unfreeze', description, finish).addHelpText(
    'after',
    `
Example:
  evenkeel unfreeze postgres --reason "maintenance is over"`,
  )
}
