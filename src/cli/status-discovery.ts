// How `evenkeel status` tells where the backends of a pool come from, and how fresh that is.

import type { DiscoveryStatus } from '../core/status.ts'
import { formatAge } from './age.ts'
import type { Color } from './terminal.ts'
import { paint } from './terminal.ts'

const tints: Readonly<Record<DiscoveryStatus['state'], Color>> = {
  ok: 'green',
  waiting: 'yellow',
  stale: 'yellow',
}

/** A line for each source; nothing for a pool that names all of its backends. */
export function discoveryLines(
  sources: readonly DiscoveryStatus[] | undefined,
  color: boolean,
): string[] {
  return (sources ?? []).map(({ source, state, reason, members, answeredMs, sinceMs }) => {
    const count = `${members} backend${members === 1 ? '' : 's'}`
    const age = answeredMs === null ? `for ${formatAge(sinceMs)}` : `${formatAge(answeredMs)} old`
    return `from ${source}: ${paint(state, tints[state], color)}, ${count}, ${age}: ${reason}`
  })
}
