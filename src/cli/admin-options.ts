// The options that commands for a running balancer share, so that they are called and explained
// alike everywhere. What they mean is for the commands to say, and for admin-client.ts.

import { userInfo } from 'node:os'
import { type Command, Option } from 'commander'
import type { AdminTarget } from './admin-client.ts'

/** Who asks for a change, and why. */
export interface SignedOptions extends AdminTarget {
  readonly reason?: string
  readonly by?: string
}

/** Where the running balancer is, and what its admin API may want to see. */
export function withAdminOptions(command: Command): Command {
  return command
    .option('-c, --config <FILE>', 'configuration that says where its admin API is')
    .option('--admin <ADDR>', 'address of its admin API, such as 127.0.0.1:9900 or unix:/path')
    .option('--token-file <FILE>', 'file with the token that the admin API asks for')
    .addOption(new Option('--ca <FILE>', 'authorities that its certificate is from').hideHelp())
    .addOption(new Option('--cert <FILE>', 'client certificate to show').hideHelp())
    .addOption(new Option('--key <FILE>', 'its key').hideHelp())
}

/** The same for a change: it is signed. */
export function withChangeOptions(command: Command, reason = reasonOption()): Command {
  const by = new Option('--by <NAME>', 'who asks (default: your login name)')
  return withAdminOptions(command.addOption(reason).addOption(by))
}

/** @param readers who will see it */
export function reasonOption(readers = 'for the log'): Option {
  return new Option('--reason <TEXT>', `why; ${readers}`)
}

/** The form of the result; the first choice is the default. */
export function outputOption(
  choices: readonly [string, ...string[]] = ['text', 'json'],
  description = 'form of the result',
): Option {
  return new Option('-o, --output <FORMAT>', description).choices(choices).default(choices[0])
}

/** Whose name stands below a change. */
export function signatureOf({ reason, by = loginName() }: SignedOptions): {
  readonly reason: string | undefined
  readonly by: string
} {
  return { reason, by }
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
