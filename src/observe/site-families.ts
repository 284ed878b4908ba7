// The metrics of sites: which serve, and what spills to which.

import type { SiteStatus } from '../core/status.ts'
import type { Family } from './metric-family.ts'

/** One site of a pool at the moment of a scrape. */
export interface SiteSubject {
  /** `pool="web",site="seoul"` */
  readonly labels: string
  readonly status: SiteStatus
}

const LABELS = ['pool', 'site'] as const

export const siteFamilies: readonly Family<SiteSubject>[] = [
  siteGauge(
    'evenkeel_site_healthy_backends',
    'Healthy backends of the site.',
    (site) => site.healthy,
  ),
  siteGauge(
    'evenkeel_site_healthy_backends_min',
    'With fewer healthy backends than this the site is left (`minHealthy`).',
    (site) => site.minHealthy,
  ),
  siteGauge(
    'evenkeel_site_load_ratio',
    'Share of new requests that the site gets.',
    (site) => site.share,
  ),
  {
    name: 'evenkeel_site_state',
    type: 'gauge',
    help: 'Always 1; the label says what the site is to the pool now.',
    labels: [...LABELS, 'state'],
    read: ({ labels, status }, emit) => emit(`${labels},state="${status.state}"`, 1),
  },
  siteGauge(
    'evenkeel_pool_overflow_ratio',
    'Share of new requests that spills to the site for want of capacity in the active one.',
    ({ state, share }) => (state === 'overflow' ? share : 0),
  ),
]

function siteGauge(
  name: string,
  help: string,
  value: (site: SiteStatus) => number,
): Family<SiteSubject> {
  return {
    name,
    type: 'gauge',
    help,
    labels: LABELS,
    read: ({ labels, status }, emit) => emit(labels, value(status)),
  }
}
