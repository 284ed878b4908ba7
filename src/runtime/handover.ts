// A planned end, or a planned rest, of one Evenkeel behind a virtual IP address: first the address
// goes to another node, then what runs here is finished, then the process ends. Nothing is lost.

import type { HandoverAnswer, HandoverReport, HandoverRequest } from '../core/handover.ts'
import type { Leaving, VipKeeper } from './vip-keeper.ts'

export interface HandoverOptions {
  readonly vip: string
  readonly keeper: VipKeeper
  /** Exchanges and tunnels under way. */
  readonly running: () => number
  /** Stops accepting and finishes what runs; resolves to how many exchanges were cut. */
  readonly finish: () => Promise<number>
  /** Ends the process, once the answer is on its way. */
  readonly end: () => void
  readonly isStopping: () => boolean
  readonly nowMs: () => number
}

/** Carries out what an operator asked for. */
export async function handOver(
  request: HandoverRequest,
  options: HandoverOptions,
): Promise<HandoverAnswer> {
  const { keeper, isStopping } = options
  if (isStopping()) return refused('This Evenkeel is stopping already.')
  if (request.wish === 'back') return takeBack(options)
  if (keeper.isLeaving) return refused('A handover is in progress already.')
  const leaving = await keeper.giveAway(request.timeoutMs)
  if (leaving.outcome === 'stayed') return stayed(options.vip, leaving)
  if (leaving.outcome === 'superseded') {
    return { ok: false, code: 'failed', message: 'Something else was asked for meanwhile.' }
  }
  if (request.wish === 'stay') return resting(options.vip, leaving)
  return finishAndEnd(leaving, options)
}

function refused(message: string): HandoverAnswer {
  return { ok: false, code: 'refused', message }
}

function takeBack({ keeper, vip }: HandoverOptions): HandoverAnswer {
  const report = reportOf(vip, { outcome: 'not-here', tookMs: 0 })
  if (!keeper.isAway) {
    return { ok: true, message: `This node could have ${vip} all the time.`, report }
  }
  keeper.takeBack()
  const message = keeper.isHere()
    ? `${vip} stays on this node.`
    : `This node may have ${vip} again, when the other one gives it away or fails.`
  return { ok: true, message, report }
}

function stayed(vip: string, { tookMs }: Leaving): HandoverAnswer {
  const message = `${vip} has not left within ${inSeconds(tookMs)}: no other node is ready to have it. All is as before.`
  return { ok: false, code: 'failed', message }
}

function resting(vip: string, leaving: Leaving): HandoverAnswer {
  const message = `${goneText(vip, leaving)}. This Evenkeel goes on; it will not have the address until: evenkeel handover --back`
  return { ok: true, message, report: reportOf(vip, leaving) }
}

async function finishAndEnd(leaving: Leaving, options: HandoverOptions): Promise<HandoverAnswer> {
  const { vip, running, finish, end, nowMs } = options
  const at = running()
  const startMs = nowMs()
  const cut = await finish()
  const drainMs = Math.round(nowMs() - startMs)
  setImmediate(end)
  const report: HandoverReport = {
    ...reportOf(vip, leaving),
    exchanges: { at, finished: Math.max(0, at - cut), cut },
    drainMs,
  }
  const message = `${goneText(vip, leaving)}; what ran was finished in ${inSeconds(drainMs)}, ${cut} cut. This Evenkeel stops.`
  return { ok: true, message, report }
}

function reportOf(vip: string, { outcome, tookMs }: Leaving): HandoverReport {
  const wasHere = outcome === 'left'
  return { vip, wasHere, leftMs: tookMs, exchanges: null, drainMs: 0 }
}

function goneText(vip: string, { outcome, tookMs }: Leaving): string {
  return outcome === 'left' ? `${vip} left after ${inSeconds(tookMs)}` : `${vip} was not here`
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
