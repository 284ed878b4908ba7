// All that a balancer has to do with a virtual IP address, put together: the keeper, the file it
// writes, the network it looks at, and what operators ask for.

import type { Clock } from '../core/clock.ts'
import type { HandoverAnswer, HandoverRequest } from '../core/handover.ts'
import type { KeepalivedPlan } from '../core/plan.ts'
import { TrackFile } from '../ha/track-file.ts'
import { interfaceOf } from '../ha/virtual-ip.ts'
import type { Log } from '../observe/log.ts'
import type { VirtualIpFacts } from '../observe/metric-families.ts'
import type { HandoverOptions } from './handover.ts'
import { handOver } from './handover.ts'
import { VipKeeper } from './vip-keeper.ts'

/** What it needs of the balancer. */
export interface VirtualIpHost extends Pick<
  HandoverOptions,
  'running' | 'finish' | 'isStopping' | 'end'
> {
  readonly log: Log
  readonly clock: Clock
  readonly readiness: () => { readonly ready: boolean; readonly reason: string }
}

export class VirtualIp {
  readonly #plan: KeepalivedPlan
  readonly #host: VirtualIpHost
  readonly #keeper: VipKeeper

  constructor(plan: KeepalivedPlan, host: VirtualIpHost) {
    const file = new TrackFile(plan.trackFile)
    this.#plan = plan
    this.#host = host
    this.#keeper = new VipKeeper({
      plan,
      log: host.log,
      nowMs: () => host.clock.nowMs(),
      readiness: host.readiness,
      interfaceOf: (vip) => interfaceOf(vip),
      write: (value) => file.write(value),
    })
  }

  /**
   * Says "not ready", or goes on with what the process before has said, and begins to watch.
   * @param wasAway the address has been sent away by that process; `null`: there is none
   * @throws Error when the track file can't be written
   */
  start(wasAway: boolean | null): void {
    this.#keeper.start(wasAway)
  }

  /** An operator has sent the address away. */
  get isAway(): boolean {
    return this.#keeper.isAway
  }

  /** Tells keepalived nothing more: another process goes on. */
  release(): void {
    this.#keeper.release()
  }

  /** Something has changed: what keepalived knows is brought up to date at once. */
  look(): void {
    this.#keeper.look()
  }

  /** Before a stop: gives the address away while everything still serves, within its time. */
  async leave(): Promise<void> {
    const waitMs = this.#plan.handoverMs
    if (waitMs === 0) return
    const { outcome, tookMs } = await this.#keeper.giveAway(waitMs)
    if (outcome !== 'stayed') return
    const message = 'no other node took the virtual IP address; stopping all the same'
    this.#host.log.warn(message, { tookMs })
  }

  /** For the metrics. */
  facts(): VirtualIpFacts {
    const { ready } = this.#host.readiness()
    const isOffered = ready && !this.#keeper.isAway
    return { vip: this.#plan.vip, isHere: this.#keeper.isHere(), isOffered }
  }

  /** Leaves "not ready" behind. */
  stop(): void {
    this.#keeper.stop()
  }

  /** What an operator asks for; every time leaves two lines in the log. */
  readonly handOver = async (request: HandoverRequest, from: string): Promise<HandoverAnswer> => {
    const { log, clock } = this.#host
    log.info('a handover is asked for', { ...request, from })
    const answer = await handOver(request, {
      ...this.#host,
      keeper: this.#keeper,
      vip: this.#plan.vip,
      nowMs: () => clock.nowMs(),
    })
    log[answer.ok ? 'info' : 'warn'](answer.message, {
      outcome: answer.ok ? 'done' : answer.code,
      from,
    })
    return answer
  }
}
