// `evenkeel switchover`: moves a pool to a backend, or a site, of the operator's choice.

import { type Command, Option } from 'commander'
import { moveOptions, operatorCommand } from './operate.ts'

export function switchoverCommand(finish: (code: number) => void): Command {
  const description =
    'Make another backend of an active-standby pool, or another site, the active one.'
  const to = new Option('--to <NAME>', 'the backend, or site, that is to be the active one')
  const own = [to.makeOptionMandatory(), ...moveOptions()]
  return operatorCommand('switchover', description, finish, own).addHelpText(
    'after',
    `
It ends when the move has ended. Requests wait meanwhile; if the new one is not proven in time,
the old one goes on and the exit code is 1.

Examples:
  evenkeel switchover postgres --to standby --reason "kernel update on primary" --dry-run
  evenkeel switchover postgres --to standby --reason "kernel update on primary"
  evenkeel switchover web --to busan --reason "power works in seoul"`,
  )
}
