// The paths that tell what was: reports, and incidents one by one.

import { z } from 'zod'
import type { IncidentRecord } from '../core/ledger-contract.ts'
import type { Report } from '../core/report.ts'
import type { Stretch } from '../core/report-figures.ts'
import { MOMENT_HINT, readMoment } from '../core/report-range.ts'
import type { Answer } from './answer.ts'
import { json } from './answer.ts'
import { problem } from './problem.ts'
import type { Route } from './route.ts'
import { readRoute } from './route.ts'
import { incidentSchema, incidentsSchema, reportSchema } from './schemas-ledger.ts'

/** What these paths ask. */
export interface LedgerSource {
  poolNames(): Promise<readonly string[]>
  report(stretch: Stretch, pool: string | null): Promise<Report>
  incidents(stretch: Stretch, pool: string | null): Promise<readonly IncidentRecord[]>
  incident(id: string): Promise<{
    readonly incident: IncidentRecord
    readonly members: readonly IncidentRecord[]
  } | null>
}

/** Incidents, and windows, of one answer. */
const LIST_MAX = 1_000

const moment = (what: string) =>
  z
    .string()
    .max(40, 'is too long')
    .optional()
    .describe(`${what}: how long ago (30d), or a date (2026-11-01, 2026-11-01T08:30:00Z).`)

const query = z.strictObject({
  pool: z.string().optional().describe('Only this pool.'),
  since: moment('From when on; default 30d'),
  until: moment('Until when; default now'),
})

type Asked = z.output<typeof query>

/** Where they ask, and what time it is. */
interface Ports {
  /** `null`: switched off. */
  readonly source: () => LedgerSource | null
  readonly wallMs: () => number
}

export function ledgerRoutes(ports: Ports): readonly Route[] {
  return [reportRoute(ports), incidentsRoute(ports), incidentRoute(ports)]
}

/** Answers a question about a stretch of time. */
async function within(
  { source, wallMs }: Ports,
  { pool: named, since = '30d', until = 'now' }: Asked,
  tell: (source: LedgerSource, stretch: Stretch, pool: string | null) => Promise<unknown>,
): Promise<Answer> {
  const pool = named ?? null
  const ledger = source()
  if (ledger === null) return switchedOff()
  const nowMs = wallMs()
  const from = readMoment(since, nowMs)
  const to = readMoment(until, nowMs)
  if (from === null || to === null) {
    const wrong = from === null ? `since=${since}` : `until=${until}`
    return problem('bad-request', `'${wrong}' is no time: ${MOMENT_HINT}.`)
  }
  if (from >= to) return problem('bad-request', 'since has to be before until.')
  if (pool !== null) {
    const pools = await ledger.poolNames()
    if (!pools.includes(pool)) {
      return problem('no-pool', `The ledger knows no pool '${pool}'.`, { pools })
    }
  }
  return json(200, await tell(ledger, { since: from, until: Math.min(to, nowMs) }, pool))
}

function reportRoute(ports: Ports): Route {
  return readRoute({
    path: '/v1/report',
    tag: 'reports',
    summary: 'availability, incidents and maintenance of a stretch of time',
    description:
      'Per pool and backend: availability by time and by requests, error budget, MTTR, MTBF, measured RTO against the objective. docs/ledger.md has the formulas. All lengths are milliseconds, times are milliseconds since 1970.',
    query,
    result: { says: 'The report.', schema: reportSchema },
    problems: ['bad-request', 'no-pool', 'no-ledger'],
    answer: ({ query: asked }) =>
      within(ports, asked, async (ledger, stretch, pool) => {
        const report = await ledger.report(stretch, pool)
        const { incidents, windows } = report
        return {
          ...report,
          incidents: incidents.slice(0, LIST_MAX),
          windows: windows.slice(-LIST_MAX),
          totals: { incidents: incidents.length, windows: windows.length },
        }
      }),
  })
}

function incidentsRoute(ports: Ports): Route {
  return readRoute({
    path: '/v1/incidents',
    tag: 'reports',
    summary: 'incidents that touch a stretch of time, the latest first',
    query,
    result: { says: 'The incidents.', schema: incidentsSchema },
    problems: ['bad-request', 'no-pool', 'no-ledger'],
    answer: ({ query: asked }) =>
      within(ports, asked, async (ledger, stretch, pool) => {
        const incidents = await ledger.incidents(stretch, pool)
        return { total: incidents.length, incidents: incidents.slice(0, LIST_MAX) }
      }),
  })
}

function incidentRoute({ source }: Ports): Route {
  return readRoute({
    path: '/v1/incidents/{id}',
    tag: 'reports',
    summary: 'one incident, and those of backends that belong to it',
    result: { says: 'The incident.', schema: incidentSchema },
    problems: ['no-incident', 'no-ledger'],
    answer: async ({ params: { id } }) => {
      const ledger = source()
      if (ledger === null) return switchedOff()
      const found = await ledger.incident(id)
      if (found !== null) return json(200, found)
      return problem(
        'no-incident',
        `The ledger has no incident '${id}'; evenkeel report lists them.`,
      )
    },
  })
}

function switchedOff(): Answer {
  return problem('no-ledger', 'The configuration switches the ledger off: ledger: false.')
}
