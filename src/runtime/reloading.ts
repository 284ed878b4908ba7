// Connects what a reload needs: the keeper of the plan with the planes that go over to another one,
// the reloader with log and events, and the watch on the file.

import type { EventBody } from '../core/events.ts'
import type { Member } from '../core/membership.ts'
import type { Plan } from '../core/plan.ts'
import type { PlanDiff, Leaving } from '../core/reload.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import { LISTENER } from '../core/shared-layout.ts'
import type { ConfigOrigin } from '../config/origin.ts'
import type { OverrideStore } from '../ha/override-file.ts'
import type { ConfigSubject, ReloadCounter } from '../observe/config-families.ts'
import type { Log } from '../observe/log.ts'
import type { AccessSink } from './access-sink.ts'
import { ConfigWatch } from './config-watch.ts'
import type { ControlPlane } from './control-plane.ts'
import type { DataPlanes } from './data-planes.ts'
import { applicable } from './override-members.ts'
import { PlanKeeper } from './plan-keeper.ts'
import { settleListener } from './port-check.ts'
import { Reloader } from './reload.ts'
import type { RunningDiscovery } from './running-discovery.ts'

/** The running process. */
export interface ReloadingParts {
  readonly keeper: PlanKeeper
  readonly discovery: RunningDiscovery
  readonly origin: ConfigOrigin | null
  /** There is one data plane, in this thread. */
  readonly inProcess: boolean
  readonly log: Log
  readonly table: SharedTable
  readonly access: AccessSink
  readonly control: ControlPlane
  readonly planes: DataPlanes
  /** Another plan is in force. */
  readonly applied: () => void
  readonly publish: (event: EventBody) => void
}

/**
 * The keeper of the plan that a process starts with.
 * @param settled the same with the ports that were found
 */
export function makeKeeper(
  configured: Plan,
  settled: Plan,
  kept: OverrideStore,
  members: ReadonlyMap<string, readonly Member[]>,
): PlanKeeper {
  // Traffic matters more than what was added to another configuration; who added it is warned.
  const { wished } = applicable(kept.loaded.overrides, configured)
  const keeper = new PlanKeeper({ configured, members, overrides: wished })
  keeper.settled(settled.listeners)
  return keeper
}

export class Reloading {
  readonly reloader: Reloader
  readonly #parts: ReloadingParts
  #watch: ConfigWatch | null = null

  constructor(parts: ReloadingParts) {
    this.#parts = parts
    const { keeper, origin, log } = parts
    this.reloader = new Reloader({
      keeper,
      origin,
      clock: {
        wallMs: () => Date.now(),
        after: (ms, fire) => {
          const timer = setTimeout(fire, ms)
          return () => clearTimeout(timer)
        },
      },
      onNews: (news) => parts.publish({ kind: 'config', news }),
      onFinding: (severity, { message, ...where }) => {
        log[severity === 'error' ? 'error' : 'warn'](message, where)
      },
      leaving: (changes) => this.#leaving(changes),
    })
  }

  /** From here on the plan can change. */
  begin(): void {
    const { keeper, inProcess, log, table, access, control, planes } = this.#parts
    keeper.begin(table.shape, {
      refusal: (plan) => control.refusal(plan),
      // One data plane finds a free port by itself.
      settle: async (listener, { listeners }) =>
        inProcess ? listener : settleListener(listener, listeners),
      prepare: (plan) => access.follow(plan.log.access),
      apply: (plan) => {
        control.adopt(plan)
        return planes.adopted()
      },
      failed: (what, error) => {
        log.error(what, { cause: error instanceof Error ? error.message : String(error) })
      },
    })
    keeper.onApplied((plan) => {
      this.#follow(plan)
      this.#parts.applied()
    })
    this.#follow(keeper.plan)
    this.#parts.discovery.begin(keeper, this.#parts.publish)
  }

  /** For the metrics. */
  facts(counts: ReloadCounter): ConfigSubject {
    const { lastGood, status } = this.reloader
    const isPending = status.pending !== null
    return { isLastGood: lastGood.isLast, lastGoodAt: lastGood.at / 1_000, isPending, counts }
  }

  /** The plan stays as it is: the process ends. */
  stop(): void {
    this.#parts.discovery.stop()
    this.#parts.keeper.stop('Evenkeel is stopping')
    this.reloader.stop()
    this.#watch?.stop()
    this.#watch = null
  }

  #follow({ runtime, log: { level } }: Plan): void {
    this.#parts.log.setLevel?.(level)
    const file = this.#parts.origin?.file ?? null
    const isWanted = runtime.watch && file !== null
    if (isWanted === (this.#watch !== null)) return
    this.#watch?.stop()
    this.#watch = isWanted ? this.#startWatch(file) : null
  }

  #startWatch(file: string): ConfigWatch {
    let told = ''
    return new ConfigWatch({
      file,
      changed: async () => {
        // What waits for a confirmation must not be lost to what is on disk.
        if (this.reloader.status.pending !== null) return false
        const wish = { source: 'file', by: 'file watch' } as const
        const would = await this.reloader.reload({ ...wish, dryRun: true })
        // What can't be taken now may be later: told once, and asked again without a word.
        const isForNow = would.outcome === 'refused' && would.code === 'refused'
        if (isForNow && would.message === told) return false
        told = isForNow ? would.message : ''
        // Nobody needs to hear that a file was touched, but that it is right again.
        if (would.outcome !== 'unchanged' || !this.reloader.lastGood.isLast) {
          await this.reloader.reload(wish)
        }
        return !isForNow && this.reloader.status.pending === null
      },
      failed: (cause) => {
        this.#parts.log.warn('the configuration file is looked at every 5 s only', { cause })
      },
    })
  }

  /** What would go, or be replaced, and what it has under way. */
  #leaving({ listeners, pools }: PlanDiff): readonly Leaving[] {
    const { keeper, table, control } = this.#parts
    const leaving: Leaving[] = []
    const replaced = (changed: PlanDiff['listeners']['changed']): readonly string[] =>
      changed.filter(({ isReplaced }) => isReplaced).map(({ name }) => name)
    const gone = new Set([...listeners.removed, ...replaced(listeners.changed)])
    for (const { name, slot } of keeper.plan.listeners) {
      if (!gone.has(name)) continue
      const sessions = table.sum(table.listenerBase(slot) + LISTENER.connections)
      leaving.push({ kind: 'listener', name, sessions })
    }
    const removed = new Set(pools.removed)
    const changed = new Map(pools.changed.map(({ name, backends }) => [name, backends]))
    for (const pool of control.status()) {
      const backends = changed.get(pool.name)
      const names = new Set(
        backends === undefined ? [] : [...backends.removed, ...replaced(backends.changed)],
      )
      for (const { name, inFlight } of pool.backends) {
        if (!removed.has(pool.name) && !names.has(name)) continue
        leaving.push({ kind: 'backend', name: `${pool.name}/${name}`, sessions: inFlight })
      }
    }
    return leaving
  }
}
