// The composition root: puts a running balancer together from its parts. Read it from
// `startBalancer` down; each part is explained where it is made.
// Must never hold policy: parts decide, this connects them.

import type { Address, Plan } from '../core/plan.ts'
import { THREAD, type SharedTable } from '../core/shared-layout.ts'
import { seededRandom } from '../core/random.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { ReloadAnswer, ReloadWish } from '../core/reload.ts'
import type { UpgradeAnswer, UpgradeRequest } from '../core/upgrade.ts'
import type { PoolStatus, Transition } from '../core/status.ts'
import type { Readiness } from '../admin/process-routes.ts'
import type { Log } from '../observe/log.ts'
import { silentLog } from '../observe/log.ts'
import { Metrics } from '../observe/metrics.ts'
import type { Agreement } from '../ha/agreement.ts'
import { socketProber } from '../probe/prober.ts'
import type { AdminApi, AdminApiOptions } from './admin-api.ts'
import { startAdminApi } from './admin-api.ts'
import { AccessSink } from './access-sink.ts'
import { RunningAlerts } from './alerts.ts'
import { makeAgreement, makeStore } from './agreement-wiring.ts'
import { systemClock, systemTimers, within } from './clock.ts'
import { ControlPlane } from './control-plane.ts'
import type { DataPlanes } from './data-planes.ts'
import { threadCount } from './data-threads.ts'
import { clearStaleSockets, settleAddresses } from './port-check.ts'
import { canReusePort } from './reuse-port.ts'
import { explainHere } from './explain.ts'
import { firstVerdicts } from './first-verdicts.ts'
import { openKeptState } from './kept-state.ts'
import { makeLedger, type RunningLedger } from './ledger.ts'
import { News } from './news.ts'
import { makeOverrides } from './override-wiring.ts'
import type { RunningOverrides } from './overrides.ts'
import type { PlanKeeper } from './plan-keeper.ts'
import { tableFor } from './plan-table.ts'
import { makePlanes } from './plane-wiring.ts'
import { endingNews, runningNews, versionInfo } from './process-news.ts'
import { Reloading, makeKeeper } from './reloading.ts'
import type { BalancerOptions, RunningBalancer } from './running-balancer.ts'
import { RunningDiscovery } from './running-discovery.ts'
import { RunningHooks } from './running-hooks.ts'
import { Succession } from './succession.ts'
import { Traces } from './traces.ts'
import { Rights } from './upgrade-rights.ts'
import type { LendableState } from './upgrade-state.ts'
import { makeUpgrader } from './upgrade-wiring.ts'
import type { Upgrader } from './upgrade.ts'
import { whySource } from './why.ts'
import { packageVersion } from './version.ts'
import { VirtualIp } from './virtual-ip.ts'

/**
 * Starts a balancer and resolves when its listeners are open.
 * @throws AddressError when an address is taken; StateFileError when the state directory is in use or
 *   can't be read; Error when a data thread can't be started
 */
export async function startBalancer(
  plan: Plan,
  options: BalancerOptions = {},
): Promise<RunningBalancer> {
  const log = options.log ?? silentLog
  const inProcess = options.inProcess === true
  const reusePort = !inProcess && (await canReusePort())
  if (!inProcess && !reusePort && plan.runtime.threads !== 1) {
    log.info('one data thread: this Node.js cannot share a port between threads (22.12 and up can)')
  }
  // With several threads the kernel would let a second program share our ports unnoticed, and each
  // thread would get a port 0 of its own; so the addresses are settled first.
  const threads = inProcess ? 1 : threadCount(plan.runtime.threads, reusePort)
  const past = new Succession(plan, threads, options)
  const { shares } = past
  const settled = inProcess ? plan : await settleAddresses(shares.plan, shares.settled)
  if (inProcess) await clearStaleSockets(plan)
  const kept = await past.openKept(() => openKeptState(plan, log))
  let discovery: RunningDiscovery | null = null
  let balancer: Balancer | null = null
  try {
    discovery = await RunningDiscovery.start(settled, past.found)
    const keeper = makeKeeper(plan, settled, kept.overrides, discovery.members)
    const settings = {
      ...options,
      log,
      keeper,
      discovery,
      kept,
      past,
      inProcess,
      reusePort,
      threads,
    }
    balancer = new Balancer(settings)
    await balancer.start()
    return balancer
  } catch (error) {
    if (balancer !== null) await balancer.close()
    else {
      // It would have closed these.
      discovery?.stop()
      await kept.close()
    }
    throw error
  }
}

interface Settings extends BalancerOptions {
  readonly log: Log
  readonly keeper: PlanKeeper
  readonly discovery: RunningDiscovery
  readonly kept: LendableState
  readonly past: Succession
  readonly inProcess: boolean
  readonly reusePort: boolean
  readonly threads: number
}

class Balancer implements RunningBalancer {
  addresses: readonly Address[] = []
  adminAddress: Address | null = null
  readonly #settings: Settings
  readonly #log: Log
  readonly #version = packageVersion()
  readonly #startedMs = performance.now()
  readonly #clock = systemClock()
  readonly #random = seededRandom(Math.floor(Math.random() * 2 ** 31))
  readonly #table: SharedTable
  readonly #rights: Rights
  readonly #ledger: RunningLedger | null
  readonly #agreement: Agreement | null
  readonly #overrides: RunningOverrides
  readonly #control: ControlPlane
  readonly #planes: DataPlanes
  readonly #access: AccessSink
  readonly #traces: Traces
  readonly #metrics: Metrics
  readonly #alerts: RunningAlerts
  /** The one place where things are announced. */
  readonly #news: News
  readonly #hooks: RunningHooks
  readonly #vip: VirtualIp | null
  readonly #upgrader: Upgrader
  readonly #reloading: Reloading
  #admin: AdminApi | null = null
  #finishing: Promise<number> | null = null
  #isJudged = false
  #isReplaced = false
  #phase: 'starting' | 'running' | 'draining' | 'closed' = 'starting'

  constructor(settings: Settings) {
    this.#settings = settings
    const { plan } = settings.keeper
    this.#log = settings.log
    this.#news = new News(settings.log, () => this.#clock.nowMs())
    this.#hooks = new RunningHooks(settings.log)
    this.#table = tableFor(plan, settings.threads)
    this.#access = new AccessSink(plan.log.access, settings.log, (thread, characters) => {
      this.#planes.send(thread, { kind: 'access-taken', characters })
    })
    this.#traces = new Traces(plan.tracing, settings.log, () => this.#planes)
    this.#rights = new Rights(this.#table, this.#clock)
    const parts = { plan, table: this.#table, clock: this.#clock, events: this.#news.events }
    this.#ledger = makeLedger({ ...parts, log: settings.log })
    this.#agreement = makeAgreement({
      plan,
      rights: this.#rights,
      state: settings.kept.failover,
      clock: this.#clock,
      random: this.#random,
      log: settings.log,
      hear: (pool, event) => this.#control.hear(pool, event),
    })
    this.#overrides = this.#makeOverrides()
    this.#control = this.#makeControlPlane()
    this.#planes = this.#makePlanes()
    this.#metrics = this.#makeMetrics()
    this.#vip = this.#makeVirtualIp()
    this.#upgrader = this.#makeUpgrader()
    this.#reloading = this.#makeReloading()
    this.#alerts = new RunningAlerts({
      ...parts,
      log: settings.log,
      plan: () => this.#plan,
      status: () => this.status(),
      ledgerFault: () => this.#ledger?.fault ?? null,
    })
  }

  /** The plan in force. */
  get #plan(): Plan {
    return this.#settings.keeper.plan
  }

  async start(): Promise<void> {
    const { past } = this.#settings
    const appear = async (): Promise<void> => {
      this.#vip?.start(past.wasAway)
      await this.#startAdmin()
    }
    // The admin API comes first: whoever waits for readiness learns what we are waiting for.
    await past.unlessFollowing(appear)
    // Traffic that came before the first verdicts would only meet 503s.
    await past.unlessFollowing(() => this.#ledger?.begin())
    this.#control.start()
    await past.unlessFollowing(() => this.#agreement?.start())
    await firstVerdicts(this.#control)
    this.#isJudged = true
    await past.prove(this.#agreement, this.#rights, () => this.status())
    this.addresses = await this.#planes.start()
    this.#overrides.begin()
    // A stop that came meanwhile, or comes now, is never taken back.
    if (this.#phase === 'starting') this.#phase = 'running'
    await past.takeOver(appear, this.#log)
    await this.#ledger?.begin({ snapshot: this.#control.current(), pools: this.#control.status() })
    if (this.#phase !== 'running') return
    this.#reloading.begin()
    this.#vip?.look()
    this.#news.publish(runningNews(this.#plan, this, this.#settings.threads))
  }

  status(): readonly PoolStatus[] {
    return this.#settings.discovery.show(this.#overrides.show(this.#control.status()))
  }

  async act(pool: string, request: OperatorRequest): Promise<ActAnswer> {
    const answer = await this.#control.act(pool, request)
    if (!answer.ok || ('dryRun' in request && request.dryRun)) return answer
    // What he was told is done must survive a crash that comes right after.
    const failure = await this.#settings.kept.failover.settled()
    if (failure === null) return answer
    return { ...answer, message: `${answer.message}; a restart would forget it: ${failure}` }
  }

  onTransition(listener: (transition: Transition) => void): () => void {
    return this.#news.events.subscribe((event) => {
      if (event.kind === 'transition') listener(event.transition)
    })
  }

  reload(plan: Plan, by = 'program'): Promise<ReloadAnswer> {
    return this.#reloading.reloader.reloadPlan(plan, { source: 'api', by })
  }

  configure(wish: ReloadWish): Promise<ReloadAnswer> {
    return this.#reloading.reloader.reload(wish)
  }

  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer> {
    return this.#upgrader.bySignal(request)
  }

  reopenLogs(): void {
    this.#access.reopen()
  }

  async drain(): Promise<number> {
    void this.#upgrader.cancel()
    if (this.#phase === 'running') await this.#vip?.leave()
    const cut = await this.#finish()
    await this.close()
    return cut
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    const alone = this.#upgrader.cancel()
    this.#reloading.stop()
    this.#vip?.stop()
    this.#alerts.stop()
    await this.#planes.close()
    this.#control.stop()
    // Nobody sends any more: another replica need not wait for our lease to lapse.
    await this.#agreement?.stop()
    this.#hooks.cancel()
    await this.#ledger?.close()
    await alone
    await this.#overrides.stop()
    await this.#settings.kept.close()
    await this.#admin?.close()
    await Promise.all([this.#access.close(), this.#traces.close()])
  }

  // --- the end -------------------------------------------------------------------------------

  #finish(): Promise<number> {
    this.#finishing ??= this.#finishOnce()
    return this.#finishing
  }

  async #finishOnce(): Promise<number> {
    if (this.#phase === 'closed') return 0
    this.#phase = 'draining'
    this.#reloading.stop()
    this.#vip?.look()
    const { drainMs } = this.#plan.runtime
    this.#news.publish(endingNews(this.#isReplaced, drainMs))
    await within(drainMs, this.#planes.drain(this.#isReplaced))
    const cut = this.#table.sum(THREAD.exchanges)
    if (cut > 0) this.#log.warn('drain time is over; exchanges were cut', { cut })
    return cut
  }

  // --- the parts -----------------------------------------------------------------------------

  /** What operators change about backends. */
  #makeOverrides(): RunningOverrides {
    return makeOverrides({
      store: this.#settings.kept.overrides,
      table: this.#table,
      plan: () => this.#plan,
      exists: (pool, backend) => this.#settings.keeper.knows(pool, backend),
      control: () => this.#control,
      applied: () => this.#planes.applied(),
      setPlanOverrides: (overrides) => this.#settings.keeper.setOverrides(overrides),
      publish: (event) => this.#news.publish(event),
    })
  }

  /** Judges the backends and says what may get traffic. */
  #makeControlPlane(): ControlPlane {
    const { past, kept } = this.#settings
    return new ControlPlane({
      plan: this.#plan,
      table: this.#table,
      clock: this.#clock,
      random: this.#random,
      prober: socketProber,
      timers: systemTimers,
      recall: (pool, backend) => this.#overrides.recall(pool, backend),
      publish: (snapshot) => {
        this.#planes.publish(snapshot)
        this.#ledger?.published(snapshot)
      },
      ...this.#news.ofBackends,
      onFreed: (slots) => this.#settings.keeper.freed(slots),
      failover: {
        store: past.storeOf(makeStore(kept.failover, this.#agreement, this.#log)),
        wallMs: () => Date.now(),
        applied: () => this.#planes.applied(),
        hook: (plan, facts, done) => this.#hooks.run(plan, facts, done),
        ...this.#news.ofMoves,
      },
    })
  }

  /** The hands that carry the traffic. */
  #makePlanes(): DataPlanes {
    const { inProcess, reusePort, dataPlaneModule, past } = this.#settings
    return makePlanes({
      plan: () => this.#plan,
      table: this.#table,
      clock: this.#clock,
      random: this.#random,
      log: this.#log,
      events: this.#news.events,
      control: this.#control,
      access: this.#access,
      traces: this.#traces,
      inProcess,
      reusePort,
      shares: past.shares,
      module: dataPlaneModule,
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
      log: this.#log,
      table: this.#table,
      access: this.#access,
      control: this.#control,
      planes: this.#planes,
      applied: () => {
        this.addresses = this.#planes.addresses()
        this.#overrides.replanned()
        this.#traces.follow(this.#plan.tracing)
      },
      publish: (event) => this.#news.publish(event),
    })
  }

  /** Reads the shared memory when somebody scrapes. */
  #makeMetrics(): Metrics {
    return new Metrics({
      plan: () => this.#control.plan,
      table: this.#table,
      version: this.#version,
      nowMs: () => this.#clock.nowMs(),
      status: () => this.#settings.discovery.show(this.#control.status()),
      threads: () => ({
        asked: this.#settings.threads,
        running: this.#planes.running,
        restarts: this.#planes.restarts,
      }),
      isReady: () => this.#readiness().ready,
      isDraining: () => this.#phase === 'draining',
      virtualIp: () => this.#vip?.facts() ?? null,
      config: () => this.#reloading.facts(this.#news.reloads),
      lostLines: () => this.#access.lostLines,
      spans: () => this.#traces.spans,
      adminAnswers: () => this.#admin?.answered() ?? new Map(),
      alerts: () => this.#alerts.subjects(),
      transitions: this.#news.transitions,
      moves: this.#news.moves,
    })
  }

  /** Tells keepalived how this Evenkeel is, and has it give the address away before a stop. */
  #makeVirtualIp(): VirtualIp | null {
    if (this.#plan.keepalived === null) return null
    return new VirtualIp(this.#plan.keepalived, {
      log: this.#log,
      clock: this.#clock,
      readiness: () => this.#readiness(),
      running: () => this.#table.sum(THREAD.exchanges),
      finish: () => this.#finish(),
      isStopping: () => this.#phase !== 'running',
      end: () => this.#settings.handedOver?.(),
    })
  }

  /** Has another process follow this one. */
  #makeUpgrader(): Upgrader {
    const { kept, past, reusePort, inProcess, discovery } = this.#settings
    return makeUpgrader({
      version: this.#version,
      log: this.#log,
      clock: this.#clock,
      table: this.#table,
      events: this.#news.events,
      planes: this.#planes,
      kept,
      rights: this.#rights,
      agreement: this.#agreement,
      vip: this.#vip,
      ledger: this.#ledger,
      admin: () => this.#admin,
      control: this.#control,
      past,
      reusePort,
      isEmbedded: inProcess,
      isRunning: () => this.#phase === 'running',
      found: () => discovery.found,
      config: () => this.#reloading.reloader.status,
      retire: () => {
        this.#isReplaced = true
        return this.#finish()
      },
      end: (code) => this.#settings.replaced?.(code),
    })
  }

  /** Tells about all this. */
  async #startAdmin(): Promise<void> {
    const plan = this.#plan
    if (plan.admin === null) return
    const parts = { table: this.#table, clock: this.#clock, control: this.#control }
    const source: AdminApiOptions['source'] = {
      version: () => versionInfo(this.#version, this.#startedMs, this.#planes.running),
      pools: () => this.status(),
      readiness: () => this.#readiness(),
      metrics: () => this.#metrics,
      act: (pool, request) => this.act(pool, request),
      handOver: this.#vip?.handOver ?? null,
      ledger: this.#ledger,
      reload: this.#reloading.reloader,
      configured: () => this.#settings.keeper.configured,
      explain: (question) => explainHere(parts, question),
      ...whySource(this.#control, this.#news.events),
      overrides: this.#overrides,
      traces: this.#traces,
      upgrade: (request) => this.#upgrader.run(request),
      alerts: this.#alerts,
    }
    const { events } = this.#news
    const inherited = this.#settings.past.shares
    const voices = { events, log: this.#log, inherited }
    this.#admin = await startAdminApi({ plan: plan.admin, source, ...voices })
    this.adminAddress = this.#admin.address
  }

  #readiness(): Readiness {
    if (this.#phase === 'draining') return { ready: false, reason: 'draining before a stop' }
    if (!this.#isJudged) {
      return { ready: false, reason: 'waiting for the first health checks' }
    }
    if (this.#phase === 'starting') return { ready: false, reason: 'opening the listeners' }
    if (this.#planes.running === 0) return { ready: false, reason: 'no data thread is running' }
    return { ready: true, reason: 'ready' }
  }
}
