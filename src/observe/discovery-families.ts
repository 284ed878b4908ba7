// The metrics of discovery: whether a source answers, how old what it said is, how many it told of.

import type { DiscoveryStatus, PoolStatus } from '../core/status.ts'
import type { Family } from './metric-family.ts'
import { label } from './metric-family.ts'

/** One source of one pool at the moment of a scrape. */
export interface SourceSubject {
  /** `pool="web",source="dns"` */
  readonly labels: string
  readonly status: DiscoveryStatus
}

/** All sources of the pools. */
export function sourcesOf(pools: readonly PoolStatus[]): readonly SourceSubject[] {
  return pools.flatMap(({ name: pool, discovery = [] }) =>
    discovery.map((status) => {
      return { labels: `${label('pool', pool)},${label('source', status.kind)}`, status }
    }),
  )
}

const LABELS = ['pool', 'source'] as const

export const discoveryFamilies: readonly Family<SourceSubject>[] = [
  sourceFamily('evenkeel_discovery_up', '1 if the last answer of the source was good, else 0.', {
    value: ({ state }) => (state === 'ok' ? 1 : 0),
  }),
  sourceFamily(
    'evenkeel_discovery_members',
    'Members that the source has told of and that are in force.',
    { value: ({ members }) => members },
  ),
  sourceFamily(
    'evenkeel_discovery_answer_age_seconds',
    'Age of the last good answer of the source; absent before the first.',
    { value: ({ answeredMs }) => (answeredMs === null ? null : answeredMs / 1_000) },
  ),
  sourceFamily(
    'evenkeel_discovery_refused_members',
    'What the last answer told of that cannot be a backend.',
    { value: ({ refused }) => refused },
  ),
  sourceFamily(
    'evenkeel_discovery_failures_total',
    'Answers of the source that were of no use, missing ones included.',
    { type: 'counter', value: ({ failures }) => failures },
  ),
  sourceFamily(
    'evenkeel_discovery_changes_total',
    'Answers of the source that changed the members.',
    { type: 'counter', value: ({ changes }) => changes },
  ),
]

function sourceFamily(
  name: string,
  help: string,
  {
    type = 'gauge',
    value,
  }: { type?: 'gauge' | 'counter'; value: (source: DiscoveryStatus) => number | null },
): Family<SourceSubject> {
  return {
    name,
    type,
    help,
    labels: LABELS,
    read: ({ labels, status }, emit) => {
      const found = value(status)
      if (found !== null) emit(labels, found)
    },
  }
}
