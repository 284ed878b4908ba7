// A plan in the words of the configuration: each setting with its path and its value as people write
// it, so that two plans can be compared and a difference read. What may be a secret is told apart
// and never shown.

import type { Address, BackendPlan, ListenerPlan, Plan, PoolPlan, SitePlan } from '../core/plan.ts'
import type { RoutePlan } from '../core/route-plan.ts'
import { formatAddress } from '../core/address-text.ts'
import { showingOf } from './secret-text.ts'
import { formatDuration, formatRatio, formatSize } from './units.ts'

/** One setting. */
export interface Word {
  /** For people; `(hidden)` where it may hold a secret. */
  readonly shown: string
  /** Tells whether two are the same; never to be shown. */
  readonly exact: string
}

/** Settings by their path, such as `timeouts.connect`, in the order of the plan. */
export type Words = Map<string, Word>

const HIDDEN = '(hidden)'

/** Settings of the process: everything but listeners and pools. */
export function processWords(plan: Plan): Words {
  const { listeners: _, pools: _pools, ...rest } = plan
  const words = gather(rest, processNames)
  if (plan.alerts === undefined) words.set('alerts', off)
  return words
}

/** Settings of a listener. */
export function listenerWords(listener: ListenerPlan, { pools }: Plan): Words {
  const { name: _, index: _index, slot: _slot, routes, pool, address, ...rest } = listener
  const words: Words = new Map()
  words.set('bind', plain(formatAddress(address)))
  if (pool >= 0) words.set('pool', plain(pools[pool]!.name))
  for (const route of routes) words.set(`routes.${route.name}`, routeWord(route, pools))
  for (const [path, word] of gather(rest, listenerNames)) words.set(path, word)
  return words
}

/** Settings of a pool, without its backends. */
export function poolWords(pool: PoolPlan): Words {
  const { name: _, index: _index, slot: _slot, backends: _backends, replicasOf, ...most } = pool
  if (replicasOf >= 0) return new Map()
  const { sites, healthCheck, ...rest } = most
  const words = gather(rest, poolNames)
  for (const site of sites) words.set(`sites.${site.name}`, siteWord(site))
  if (healthCheck === null) words.set('healthCheck', off)
  else {
    const { check, ...times } = healthCheck
    const { kind, ...settings } = check
    for (const [path, word] of gather({ [kind]: settings, ...times }, healthNames)) {
      words.set(`healthCheck.${path}`, word)
    }
    // A check without settings of its own is one as well.
    words.set('healthCheck', plain(kind))
  }
  return words
}

/** Settings of a backend. */
export function backendWords(backend: BackendPlan, sites: readonly SitePlan[]): Words {
  const { address, weight, zone, site } = backend
  const words: Words = new Map()
  words.set('address', plain(formatAddress(address)))
  words.set('weight', plain(String(weight)))
  if (zone !== null) words.set('zone', plain(zone))
  if (site >= 0) words.set('site', plain(sites[site]!.name))
  return words
}

const off = plain('false')

function plain(text: string): Word {
  return { shown: text, exact: text }
}

// Where the plan has another name than the configuration; after `Ms` and `Bytes` are taken off.
type Names = Readonly<Record<string, string>>

const processNames: Names = {
  'admin.address': 'admin.bind',
  'alerts.perMinuteMax': 'alerts.maxPerMinute',
  'keepalived.handover': 'keepalived.handover',
  'ledger.sizeMax': 'ledger.maxSize',
}
const listenerNames: Names = {
  connectionsMax: 'maxConnections',
  headMax: 'limits.head',
  targetMax: 'limits.target',
}
const healthNames: Names = {
  'http.roles.primary': 'http.primary',
  'http.roles.replica': 'http.replica',
  'tcp.steps': 'tcp',
}
const poolNames: Names = {
  'outlierDetection.attemptsMin': 'outlierDetection.minAttempts',
  'outlierDetection.eject': 'outlierDetection.ejectTime',
  'outlierDetection.ejectMax': 'outlierDetection.maxEjectTime',
  'outlierDetection.ejectedMax': 'outlierDetection.maxEjected',
  'outlierDetection.probationSuccesses': 'outlierDetection.probation',
  'retry.budget.perSecondMin': 'retry.budget.minPerSecond',
  'retry.bodyMax': 'retry.bodyMax',
  'retry.backoffMin': 'retry.backoff.min',
  'retry.backoffMax': 'retry.backoff.max',
  'limits.connections.idleMax': 'limits.idleConnections.max',
  'limits.connections.idle': 'limits.idleConnections.timeout',
  'limits.connections.age': 'limits.idleConnections.maxAge',
  'limits.connections.requestsMax': 'limits.idleConnections.maxRequests',
  'failover.holdDownMax': 'failover.maxHoldDown',
  'failover.prove': 'failover.proveWithin',
  'failover.replicaLag.ms': 'failover.replicaLag.time',
  'failover.promote.command': 'failover.promote.exec',
  'failover.promote.url': 'failover.promote.webhook',
  'failover.fence.command': 'failover.fence.exec',
  'failover.fence.url': 'failover.fence.webhook',
}

// Sections that `false` switches off.
const switchable =
  /^(outlierDetection(\.(slow|silent))?|retry|admin|ledger|discovery|tracing(\.slowMs)?)$/
const ratios =
  /(^|\.)(jitter|failureRate|ejectedMax|retry\.budget\.ratio|from|availability|sample)$/
const sizes = /Bytes(Max)?$|(^|\.)bytes$/
// A discriminator that other keys of the section make plain.
const silent = /(^|\.)kind$/

function gather(tree: object, names: Names): Words {
  const words: Words = new Map()
  walk(tree, '')
  return words

  function walk(value: unknown, path: string): void {
    if (value === undefined || (path !== '' && silent.test(path))) return
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isMap || isAddress(value)) {
      if (value === null && !switchable.test(path)) return
      words.set(nameOf(path, names), leafOf(path, value))
      return
    }
    for (const [key, inner] of Object.entries(value)) {
      walk(inner, path === '' ? key : `${path}.${key}`)
    }
  }
}

function nameOf(path: string, names: Names): string {
  const bare = /(^|\.)ms$/.test(path) ? path : path.replace(/Ms$/, '').replace(/Bytes(Max)?$/, '$1')
  return names[bare] ?? alertName(bare)
}

/** The names under `alerts` are chosen by people, so that no table can have them. */
function alertName(path: string): string {
  if (!path.startsWith('alerts.')) return path
  return path
    .replace(/\.hook\.command$/, '.exec')
    .replace(/\.hook\.url$/, '.webhook')
    .replace(/\.hook\.(headers|timeout)$/, '.$1')
    .replace(/\.requestsMin$/, '.minRequests')
}

function leafOf(path: string, value: unknown): Word {
  const exact = JSON.stringify(value)
  if (value === null) return off
  const showing = showingOf(path.split('.'))
  if (showing === 'nothing') return { shown: HIDDEN, exact }
  const shown = leafText(path, value)
  const query = showing === 'target' ? shown.indexOf('?') : -1
  return { shown: query < 0 ? shown : `${shown.slice(0, query)}?${HIDDEN}`, exact }
}

function leafText(path: string, value: unknown): string {
  if (isAddress(value)) return formatAddress(value)
  if (Array.isArray(value)) return value.map(elementText).join(', ')
  if (typeof value !== 'number') return String(value)
  if (/(Ms|(^|\.)ms)$/.test(path)) return formatDuration(value)
  if (sizes.test(path)) return formatSize(value)
  return ratios.test(path) ? formatRatio(value) : String(value)
}

function elementText(value: unknown): string {
  if (Array.isArray(value)) return value[0] === value[1] ? String(value[0]) : value.join('-')
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isAddress(value: unknown): value is Address {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  return (value.kind === 'tcp' && 'port' in value) || (value.kind === 'unix' && 'path' in value)
}

function siteWord({ kind, minHealthy }: SitePlan): Word {
  return plain(`${kind}, minHealthy ${minHealthy}`)
}

/** `GET api.example.com/v1/ to pool api`. */
function routeWord(route: RoutePlan, pools: readonly PoolPlan[]): Word {
  const { match, action, rewrite } = route
  const path = match.pathExact ?? (match.pathPrefix === null ? null : `${match.pathPrefix}*`)
  const what = [
    match.methods?.join('|'),
    `${match.hosts?.join('|') ?? ''}${path ?? ''}` || undefined,
    ...match.headers.map(({ name, value }) => `[${name}${value === null ? '' : `: ${HIDDEN}`}]`),
  ].filter((part) => part !== undefined)
  const to = { pool: '', redirect: '', respond: '' }
  if (action.kind === 'pool') to.pool = `pool ${pools[action.pool]!.name}`
  else if (action.kind === 'redirect') to.redirect = `redirect ${action.status} ${action.location}`
  else to.respond = `respond ${action.status}`
  const more = rewrite === null ? '' : `, ${rewrite.kind} ${rewrite.prefix}`
  const where = what.length === 0 ? 'everything' : what.join(' ')
  // Positions of pools change without a change of the route.
  const exact = JSON.stringify({ ...route, action: { ...action, pool: to.pool } })
  return { shown: `${where} to ${to.pool}${to.redirect}${to.respond}${more}`, exact }
}
