// Rows of the shared memory whose owners are gone: when they may be given to others.
//   left ─► every thread has the plan, and for a while nothing counts in the row any more
//        ─► `Snapshot.freed`: each thread zeroes its part ─► every thread has that ─► vacant
// A row in use is never freed, however long it takes: there are far more rows than it could hold up,
// and its next owner would be charged with what the last one does. Decides nothing about traffic.

import type { Plan } from '../core/plan.ts'
import { isSame } from '../core/same.ts'
import {
  BACKEND,
  BACKEND_CELLS,
  CONTROL_CELLS,
  CONTROL_POOL,
  LISTENER,
  LISTENER_CELLS,
  POOL,
  POOL_CELLS,
  type SharedTable,
} from '../core/shared-layout.ts'
import type { FreedSlots } from '../core/snapshot.ts'

/** How long a row has to be quiet: a listener may still be closing, a reload be taken back. */
const SLOT_REST_MS = 10_000
/** Time between two looks. */
const LOOK_MS = 500

type Kind = keyof FreedSlots

/** Who has a row. */
interface Owner {
  readonly kind: Kind
  readonly slot: number
  readonly name: string
  /** The same for the same thing only; plain data. */
  readonly identity: unknown
  /** Slot of the pool that it belongs to; −1 for none. */
  readonly pool: number
  /** Cells that count what is still going on. */
  readonly gauges: readonly number[]
}

interface Leaving extends Owner {
  /** Version of the snapshot since which nothing new begins; `null`: not published yet. */
  version: number | null
  /** Since when nothing goes on; Infinity while something does. */
  quietMs: number
}

export interface VacantSlotsPorts {
  readonly table: SharedTable
  /** The lowest snapshot version that a living data thread has applied. */
  applied(): number
  /** They are zeroed, and nobody's. */
  onFreed(slots: FreedSlots): void
}

export class VacantSlots {
  readonly #ports: VacantSlotsPorts
  /** By kind and slot. */
  readonly #leaving = new Map<string, Leaving>()
  #freeing: { readonly slots: FreedSlots; version: number | null } | null = null
  #lookMs = -Infinity
  /** Of the plan in force. */
  #owners: ReadonlyMap<string, Owner>

  /** @throws Error if a row has two owners */
  constructor(ports: VacantSlotsPorts, plan: Plan) {
    this.#ports = ports
    this.#owners = ownersOf(plan, ports.table)
  }

  /**
   * Another plan is in force: rows that are not in it any more are on their way out.
   * @throws Error if a row has two owners or is not free; nothing has changed then
   */
  adopt(plan: Plan): void {
    const owners = this.#owners
    const next = ownersOf(plan, this.#ports.table)
    const freeing = new Set(this.#freeing === null ? [] : keysOf(this.#freeing.slots))
    for (const [key, { name, identity }] of next) {
      const last = owners.get(key)
      if (last !== undefined && last.name !== name) {
        throw new Error(`${key} is given to ${name} and still belongs to ${last.name}`)
      }
      const leaving = this.#leaving.get(key)
      const isOther = leaving !== undefined && !isSame(leaving.identity, identity)
      if (isOther || freeing.has(key)) {
        throw new Error(`${key} is given to ${name} and not free yet`)
      }
    }
    // Who comes back before his row was freed has it still.
    for (const key of next.keys()) this.#leaving.delete(key)
    for (const [key, owner] of owners) {
      if (next.has(key)) continue
      this.#leaving.set(key, { ...owner, version: null, quietMs: Infinity })
    }
    this.#owners = next
  }

  /** The snapshot with the plan, or with what is freed, went out under this version. */
  published(version: number): void {
    for (const one of this.#leaving.values()) one.version ??= version
    if (this.#freeing !== null) this.#freeing.version ??= version
  }

  /** Looks how far things have come. Returns what is to be published as freed; mostly `null`. */
  look(nowMs: number): FreedSlots | null {
    this.#lookAtFreeing()
    if (this.#leaving.size === 0 || nowMs - this.#lookMs < LOOK_MS) return null
    this.#lookMs = nowMs
    const applied = this.#ports.applied()
    for (const one of this.#leaving.values()) {
      const isOver = one.version !== null && applied >= one.version && this.#isQuiet(one)
      one.quietMs = isOver ? Math.min(one.quietMs, nowMs) : Infinity
    }
    if (this.#freeing !== null) return null
    const all = [...this.#leaving.values()]
    const rests = ({ quietMs }: Leaving) => nowMs - quietMs >= SLOT_REST_MS
    // What runs on a backend is counted in the row of its pool, too.
    const busy = new Set(all.flatMap((one) => (rests(one) ? [] : [one.pool])))
    const ready = all.filter((one) => rests(one) && (one.kind !== 'pools' || !busy.has(one.slot)))
    if (ready.length === 0) return null
    for (const { kind, slot } of ready) this.#leaving.delete(keyOf(kind, slot))
    const slots = freedOf(ready)
    this.#freeing = { slots, version: null }
    return slots
  }

  #lookAtFreeing(): void {
    const freeing = this.#freeing
    if (freeing === null || freeing.version === null) return
    if (this.#ports.applied() < freeing.version) return
    this.#freeing = null
    clearSlots(this.#ports.table, freeing.slots)
    this.#ports.onFreed(freeing.slots)
  }

  #isQuiet({ gauges }: Leaving): boolean {
    const { rows } = this.#ports.table
    return rows.every((row) => gauges.every((cell) => row[cell] === 0))
  }
}

const keyOf = (kind: Kind, slot: number): string => `${kind} ${slot}`

function keysOf(slots: FreedSlots): string[] {
  const kinds: readonly Kind[] = ['listeners', 'pools', 'backends']
  return kinds.flatMap((kind) => slots[kind].map((slot) => keyOf(kind, slot)))
}

/** @throws Error if two have one row, or a row is not there */
function ownersOf(plan: Plan, table: SharedTable): Map<string, Owner> {
  const { shape } = table
  const room: Record<Kind, number> = { ...shape, backends: shape.slots }
  const owners = new Map<string, Owner>()
  const add = (one: Owner) => {
    const { kind, slot, name } = one
    const key = keyOf(kind, slot)
    const other = owners.get(key)
    if (other !== undefined) throw new Error(`${other.name} and ${name} both have ${key}`)
    if (!(slot >= 0 && slot < room[kind])) throw new Error(`${name}: there is no ${key}`)
    owners.set(key, one)
  }
  for (const { name, slot, address, protocol } of plan.listeners) {
    const gauges = [table.listenerBase(slot) + LISTENER.connections]
    const identity = [name, address, protocol]
    add({ kind: 'listeners', slot, name, identity, pool: -1, gauges })
  }
  for (const { name, slot, backends } of plan.pools) {
    const queued = table.poolBase(slot) + POOL.queued
    add({ kind: 'pools', slot, name, identity: name, pool: -1, gauges: [queued] })
    for (const backend of backends) {
      const base = table.backendBase(backend.slot)
      const gauges = [BACKEND.inFlight, BACKEND.waiting, BACKEND.probing, BACKEND.connections]
      add({
        kind: 'backends',
        slot: backend.slot,
        name: `${name}/${backend.name}`,
        identity: [name, backend.name, backend.address],
        pool: slot,
        gauges: gauges.map((column) => base + column),
      })
    }
  }
  return owners
}

function freedOf(leaving: readonly Leaving[]): FreedSlots {
  const of = (kind: Kind) => leaving.flatMap((one) => (one.kind === kind ? [one.slot] : []))
  return { listeners: of('listeners'), pools: of('pools'), backends: of('backends') }
}

/** What the control plane writes, and what dead threads had counted. */
function clearSlots(table: SharedTable, { listeners, pools, backends }: FreedSlots): void {
  const { control, retired } = table
  const forget = (base: number, cells: number) => retired.fill(0, base, base + cells)
  for (const slot of listeners) forget(table.listenerBase(slot), LISTENER_CELLS)
  for (const slot of pools) {
    forget(table.poolBase(slot), POOL_CELLS)
    control[table.controlPoolBase(slot) + CONTROL_POOL.sendUntilMs] = Infinity
  }
  for (const slot of backends) {
    forget(table.backendBase(slot), BACKEND_CELLS)
    control.fill(0, table.controlBase(slot), table.controlBase(slot) + CONTROL_CELLS)
  }
}
