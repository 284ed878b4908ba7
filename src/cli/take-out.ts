// What `drain` and `maintenance` share: taking backends out, and waiting until nothing runs there.

import { Command } from 'commander'
import { CUT_AFTER_MAX_MS } from '../core/override-request.ts'
import type { BackendStatus } from '../core/status.ts'
import { outputOption, withChangeOptions } from './admin-options.ts'
import type { Changed, ChangeOptions, Named } from './backend-change.ts'
import { askForAll, readBackends, shownReasonOption, tell } from './backend-change.ts'
import { durationOption } from './duration-option.ts'
import { EXIT, put, say } from './terminal.ts'
import { readWait, sayGone, watchBackends } from './watch-backends.ts'

interface TakeOutOptions extends ChangeOptions {
  readonly force?: boolean
  /** `true`: without a time. */
  readonly wait?: string | true
  readonly cutAfter?: string
}

/** A command that takes backends out. */
export function takeOutCommand(
  verb: 'drain' | 'maintenance',
  description: string,
  finish: (code: number) => void,
): Command {
  const command = new Command(verb)
    .description(description)
    .argument('<POOL/BACKEND...>', 'which ones, of one pool; also: POOL BACKEND...')
    .option('--wait [TIME]', 'wait until nothing runs there any more (default: 30s)')
    .option('--cut-after <TIME>', 'cut what still runs after so long')
    .option('--force', 'also below minAvailable, and the active that nobody could follow')
  return withChangeOptions(command, shownReasonOption().makeOptionMandatory())
    .addOption(outputOption())
    .action(async (words: string[], options: TakeOutOptions) => {
      finish(await takeOut(verb, readBackends(words), options))
    })
}

async function takeOut(
  verb: 'drain' | 'maintenance',
  named: Named,
  options: TakeOutOptions,
): Promise<number> {
  const { force = false, wait, cutAfter, output } = options
  const waitMs = readWait(wait)
  const cutAfterMs =
    cutAfter === undefined ? null : durationOption('--cut-after', cutAfter, CUT_AFTER_MAX_MS)
  const changed = await askForAll(verb, named, { force, cutAfterMs }, options)
  if (waitMs === null) {
    tell(changed, options)
    return EXIT.ok
  }
  if (output === 'text') put(`${changed.message}\n`)
  return waitUntilDrained(named, waitMs, changed, options)
}

/** Waits until nothing runs on any of them, or somebody has brought one back. */
async function waitUntilDrained(
  named: Named,
  waitMs: number,
  changed: Changed,
  options: TakeOutOptions,
): Promise<number> {
  const isOut = ({ drained }: BackendStatus): boolean => drained
  const isBack = ({ admin }: BackendStatus): boolean => admin === 'ready'
  const { backends, gone, tookMs } = await watchBackends(named, waitMs, options, (all) => {
    return all.every(isOut) || all.some(isBack)
  })
  const running = backends.filter((one) => !isOut(one))
  if (options.output === 'json') {
    const left = running.map(({ name, inFlight }) => ({ backend: name, inFlight }))
    const drained = left.length === 0 && gone.length === 0
    put(`${JSON.stringify({ ...changed, drained, left, gone }, null, 2)}\n`)
  }
  sayGone(named, gone)
  if (running.length === 0) {
    if (gone.length > 0) return EXIT.failed
    if (options.output === 'text') put(`drained after ${(tookMs / 1_000).toFixed(1)} s\n`)
    return EXIT.ok
  }
  const back = running.find(isBack)
  say(`evenkeel: ${back === undefined ? leftText(named, running, waitMs) : backText(named, back)}`)
  return EXIT.failed
}

function leftText({ pool }: Named, running: readonly BackendStatus[], waitMs: number): string {
  const left = running.map(({ name, inFlight }) => {
    return `${pool}/${name} (${inFlight === 0 ? 'not known to every thread' : `${inFlight} in flight`})`
  })
  return `not drained after ${waitMs / 1_000} s: ${left.join(', ')}; no new requests go there all the same`
}

function backText({ pool }: Named, { name }: BackendStatus): string {
  return `${pool}/${name} was brought back meanwhile`
}
