// The life of a balancer as a program of its own: started, told what to do by signals, ended. It
// ends by draining, unless somebody asks twice or it can't even start.

import type { Plan } from '../core/plan.ts'
import { UPGRADE_TIMEOUT_MS } from '../core/upgrade.ts'
import type { ConfigOrigin } from '../config/origin.ts'
import { StateFileError } from '../ha/state-dir.ts'
import { takeActivated } from '../listen/inherit.ts'
import type { Log } from '../observe/log.ts'
import type { RunningBalancer } from './running-balancer.ts'
import { AccessLogError } from './access-sink.ts'
import { startBalancer } from './balancer.ts'
import { AddressError } from './port-check.ts'
import { ServiceManager } from './service-manager.ts'
import { onSignals } from './signals.ts'
import type { Predecessor } from './upgrade-predecessor.ts'

const HUP = { source: 'signal', by: 'SIGHUP' } as const

export interface RunOptions {
  /** Where the plan was read from; without it HUP has nothing to read again. */
  readonly origin?: ConfigOrigin
  /** The process that this one follows, once it has said what is inherited. */
  readonly predecessor?: Promise<Predecessor | null>
  readonly started?: (balancer: RunningBalancer) => void
}

/** Runs until it is told to stop. Resolves to the exit code: 0 after a drain, else 1. */
export async function runUntilStopped(
  plan: Plan,
  log: Log,
  { origin, started = () => {}, predecessor: following }: RunOptions = {},
): Promise<number> {
  const end = new Ending()
  let isReloadWished = false
  let predecessor: Predecessor | null = null
  const removeHandlers = onSignals({
    stop: (signal) => {
      end.begin(0, `${signal} received`)
      predecessor?.stopped()
    },
    stopNow: (signal) => end.now(`${signal} received again: stopping at once`),
    reload: () => {
      // What changed while it starts would be missed otherwise.
      if (end.balancer === null) isReloadWished = true
      else void end.balancer.configure(HUP)
    },
    reopenLogs: () => end.balancer?.reopenLogs(),
    upgrade: () => void end.balancer?.upgrade({ timeoutMs: UPGRADE_TIMEOUT_MS }),
  })
  const manager = new ServiceManager(process.env, log)
  // A control plane in an unknown state would fail silently later: better to end while in-flight
  // exchanges can still finish, and be started anew.
  const crashed = (error: unknown): void => {
    log.error('internal error; draining, then ending', { stack: stackOf(error) })
    if (end.isBegun) end.now('another internal error while stopping')
    else end.begin(1, 'internal error')
  }
  process.on('uncaughtException', crashed)
  try {
    predecessor = (await following) ?? null
    if (end.isBegun) predecessor?.stopped()
    end.balancer = await startBalancer(plan, {
      log,
      ...(origin === undefined ? {} : { origin }),
      predecessor,
      activated: takeActivated(process.env, process.pid),
      replaced: (code) => end.replaced(code),
      socketsLost: () => {
        end.begin(1, 'a data thread is gone with sockets that only a new start gets again')
      },
      handedOver: () => end.begin(0, 'the virtual IP address was handed over'),
    })
    await manager.ready()
    predecessor?.taken()
    if (isReloadWished) void end.balancer.configure(HUP)
    if (!end.isBegun) started(end.balancer)
    const { code, reason } = await end.wish
    log.info('stopping', { reason })
    if (!end.isReplaced) void manager.stopping()
    await Promise.race([end.balancer.drain(), end.abrupt])
    await end.balancer.close()
    log.info(end.isAbrupt ? 'stopped at once' : 'stopped')
    return end.isAbrupt ? 1 : code
  } catch (error) {
    const isExplained = [AddressError, StateFileError, AccessLogError].some(
      (explained) => error instanceof explained,
    )
    log.error(isExplained ? (error as Error).message : stackOf(error))
    predecessor?.failed(error instanceof Error ? error.message : String(error))
    return 1
  } finally {
    removeHandlers()
    process.off('uncaughtException', crashed)
    await log.close()
  }
}

/** The wish to end, and the wish to end sooner. */
class Ending {
  balancer: RunningBalancer | null = null
  isBegun = false
  isAbrupt = false
  /** What its supervisor hears comes from another process. */
  isReplaced = false
  readonly wish: Promise<{ code: number; reason: string }>
  readonly abrupt: Promise<string>
  #begin!: (wish: { code: number; reason: string }) => void
  #now!: (reason: string) => void

  constructor() {
    this.wish = new Promise((resolve) => {
      this.#begin = resolve
    })
    this.abrupt = new Promise((resolve) => {
      this.#now = resolve
    })
  }

  begin(code: number, reason: string): void {
    this.isBegun = true
    this.#begin({ code, reason })
  }

  /** Another process has taken over, or should have: then the code says that it did not. */
  replaced(code: number): void {
    this.isReplaced = true
    this.begin(code, code === 0 ? 'another process has taken over' : 'the upgrade failed')
  }

  now(reason: string): void {
    this.isAbrupt = true
    this.#now(reason)
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
