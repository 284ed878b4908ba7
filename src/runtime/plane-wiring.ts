// The data planes put in their place: where they run, what they start with, and who hears them.

import type { Clock } from '../core/clock.ts'
import type { Plan } from '../core/plan.ts'
import type { Random } from '../core/random.ts'
import type { SharedTable } from '../core/shared-layout.ts'
import type { DataMessage } from '../core/snapshot.ts'
import type { EventLog } from '../observe/event-log.ts'
import { DataPlane } from './data-plane.ts'
import { DataPlaneHere } from './data-plane-here.ts'
import type { DataPlanes } from './data-planes.ts'
import { DataThreads } from './data-threads.ts'
import { hearPlane, type Hearers } from './plane-messages.ts'
import { clearStaleSockets } from './port-check.ts'
import { threadNews } from './thread-news.ts'
import type { SharedOut } from './upgrade-sockets.ts'

interface PlaneParts extends Hearers {
  /** The one in force. */
  readonly plan: () => Plan
  readonly table: SharedTable
  readonly clock: Clock
  readonly random: Random
  readonly events: EventLog
  /** One, in this thread. */
  readonly inProcess: boolean
  readonly reusePort: boolean
  /** Sockets that listen already. */
  readonly shares: SharedOut
  /** What the threads run; by default the data plane. */
  readonly module: URL | undefined
  /** A thread is gone with sockets that the service manager alone can give again. */
  socketsLost(): void
}

/** Data planes that are yet to be started. */
export function makePlanes(parts: PlaneParts): DataPlanes {
  const { plan, table, clock, random, control, reusePort, shares, module } = parts
  const current = () => control.current()
  const receive = (thread: number, message: DataMessage): void => hearPlane(parts, thread, message)
  if (parts.inProcess) {
    return new DataPlaneHere(
      (options) => new DataPlane(options),
      { plan: plan(), table, thread: 0, clock, random, reusePort: false },
      current,
      (message) => receive(0, message),
    )
  }
  // The service manager holds them, too, so they stay open: a new thread could not bind to the address,
  // or would have a socket beside one that nobody accepts on.
  const hasGiven = (thread: number): boolean => {
    const names = new Set(plan().listeners.map(({ name }) => name))
    const own = shares.inherited[thread] ?? []
    return own.some(({ listener }) => names.has(listener) && shares.activated.includes(listener))
  }
  return new DataThreads({
    plan: plan(),
    table,
    clock,
    random,
    reusePort,
    current,
    inherited: shares.inherited,
    alone: shares.alone,
    // Only the first thread has the unix sockets; for another one they are rightly in use.
    beforeReplacement: async (thread) => {
      if (thread === 0) await clearStaleSockets(plan())
    },
    isReplaceable: (thread) => !hasGiven(thread),
    ...(module === undefined ? {} : { module }),
    events: {
      message: receive,
      ...threadNews(parts.events, (thread) => {
        control.threadDown(thread)
        if (hasGiven(thread)) parts.socketsLost()
      }),
    },
  })
}
