// `evenkeel enable`: ends drain and maintenance, and waits until the backends serve.

import { Command } from 'commander'
import type { Availability, BackendStatus } from '../core/status.ts'
import { outputOption, withChangeOptions } from './admin-options.ts'
import type { Changed, ChangeOptions, Named } from './backend-change.ts'
import { askForAll, readBackends, tell } from './backend-change.ts'
import { EXIT, put, say } from './terminal.ts'
import { readWait, sayGone, watchBackends } from './watch-backends.ts'

interface EnableOptions extends ChangeOptions {
  /** `true`: without a time. */
  readonly wait?: string | true
}

export function enableCommand(finish: (code: number) => void): Command {
  const command = new Command('enable')
    .description('End drain and maintenance of a backend.')
    .argument('<POOL/BACKEND...>', 'which ones, of one pool; also: POOL BACKEND...')
    .option('--wait [TIME]', 'wait until its checks pass and it can serve (default: 30s)')
  return withChangeOptions(command)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
It serves again as far as its health checks allow, and in slow start. With --wait the exit code is 0
once it does, and 1 if that takes longer.

Examples:
  evenkeel enable web/a
  evenkeel enable web/a --wait 2m`,
    )
    .action(async (words: string[], options: EnableOptions) => {
      finish(await enable(readBackends(words), options))
    })
}

/** It takes traffic, or would at once if it were its turn. */
const SERVING: ReadonlySet<Availability> = new Set([
  'available',
  'starting',
  'standby',
  'weightless',
])

async function enable(named: Named, options: EnableOptions): Promise<number> {
  const waitMs = readWait(options.wait)
  const changed: Changed = await askForAll('enable', named, {}, options)
  if (waitMs === null) {
    tell(changed, options)
    return EXIT.ok
  }
  if (options.output === 'text') put(`${changed.message}\n`)
  const serves = ({ availability }: BackendStatus): boolean => SERVING.has(availability)
  const { backends, gone, tookMs } = await watchBackends(named, waitMs, options, (all) => {
    return all.every(serves)
  })
  const rest = backends.filter((one) => !serves(one))
  if (options.output === 'json') {
    const left = rest.map(({ name, availability }) => ({ backend: name, availability }))
    const serving = left.length === 0 && gone.length === 0
    put(`${JSON.stringify({ ...changed, serving, left, gone }, null, 2)}\n`)
  }
  sayGone(named, gone)
  if (rest.length === 0) {
    if (gone.length > 0) return EXIT.failed
    if (options.output === 'text') put(`serving after ${(tookMs / 1_000).toFixed(1)} s\n`)
    return EXIT.ok
  }
  const why = rest.map(({ name, reason }) => `${named.pool}/${name} (${reason})`)
  say(`evenkeel: not serving after ${waitMs / 1_000} s: ${why.join(', ')}`)
  return EXIT.failed
}
