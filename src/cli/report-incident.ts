// One incident as a time line: what happened when, for how long, and what it cost.

import type { IncidentRecord, StageName } from '../core/ledger-contract.ts'
import { countsOf, downtimeOf } from '../core/report.ts'
import { grid, heading, lines, placeOf, rtoText, type Hand } from './report-text.ts'
import { clockText, lengthText, momentText, timeText } from './report-words.ts'

const words: Readonly<Record<StageName, string>> = {
  fault: 'first sign',
  detected: 'detected',
  down: 'down',
  ejected: 'ejected',
  probation: 'in probation',
  short: 'too few',
  moved: 'moved',
  serving: 'serves again',
  enough: 'enough again',
  recovered: 'recovered',
  withdrawn: 'taken out',
  removed: 'removed',
  stopped: 'Evenkeel stopped',
  interrupted: 'Evenkeel ended',
  resumed: 'Evenkeel runs',
}

const troubles: Readonly<Record<IncidentRecord['trouble'], string>> = {
  outage: 'nobody served',
  shortage: 'fewer than minAvailable',
  'active-lost': 'the active was lost',
  down: 'down',
  ejected: 'ejected',
}

const MEMBERS_MAX = 20

/** @param members incidents of backends that belong to it */
export function incidentText(
  incident: IncidentRecord,
  members: readonly IncidentRecord[],
  hand: Hand,
): string {
  const title = `Incident ${incident.id}: ${placeOf(incident)}, ${troubles[incident.trouble]}`
  const parts = [
    heading(title, 1, hand),
    lines(aboutLines(incident), hand),
    heading('Time line', 2, hand),
    timeLine(incident, hand),
    lines(notesOf(incident), hand),
    ...memberParts(members, hand),
    ...moveParts(incident, hand),
    ...actionParts(incident, hand),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

function aboutLines(incident: IncidentRecord): string[] {
  const { at, ms, open, cause, outages, outagesLeftOut, relapses, gapMs, parent } = incident
  const length = open ? `open, ${lengthText(ms)} so far` : `over after ${lengthText(ms)}`
  const list = [`began ${timeText(at)}, ${length}`, `cause: ${cause}`]
  const noun = incident.backend === null ? 'without service' : 'out'
  const number = outages.length + outagesLeftOut
  if (number > 0) {
    const times = number > 1 ? ` in ${number} stretches` : ''
    list.push(`${noun} for ${lengthText(downtimeOf(incident))}${times}`)
  }
  const rto = rtoText(incident)
  if (rto !== '-') {
    const objective = incident.rtoMs === null ? '' : ` (objective ${lengthText(incident.rtoMs)})`
    list.push(`from the first sign to service again: ${rto}${objective}`)
  }
  if (relapses > 0) list.push(`came back within a minute of its recovery, ${relapses} times`)
  if (gapMs > 0) {
    list.push(`Evenkeel did not run for ${lengthText(gapMs)} of it: what happened then is unknown`)
  }
  const { requests, failed, retried, rescued, unknown } = countsOf(incident)
  list.push(
    incident.backend === null
      ? `requests ${requests}, failed ${failed}, retried ${retried}, rescued ${rescued}, writes of unknown outcome ${unknown}`
      : `attempts on it ${requests}, failed ${failed}`,
  )
  if (parent !== null) list.push(`part of incident ${parent}`)
  return list
}

function timeLine({ stages, ms, backend }: IncidentRecord, hand: Hand): string {
  const isPool = backend === null
  const counted = isPool
    ? ['REQUESTS', 'FAILED', 'RETRIED', 'RESCUED', 'UNKNOWN']
    : ['ATTEMPTS', 'FAILED']
  const head = ['TIME', 'AFTER', 'STAGE', 'LASTS', ...counted, 'NOTE']
  const rows = stages.map((stage, i) => {
    const next = stages[i + 1]
    const { requests, failed, retried, rescued, unknown } = stage.counts
    const mark = stage.exact ? '' : '*'
    const numbers = isPool ? [requests, failed, retried, rescued, unknown] : [requests, failed]
    const isEnd = next === undefined && stage.ms >= ms
    const lasts = isEnd ? '-' : lengthText((next?.ms ?? ms) - stage.ms)
    const counts = numbers.map((number) => `${number}${mark}`)
    return [
      clockText(stage.at),
      momentText(stage.ms),
      words[stage.name],
      lasts,
      ...counts,
      stage.note,
    ]
  })
  const right = [1, 3, ...counted.map((_, i) => 4 + i)]
  return grid({ rows: [head, ...rows], right }, hand)
}

function notesOf({ stages, stagesLeftOut }: IncidentRecord): string[] {
  const list: string[] = []
  if (stages.some(({ exact }) => !exact)) {
    list.push('* from a reading of the counters up to a second before')
  }
  if (stagesLeftOut > 0) list.push(`${stagesLeftOut} further stages are not listed`)
  return list
}

function memberParts(members: readonly IncidentRecord[], hand: Hand): string[] {
  if (members.length === 0) return []
  const head = ['ID', 'BACKEND', 'FIRST SIGN', 'LASTED', 'OUT', 'CAUSE']
  const rows = members
    .slice(0, MEMBERS_MAX)
    .map((one) => [
      one.id,
      one.backend ?? '-',
      clockText(one.at),
      `${lengthText(one.ms)}${one.open ? ', open' : ''}`,
      lengthText(downtimeOf(one)),
      one.cause,
    ])
  const more = members.length - rows.length
  if (more > 0) rows.push([`and ${more} more`])
  return [heading('Backends', 2, hand), grid({ rows: [head, ...rows], right: [3, 4] }, hand)]
}

function moveParts({ moves }: IncidentRecord, hand: Hand): string[] {
  if (moves.length === 0) return []
  const head = [
    'TIME',
    'MOVE',
    'OUTCOME',
    'EPOCH',
    'DETECTION',
    'MOVE TOOK',
    'SESSIONS CUT',
    'REASON',
  ]
  const rows = moves.map((move) => [
    clockText(move.at),
    `${move.kind} ${move.from ?? '-'} → ${move.to}`,
    move.outcome,
    String(move.epoch),
    momentText(move.detectionMs),
    momentText(move.moveMs),
    String(move.sessions.cut),
    move.reason,
  ])
  return [heading('Moves', 2, hand), grid({ rows: [head, ...rows], right: [3, 4, 5, 6] }, hand)]
}

function actionParts({ actions }: IncidentRecord, hand: Hand): string[] {
  if (actions.length === 0) return []
  const head = ['TIME', 'WHERE', 'WHAT', 'BY', 'OUTCOME', 'REASON']
  const rows = actions.map(({ at, pool, backend, verb, by, outcome, reason }) => [
    clockText(at),
    pool === null ? '-' : placeOf({ pool, backend }),
    verb,
    by,
    outcome,
    reason,
  ])
  return [
    heading('What was done meanwhile', 2, hand),
    grid({ rows: [head, ...rows], right: [] }, hand),
  ]
}
