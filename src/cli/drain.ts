// `evenkeel drain`: gives backends no new requests, and waits for what runs.

import type { Command } from 'commander'
import { takeOutCommand } from './take-out.ts'

export function drainCommand(finish: (code: number) => void): Command {
  const description = 'Give a backend no new requests; what runs there finishes.'
  return takeOutCommand('drain', description, finish).addHelpText(
    'after',
    `
It lasts over reloads and restarts until evenkeel enable. With --wait the exit code is 0 once nothing
runs there any more, and 1 if that takes longer. More than the pool's minAvailable allows is refused.

Examples:
  evenkeel drain web/a --reason "kernel update" --wait
  evenkeel drain web/a web/b --reason "rack move" --wait 5m --cut-after 4m`,
  )
}
