// Where the access log of a plan goes, and going on elsewhere after a rotation.

import type { LogPlan } from '../core/plan.ts'
import { LineSink } from '../observe/line-sink.ts'
import type { Log } from '../observe/log.ts'

/**
 * Opens it; `null` if there is none.
 * @param taken lines of this thread with so many characters are done with
 * @throws Error when the file can't be opened
 */
export function openAccessSink(
  { access: { format, path } }: LogPlan,
  log: Log,
  taken: (thread: number, characters: number) => void,
): LineSink | null {
  if (format === 'off') return null
  const failed = (cause: string) => log.error('access-log lines are being lost', { cause })
  return new LineSink({ to: path ?? 1, taken, failed })
}

/** Goes on in a new file; says so, or why it goes on in the old one. */
export function reopenAccessSink(sink: LineSink | null, log: Log): void {
  try {
    sink?.reopen()
    log.info('access log reopened')
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    log.error('the access log could not be reopened; going on in the old file', { cause })
  }
}
