// What the traffic of its backends means to a pool: who is ejected, put on probation, restored, or
// called back. Which of those who qualify may go is core/ejection.ts.

import type { BackendHealth } from './backend-health.ts'
import { isAvailable } from './availability.ts'
import { BREAKER, BREAKER_STEP } from './breaker.ts'
import { ejectedText, EjectionBoard, ejectionAllowance, type EjectionScope } from './ejection.ts'
import { findOutlier, nearlyOutlier, type OutlierFinding } from './outlier.ts'
import type { PoolPlan } from './plan.ts'
import type { PoolTally } from './pool-tally.ts'
import type { Random } from './random.ts'
import type { BackendTraffic } from './traffic.ts'

/** What follows from a decision is the pool's to carry out. */
export interface EjectionHands {
  /** @param reason why its verdict may have changed */
  judge(backend: BackendHealth, nowMs: number, reason: string): void
  /** Slow start, if others serve. */
  ramp(backend: BackendHealth, nowMs: number): void
  /** Is it gone, or only wrong? A probe tells. */
  ask(backend: BackendHealth, nowMs: number): void
  warn(message: string): void
  /** The pool can do without this one. */
  mayLose(index: number): boolean
  /** Another site could take over at once. */
  elsewhere(): boolean
}

export class PoolEjection {
  readonly #tally: PoolTally
  readonly #random: Random
  readonly #hands: EjectionHands
  #board = new EjectionBoard()

  constructor(tally: PoolTally, random: Random, hands: EjectionHands) {
    this.#tally = tally
    this.#random = random
    this.#hands = hands
  }

  /** Backends have other numbers now; those without one are gone. */
  renumber(numbers: ReadonlyMap<number, number>): void {
    this.#board.renumber(numbers)
  }

  /** Nobody is judged by his traffic any more. */
  forget(): void {
    this.#board = new EjectionBoard()
  }

  /** The availability of a backend has changed. */
  turned(backend: BackendHealth, wasEjected: boolean): void {
    if (!isAvailable(backend.availability)) {
      this.#board.drop(backend.index)
      backend.spared = ''
    }
    if (wasEjected) this.#board.returned(backend.index)
  }

  /** @param news its traffic has changed since the last look */
  look(plan: PoolPlan, backend: BackendHealth, news: boolean, nowMs: number): void {
    const { index, traffic, thresholds, breaker } = backend
    const outlier = plan.outlierDetection
    if (outlier === null || traffic === null) return
    if (breaker.state === BREAKER.halfOpen) {
      this.#lookAtProbation(backend, traffic, nowMs)
      return
    }
    if (!isAvailable(backend.availability) || (!news && !this.#board.has(index))) return
    const finding = findOutlier(outlier, traffic, thresholds, nowMs)
    this.#board.note(index, finding, nearlyOutlier(outlier, traffic, thresholds, nowMs))
    if (finding === null) backend.spared = ''
  }

  /** Draws the conclusions for the pool from all that came in. */
  settle(plan: PoolPlan, backends: readonly BackendHealth[], nowMs: number): void {
    if (this.#board.isWanted) this.#eject(plan, backends, nowMs)
    this.#callBack(plan, backends, nowMs)
  }

  #lookAtProbation(backend: BackendHealth, traffic: BackendTraffic, nowMs: number): void {
    const { breaker, thresholds } = backend
    if (traffic.probing + traffic.probationSuccesses + traffic.probationFailures > 0) {
      backend.grant.used(nowMs)
    }
    const silent = traffic.waitingSilent > 0 && nowMs - traffic.lastByteMs >= thresholds.silentMs
    const slow = backend.ejectedSlow && traffic.judgements.slow > 0
    if (traffic.probationFailures > 0 || silent || slow) {
      const lengthMs = breaker.eject(nowMs, this.#random.next())
      const what = slow ? 'was slow again' : silent ? 'got no answer' : 'failed'
      backend.ejectReason = `a probation request ${what}`
      traffic.forget()
      this.#hands.judge(backend, nowMs, ejectedText(lengthMs, backend.ejectReason))
      return
    }
    for (let i = 0; i < traffic.probationSuccesses; i++) {
      if (breaker.observe(true, nowMs, 0) !== BREAKER_STEP.restored) continue
      traffic.forget()
      this.#hands.ramp(backend, nowMs)
      const reason = `restored: ${breaker.successesNeeded} probation requests succeeded`
      this.#hands.judge(backend, nowMs, reason)
      return
    }
  }

  #eject(plan: PoolPlan, backends: readonly BackendHealth[], nowMs: number): void {
    const decision = this.#board.decide(this.#scope(plan), nowMs)
    const { inPlay } = this.#tally
    if (decision.kind === 'dependency') {
      const { isNew, many, takeBack } = decision
      // A single backend has nobody to be compared with: that is no dependency's failure.
      if (isNew && inPlay > 1) {
        this.#hands.warn(
          `${many} of ${inPlay} backends of pool '${plan.name}' qualify for ejection at once: taken for the failure of something they share, so none is ejected for it`,
        )
      }
      for (const index of takeBack) {
        const backend = backends[index]!
        backend.breaker.revoke(nowMs)
        const reason = 'ejection taken back: most of the pool fails alike'
        this.#hands.judge(backend, nowMs, reason)
      }
      return
    }
    for (const [index, finding] of decision.backends) {
      const backend = backends[index]!
      if (ejectionAllowance(this.#scope(plan)) === 0 || !this.#hands.mayLose(index)) {
        backend.spared = `not ejected, too few others are available: ${finding.text}`
      } else if (plan.failover?.agreement === 'etcd') this.#accuse(plan, backend, finding, nowMs)
      else this.#ejectOne(backend, finding, nowMs)
    }
  }

  /** The replicas leave it together or not at all: here alone nobody would be served. */
  #accuse(plan: PoolPlan, backend: BackendHealth, { text }: OutlierFinding, nowMs: number): void {
    backend.accusation = text
    backend.accusedUntilMs = nowMs + plan.outlierDetection!.ejectMs
    backend.traffic!.forget()
    this.#board.drop(backend.index)
    this.#hands.ask(backend, nowMs)
  }

  #ejectOne(backend: BackendHealth, finding: OutlierFinding, nowMs: number): void {
    const lengthMs = backend.breaker.eject(nowMs, this.#random.next())
    backend.ejectReason = finding.text
    backend.ejectedSlow = finding.cause === 'slow'
    backend.traffic!.forget()
    this.#hands.judge(backend, nowMs, ejectedText(lengthMs, finding.text))
    this.#board.ejected(backend.index, nowMs)
    // If a probe fails too it is down, and back as soon as probes pass.
    this.#hands.ask(backend, nowMs)
  }

  #scope(plan: PoolPlan): EjectionScope {
    const { serving, inPlay, ejected, available } = this.#tally
    return {
      ejectedMax: plan.outlierDetection!.ejectedMax,
      total: serving,
      elsewhere: this.#hands.elsewhere(),
      inPlay,
      ejected,
      available,
      floor: plan.minAvailable,
    }
  }

  /** Ejection never takes the pool below its floor, also not with the help of checks or people. */
  #callBack(plan: PoolPlan, backends: readonly BackendHealth[], nowMs: number): void {
    const tally = this.#tally
    const floor = Math.max(1, plan.minAvailable)
    if (tally.available >= floor || tally.ejected === 0 || this.#hands.elsewhere()) return
    while (tally.available < floor && tally.ejected > 0) {
      let best: BackendHealth | null = null
      for (const backend of backends) {
        if (!tally.isEjected(backend)) continue
        if (best === null || backend.breaker.untilMs < best.breaker.untilMs) best = backend
      }
      best!.breaker.close(nowMs)
      best!.traffic?.forget()
      this.#hands.ramp(best!, nowMs)
      const reason = `called back: fewer than ${floor} other backends are available`
      this.#hands.judge(best!, nowMs, reason)
    }
  }
}
