// The one place where things are announced: to the log, to those who count, and to whoever listens.

import type { EventBody } from '../core/events.ts'
import { ReloadCounter } from '../observe/config-families.ts'
import { EventLog } from '../observe/event-log.ts'
import type { Log } from '../observe/log.ts'
import { TransitionCounter } from '../observe/metrics.ts'
import { MoveCounter } from '../observe/move-counter.ts'
import type { FailoverOptions } from './control-actives.ts'
import type { ControlPlaneOptions } from './control-plane.ts'
import { logEvent } from './event-lines.ts'

export class News {
  readonly events: EventLog
  readonly transitions = new TransitionCounter()
  readonly moves = new MoveCounter()
  readonly reloads = new ReloadCounter()

  /** @param nowMs monotonic clock */
  constructor(log: Log, nowMs: () => number) {
    this.events = new EventLog({
      wallMs: () => Date.now(),
      nowMs,
      failed: (error) => {
        const cause = error instanceof Error ? error.message : String(error)
        log.error('internal error', { cause })
      },
    })
    this.events.subscribe((event) => {
      if (event.kind === 'transition') this.transitions.add(event.transition)
      else if (event.kind === 'move') this.moves.add(event.pool, event.report)
      else if (event.kind === 'config') this.reloads.add(event.news.outcome)
      logEvent(log, event)
    })
  }

  /** What the control plane tells of backends. */
  readonly ofBackends: Pick<ControlPlaneOptions, 'onTransition' | 'onWarning'> = {
    onTransition: (transition) => this.publish({ kind: 'transition', transition }),
    onWarning: (message, fields) => this.publish({ kind: 'warning', message, fields }),
  }

  /** What it tells of moves. */
  readonly ofMoves: Pick<FailoverOptions, 'onMove' | 'onSite' | 'onTurn'> = {
    onMove: (pool, report) => this.publish({ kind: 'move', pool, report }),
    onSite: (pool, news) => this.publish({ kind: 'site', pool, news }),
    onTurn: (pool, { from, to, reason }) => this.publish({ kind: 'turn', pool, from, to, reason }),
  }

  publish(body: EventBody): void {
    this.events.publish(body)
  }
}
