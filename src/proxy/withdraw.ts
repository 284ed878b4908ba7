// What becomes of the attempts on backends that are taken away: rescued where a backend went down,
// cut off where another one has become the active or where the right to send is gone.
// Cutting is proportional to what is in progress and over when the call returns. It goes in two
// steps, for what ends may begin anew in the same moment: first every old connection is broken, then
// the exchanges are told. So no byte goes to a new active while an old one can still get any.

import { fault } from '../core/fault.ts'
import type { Fault } from '../core/fault.ts'
import type { Attempt } from './attempt.ts'
import type { AttemptList } from './attempt-list.ts'
import type { BackendState, PoolState, ThreadContext } from './context.ts'

/** Moves the attempts that still wait on a backend for a first byte elsewhere. */
export function rescue(backend: BackendState): void {
  backend.idle.clear()
  const attempts: Attempt[] = []
  collect(backend.connecting, attempts)
  collect(backend.waiting, attempts)
  for (const attempt of attempts) attempt.onBackendLost()
}

/**
 * Ends all that runs on the backends, in every phase.
 * @param cause `null`: what it means in their pool that they are cut off
 */
export function cutOff(backends: readonly BackendState[], cause: Fault | null = null): void {
  const attempts: Attempt[] = []
  const causes: Fault[] = []
  for (const backend of backends) {
    backend.idle.cut()
    collect(backend.waiting, attempts)
    collect(backend.connecting, attempts)
    collect(backend.running, attempts)
    const own = cause ?? meaningIn(backend.pool)
    while (causes.length < attempts.length) causes.push(own)
  }
  end(attempts, causes)
}

/** Where nobody is the active, only an operator has a backend cut off. */
function meaningIn({ plan }: PoolState): Fault {
  return fault(plan.failover === null ? 'taken-out' : 'active-moved')
}

/** Ends the tunnels through the backends and nothing else. */
export function endTunnels(backends: readonly BackendState[], cause: Fault): void {
  const attempts: Attempt[] = []
  for (const backend of backends) collect(backend.running, attempts)
  for (const attempt of attempts) attempt.cutTunnel(cause)
}

/**
 * Ends all that could send a byte more where the right to send is gone. Requests that have left as a
 * whole keep waiting for their answers.
 */
export function cutLapsed(context: ThreadContext): void {
  const lapsed: BackendState[] = []
  for (const pool of context.pools) collectLapsed(context, pool, lapsed)
  for (const pool of context.leavingPools) collectLapsed(context, pool, lapsed)
  if (lapsed.length === 0) return
  const attempts: Attempt[] = []
  const waiting: Attempt[] = []
  for (const backend of lapsed) {
    backend.idle.cut()
    collect(backend.waiting, waiting)
    collect(backend.connecting, attempts)
    collect(backend.running, attempts)
  }
  for (const attempt of waiting) if (attempt.stream!.sendPending) attempts.push(attempt)
  const cause = fault('no-agreement')
  end(
    attempts,
    attempts.map(() => cause),
  )
}

function collectLapsed(context: ThreadContext, pool: PoolState, into: BackendState[]): void {
  for (const one of pool.backends) if (context.hasLapsed(one.rightCell)) into.push(one)
  for (const one of pool.leaving) if (context.hasLapsed(one.rightCell)) into.push(one)
}

/** @param causes parallel to `attempts` */
function end(attempts: readonly Attempt[], causes: readonly Fault[]): void {
  for (const attempt of attempts) attempt.sever()
  for (const [i, attempt] of attempts.entries()) attempt.onCut(causes[i]!)
}

function collect(list: AttemptList, into: Attempt[]): void {
  for (let link = list.head; link !== null; link = link.next) into.push(link as Attempt)
}
