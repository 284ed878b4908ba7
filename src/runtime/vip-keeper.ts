// This node's part in a virtual IP address: tells keepalived through the track file what Evenkeel is
// good for, sees whether the address is here, and gives it away when that is asked for.
// Must never take the address or let go of it by itself: keepalived does, on every node by one rule.

import type { KeepalivedPlan } from '../core/plan.ts'
import { TRACK } from '../ha/keepalived.ts'
import type { Log } from '../observe/log.ts'

export interface VipKeeperOptions {
  readonly plan: KeepalivedPlan
  readonly log: Log
  readonly nowMs: () => number
  /** Whether traffic may come, and why not. */
  readonly readiness: () => { readonly ready: boolean; readonly reason: string }
  /** Interface that has the address; `null` if it is not here. */
  readonly interfaceOf: (vip: string) => string | null
  /** @throws Error */
  readonly write: (value: number) => void
}

/** How the wish to give the address away ended. */
export interface Leaving {
  readonly outcome: 'left' | 'not-here' | 'stayed' | 'superseded'
  readonly tookMs: number
}

/** How often the word is checked against what is. */
const TICK_MS = 100
/** How often the address is looked for, in those. */
const TICKS_PER_LOOK = 5
/** How often it is looked for while it should leave. */
const LOOK_MS = 20
/** Clients and routers may not have heard of the move yet; keepalived tells them again after 1 s. */
const SETTLE_MS = 1_100
const COMPLAIN_EVERY_MS = 10_000

export class VipKeeper {
  readonly #options: VipKeeperOptions
  #ticker: NodeJS.Timeout | null = null
  #ticks = 0
  /** Somebody wants it to be elsewhere. */
  #isAway = false
  #isReleased = false
  /** The answer of the one who waits for it to leave. */
  #leaving: { readonly end: (outcome: Leaving['outcome']) => void } | null = null
  #where: string | null = null
  #complainedMs = -Infinity

  constructor(options: VipKeeperOptions) {
    this.#options = options
  }

  get isAway(): boolean {
    return this.#isAway
  }

  get isLeaving(): boolean {
    return this.#leaving !== null
  }

  /**
   * Says "not ready", or goes on with what the process before has said, and begins to watch.
   * @param wasAway the address has been sent away by that process; `null`: there is none
   * @throws Error when the track file can't be written
   */
  start(wasAway: boolean | null = null): void {
    const { write, plan } = this.#options
    this.#isAway = wasAway === true
    try {
      write(wasAway === null ? TRACK.unready : this.#word())
    } catch (error) {
      throw new Error(
        `keepalived.trackFile ${plan.trackFile} can't be written: ${(error as Error).message}`,
        { cause: error },
      )
    }
    this.#ticker = setInterval(() => this.#tick(), TICK_MS)
    this.#ticker.unref()
  }

  // A machine can have thousands of addresses, and nobody waits for this log line.
  #tick(): void {
    this.#ticks++
    if (this.#ticks % TICKS_PER_LOOK === 0) this.look()
    else this.#say()
  }

  /** Brings the track file and what is known of the address up to date. */
  look(): void {
    this.#say()
    const { plan, log, interfaceOf } = this.#options
    const where = interfaceOf(plan.vip)
    if (where === this.#where) return
    if (where === null) log.info('the virtual IP address has left', { vip: plan.vip })
    else log.info('the virtual IP address is here', { vip: plan.vip, interface: where })
    this.#where = where
  }

  /** Whether the address is on this node now. */
  isHere(): boolean {
    return this.#options.interfaceOf(this.#options.plan.vip) !== null
  }

  /**
   * Has keepalived give the address to another node, and waits until it has left, but no longer than
   * `timeoutMs`: if it stays, no other node is ready, and everything is as before.
   */
  async giveAway(timeoutMs: number): Promise<Leaving> {
    const { nowMs } = this.#options
    const startMs = nowMs()
    const wasHere = this.isHere()
    this.#leaving?.end('superseded')
    this.#isAway = true
    this.look()
    if (!wasHere) return { outcome: 'not-here', tookMs: 0 }
    const outcome = await this.#untilLeft(startMs + timeoutMs)
    const tookMs = Math.round(nowMs() - startMs)
    if (outcome === 'stayed') this.takeBack()
    this.look()
    if (outcome !== 'left') return { outcome, tookMs }
    await after(SETTLE_MS)
    return { outcome, tookMs }
  }

  /** This node is as good as any other again. */
  takeBack(): void {
    this.#leaving?.end('superseded')
    this.#isAway = false
    this.look()
  }

  /** Leaves "not ready" behind. */
  stop(): void {
    if (this.#ticker === null) return
    this.release()
    this.#write(TRACK.unready)
  }

  /** Says nothing more: another process goes on. */
  release(): void {
    if (this.#ticker !== null) clearInterval(this.#ticker)
    this.#ticker = null
    this.#isReleased = true
    this.#leaving?.end('superseded')
  }

  #untilLeft(deadlineMs: number): Promise<Leaving['outcome']> {
    return new Promise((resolve) => {
      const end = (outcome: Leaving['outcome']): void => {
        clearInterval(timer)
        this.#leaving = null
        resolve(outcome)
      }
      const timer = setInterval(() => {
        if (!this.isHere()) end('left')
        else if (this.#options.nowMs() >= deadlineMs) end('stayed')
      }, LOOK_MS)
      this.#leaving = { end }
    })
  }

  #say(): void {
    if (!this.#isReleased) this.#write(this.#word())
  }

  #word(): number {
    const { ready } = this.#options.readiness()
    return !ready ? TRACK.unready : this.#isAway ? TRACK.away : TRACK.ready
  }

  // A full or vanished file system must not end the balancer; keepalived's own check still works.
  #write(value: number): void {
    const { write, plan, log, nowMs } = this.#options
    try {
      write(value)
    } catch (error) {
      if (nowMs() - this.#complainedMs < COMPLAIN_EVERY_MS) return
      this.#complainedMs = nowMs()
      log.error('keepalived cannot be told how this Evenkeel is', {
        trackFile: plan.trackFile,
        cause: (error as Error).message,
      })
    }
  }
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
