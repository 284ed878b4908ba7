// What the commands that change backends share: how backends are named, the request they make, and
// how its answer reads. The balancer alone judges whether a backend can be spared.

import type { Option } from 'commander'
import { detailOf, findAdmin, poolPath, postAdmin } from './admin-client.ts'
import { reasonOption, type SignedOptions, signatureOf } from './admin-options.ts'
import { EXIT, Failure, harmless, put } from './terminal.ts'

/** The change itself is quick; what runs is waited for elsewhere. */
const CHANGE_MS = 30_000

export interface ChangeOptions extends SignedOptions {
  readonly output: 'text' | 'json'
}

/** Backends of one pool. */
export interface Named {
  readonly pool: string
  readonly backends: readonly string[]
}

/** A change as the API said it was made. */
export interface Changed {
  readonly message: string
  readonly kept: boolean
}

/** `--reason` of a change that the status shows as long as it lasts. */
export function shownReasonOption(): Option {
  return reasonOption('for the log, and for whoever asks for the status')
}

/** `POOL BACKEND…`, or `POOL/BACKEND…` of one pool. @throws Failure */
export function readBackends(words: readonly string[]): Named {
  const [first = ''] = words
  if (!first.includes('/')) {
    const [pool = '', ...backends] = words
    if (backends.length === 0) {
      const hint = `name a backend: ${pool}/BACKEND, or ${pool} BACKEND…`
      throw new Failure(hint, EXIT.usage)
    }
    const odd = backends.find((word) => word.includes('/'))
    if (odd === undefined) return { pool, backends }
    throw new Failure(`'${odd}' names a pool, but ${pool} was named before`, EXIT.usage)
  }
  const pairs = words.map((word) => {
    const [pool = '', backend = '', ...rest] = word.split('/')
    if (pool === '' || backend === '' || rest.length > 0) {
      throw new Failure(`'${word}' is not POOL/BACKEND`, EXIT.usage)
    }
    return { pool, backend }
  })
  const { pool } = pairs[0]!
  const other = pairs.find((pair) => pair.pool !== pool)
  if (other !== undefined) {
    const message = `one pool at a time: '${pool}' and '${other.pool}' were named`
    throw new Failure(message, EXIT.usage)
  }
  return { pool, backends: pairs.map(({ backend }) => backend) }
}

/** `POOL/BACKEND`, or the two words. @throws Failure */
export function readBackend(words: readonly string[]): { pool: string; backend: string } {
  const { pool, backends } = readBackends(words)
  if (backends.length > 1) throw new Failure('one backend at a time', EXIT.usage)
  return { pool, backend: backends[0]! }
}

/** Has one or several backends of a pool changed; one is named in the path, so that its audit names it. */
export function askForAll(
  verb: string,
  { pool, backends }: Named,
  body: Readonly<Record<string, unknown>>,
  options: ChangeOptions,
): Promise<Changed> {
  const [only, ...others] = backends
  if (others.length === 0) return askChange(`${poolPath(pool, only)}/${verb}`, body, options)
  return askChange(`${poolPath(pool)}/${verb}`, { backends, ...body }, options)
}

/** Has a change made. @throws Failure when it is refused: then its problem is printed with `-o json` */
export async function askChange(
  path: string,
  body: Readonly<Record<string, unknown>>,
  options: ChangeOptions,
): Promise<Changed> {
  const address = await findAdmin(options)
  const reply = await postAdmin(address, path, { ...body, ...signatureOf(options) }, CHANGE_MS)
  if (reply.status === 200) return JSON.parse(reply.body, harmless) as Changed
  if (options.output === 'json') put(reply.body)
  throw new Failure(detailOf(reply.body))
}

/** Prints what was done. */
export function tell(changed: Changed, { output }: ChangeOptions): void {
  put(output === 'json' ? `${JSON.stringify(changed, null, 2)}\n` : `${changed.message}\n`)
}
