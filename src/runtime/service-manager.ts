// What systemd is told (sd_notify(3)): that the service is ready, which process it is, that it stops.
// The messages are datagrams to a unix socket, which Node can't send; `systemd-notify` can. It is a
// process of its own, so the unit needs NotifyAccess=all.

import { execFile } from 'node:child_process'
import type { Log } from '../observe/log.ts'

/** It waits until systemd has read the message. */
const NOTIFY_MS = 5_000

export class ServiceManager {
  readonly #isThere: boolean
  readonly #log: Log

  constructor(env: NodeJS.ProcessEnv, log: Log) {
    this.#isThere = (env['NOTIFY_SOCKET'] ?? '') !== ''
    this.#log = log
  }

  /** This process serves, whichever did before. Resolves when systemd knows. */
  async ready(): Promise<void> {
    await this.#say('--ready', `--pid=${process.pid}`, '--status=serving')
  }

  /** This process stops, and none follows. */
  async stopping(): Promise<void> {
    await this.#say('STOPPING=1', '--status=finishing what runs')
  }

  #say(...words: readonly string[]): Promise<void> {
    if (!this.#isThere) return Promise.resolve()
    return new Promise((resolve) => {
      execFile('systemd-notify', words, { timeout: NOTIFY_MS }, (error) => {
        if (error !== null) {
          this.#log.warn('systemd could not be told how this process is', { cause: error.message })
        }
        resolve()
      })
    })
  }
}
