// The composition root, and the life of a balancer: how it starts, what it answers, how it ends. Read
// it from `startBalancer` down; its parts are put together in `balancer-parts.ts`.
// Must never hold policy: parts decide, this connects them.

import type { Address, Plan } from '../core/plan.ts'
import { THREAD } from '../core/shared-layout.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import type { ReloadAnswer, ReloadWish } from '../core/reload.ts'
import type { UpgradeAnswer, UpgradeRequest } from '../core/upgrade.ts'
import type { PoolStatus, Transition } from '../core/status.ts'
import type { Readiness } from '../admin/process-routes.ts'
import { silentLog } from '../observe/log.ts'
import type { AdminApi, AdminApiOptions } from './admin-api.ts'
import { startAdminApi } from './admin-api.ts'
import { Parts, type Settings } from './balancer-parts.ts'
import { within } from './clock.ts'
import { threadCount } from './data-threads.ts'
import { clearStaleSockets, settleAddresses } from './port-check.ts'
import { canReusePort } from './reuse-port.ts'
import { explainHere } from './explain.ts'
import { endsWithin } from './hard-end.ts'
import { firstVerdicts } from './first-verdicts.ts'
import { openKeptState } from './kept-state.ts'
import { endingNews, runningNews, versionInfo } from './process-news.ts'
import { makeKeeper } from './reloading.ts'
import type { BalancerOptions, RunningBalancer } from './running-balancer.ts'
import { RunningDiscovery } from './running-discovery.ts'
import { Succession } from './succession.ts'
import { whySource } from './why.ts'

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
    discovery = await RunningDiscovery.start(settled, past.found, kept.members)
    const keeper = makeKeeper(plan, settled, kept.overrides, discovery.members)
    const ways = { inProcess, reusePort, threads }
    balancer = new Balancer({ ...options, log, keeper, discovery, kept, past, ...ways })
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

/** How long the state directory may take to be left: what operators said last is written first. */
const STATE_MS = 5_000

class Balancer implements RunningBalancer {
  addresses: readonly Address[] = []
  adminAddress: Address | null = null
  readonly #settings: Settings
  readonly #parts: Parts
  readonly #startedMs = performance.now()
  #admin: AdminApi | null = null
  #finishing: Promise<number> | null = null
  #isJudged = false
  #isReplaced = false
  #phase: 'starting' | 'running' | 'draining' | 'closed' = 'starting'

  constructor(settings: Settings) {
    this.#settings = settings
    this.#parts = new Parts(settings, {
      phase: () => this.#phase,
      readiness: () => this.#readiness(),
      admin: () => this.#admin,
      finish: () => this.#finish(),
      retire: () => {
        this.#isReplaced = true
        return this.#finish()
      },
      replanned: () => {
        this.addresses = this.#parts.planes.addresses()
      },
    })
  }

  async start(): Promise<void> {
    const { past } = this.#settings
    const { agreement, control, ledger, news, overrides, planes, reloading, rights, vip } =
      this.#parts
    const appear = async (): Promise<void> => {
      vip?.start(past.wasAway)
      await this.#startAdmin()
    }
    // The admin API comes first: whoever waits for readiness learns what we are waiting for.
    await past.unlessFollowing(appear)
    // Traffic that came before the first verdicts would only meet 503s.
    await past.unlessFollowing(() => ledger?.begin())
    control.start()
    await past.unlessFollowing(() => agreement?.start())
    await firstVerdicts(control)
    this.#isJudged = true
    await past.prove(agreement, rights, () => this.status())
    this.addresses = await planes.start()
    overrides.begin()
    // A stop that came meanwhile, or comes now, is never taken back.
    if (this.#phase === 'starting') this.#phase = 'running'
    await past.takeOver(appear, this.#parts.log)
    await ledger?.begin({ snapshot: control.current(), pools: control.status() })
    if (this.#phase !== 'running') return
    reloading.begin()
    vip?.look()
    news.publish(runningNews(this.#parts.plan, this, this.#settings.threads))
  }

  status(): readonly PoolStatus[] {
    return this.#parts.status()
  }

  async act(pool: string, request: OperatorRequest): Promise<ActAnswer> {
    const answer = await this.#parts.control.act(pool, request)
    if (!answer.ok || ('dryRun' in request && request.dryRun)) return answer
    // What he was told is done must survive a crash that comes right after.
    const failure = await this.#settings.kept.failover.settled()
    if (failure === null) return answer
    return { ...answer, message: `${answer.message}; a restart would forget it: ${failure}` }
  }

  onTransition(listener: (transition: Transition) => void): () => void {
    return this.#parts.news.events.subscribe((event) => {
      if (event.kind === 'transition') listener(event.transition)
    })
  }

  reload(plan: Plan, by = 'program'): Promise<ReloadAnswer> {
    return this.#parts.reloading.reloader.reloadPlan(plan, { source: 'api', by })
  }

  configure(wish: ReloadWish): Promise<ReloadAnswer> {
    return this.#parts.reloading.reloader.reload(wish)
  }

  upgrade(request: UpgradeRequest): Promise<UpgradeAnswer> {
    return this.#parts.upgrader.bySignal(request)
  }

  reopenLogs(): void {
    this.#parts.access.reopen()
  }

  async drain(): Promise<number> {
    void this.#parts.upgrader.cancel()
    if (this.#phase === 'running') await this.#parts.vip?.leave()
    const cut = await this.#finish()
    await this.close()
    return cut
  }

  async close(): Promise<void> {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    const parts = this.#parts
    const alone = parts.upgrader.cancel()
    parts.reloading.stop()
    parts.vip?.stop()
    parts.alerts.stop()
    await parts.planes.close()
    parts.control.stop()
    // Nobody sends any more: another replica need not wait for our lease to lapse.
    await parts.agreement?.stop()
    parts.hooks.cancel()
    await parts.ledger?.close()
    await alone
    await this.#closeState()
    await this.#admin?.close()
    await Promise.all([parts.access.close(), parts.traces.close()])
  }

  // --- the end -------------------------------------------------------------------------------

  async #closeState(): Promise<void> {
    const { log, overrides } = this.#parts
    const close = async (): Promise<void> => {
      await overrides.stop()
      await this.#settings.kept.close()
    }
    if (await endsWithin(STATE_MS, close())) return
    log.error('the state directory could not be left in order: its disk does not answer')
  }

  #finish(): Promise<number> {
    this.#finishing ??= this.#finishOnce()
    return this.#finishing
  }

  async #finishOnce(): Promise<number> {
    if (this.#phase === 'closed') return 0
    this.#phase = 'draining'
    const { log, news, plan, planes, reloading, table, vip } = this.#parts
    reloading.stop()
    vip?.look()
    const { drainMs } = plan.runtime
    news.publish(endingNews(this.#isReplaced, drainMs))
    await within(drainMs, planes.drain(this.#isReplaced))
    const cut = table.sum(THREAD.exchanges)
    if (cut > 0) log.warn('drain time is over; exchanges were cut', { cut })
    return cut
  }

  /** Tells about all this. */
  async #startAdmin(): Promise<void> {
    const parts = this.#parts
    const { plan, control, news, planes, reloading, upgrader, vip } = parts
    if (plan.admin === null) return
    const source: AdminApiOptions['source'] = {
      version: () => versionInfo(parts.version, this.#startedMs, planes.running),
      pools: () => this.status(),
      readiness: () => this.#readiness(),
      metrics: () => parts.metrics,
      act: (pool, request) => this.act(pool, request),
      handOver: vip?.handOver ?? null,
      ledger: parts.ledger,
      reload: reloading.reloader,
      configured: () => this.#settings.keeper.configured,
      explain: (question) => explainHere(parts, question),
      ...whySource(control, news.events),
      overrides: parts.overrides,
      traces: parts.traces,
      upgrade: (request) => upgrader.run(request),
      alerts: parts.alerts,
    }
    const voices = { events: news.events, log: parts.log, inherited: this.#settings.past.shares }
    this.#admin = await startAdminApi({ plan: plan.admin, source, ...voices })
    this.adminAddress = this.#admin.address
  }

  #readiness(): Readiness {
    if (this.#phase === 'draining') return { ready: false, reason: 'draining before a stop' }
    if (!this.#isJudged) {
      return { ready: false, reason: 'waiting for the first health checks' }
    }
    if (this.#phase === 'starting') return { ready: false, reason: 'opening the listeners' }
    if (this.#parts.planes.running === 0) {
      return { ready: false, reason: 'no data thread is running' }
    }
    return { ready: true, reason: 'ready' }
  }
}
