// `evenkeel maintenance`: takes backends out; requests that can be made elsewhere move at once.

import type { Command } from 'commander'
import { takeOutCommand } from './take-out.ts'

export function maintenanceCommand(finish: (code: number) => void): Command {
  const description = 'Take a backend out; what can be retried moves at once, the rest finishes.'
  return takeOutCommand('maintenance', description, finish).addHelpText(
    'after',
    `
Unlike with drain, idle connections close at once, and requests that wait for an answer are made
again elsewhere where that is safe. Health checks go on. It lasts until evenkeel enable.

Example:
  evenkeel maintenance web/a --reason "disk replacement" --wait`,
  )
}
