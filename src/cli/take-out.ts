// What `drain` and `maintenance` share: taking backends out, and waiting until nothing runs there.

import type { Command } from 'commander'
import { CUT_AFTER_MAX_MS } from '../core/override-request.ts'
import type { BackendStatus, PoolStatus } from '../core/status.ts'
import { detailOf, findAdmin, readAdmin } from './admin-client.ts'
import type { Changed, ChangeOptions, Named } from './backend-change.ts'
import { askForAll, changeCommand, pathOf, readBackends, readTime, tell } from './backend-change.ts'
import { EXIT, Failure, put, say } from './terminal.ts'

interface TakeOutOptions extends ChangeOptions {
  readonly force?: boolean
  /** `true`: without a time. */
  readonly wait?: string | true
  readonly cutAfter?: string
}

const WAIT_MS = 30_000
const WAIT_MAX_MS = 86_400_000
/** Time between two looks. */
const LOOK_MS = 200

/** A command that takes backends out. */
export function takeOutCommand(
  verb: 'drain' | 'maintenance',
  description: string,
  finish: (code: number) => void,
): Command {
  return changeCommand(verb, description)
    .argument('<POOL/BACKEND...>', 'which ones, of one pool; also: POOL BACKEND...')
    .requiredOption('--reason <TEXT>', 'why; for the log, and for whoever asks for the status')
    .option('--wait [TIME]', 'wait until nothing runs there any more (default: 30s)')
    .option('--cut-after <TIME>', 'cut what still runs after so long')
    .option('--force', 'also below minAvailable, and the active that nobody could follow')
    .action(async (words: string[], options: TakeOutOptions) => {
      finish(await takeOut(verb, readBackends(words), options))
    })
}

async function takeOut(
  verb: 'drain' | 'maintenance',
  named: Named,
  options: TakeOutOptions,
): Promise<number> {
  const { force = false, wait, cutAfter } = options
  const waitMs =
    wait === undefined ? null : wait === true ? WAIT_MS : readTime('--wait', wait, WAIT_MAX_MS)
  const cutAfterMs =
    cutAfter === undefined ? null : readTime('--cut-after', cutAfter, CUT_AFTER_MAX_MS)
  const changed = await askForAll(verb, named, { force, cutAfterMs }, options)
  if (waitMs === null) {
    tell(changed, options)
    return EXIT.ok
  }
  if (options.output === 'text') put(`${changed.message}\n`)
  return waitUntilDrained(named, waitMs, changed, options)
}

/** Looks until nothing runs on any of them, or somebody has brought one back, or it takes too long. */
async function waitUntilDrained(
  named: Named,
  waitMs: number,
  changed: Changed,
  options: TakeOutOptions,
): Promise<number> {
  const startMs = performance.now()
  const place = await findAdmin(options)
  for (;;) {
    const running = (await look(place, named)).filter(({ drained }) => !drained)
    const tookMs = performance.now() - startMs
    const isDrained = running.length === 0
    const back = running.find(({ admin }) => admin === 'ready')
    if (isDrained || back !== undefined || tookMs >= waitMs) {
      const left = running.map(({ name, inFlight }) => ({ backend: name, inFlight }))
      if (options.output === 'json') {
        put(`${JSON.stringify({ ...changed, drained: isDrained, left }, null, 2)}\n`)
      }
      if (isDrained) {
        if (options.output === 'text') put(`drained after ${(tookMs / 1_000).toFixed(1)} s\n`)
        return EXIT.ok
      }
      say(
        `evenkeel: ${back === undefined ? leftText(named.pool, running, waitMs) : backText(named.pool, back)}`,
      )
      return EXIT.failed
    }
    await new Promise((resolve) => {
      setTimeout(resolve, Math.min(LOOK_MS, Math.max(1, waitMs - tookMs)))
    })
  }
}

async function look(
  place: Awaited<ReturnType<typeof findAdmin>>,
  { pool, backends }: Named,
): Promise<readonly BackendStatus[]> {
  const reply = await readAdmin(place, pathOf(pool))
  if (reply.status !== 200) throw new Failure(detailOf(reply.body))
  const all = (JSON.parse(reply.body) as PoolStatus).backends
  // One that has left the pool meanwhile is nobody's to wait for.
  return all.filter(({ name }) => backends.includes(name))
}

function leftText(pool: string, running: readonly BackendStatus[], waitMs: number): string {
  const left = running.map(({ name, inFlight }) => {
    return `${pool}/${name} (${inFlight === 0 ? 'not known to every thread' : `${inFlight} in flight`})`
  })
  return `not drained after ${waitMs / 1_000} s: ${left.join(', ')}; no new requests go there all the same`
}

function backText(pool: string, { name }: BackendStatus): string {
  return `${pool}/${name} was brought back meanwhile`
}
