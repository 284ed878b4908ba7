// `evenkeel failback`: moves an active-standby pool back to its preferred backend.

import type { Command } from 'commander'
import { moveOptions, operatorCommand } from './operate.ts'

export function failbackCommand(finish: (code: number) => void): Command {
  const description = 'Move an active-standby pool back to its preferred backend.'
  return operatorCommand('failback', description, finish, moveOptions()).addHelpText(
    'after',
    `
Example:
  evenkeel failback postgres --reason "primary is repaired"`,
  )
}
