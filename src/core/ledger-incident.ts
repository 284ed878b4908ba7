// One incident while it lasts: its stages, what was counted in each, the outages within it.
// Pure: times are handed in. Bounded: a flapping backend fills no memory and no disk.

import type {
  ActionRecord,
  Counts,
  IncidentRecord,
  OutageRecord,
  StageName,
  StageRecord,
} from './ledger-contract.ts'
import { addCounts, grownCounts, NO_COUNTS } from './ledger-contract.ts'
import type { MoveReport } from './status.ts'

/** Stages and outages listed in one incident; beyond they are counted. */
const STAGES_MAX = 40
const OUTAGES_MAX = 20
const MOVES_MAX = 10
const ACTIONS_MAX = 20

/** Trouble that comes back within this time is the same incident. */
export const SETTLE_MS = 60_000

/** Wall clock of a monotonic time. */
export type WallOf = (ms: number) => number

interface Stage {
  readonly name: StageName
  at: number
  ms: number
  readonly note: string
  counts: Counts
  readonly exact: boolean
}

/** A moment, and what the counters said then. */
export interface Reading {
  /** Monotonic. */
  readonly ms: number
  readonly counts: Counts
  /** Read at that moment, and not up to a second before. */
  readonly exact: boolean
}

/** Of an incident that goes on after a restart. */
interface Resumption {
  readonly nowMs: number
  readonly gapMs: number
  readonly counts: Counts
  readonly stopped: boolean
}

interface Origin {
  readonly id: string
  readonly pool: string
  readonly backend: string | null
  readonly trouble: IncidentRecord['trouble']
  readonly cause: string
  readonly rtoMs: number | null
}

export class Incident {
  readonly id: string
  readonly pool: string
  readonly backend: string | null
  readonly cause: string
  trouble: IncidentRecord['trouble']
  parent: string | null = null
  open = true
  /** Monotonic; before the start of the process if the incident is older than it. */
  startMs: number
  /** When it was closed; −Infinity while it never was. */
  closedMs = -Infinity
  rev = 0
  /** Something has changed since the last record. */
  dirty = true
  readonly #wallOf: WallOf
  readonly #rtoMs: number | null
  #at: number
  #stages: Stage[]
  #stagesLeftOut = 0
  #outages: OutageRecord[] = []
  #outagesLeftOut = 0
  #leftOutMs = 0
  /** An outage that is not listed began then; −1: none is open. */
  #unlistedMs = -1
  #relapses = 0
  #gapMs = 0
  #moves: MoveReport[] = []
  #actions: ActionRecord[] = []
  /** Counters when it began, and at the last look. */
  #first: Counts
  #seen: Counts

  constructor(origin: Origin, fault: Reading, wallOf: WallOf) {
    this.id = origin.id
    this.pool = origin.pool
    this.backend = origin.backend
    this.cause = origin.cause
    this.trouble = origin.trouble
    this.#rtoMs = origin.rtoMs
    this.#wallOf = wallOf
    this.startMs = fault.ms
    this.#at = wallOf(fault.ms)
    this.#first = fault.counts
    this.#seen = fault.counts
    const { exact } = fault
    this.#stages = [
      { name: 'fault', at: this.#at, ms: 0, note: origin.cause, counts: NO_COUNTS, exact },
    ]
  }

  /**
   * One that an earlier process left open.
   * @param gapMs since that process was last seen; `stopped`: it ended as it was told to
   */
  static resume(
    record: IncidentRecord,
    { nowMs, gapMs, counts, stopped }: Resumption,
    wallOf: WallOf,
  ): Incident {
    const { id, pool, backend, trouble, cause, rtoMs } = record
    const startMs = nowMs - record.ms - gapMs
    const fault = { ms: startMs, counts, exact: true }
    const incident = new Incident({ id, pool, backend, trouble, cause, rtoMs }, fault, wallOf)
    incident.#take(record)
    const end = stopped ? 'stopped' : 'interrupted'
    // Of a process that starts again and again not each start is listed; its gap counts all the same.
    if (incident.#stages.length + 2 > STAGES_MAX) incident.#stagesLeftOut += 2
    else {
      incident.#push(end, record.ms, record.at + record.ms, '')
      incident.#push('resumed', record.ms + gapMs, wallOf(nowMs), '')
    }
    incident.#gapMs += gapMs
    const open = incident.#outages.at(-1)
    if (open !== undefined && open.backMs === null) {
      incident.#outages[incident.#outages.length - 1] = { ...open, gapMs: open.gapMs + gapMs }
    }
    return incident
  }

  #take(record: IncidentRecord): void {
    this.rev = record.rev
    this.parent = record.parent
    this.#at = record.at
    this.#stages = record.stages.map((stage) => ({ ...stage }))
    this.#stagesLeftOut = record.stagesLeftOut
    this.#outages = [...record.outages]
    this.#outagesLeftOut = record.outagesLeftOut
    this.#leftOutMs = record.leftOutMs
    this.#relapses = record.relapses
    this.#gapMs = record.gapMs
    this.#moves = [...record.moves]
    this.#actions = [...record.actions]
  }

  get #last(): Stage {
    return this.#stages.at(-1)!
  }

  /** An outage is open. */
  get isOut(): boolean {
    if (this.#unlistedMs >= 0) return true
    const last = this.#outages.at(-1)
    return last !== undefined && last.backMs === null
  }

  /** The first sign of its latest loss; that of the incident if there was none. */
  get signMs(): number {
    if (this.#unlistedMs >= 0) return this.#unlistedMs
    return this.startMs + (this.#outages.at(-1)?.faultMs ?? 0)
  }

  /** Nothing has come after its first outage. */
  get isFirst(): boolean {
    return this.#outages.length <= 1 && this.#relapses === 0
  }

  /** The name of the stage it is in. */
  get stageName(): StageName {
    return this.#last.name
  }

  /** Counts up to now belong to the phase it is in. */
  count(now: Counts): void {
    const grown = grownCounts(this.#seen, now)
    this.#seen = now
    if (grown.requests + grown.failed + grown.retried + grown.rescued + grown.unknown === 0) return
    this.#last.counts = addCounts(this.#last.counts, grown)
    this.dirty = true
  }

  /** The next stage begins. Beyond `STAGES_MAX` only an end is listed. */
  stage(name: StageName, { ms, counts }: Reading, note: string): void {
    this.count(counts)
    this.dirty = true
    const isEnd = name === 'recovered' || name === 'withdrawn' || name === 'removed'
    if (this.#stages.length >= STAGES_MAX && !(isEnd && this.#last.name !== name)) {
      this.#stagesLeftOut++
      return
    }
    // One over the limit is the end; the end of a later relapse takes its place.
    if (this.#stages.length > STAGES_MAX) this.#dropLast()
    this.#push(name, ms - this.startMs, this.#wallOf(ms), note)
  }

  #dropLast(): void {
    const { counts } = this.#stages.pop()!
    this.#stagesLeftOut++
    this.#last.counts = addCounts(this.#last.counts, counts)
  }

  #push(name: StageName, ms: number, at: number, note: string): void {
    const last = this.#last
    this.#stages.push({
      name,
      at,
      ms: Math.max(last.ms, ms),
      note,
      counts: NO_COUNTS,
      exact: true,
    })
  }

  /** Service is lost. @param faultMs the first sign of this loss */
  lost(faultMs: number, nowMs: number): void {
    if (this.isOut) return
    this.dirty = true
    if (this.#outages.length >= OUTAGES_MAX) {
      this.#outagesLeftOut++
      this.#unlistedMs = nowMs
      return
    }
    const lostMs = Math.max(0, nowMs - this.startMs)
    const first = Math.min(lostMs, Math.max(0, faultMs - this.startMs))
    const at = this.#wallOf(this.startMs + first)
    this.#outages.push({ at, faultMs: first, lostMs, backMs: null, gapMs: 0 })
  }

  /** Service is back, or what lacked it is nobody's business any more. */
  back(nowMs: number, isWithdrawn = false): void {
    if (this.#unlistedMs >= 0) {
      this.#leftOutMs += Math.max(0, nowMs - this.#unlistedMs)
      this.#unlistedMs = -1
    }
    const open = this.#outages.at(-1)
    if (open === undefined || open.backMs !== null) return
    this.dirty = true
    const backMs = Math.max(open.lostMs, nowMs - this.startMs)
    const end = isWithdrawn ? { backMs, withdrawn: true as const } : { backMs }
    this.#outages[this.#outages.length - 1] = { ...open, ...end }
  }

  /** All is as before, or it is nobody's business any more. */
  close(name: 'recovered' | 'withdrawn' | 'removed', reading: Reading, note: string): void {
    this.back(reading.ms, name !== 'recovered')
    this.stage(name, reading, note)
    this.open = false
    this.closedMs = reading.ms
  }

  /** It was over too soon. */
  reopen(): void {
    this.open = true
    this.#relapses++
    this.dirty = true
  }

  /** Its first sign was earlier than was thought. @param reading the counters then */
  pullBack(reading: Reading): void {
    const earlier = this.startMs - reading.ms
    if (earlier <= 0 || this.#gapMs > 0 || this.#stages.length > STAGES_MAX) return
    this.dirty = true
    this.startMs = reading.ms
    this.#at = this.#wallOf(reading.ms)
    const [first, ...later] = this.#stages
    first!.at = this.#at
    first!.counts = addCounts(first!.counts, grownCounts(reading.counts, this.#first))
    this.#first = reading.counts
    for (const stage of later) stage.ms += earlier
    this.#outages = this.#outages.map((outage, index) => {
      const faultMs = index === 0 && outage.faultMs === 0 ? 0 : outage.faultMs + earlier
      const backMs = outage.backMs === null ? null : outage.backMs + earlier
      const at = index === 0 && faultMs === 0 ? this.#at : outage.at
      return { ...outage, at, faultMs, lostMs: outage.lostMs + earlier, backMs }
    })
  }

  addMove(report: MoveReport): void {
    if (this.#moves.length < MOVES_MAX) this.#moves.push(report)
    this.dirty = true
  }

  addAction(action: ActionRecord): void {
    if (this.#actions.length < ACTIONS_MAX) this.#actions.push(action)
    this.dirty = true
  }

  /** As it stands. */
  record(nowMs: number): IncidentRecord {
    const endMs = this.open ? nowMs : this.closedMs
    const unlistedMs = this.#unlistedMs < 0 ? 0 : Math.max(0, endMs - this.#unlistedMs)
    return {
      kind: 'incident',
      id: this.id,
      rev: this.rev,
      pool: this.pool,
      backend: this.backend,
      parent: this.parent,
      at: this.#at,
      trouble: this.trouble,
      cause: this.cause,
      open: this.open,
      ms: Math.round(Math.max(this.#last.ms, endMs - this.startMs)),
      gapMs: Math.round(this.#gapMs),
      stages: this.#stages.map(rounded),
      stagesLeftOut: this.#stagesLeftOut,
      outages: this.#outages.map(roundedOutage),
      outagesLeftOut: this.#outagesLeftOut,
      leftOutMs: Math.round(this.#leftOutMs + unlistedMs),
      relapses: this.#relapses,
      rtoMs: this.#rtoMs,
      moves: [...this.#moves],
      actions: [...this.#actions],
    }
  }
}

function rounded(stage: StageRecord): StageRecord {
  return { ...stage, ms: Math.round(stage.ms) }
}

function roundedOutage(outage: OutageRecord): OutageRecord {
  const { faultMs, lostMs, backMs, gapMs } = outage
  return {
    at: outage.at,
    faultMs: Math.round(faultMs),
    lostMs: Math.round(lostMs),
    backMs: backMs === null ? null : Math.round(backMs),
    gapMs: Math.round(gapMs),
    ...(outage.withdrawn === true ? { withdrawn: true } : {}),
  }
}
