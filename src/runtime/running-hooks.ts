// The hooks that run at present: told of in the log, and ended with the process.

import type { HookPlan } from '../core/plan.ts'
import { runHook } from '../ha/hooks.ts'
import type { HookFacts, HookResult } from '../ha/hooks.ts'
import type { Log } from '../observe/log.ts'

export class RunningHooks {
  readonly #log: Log
  readonly #cancels = new Set<() => void>()

  constructor(log: Log) {
    this.#log = log
  }

  /** Runs one; `done` never comes within the call. */
  run(plan: HookPlan, facts: HookFacts, done: (result: HookResult) => void): void {
    const { hook, pool, epoch } = facts
    this.#log.info(`running the ${hook} hook of pool ${pool}`, { pool, epoch, to: facts.to.name })
    const cancel = runHook(plan, facts, (result) => {
      this.#cancels.delete(cancel)
      const { ok, sentence, output } = result
      this.#log[ok ? 'info' : 'error'](sentence, { pool, epoch, output })
      done(result)
    })
    this.#cancels.add(cancel)
  }

  /** Ends all of them. */
  cancel(): void {
    for (const cancel of this.#cancels) cancel()
  }
}
