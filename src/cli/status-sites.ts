// How `evenkeel status` tells about the sites of a pool: which serve, for how much, and why.

import type { SiteStatus } from '../core/status.ts'
import { table } from './table.ts'
import type { Color } from './terminal.ts'
import { paint } from './terminal.ts'

const tints: Readonly<Record<SiteStatus['state'], Color>> = {
  active: 'green',
  overflow: 'yellow',
  standby: 'green',
  left: 'yellow',
  down: 'red',
}

const HEAD = ['SITE', 'CLASS', 'STATE', 'HEALTHY', 'LOAD', 'REASON']
const NUMBERS = new Set([3, 4])

/** The sites as a table; nothing for a pool without any. */
export function siteLines(sites: readonly SiteStatus[], color: boolean): string[] {
  if (sites.length === 0) return []
  const rows = sites.map(({ name, kind, state, healthy, total, share, reason }) => [
    name,
    kind,
    paint(state, tints[state], color),
    `${healthy}/${total}`,
    `${Math.round(share * 100)}%`,
    reason,
  ])
  return table([HEAD, ...rows], NUMBERS)
}
