// The shapes of what the admin API tells from the ledger, for its description. Each is typed by what
// core/ says, so that a new member there can't be forgotten here.

import { z } from 'zod'
import type {
  ActionRecord,
  Counts,
  IncidentRecord,
  OutageRecord,
  StageRecord,
  StartRecord,
  WindowRecord,
} from '../core/ledger-contract.ts'
import type { BackendReport, PoolReport, Report } from '../core/report.ts'
import { moveReportSchema } from './schemas.ts'

const ms = z.number().describe('Milliseconds.')
const at = z.number().describe('Wall clock, ms since 1970.')
const count = z.int().min(0)
const amount = z.number().min(0)
const revision = z.number().describe('Grows with each writing.')
const share = z.number().describe('0 to 1.')

const counts: z.ZodType<Counts> = z
  .strictObject({
    requests: amount.describe('Of a backend: attempts. An hour cut by the stretch counts in part.'),
    failed: amount.describe("Ended with an error that was not the client's doing."),
    retried: amount,
    rescued: amount.describe('Moved off a backend that went down while they waited on it.'),
    unknown: amount.describe('Writes that were sent and got no answer.'),
  })
  .meta({ id: 'Counts' })

const stage: z.ZodType<StageRecord> = z.strictObject({
  name: z
    .enum([
      'fault',
      'detected',
      'down',
      'ejected',
      'probation',
      'short',
      'moved',
      'serving',
      'enough',
      'recovered',
      'withdrawn',
      'removed',
      'stopped',
      'interrupted',
      'resumed',
    ])
    .describe('`fault`: the first sign. `short`: fewer than `minAvailable`.'),
  at,
  ms: ms.describe('Milliseconds since the incident began.'),
  note: z.string(),
  counts,
  exact: z.boolean().describe('False: the counts begin up to a second before the stage.'),
})

const outage: z.ZodType<OutageRecord> = z.strictObject({
  at,
  faultMs: ms.describe('The first sign, in ms since the incident began.'),
  lostMs: ms.describe('The loss.'),
  backMs: ms.nullable().describe('Service again; `null`: not yet.'),
  gapMs: ms.describe('Part of it in which Evenkeel did not run.'),
  withdrawn: z
    .literal(true)
    .exactOptional()
    .describe('It ended at `backMs` without service: the rest was taken out, or removed.'),
})

const action: z.ZodType<ActionRecord> = z
  .strictObject({
    kind: z.literal('action'),
    at,
    pool: z.string().nullable(),
    backend: z.string().nullable(),
    verb: z.string(),
    by: z.string(),
    reason: z.string(),
    outcome: z.string(),
  })
  .meta({ id: 'Action' })

const incident: z.ZodType<IncidentRecord> = z
  .strictObject({
    kind: z.literal('incident'),
    id: z.string(),
    rev: revision,
    pool: z.string(),
    backend: z.string().nullable().describe("`null`: the pool's own."),
    parent: z.string().nullable().describe("The pool's incident that it belongs to."),
    at: at.describe('The first sign: wall clock, ms since 1970.'),
    trouble: z.enum(['outage', 'shortage', 'active-lost', 'down', 'ejected']),
    cause: z.string(),
    open: z.boolean().describe('It is not over.'),
    ms: ms.describe('From the first sign to recovery, or to the last that is known.'),
    gapMs: ms.describe('Part of that in which Evenkeel did not run.'),
    stages: z.array(stage),
    stagesLeftOut: count,
    outages: z.array(outage),
    outagesLeftOut: count,
    leftOutMs: ms,
    relapses: count,
    rtoMs: ms.nullable().describe('`objective.rto` at its time.'),
    moves: z.array(moveReportSchema),
    actions: z.array(action),
  })
  .meta({ id: 'Incident' })

const window: z.ZodType<WindowRecord> = z
  .strictObject({
    kind: z.literal('window'),
    id: z.string(),
    rev: revision,
    pool: z.string(),
    backend: z.string().nullable().describe('`null`: nobody served the pool meanwhile.'),
    what: z.enum(['drain', 'maintenance', 'weight', 'switchover']),
    at,
    open: z.boolean(),
    ms,
    by: z.string(),
    reason: z.string(),
  })
  .meta({ id: 'MaintenanceWindow' })

const start: z.ZodType<StartRecord> = z.strictObject({
  kind: z.literal('start'),
  run: count,
  at,
  version: z.string(),
  before: z.enum(['first', 'stopped', 'killed']).describe('How the process before it ended.'),
  lastAt: at.nullable().describe('When that was last seen: wall clock, ms since 1970.'),
})

const figures = {
  name: z.string(),
  upMs: ms,
  downMs: ms,
  maintenanceMs: ms,
  unknownMs: ms.describe('No verdict yet, or Evenkeel did not run.'),
  availability: share.nullable().describe('Up ÷ (up + down); `null` without either.'),
  nines: z.number().nullable().describe('`null`: it never failed.'),
  counts,
  success: share.nullable().describe('Share of the requests that did not fail.'),
  failures: count.describe('Outages.'),
  mttrMs: ms.nullable(),
  mtbfMs: ms.nullable(),
}

const backend: z.ZodType<BackendReport> = z.strictObject(figures).meta({ id: 'BackendReport' })

const pool: z.ZodType<PoolReport> = z
  .strictObject({
    ...figures,
    mode: z.string(),
    objective: z.strictObject({ rtoMs: ms.nullable(), availability: share.nullable() }),
    metAvailability: z.boolean().nullable(),
    budget: z
      .strictObject({
        allowedMs: ms,
        spentMs: ms,
        left: z.number().describe('1: untouched, 0: spent, below: missed.'),
      })
      .nullable()
      .describe('Error budget; `null` without `objective.availability`.'),
    rto: z.strictObject({
      p50Ms: ms.nullable(),
      maxMs: ms.nullable(),
      met: count,
      missed: count,
    }),
    moves: z.record(z.string(), count).describe('By kind.'),
    backends: z.array(backend).describe('Those with the lowest availability first.'),
  })
  .meta({ id: 'PoolReport' })

/** A report with where it is from, and how many records it leaves out. */
type ToldReport = Report & {
  readonly ledger: { readonly path: string | null; readonly damaged: number }
  readonly totals: { readonly incidents: number; readonly windows: number }
}

export const reportSchema: z.ZodType<ToldReport> = z.strictObject({
  since: at,
  until: at,
  runs: z.array(start),
  notRunningMs: ms,
  partialMs: ms.describe(
    'From hours that lie in the stretch only in part: their figures count in proportion.',
  ),
  pools: z.array(pool),
  incidents: z.array(incident).describe('Worst first, at most 1,000.'),
  windows: z.array(window).describe('The latest, at most 1,000.'),
  actions: z.array(action).describe('The latest, at most 1,000.'),
  leftOut: count.describe('Records that were too many to be written.'),
  ledger: z.strictObject({
    path: z.string().nullable().describe('`null`: kept in memory only.'),
    damaged: count.describe('Lines that were skipped.'),
  }),
  totals: z.strictObject({ incidents: count, windows: count }),
})

export const incidentsSchema = z.strictObject({ total: count, incidents: z.array(incident) })

export const incidentSchema = z.strictObject({
  incident,
  members: z.array(incident).describe('Those of backends that belong to it.'),
})
