// What the rules of alerts look at: events become moments and latches, the status becomes levels.
// Who fires when is alert-engine.ts. Pure.

import type {
  AlertInput,
  AlertReading,
  AlertRule,
  AlertsPlan,
  AlertSubject,
} from './alert-contract.ts'
import type { BalancerEvent, ConfigNews } from './events.ts'
import { describeMove } from './operator.ts'
import type { BackendStatus, MoveReport, PoolStatus } from './status.ts'

/** Traffic of a pool in the window of a rule. */
export interface PoolTraffic {
  readonly requests: number
  readonly failures: number
  /** At the quantile of the rule; `null`: nothing was answered. */
  readonly latencyMs: number | null
}

export interface CertificateFacts {
  /** Where it is configured: `admin.tls.cert`. */
  readonly name: string
  /** Wall clock, ms since 1970. */
  readonly endsAt: number
  /** The same for people. */
  readonly endsOn: string
}

/** Everything that levels are read off. */
export interface AlertFacts {
  readonly pools: readonly PoolStatus[]
  /** Of a pool under a rule; `null` where the rule is off or nothing is known yet. */
  traffic(rule: 'errorRate' | 'latency', pool: string): PoolTraffic | null
  /** Pools whose right to send has lapsed. */
  readonly agreementLost: ReadonlySet<string>
  readonly certificates: readonly CertificateFacts[]
  /** Why the ledger can't be written; `null`: it can, or there is none. */
  readonly ledgerFault: string | null
  /** Wall clock, ms since 1970. */
  readonly wallMs: number
}

type Level = AlertReading['level']

// --- events ------------------------------------------------------------------------------------

/** What an event says to the rules. */
export function alertInputsOf(event: BalancerEvent): readonly AlertInput[] {
  switch (event.kind) {
    case 'move':
      return moveInputs(event.pool, event.report)
    case 'config':
      return configInputs(event.news)
    case 'thread': {
      if (event.state === 'replaced') return []
      const subject = `thread ${event.thread}`
      const labels = { thread: String(event.thread) }
      return [moment(about('threadFailed', { subject, labels, message: event.message }))]
    }
    // Everything else shows in the status.
    default:
      return []
  }
}

function moveInputs(pool: string, report: MoveReport): readonly AlertInput[] {
  const { kind, outcome, to, reason, metObjective } = report
  const inputs: AlertInput[] = []
  const say = (rule: AlertRule, message: string): void => {
    const labels = { pool, to }
    inputs.push(moment(about(rule, { subject: pool, labels, message })))
  }
  if (outcome !== 'moved') say('moveFailed', `the move of ${pool} to ${to} ${outcome}: ${reason}`)
  else if (kind === 'failover' || kind === 'election') say('failover', describeMove(pool, report))
  if (metObjective === false) {
    const took = Math.round(report.detectionMs + report.moveMs)
    say('objectiveMissed', `the failover of ${pool} to ${to} took ${took} ms, beyond its objective`)
  }
  return inputs
}

// A reload of discovery or of an override is no file of anybody's; their own rules tell of them.
const ASKED: ReadonlySet<string> = new Set(['signal', 'api', 'file', 'timeout'])

function configInputs({ outcome, source, message }: ConfigNews): readonly AlertInput[] {
  if (!ASKED.has(source)) return []
  const subject = { subject: '', labels: {}, message }
  switch (outcome) {
    case 'refused':
      return [{ kind: 'latch', about: about('configRejected', subject), isOn: true }]
    case 'reverted':
      return [moment(about('configReverted', subject))]
    default:
      return [{ kind: 'latch', about: about('configRejected', subject), isOn: false }]
  }
}

function moment(subject: AlertSubject): AlertInput {
  return { kind: 'moment', about: subject }
}

function about(
  rule: AlertRule,
  rest: Pick<AlertSubject, 'subject' | 'labels' | 'message'> & { readonly value?: number },
): AlertSubject {
  return { rule, value: null, ...rest }
}

// --- the status --------------------------------------------------------------------------------

/** All levels as they are. */
export function readAlerts(facts: AlertFacts, plan: AlertsPlan): readonly AlertReading[] {
  const readings: AlertReading[] = []
  for (const pool of facts.pools) {
    readings.push(...availabilityOf(pool), ...standbysOf(pool), ...sitesOf(pool))
    readings.push(writersOf(pool), ...discoveryOf(pool), ...trafficOf(pool, facts, plan))
    const { name } = pool
    if (pool.failover !== null) {
      const message = `this Evenkeel may send nothing to pool ${name}: it lost touch with etcd`
      const level = facts.agreementLost.has(name) ? 'on' : 'off'
      readings.push(reading('agreementLost', level, { ...inPool(name), message }))
    }
  }
  const { ledgerFault } = facts
  const message = `the ledger can't be written: ${ledgerFault ?? ''}`
  const level = ledgerFault === null ? 'off' : 'on'
  readings.push(reading('ledgerFailed', level, { subject: '', labels: {}, message }))
  return [...readings, ...certificatesOf(facts, plan)]
}

function reading(
  rule: AlertRule,
  level: Level,
  rest: Pick<AlertSubject, 'subject' | 'labels' | 'message'> & {
    readonly value?: number
    readonly silenced?: string | null
  },
): AlertReading {
  const { silenced = null, ...subject } = rest
  return { ...about(rule, subject), level, silenced }
}

function inPool(name: string): Pick<AlertSubject, 'subject' | 'labels'> {
  return { subject: name, labels: { pool: name } }
}

/** What an operator took out is no surprise. */
const PLANNED = 'an operator took backends out'

function isOut({ admin, availability }: BackendStatus): boolean {
  return admin !== 'ready' || availability === 'drain' || availability === 'maint'
}

function availabilityOf(pool: PoolStatus): readonly AlertReading[] {
  const { name, available, total, minAvailable, backends } = pool
  const out = backends.filter(isOut).length
  const place = inPool(name)
  const isDown = available === 0
  const down = reading('poolDown', isDown ? 'on' : 'off', {
    ...place,
    message:
      total === 0
        ? `pool ${name} has no backends`
        : `pool ${name} has nobody: ${reasonsOf(backends)}`,
    // With one of them broken the operator may not know that nobody is left.
    silenced: total > 0 && out === total ? PLANNED : null,
  })
  // With nobody at all poolDown says it, and says it better.
  const below: Level = available >= minAvailable ? 'off' : isDown ? 'between' : 'on'
  const few = reading('poolBelowMin', below, {
    ...place,
    message: `pool ${name} has ${available} of ${total} backends, and wants ${minAvailable}: ${reasonsOf(backends)}`,
    value: available,
    silenced: available + out >= minAvailable ? PLANNED : null,
  })
  return [down, few]
}

const REASONS_MAX = 3

/** Who is missing, and why; at most three of them. */
function reasonsOf(backends: readonly BackendStatus[]): string {
  const missing = backends.filter(({ effectiveWeight }) => effectiveWeight === 0)
  const told = missing.slice(0, REASONS_MAX).map(({ name, availability, reason }) => {
    return `${name} is ${availability} (${reason})`
  })
  if (missing.length > REASONS_MAX) told.push(`${missing.length - REASONS_MAX} more`)
  return told.join(', ')
}

function standbysOf({ name, failover, backends }: PoolStatus): readonly AlertReading[] {
  if (failover === null) return []
  // While it moves nobody stands by as usual.
  const isMoving = failover.move !== null
  return failover.standbys.map(({ name: standby, ready, reason }) => {
    const backend = backends.find((one) => one.name === standby)
    return reading('standbyNotReady', ready ? 'off' : isMoving ? 'between' : 'on', {
      subject: `${name}/${standby}`,
      labels: { pool: name, backend: standby },
      message: `${standby} could not take over pool ${name}: ${reason}`,
      silenced: backend !== undefined && isOut(backend) ? PLANNED : null,
    })
  })
}

function sitesOf({ name, sites }: PoolStatus): readonly AlertReading[] {
  return sites.map(({ name: site, state, reason }) =>
    reading('siteLost', state === 'left' || state === 'down' ? 'on' : 'off', {
      subject: `${name}/${site}`,
      labels: { pool: name, site },
      message: `site ${site} of pool ${name} is ${state}: ${reason}`,
    }),
  )
}

function writersOf({ name, failover, backends }: PoolStatus): AlertReading {
  const claims = backends.filter(({ role, health }) => role === 'primary' && health === 'up')
  const names = claims.map((one) => one.name).join(' and ')
  const level = failover !== null && claims.length > 1 ? 'on' : 'off'
  const message = `${names} of pool ${name} claim to be the primary at once`
  return reading('twoWriters', level, { ...inPool(name), message })
}

function discoveryOf({ name, discovery = [] }: PoolStatus): readonly AlertReading[] {
  return discovery.map(({ kind, source, state, reason }) =>
    reading('discoveryStale', state === 'ok' ? 'off' : 'on', {
      subject: `${name}/${kind}`,
      labels: { pool: name, source: kind },
      message: `${source} of pool ${name} gives no good answer: ${reason}`,
    }),
  )
}

function trafficOf(
  { name }: PoolStatus,
  facts: AlertFacts,
  { rules }: AlertsPlan,
): readonly AlertReading[] {
  const readings: AlertReading[] = []
  const { errorRate, latency } = rules
  const errors = errorRate === undefined ? null : facts.traffic('errorRate', name)
  if (errorRate !== undefined && errors !== null) {
    const { requests, failures } = errors
    const value = requests === 0 ? 0 : failures / requests
    const message = `${percent(value)} of ${requests} requests to pool ${name} failed`
    const level = requests < errorRate.requestsMin ? 'off' : levelOf(value, errorRate)
    readings.push(reading('errorRate', level, { ...inPool(name), message, value }))
  }
  const answers = latency === undefined ? null : facts.traffic('latency', name)
  if (latency !== undefined && answers !== null) {
    const { requests, latencyMs } = answers
    const value = Math.round(latencyMs ?? 0)
    const message = `${percent(1 - latency.quantile)} of ${requests} answers of pool ${name} take more than ${value} ms`
    const level = requests < latency.requestsMin ? 'off' : levelOf(value, latency)
    readings.push(reading('latency', level, { ...inPool(name), message, value }))
  }
  return readings
}

function levelOf(value: number, rule: { readonly above: number; readonly clear: number }): Level {
  if (value > rule.above) return 'on'
  return value > rule.clear ? 'between' : 'off'
}

function percent(share: number): string {
  return `${Number((share * 100).toPrecision(3))} %`
}

const DAY_MS = 86_400_000

function certificatesOf(
  { certificates, wallMs }: AlertFacts,
  { rules: { certificateExpiry: rule } }: AlertsPlan,
): readonly AlertReading[] {
  if (rule === undefined) return []
  return certificates.map(({ name, endsAt, endsOn }) => {
    const value = endsAt - wallMs
    const days = Math.floor(Math.abs(value) / DAY_MS)
    const when = value < 0 ? `ran out ${days} days ago` : `runs out in ${days} days`
    const message = `certificate ${name} ${when} (${endsOn})`
    const level = value < rule.above ? 'on' : 'off'
    return reading('certificateExpiry', level, {
      subject: name,
      labels: { certificate: name },
      message,
      value,
    })
  })
}
