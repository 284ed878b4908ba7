// Brings notifications to one target: one at a time, in order, each tried again for a while. What
// waits is bounded. Must never hold anybody up: whoever sends does not wait.

import type { AlertTargetPlan } from '../core/alert-contract.ts'
import type { Timers } from '../core/clock.ts'
import type { AlertJson } from '../observe/alert-message.ts'
import { alertEnvironment, bodyOf } from '../observe/alert-message.ts'
import type { HookMessage, HookResult } from '../ha/hooks.ts'
import { startHook } from '../ha/hooks.ts'
import type { Log } from '../observe/log.ts'

/** Notifications that may wait. */
const WAITING_MAX = 100
const TRIES = 6
/** Before the second try; each further one waits twice as long. */
const RETRY_MS = 1_000

export interface DeliveryPorts {
  readonly log: Log
  readonly timers: Timers
  wallMs(): number
}

interface Parcel {
  readonly id: string
  readonly message: HookMessage
  readonly triesMax: number
}

export class AlertDelivery {
  readonly name: string
  readonly plan: AlertTargetPlan
  delivered = 0
  failed = 0
  dropped = 0
  /** The last that went wrong; `null`: the last one went well, or there was none. */
  trouble: string | null = null
  readonly #ports: DeliveryPorts
  readonly #waiting: Parcel[] = []
  #current: Parcel | null = null
  #tries = 0
  #timer: unknown = null
  #cancel: (() => void) | null = null

  constructor(name: string, plan: AlertTargetPlan, ports: DeliveryPorts) {
    this.name = name
    this.plan = plan
    this.#ports = ports
  }

  /** Notifications that are not delivered yet. */
  get waiting(): number {
    return this.#waiting.length + (this.#current === null ? 0 : 1)
  }

  /** Takes one; who is told of ends gets them unless the target does not want them. */
  send(json: AlertJson): void {
    if (json.status === 'resolved' && !this.plan.resolved) return
    const body = bodyOf(this.plan.format, json, this.#ports.wallMs())
    this.#take({ id: json.id, message: this.#messageOf(json, body), triesMax: TRIES })
  }

  /** Tries once, and says how it went. */
  test(json: AlertJson): Promise<HookResult> {
    const body = bodyOf(this.plan.format, json, this.#ports.wallMs())
    const message = this.#messageOf(json, body)
    return new Promise((resolve) => {
      startHook(this.plan.hook, `alert to ${this.name} by`, message, resolve)
    })
  }

  /** Says again what fires, to a target that forgets; not while something waits. */
  remind(id: string, body: string): void {
    if (this.waiting > 0) return
    const headers = { 'evenkeel-alert': id }
    this.#take({ id, message: { environment: {}, json: body, headers }, triesMax: 1 })
  }

  stop(): void {
    this.#waiting.length = 0
    this.#current = null
    if (this.#timer !== null) this.#ports.timers.clear(this.#timer)
    this.#timer = null
    this.#cancel?.()
    this.#cancel = null
  }

  #messageOf(json: AlertJson, body: string): HookMessage {
    const headers = { 'evenkeel-alert': json.id }
    return { environment: alertEnvironment(json), json: body, headers }
  }

  #take(parcel: Parcel): void {
    this.#waiting.push(parcel)
    if (this.#waiting.length > WAITING_MAX) {
      this.#waiting.shift()
      this.dropped++
      if (this.dropped === 1) {
        this.#ports.log.error('notifications are dropped: too many wait', { target: this.name })
      }
    }
    if (this.#current === null) this.#next()
  }

  #next(): void {
    this.#current = this.#waiting.shift() ?? null
    this.#tries = 0
    if (this.#current !== null) this.#try(this.#current)
  }

  #try(parcel: Parcel): void {
    this.#tries++
    this.#cancel = startHook(
      this.plan.hook,
      `alert to ${this.name} by`,
      parcel.message,
      (result) => {
        this.#cancel = null
        this.#tried(parcel, result)
      },
    )
  }

  #tried(parcel: Parcel, { ok, sentence }: HookResult): void {
    const { log, timers } = this.#ports
    const fields = { target: this.name, id: parcel.id, tries: this.#tries }
    if (ok) {
      if (this.trouble !== null) log.info(sentence, fields)
      this.delivered++
      this.trouble = null
      this.#next()
      return
    }
    // A target that stays away is told of once, and at the end of each of its notifications.
    if (this.trouble === null) log.warn(sentence, fields)
    this.trouble = sentence
    if (this.#tries < parcel.triesMax) {
      this.#timer = timers.set(RETRY_MS * 2 ** (this.#tries - 1), () => {
        this.#timer = null
        this.#try(parcel)
      })
      return
    }
    this.failed++
    log.error('a notification was given up', { ...fields, cause: sentence })
    this.#next()
  }
}
