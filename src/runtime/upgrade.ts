// The running process being followed by a new one: starts it, hands it what listens, watches it prove
// itself, and gives way. Until it does, every failure of the new process leaves everything as it was.
// Must never give way to a process that has not said that it is ready, nor to two at once.

import type { ChildProcess } from 'node:child_process'
import type { OperatorNews } from '../core/events.ts'
import type { UpgradeAnswer, UpgradeReport, UpgradeRequest } from '../core/upgrade.ts'
import { within } from './clock.ts'
import type { Memory } from './upgrade-state.ts'
import type { Estate } from './upgrade-protocol.ts'
import { Successor } from './upgrade-successor.ts'

/** What it needs of the balancer. */
export interface UpgradeHost {
  readonly version: string
  nowMs(): number
  info(message: string, fields: Readonly<Record<string, unknown>>): void
  error(message: string, fields: Readonly<Record<string, unknown>>): void
  audit(news: OperatorNews): void
  /** Why this process can't be followed by another now; `null` if it can. */
  refusal(): string | null
  /** Pools that are on their way from one active to another. */
  moving(): readonly string[]
  /** What has happened since `estate` that a new process does not know of; `null` if nothing. */
  missed(): string | null
  /** What is handed over, with descriptors of this process. @throws Error (rejects) */
  estate(): Promise<Estate>
  /**
   * Gives the state directory free, until it is taken back. Resolves to what this process knows, for
   * one that has another state directory, or none.
   */
  lend(): Promise<Memory | null>
  /** @throws Error (rejects) when it can't be had any more */
  takeBack(): Promise<void>
  /** Leaves the state directory free, for this process ends: what waits for it is refused. */
  leaveFree(): void
  /** Stops accepting, and decides and tells nothing any more. What runs goes on to its end. */
  giveWay(): Promise<void>
  /** Sends nothing to the backends of a pool any more. */
  fence(pool: string): Promise<void>
  /** Exchanges and tunnels under way. */
  running(): number
  /** The successor has everything: this process may end. @param code exit code */
  end(code: number): void
  /** Starts a process with these descriptors from number 4 on, and a channel. */
  start(fds: readonly number[]): ChildProcess
}

/** Both processes accept for so long before the old one stops: time to see a new one that falls over. */
const TOGETHER_MS = 250
/** Waits of the old process that nobody sets. */
export interface UpgradeLimits {
  /** The last steps on each side: giving all up, then opening the admin API and joining replicas. */
  readonly lastStepsMs: number
  /** Until the state directory is back; then it is waited for without holding up anybody. */
  readonly backMs: number
}

const LATE_TICKS = 15
const LIMITS: UpgradeLimits = { lastStepsMs: 15_000, backMs: 5_000 }
/** How often it is looked whether moves have ended, and whether something else has begun. */
const LOOK_MS = 20
/** Descriptors of a child before those that are handed over: the standard streams and the channel. */
const FIRST_FD = 4

const STOPPING = 'This process was told to stop.'
const NOT_FREE = 'the state directory is not free, because its disk does not answer'
const NOT_BACK =
  'The state directory has not come back since the last upgrade, because its disk does not answer.'

export class Upgrader {
  readonly #host: UpgradeHost
  readonly #limits: UpgradeLimits
  #successor: Successor | null = null
  /** The state directory was lent, and is on its way back. */
  #isStateAway = false
  /** `committed`: there is no way back any more. `over`: this process only finishes what runs. */
  #phase: 'before' | 'committed' | 'over' = 'before'
  #isStopping = false
  /** The upgrade under way, or the last one. */
  #last: Promise<unknown> = Promise.resolve()

  constructor(host: UpgradeHost, limits: UpgradeLimits = LIMITS) {
    this.#host = host
    this.#limits = limits
  }

  /** Resolves when the new process has everything, or when all is as before. */
  async run(request: UpgradeRequest): Promise<UpgradeAnswer> {
    const refusal = this.#refusal()
    if (refusal !== null) return { ok: false, code: 'refused', message: refusal }
    const done = this.#run(request)
    this.#last = done.catch(() => {})
    return done
  }

  #refusal(): string | null {
    if (this.#isStopping) return STOPPING
    if (this.#isStateAway) return NOT_BACK
    return this.#successor === null ? this.#host.refusal() : 'An upgrade is in progress already.'
  }

  async #run(request: UpgradeRequest): Promise<UpgradeAnswer> {
    const host = this.#host
    const startMs = host.nowMs()
    const successor = new Successor((pool) => host.fence(pool))
    this.#successor = successor
    try {
      await this.#prove(successor, request.timeoutMs)
    } catch (error) {
      await this.#goOn(successor)
      const rest = this.#isStopping ? 'The new one has ended.' : 'This process goes on as before.'
      const message = `${sentenceOf(error)}${rest}`
      return { ok: false, code: 'failed', message }
    }
    return this.#giveWay(successor, startMs)
  }

  /** The same by a signal, which leaves its own trace in the events. */
  async bySignal(request: UpgradeRequest): Promise<UpgradeAnswer> {
    const startMs = this.#host.nowMs()
    const answer = await this.run(request)
    this.#host.audit({
      verb: 'upgrade',
      pool: null,
      backend: null,
      wishes: { ...request },
      by: 'signal',
      from: 'signal',
      reason: '',
      outcome: answer.ok ? 'done' : answer.code,
      message: answer.message,
      tookMs: Math.round(this.#host.nowMs() - startMs),
    })
    return answer
  }

  /**
   * This process is told to stop, which is meant for a new one that has not taken over, too: it is
   * killed, or, once it can't be called back, told the same. Resolves when nothing is left of one
   * that was killed.
   */
  async cancel(): Promise<void> {
    const isFirst = !this.#isStopping
    this.#isStopping = true
    if (this.#phase === 'over') return
    if (this.#phase === 'committed') {
      // Its own end is orderly, and it may take longer than this one.
      if (isFirst) this.#successor?.tellToStop()
      return
    }
    this.#successor?.fail(new Error(STOPPING))
    await this.#last
  }

  /** Up to the point of no return. @throws Error (rejects) */
  async #prove(successor: Successor, timeoutMs: number): Promise<void> {
    const host = this.#host
    const deadlineMs = host.nowMs() + timeoutMs
    const seconds = Math.round(timeoutMs / 100) / 10
    const timer = setTimeout(() => {
      const why = successor.waitsFor === '' ? '' : `: ${successor.waitsFor}`
      successor.fail(new Error(`The new process was not ready within ${seconds} s${why}.`))
    }, timeoutMs)
    try {
      const estate = await successor.unlessFailed(host.estate())
      successor.adopt(host.start(estate.sockets.map(({ fd }) => fd)))
      if (successor.pid > 0) host.info('a new process is to take over', { pid: successor.pid })
      const sockets = estate.sockets.map((socket, i) => ({ ...socket, fd: FIRST_FD + i }))
      successor.say({ kind: 'estate', estate: { ...estate, sockets } })
      await successor.hears('loaded')
      await this.#untilSteady(successor, deadlineMs)
      successor.hasState = true
      successor.waitsFor = NOT_FREE
      const memory = await successor.unlessFailed(host.lend())
      successor.waitsFor = ''
      successor.say({ kind: 'state-free', memory })
      await this.#untilReady(successor)
      // Much may have happened meanwhile: a stop, or a configuration on trial.
      const refusal = this.#isStopping ? STOPPING : (host.refusal() ?? host.missed())
      if (refusal !== null) throw new Error(refusal)
      this.#phase = 'committed'
    } finally {
      clearTimeout(timer)
    }
  }

  async #giveWay(successor: Successor, startMs: number): Promise<UpgradeAnswer> {
    const host = this.#host
    const report: UpgradeReport = {
      fromPid: process.pid,
      toPid: successor.pid,
      fromVersion: host.version,
      toVersion: successor.version,
      tookMs: 0,
      running: host.running(),
    }
    // Until it hears that everything is its own, a delay is this process's own.
    let isAllGiven = false
    try {
      const gave = host.giveWay()
      await this.#lastSteps(successor, 'This process has not given everything up', gave)
      isAllGiven = true
      successor.say({ kind: 'yours' })
      const taken = successor.hears('taken')
      await this.#lastSteps(successor, 'The new process has not finished taking over', taken)
    } catch (error) {
      return this.#endBoth(successor, isAllGiven, error)
    }
    this.#phase = 'over'
    successor.letGo()
    host.end(0)
    const tookMs = Math.round(host.nowMs() - startMs)
    const message = `Process ${report.toPid} (${report.toVersion}) took over from ${report.fromPid} (${report.fromVersion}) in ${(tookMs / 1_000).toFixed(1)} s; the old one finishes what runs.`
    return { ok: true, message, report: { ...report, tookMs } }
  }

  /** @throws Error (rejects) when they take too long, or the new process fails */
  async #lastSteps(successor: Successor, late: string, work: Promise<unknown>): Promise<void> {
    const { lastStepsMs } = this.#limits
    let left = LATE_TICKS
    // Of a machine that stood still, and both processes with it, one tick counts.
    const timer = setInterval(() => {
      if (--left === 0) successor.fail(new Error(`${late} within ${lastStepsMs / 1_000} s.`))
    }, lastStepsMs / LATE_TICKS)
    try {
      await successor.unlessFailed(work)
    } finally {
      clearInterval(timer)
    }
  }

  /**
   * Nothing is left here to go on with: whoever supervises us must start anew. A new process that hangs
   * would hold the listening sockets, whose connections nobody accepts; one that only waits for this
   * one has everything as soon as this one has ended.
   */
  async #endBoth(
    successor: Successor,
    isAllGiven: boolean,
    error: unknown,
  ): Promise<UpgradeAnswer> {
    const host = this.#host
    this.#phase = 'over'
    const ends = 'This process has stopped accepting and ends, too.'
    const other = isAllGiven ? `It is killed. ${ends}` : 'It ends, and the new one takes over then.'
    const rest = successor.isGone ? ends : other
    const message = `${sentenceOf(error)}${rest}`
    host.error('the upgrade failed', { cause: message, pid: successor.pid })
    if (isAllGiven) await successor.kill()
    else successor.letGo()
    host.end(1)
    return { ok: false, code: 'failed', message }
  }

  /**
   * As long as the state is lent, no pool can move and no operator's word can be kept: who needs either
   * matters more than the new process, which would not know of it.
   */
  async #untilReady(successor: Successor): Promise<void> {
    const timer = setInterval(() => {
      const missed = this.#host.missed()
      if (missed !== null) successor.fail(new Error(missed))
    }, LOOK_MS)
    try {
      const { isServing } = await successor.hears('ready')
      if (isServing) await successor.unlessFailed(after(TOGETHER_MS))
    } finally {
      clearInterval(timer)
    }
  }

  /** A pool on its way between two backends has one who leads it: it ends the move first. */
  async #untilSteady(successor: Successor, deadlineMs: number): Promise<void> {
    const host = this.#host
    for (let pools = host.moving(); pools.length > 0; pools = host.moving()) {
      if (host.nowMs() >= deadlineMs - LOOK_MS) {
        throw new Error(`Pool '${pools[0]!}' is in the middle of a move.`)
      }
      await successor.unlessFailed(after(LOOK_MS))
    }
  }

  /** As if nothing had happened, unless this process ends, too. */
  async #goOn(successor: Successor): Promise<void> {
    await successor.kill()
    if (this.#isStopping) this.#host.leaveFree()
    else if (successor.hasState) await this.#takeBack()
    this.#successor = null
  }

  /** A disk that hangs is waited for, but not by who asked for the upgrade. */
  async #takeBack(): Promise<void> {
    const host = this.#host
    this.#isStateAway = true
    let isLate = false
    const takeBack = async (): Promise<void> => {
      try {
        await host.takeBack()
        if (isLate) host.info('the state directory is back', {})
      } catch (error) {
        host.error('the state directory could not be taken back', { cause: String(error) })
      }
      this.#isStateAway = false
    }
    await within(this.#limits.backMs, takeBack())
    if (!this.#isStateAway) return
    isLate = true
    host.error('the state directory is not back: its disk does not answer', {
      effect: 'no pool can move and no change by an operator can be kept until it is',
    })
  }
}

function sentenceOf(error: unknown): string {
  const told = error instanceof Error ? error.message : String(error)
  // Errors of a configuration have lines of their own, but this is for answers and log lines.
  const text = told.trimEnd().replaceAll(/\s*\n\s*/g, '; ')
  return /[.!?]$/.test(text) ? `${text} ` : `${text}. `
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}
