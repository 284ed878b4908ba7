// What operators ask of one pool's failover machine, and what they are told. A move is answered once
// it is over. Decides nothing: core/failover.ts does.

import type {
  FailoverEvent,
  FailoverMachine,
  FailoverState,
  OperatorWord,
} from '../core/failover-contract.ts'
import { reduceFailover } from '../core/failover.ts'
import type { ActAnswer, OperatorRequest } from '../core/operator.ts'
import { describeMove } from '../core/operator.ts'
import type { MoveReport } from '../core/status.ts'
import type { Roster } from './roster.ts'

/** What it needs of the pool's driver. */
export interface DeskHost {
  machine(): FailoverMachine
  state(): FailoverState
  roster(): Roster
  /** Sessions on a member now. */
  inFlight(member: number): number
  hear(event: FailoverEvent, nowMs: number): void
  /** Runs something as a turn of the control loop: what follows from it is published. */
  enter(work: (nowMs: number) => void): void
  /** Declares what the replicas know to be right, though etcd knows less. Why not, or `null`. */
  recover(): string | null
}

const STOPPING: ActAnswer = { ok: false, code: 'refused', message: 'Evenkeel is stopping' }

export class OperatorDesk {
  readonly #host: DeskHost
  #refusal: string | null = null
  /** Who waits for the end of a move, by its epoch. */
  readonly #waiting = new Map<number, (report: MoveReport | null) => void>()
  #isStopped = false

  constructor(host: DeskHost) {
    this.#host = host
  }

  /** The machine does not do what was asked. */
  refused(reason: string): void {
    this.#refusal = reason
  }

  /** A move is over. */
  ended(report: MoveReport): void {
    this.#waiting.get(report.epoch)?.(report)
    this.#waiting.delete(report.epoch)
  }

  /** No move is ended here any more: whoever waits for one is told so. */
  stop(): void {
    this.#isStopped = true
    for (const tell of this.#waiting.values()) tell(null)
    this.#waiting.clear()
  }

  /** Carries out what an operator asks for. */
  async act(request: OperatorRequest): Promise<ActAnswer> {
    if (this.#isStopped) return STOPPING
    const { pool, members } = this.#host.machine()
    const word = this.#wordOf(request)
    if (word === null) {
      const names = members.map(({ name }) => name)
      const to = request.verb === 'switchover' ? request.to : ''
      const message = `Pool '${pool}' has no ${this.#host.roster().noun} '${to}'.`
      return { ok: false, code: 'no-backend', message, names }
    }
    const { reason, by } = request
    const event: FailoverEvent = { kind: 'operator', word, reason, by }
    if ('dryRun' in request && request.dryRun) return this.#rehearse(event)
    if (request.verb === 'unfreeze' && !this.#host.state().agreement.ok) {
      // Where etcd knows less than the replicas, this is how a person says which of them is right.
      const refusal = this.#host.recover()
      if (refusal !== null) return { ok: false, code: 'refused', message: refusal }
      const message = `${pool} is unfrozen once the replicas agree again`
      return { ok: true, message, report: null }
    }
    this.#refusal = null
    this.#host.enter((nowMs) => this.#host.hear(event, nowMs))
    if (this.#refusal !== null) return { ok: false, code: 'refused', message: this.#refusal }
    const { move } = this.#host.state()
    // What an unfreeze lets begin is nobody's answer.
    const isMove = request.verb === 'switchover' || request.verb === 'failback'
    if (move === null || !isMove) return answerOf(pool, request, null)
    const report = await new Promise<MoveReport | null>((resolve) => {
      this.#waiting.set(move.epoch, resolve)
    })
    return report === null ? STOPPING : answerOf(pool, request, report)
  }

  /** What the machine would do. */
  #rehearse(event: FailoverEvent): ActAnswer {
    let answer = STOPPING
    this.#host.enter((nowMs) => {
      const machine = this.#host.machine()
      const { state, effects } = reduceFailover(machine, this.#host.state(), event, nowMs)
      const refused = effects.find((effect) => effect.kind === 'refused')
      if (refused !== undefined) {
        answer = { ok: false, code: 'refused', message: refused.reason }
        return
      }
      const { members, pool } = machine
      const { from, to, epoch } = state.move!
      const old = from < 0 ? 'nobody' : members[from]!.name
      const running = from < 0 ? 0 : this.#host.inFlight(from)
      const message = `would move ${pool} from ${old} to ${members[to]!.name} under epoch ${epoch}; ${running} sessions run on ${old} now`
      answer = { ok: true, message, report: null }
    })
    return answer
  }

  #wordOf(request: OperatorRequest): OperatorWord | null {
    if (request.verb !== 'switchover') {
      return request.verb === 'failback'
        ? { verb: 'failback', force: request.force }
        : { verb: request.verb }
    }
    const to = this.#host.roster().indexOf(request.to)
    return to < 0 ? null : { verb: 'switchover', to, force: request.force }
  }
}

/** @param report of the move; `null` if nothing was moved */
function answerOf(pool: string, request: OperatorRequest, report: MoveReport | null): ActAnswer {
  if (report === null) {
    const done = request.verb === 'freeze' ? 'frozen: nothing moves until' : 'unfrozen:'
    const rest = request.verb === 'freeze' ? 'it is unfrozen' : 'moves are made again'
    return { ok: true, message: `${pool} is ${done} ${rest}`, report: null }
  }
  if (report.outcome === 'moved') return { ok: true, message: describeMove(pool, report), report }
  const undone = report.outcome === 'rolled-back' ? 'was undone' : 'failed'
  const message = `the move of ${pool} to ${report.to} ${undone}: ${report.reason}`
  return { ok: false, code: 'failed', message, report }
}
