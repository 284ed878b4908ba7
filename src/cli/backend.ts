// `evenkeel backend add` and `remove`: other backends than the configured ones.

import { Argument, Command } from 'commander'
import { WEIGHT_MAX } from '../core/override-request.ts'
import { poolPath } from './admin-client.ts'
import { outputOption, withChangeOptions } from './admin-options.ts'
import type { ChangeOptions } from './backend-change.ts'
import { askChange, readBackend, shownReasonOption, tell } from './backend-change.ts'
import { EXIT, Failure } from './terminal.ts'

type Verb = 'add' | 'remove'

interface BackendOptions extends ChangeOptions {
  readonly weight?: string
  readonly zone?: string
  readonly site?: string
  readonly force?: boolean
}

export function backendCommand(finish: (code: number) => void): Command {
  const command = new Command('backend')
    .description('Add a backend to an active-active pool, or remove one from it.')
    .addArgument(new Argument('<VERB>', 'what to do').choices(['add', 'remove']))
    .argument('<POOL/BACKEND>', 'which one, of an active-active pool; also: POOL BACKEND')
    .argument('[ADDRESS...]', 'host:port or unix:/path; none brings a removed one back')
    .option('--weight <N>', 'its weight (add)')
    .option('--zone <NAME>', 'its zone (add)')
    .option('--site <NAME>', 'its site (add; needed in a pool with sites)')
    .option('--force', 'also below minAvailable (remove)')
  return withChangeOptions(command, shownReasonOption().makeOptionMandatory())
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
It lasts over reloads and restarts; what is to stay belongs into the configuration. An added backend
gets traffic once its health checks pass. Drain a backend before you remove it, to see it finish.

Examples:
  evenkeel backend add web/d 10.0.0.4:8080 --weight 2 --reason "black friday"
  evenkeel backend remove web/d --reason "black friday is over"`,
    )
    .action(async (verb: Verb, first: string, rest: string[], options: BackendOptions) => {
      const { pool, backend, address } = readWords([first, ...rest])
      const body = verb === 'add' ? bodyOf(address, options) : removal(address, options)
      tell(await askChange(`${poolPath(pool, backend)}/${verb}`, body, options), options)
      finish(EXIT.ok)
    })
}

/** `POOL/BACKEND [ADDRESS]`, or three words. @throws Failure */
function readWords(words: readonly string[]) {
  const named = words[0]!.includes('/') ? 1 : 2
  const [address, more] = words.slice(named)
  if (more !== undefined) throw new Failure(`'${more}' is a word too many`, EXIT.usage)
  return { ...readBackend(words.slice(0, named)), address }
}

function bodyOf(
  address: string | undefined,
  { weight, zone, site, force }: BackendOptions,
): Readonly<Record<string, unknown>> {
  if (force === true) throw new Failure('--force is for remove', EXIT.usage)
  return { address, weight: weight === undefined ? undefined : readWhole(weight), zone, site }
}

function removal(
  address: string | undefined,
  { weight, zone, site, force = false }: BackendOptions,
): Readonly<Record<string, unknown>> {
  if ((address ?? weight ?? zone ?? site) === undefined) return { force }
  throw new Failure('remove takes a backend, nothing else', EXIT.usage)
}

function readWhole(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= WEIGHT_MAX) return Number(text)
  throw new Failure(`--weight ${text}: use a whole number up to ${WEIGHT_MAX}`, EXIT.usage)
}
