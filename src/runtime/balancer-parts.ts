// The parts of a running balancer, put together; each is explained where it is made.
// Must never hold policy: parts decide, this connects them.

import type { Plan } from '../core/plan.ts'
import { THREAD, type SharedTable } from '../core/shared-layout.ts'
import { seededRandom } from '../core/random.ts'
import type { PoolStatus } from '../core/status.ts'
import type { Readiness } from '../admin/process-routes.ts'
import type { Log } from '../observe/log.ts'
import { Metrics } from '../observe/metrics.ts'
import type { Agreement } from '../ha/agreement.ts'
import { socketProber } from '../probe/prober.ts'
import type { AdminApi } from './admin-api.ts'
import { AccessSink } from './access-sink.ts'
import { RunningAlerts } from './alerts.ts'
import { makeAgreement, makeStore } from './agreement-wiring.ts'
import { systemClock, systemTimers } from './clock.ts'
import { ControlPlane } from './control-plane.ts'
import type { DataPlanes } from './data-planes.ts'
import { makeLedger, type RunningLedger } from './ledger.ts'
import { News } from './news.ts'
import { makeOverrides } from './override-wiring.ts'
import type { RunningOverrides } from './overrides.ts'
import type { PlanKeeper } from './plan-keeper.ts'
import { tableFor } from './plan-table.ts'
import { makePlanes } from './plane-wiring.ts'
import { Reloading } from './reloading.ts'
import type { BalancerOptions } from './running-balancer.ts'
import type { RunningDiscovery } from './running-discovery.ts'
import { RunningHooks } from './running-hooks.ts'
import type { Succession } from './succession.ts'
import { Traces } from './traces.ts'
import { Rights } from './upgrade-rights.ts'
import type { LendableState } from './upgrade-state.ts'
import { makeUpgrader } from './upgrade-wiring.ts'
import type { Upgrader } from './upgrade.ts'
import { packageVersion } from './version.ts'
import { VirtualIp } from './virtual-ip.ts'

/** What the parts are made from, besides what the caller wants. */
export interface Settings extends BalancerOptions {
  readonly log: Log
  readonly keeper: PlanKeeper
  readonly discovery: RunningDiscovery
  readonly kept: LendableState
  readonly past: Succession
  readonly inProcess: boolean
  readonly reusePort: boolean
  readonly threads: number
}

/** What the parts ask of the balancer that they make up. */
export interface Life {
  phase(): 'starting' | 'running' | 'draining' | 'closed'
  readiness(): Readiness
  /** `null`: not begun yet, or not wanted. */
  admin(): AdminApi | null
  /** Stops accepting and finishes what runs; resolves to how many exchanges were cut. */
  finish(): Promise<number>
  /** The same after another process has taken over. */
  retire(): Promise<number>
  /** Another plan is in force. */
  replanned(): void
}

/** All that a balancer consists of, but for the admin API, which comes and goes with its life. */
export class Parts {
  readonly log: Log
  readonly version = packageVersion()
  readonly clock = systemClock()
  readonly random = seededRandom(Math.floor(Math.random() * 2 ** 31))
  readonly table: SharedTable
  readonly rights: Rights
  readonly ledger: RunningLedger | null
  readonly agreement: Agreement | null
  readonly overrides: RunningOverrides
  readonly control: ControlPlane
  readonly planes: DataPlanes
  readonly access: AccessSink
  readonly traces: Traces
  readonly metrics: Metrics
  readonly alerts: RunningAlerts
  /** The one place where things are announced. */
  readonly news: News
  readonly hooks: RunningHooks
  readonly vip: VirtualIp | null
  readonly upgrader: Upgrader
  readonly reloading: Reloading
  readonly #settings: Settings
  readonly #life: Life

  constructor(settings: Settings, life: Life) {
    this.#settings = settings
    this.#life = life
    const { plan } = settings.keeper
    this.log = settings.log
    this.news = new News(settings.log, () => this.clock.nowMs())
    this.hooks = new RunningHooks(settings.log)
    this.table = tableFor(plan, settings.threads)
    this.access = new AccessSink(plan.log.access, settings.log, (thread, characters) => {
      this.planes.send(thread, { kind: 'access-taken', characters })
    })
    this.traces = new Traces(plan.tracing, settings.log, () => this.planes)
    this.rights = new Rights(this.table, this.clock)
    const parts = { plan, table: this.table, clock: this.clock, events: this.news.events }
    this.ledger = makeLedger({ ...parts, log: settings.log })
    this.agreement = makeAgreement({
      plan,
      rights: this.rights,
      state: settings.kept.failover,
      clock: this.clock,
      random: this.random,
      log: settings.log,
      hear: (pool, event) => this.control.hear(pool, event),
    })
    this.overrides = this.#makeOverrides()
    this.control = this.#makeControlPlane()
    this.planes = this.#makePlanes()
    this.metrics = this.#makeMetrics()
    this.vip = this.#makeVirtualIp()
    this.upgrader = this.#makeUpgrader()
    this.reloading = this.#makeReloading()
    this.alerts = new RunningAlerts({
      ...parts,
      log: settings.log,
      plan: () => this.plan,
      status: () => this.status(),
      ledgerFault: () => this.ledger?.fault ?? null,
    })
  }

  /** The plan in force. */
  get plan(): Plan {
    return this.#settings.keeper.plan
  }

  /** All pools and backends, as people see them. */
  status(): readonly PoolStatus[] {
    return this.#settings.discovery.show(this.overrides.show(this.control.status()))
  }

  /** What operators change about backends. */
  #makeOverrides(): RunningOverrides {
    return makeOverrides({
      store: this.#settings.kept.overrides,
      table: this.table,
      plan: () => this.plan,
      exists: (pool, backend) => this.#settings.keeper.knows(pool, backend),
      control: () => this.control,
      applied: () => this.planes.applied(),
      setPlanOverrides: (overrides) => this.#settings.keeper.setOverrides(overrides),
      publish: (event) => this.news.publish(event),
    })
  }

  /** Judges the backends and says what may get traffic. */
  #makeControlPlane(): ControlPlane {
    const { past, kept } = this.#settings
    return new ControlPlane({
      plan: this.plan,
      table: this.table,
      clock: this.clock,
      random: this.random,
      prober: socketProber,
      timers: systemTimers,
      recall: (pool, backend) => this.overrides.recall(pool, backend),
      publish: (snapshot) => {
        this.planes.publish(snapshot)
        this.ledger?.published(snapshot)
      },
      ...this.news.ofBackends,
      onFreed: (slots) => this.#settings.keeper.freed(slots),
      failover: {
        store: past.storeOf(makeStore(kept.failover, this.agreement, this.log)),
        wallMs: () => Date.now(),
        applied: () => this.planes.applied(),
        hook: (plan, facts, done) => this.hooks.run(plan, facts, done),
        ...this.news.ofMoves,
      },
    })
  }

  /** The hands that carry the traffic. */
  #makePlanes(): DataPlanes {
    const { inProcess, reusePort, dataPlaneModule, past } = this.#settings
    return makePlanes({
      plan: () => this.plan,
      table: this.table,
      clock: this.clock,
      random: this.random,
      log: this.log,
      events: this.news.events,
      control: this.control,
      access: this.access,
      traces: this.traces,
      inProcess,
      reusePort,
      shares: past.shares,
      module: dataPlaneModule,
      socketsLost: () => this.#settings.socketsLost?.(),
    })
  }

  /** Goes over to another plan while it runs. */
  #makeReloading(): Reloading {
    const { keeper, discovery, origin = null, inProcess } = this.#settings
    return new Reloading({
      keeper,
      discovery,
      origin,
      inProcess,
      log: this.log,
      table: this.table,
      access: this.access,
      control: this.control,
      planes: this.planes,
      applied: () => {
        this.#life.replanned()
        this.overrides.replanned()
        this.traces.follow(this.plan.tracing)
      },
      publish: (event) => this.news.publish(event),
    })
  }

  /** Reads the shared memory when somebody scrapes. */
  #makeMetrics(): Metrics {
    return new Metrics({
      plan: () => this.control.plan,
      table: this.table,
      version: this.version,
      nowMs: () => this.clock.nowMs(),
      status: () => this.#settings.discovery.show(this.control.status()),
      threads: () => ({
        asked: this.#settings.threads,
        running: this.planes.running,
        restarts: this.planes.restarts,
      }),
      isReady: () => this.#life.readiness().ready,
      isDraining: () => this.#life.phase() === 'draining',
      virtualIp: () => this.vip?.facts() ?? null,
      config: () => this.reloading.facts(this.news.reloads),
      lostLines: () => this.access.lostLines,
      spans: () => this.traces.spans,
      adminAnswers: () => this.#life.admin()?.answered() ?? new Map(),
      alerts: () => this.alerts.subjects(),
      transitions: this.news.transitions,
      moves: this.news.moves,
    })
  }

  /** Tells keepalived how this Evenkeel is, and has it give the address away before a stop. */
  #makeVirtualIp(): VirtualIp | null {
    if (this.plan.keepalived === null) return null
    return new VirtualIp(this.plan.keepalived, {
      log: this.log,
      clock: this.clock,
      readiness: () => this.#life.readiness(),
      running: () => this.table.sum(THREAD.exchanges),
      finish: () => this.#life.finish(),
      isStopping: () => this.#life.phase() !== 'running',
      end: () => this.#settings.handedOver?.(),
    })
  }

  /** Has another process follow this one. */
  #makeUpgrader(): Upgrader {
    const { kept, past, reusePort, inProcess, discovery } = this.#settings
    return makeUpgrader({
      version: this.version,
      log: this.log,
      clock: this.clock,
      table: this.table,
      events: this.news.events,
      planes: this.planes,
      kept,
      rights: this.rights,
      agreement: this.agreement,
      vip: this.vip,
      ledger: this.ledger,
      admin: () => this.#life.admin(),
      control: this.control,
      past,
      reusePort,
      isEmbedded: inProcess,
      isRunning: () => this.#life.phase() === 'running',
      found: () => discovery.found,
      config: () => this.reloading.reloader.status,
      retire: () => this.#life.retire(),
      end: (code) => this.#settings.replaced?.(code),
    })
  }
}
