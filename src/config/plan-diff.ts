// What a reload would change, in the words of the configuration, and what no reload can change.
// Pure. Two plans are compared as they are configured: what was added to one while it ran, or which
// port an unsettled one got, is no difference.

import type { BackendPlan, Plan, PoolPlan } from '../core/plan.ts'
import type {
  Differences,
  FixedChange,
  PlanDiff,
  PoolChange,
  SettingChange,
  ThingChange,
} from '../core/reload.ts'
import { canonicalAddress } from './address.ts'
import { listenerKey } from './plan-slots.ts'
import { backendWords, listenerWords, poolWords, processWords, type Words } from './plan-words.ts'

/** Compares two configured plans. */
export function planDiff(before: Plan, after: Plan): PlanDiff {
  const pools = diffPools(before, after)
  const settings: SettingChange[] = []
  const fixed: FixedChange[] = []
  for (const change of diffWords(processWords(before), processWords(after))) {
    const advice = adviceOn(change.path)
    if (advice === null) settings.push(change)
    else fixed.push({ ...change, advice })
  }
  for (const { name, settings } of pools.changed) {
    const mode = settings.find(({ path }) => path === 'mode')
    if (mode !== undefined) fixed.push({ ...mode, path: `pools.${name}.mode`, advice: NEW_POOL })
  }
  return { listeners: diffListeners(before, after), pools, settings, fixed }
}

/** Whether the two were the same. */
export function isEmptyDiff({ listeners, pools, settings, fixed }: PlanDiff): boolean {
  const lists = [listeners, pools].flatMap(({ added, removed, changed }) => [
    added,
    removed,
    changed,
  ])
  return [...lists, settings, fixed].every((list) => list.length === 0)
}

/**
 * `1 listener added; pool web: 2 backends added, 1 removed; 3 settings changed`; empty if nothing
 * changed.
 */
export function summarizeDiff({ listeners, pools, settings }: PlanDiff): string {
  const parts = [...countsOf('listener', listeners), ...countsOf('pool', pools)]
  const backends = { added: 0, removed: 0, changed: 0 }
  for (const { backends: one } of pools.changed) {
    backends.added += one.added.length
    backends.removed += one.removed.length
    backends.changed += one.changed.length
  }
  for (const [what, count] of Object.entries(backends)) {
    if (count > 0) parts.push(counted(count, 'backend', what))
  }
  if (settings.length > 0) parts.push(counted(settings.length, 'setting', 'changed'))
  return parts.join(', ')
}

const NEW_PROCESS = 'restart Evenkeel'
const NEW_POOL = 'give the pool another name, or restart Evenkeel'

// The process is built on these; the keys of a section count with it.
const fixedPaths: readonly (readonly [path: string, advice: string])[] = [
  ['runtime.threads', NEW_PROCESS],
  ['runtime.stateDir', NEW_PROCESS],
  ['admin', NEW_PROCESS],
  ['ledger', NEW_PROCESS],
  ['cluster', 'restart the replicas one after another'],
  ['keepalived', NEW_PROCESS],
]

function adviceOn(path: string): string | null {
  const found = fixedPaths.find(([fixed]) => path === fixed || path.startsWith(`${fixed}.`))
  return found?.[1] ?? null
}

function diffListeners(before: Plan, after: Plan): Differences {
  const old = byName(before.listeners)
  const now = byName(after.listeners)
  const changed: ThingChange[] = []
  for (const listener of after.listeners) {
    const known = old.get(listener.name)
    if (known === undefined) continue
    const settings = [
      ...diffWords(listenerWords(known, before), listenerWords(listener, after)),
      // The first match wins.
      ...diffOrder('order of routes', known.routes, listener.routes),
    ]
    const isReplaced = listenerKey(known) !== listenerKey(listener)
    if (settings.length > 0) changed.push({ name: listener.name, settings, isReplaced })
  }
  return { added: missing(now, old), removed: missing(old, now), changed }
}

// A read side is no pool of the file: what changes about it changes about its pool or a route.
function diffPools(before: Plan, after: Plan): PlanDiff['pools'] {
  const old = byName(before.pools.filter(({ replicasOf }) => replicasOf < 0))
  const now = byName(after.pools.filter(({ replicasOf }) => replicasOf < 0))
  const changed: PoolChange[] = []
  for (const [name, pool] of now) {
    const known = old.get(name)
    if (known === undefined) continue
    const settings = [
      ...diffWords(poolWords(known), poolWords(pool)),
      // In active-standby pools it is the order of preference.
      ...diffOrder('order of backends', known.backends, pool.backends),
      ...diffOrder('order of sites', known.sites, pool.sites),
    ]
    const backends = diffBackends(known, pool)
    const { added, removed, changed: others } = backends
    const size = settings.length + added.length + removed.length + others.length
    if (size > 0) changed.push({ name, settings, backends })
  }
  return { added: missing(now, old), removed: missing(old, now), changed }
}

function diffBackends(before: PoolPlan, after: PoolPlan): Differences {
  const old = byName(before.backends)
  const now = byName(after.backends)
  const changed: ThingChange[] = []
  for (const [name, backend] of now) {
    const known = old.get(name)
    if (known === undefined) continue
    const settings = diffWords(
      backendWords(known, before.sites),
      backendWords(backend, after.sites),
    )
    if (settings.length > 0) changed.push({ name, settings, isReplaced: isOther(known, backend) })
  }
  return { added: missing(now, old), removed: missing(old, now), changed }
}

function isOther(one: BackendPlan, two: BackendPlan): boolean {
  return canonicalAddress(one.address) !== canonicalAddress(two.address)
}

/** Changes from one set of settings to another, in the order of the later one. */
function diffWords(before: Words, after: Words): SettingChange[] {
  const paths = new Set([...after.keys(), ...before.keys()])
  const changes: SettingChange[] = []
  for (const path of paths) {
    const [one, two] = [before.get(path), after.get(path)]
    if (one?.exact === two?.exact) continue
    // With a whole section switched on or off its keys tell nothing more.
    if (isWithin(path, before, after)) continue
    changes.push({ path, before: shownOf(one, path, before), after: shownOf(two, path, after) })
  }
  return changes
}

interface Named {
  readonly name: string
}

// Things that came or went say so themselves.
function diffOrder(
  path: string,
  before: readonly Named[],
  after: readonly Named[],
): readonly SettingChange[] {
  const [old, now] = [byName(before), byName(after)]
  const one = [...old.keys()].filter((name) => now.has(name)).join(', ')
  const two = [...now.keys()].filter((name) => old.has(name)).join(', ')
  return one === two ? [] : [{ path, before: one, after: two }]
}

function isWithin(path: string, before: Words, after: Words): boolean {
  for (let at = path.lastIndexOf('.'); at > 0; at = path.lastIndexOf('.', at - 1)) {
    const section = path.slice(0, at)
    if (isOff(section, before) || isOff(section, after)) return true
  }
  return false
}

function isOff(section: string, words: Words): boolean {
  return words.get(section)?.shown === 'false'
}

function shownOf(word: { shown: string } | undefined, path: string, all: Words): string | null {
  if (word !== undefined) return word.shown
  for (const key of all.keys()) if (key.startsWith(`${path}.`)) return 'on'
  return null
}

function byName<T extends Named>(things: readonly T[]): Map<string, T> {
  return new Map(things.map((thing) => [thing.name, thing]))
}

function missing(these: ReadonlyMap<string, unknown>, others: ReadonlyMap<string, unknown>) {
  return [...these.keys()].filter((name) => !others.has(name))
}

function countsOf(
  thing: string,
  lists: Record<'added' | 'removed' | 'changed', readonly unknown[]>,
) {
  return (['added', 'removed', 'changed'] as const).flatMap((what) =>
    lists[what].length === 0 ? [] : [counted(lists[what].length, thing, what)],
  )
}

function counted(count: number, thing: string, what: string): string {
  return `${count} ${thing}${count === 1 ? '' : 's'} ${what}`
}
