// Runs what somebody else wrote, to make a backend the writer (`promote`) or to keep it from being one
// (`fence`): a command or a webhook. Every run ends, within its timeout and a second, in one sentence.
// Must never use a shell, and never let a hook outlive its timeout. Whether the hook has done what it
// is for is not its exit code's to say: a fresh probe of the target does that.

import type { HookPlan } from '../core/plan.ts'
import { formatTook } from '../core/operator.ts'
import type { MoveKind } from '../core/status.ts'
import { runCommand } from './hook-command.ts'
import { callWebhook } from './hook-webhook.ts'

/** A backend as a hook sees it. */
export interface HookBackend {
  readonly name: string
  /** `host:port` or `unix:/path`. */
  readonly address: string
}

/** What a hook is told. */
export interface HookFacts {
  readonly hook: 'promote' | 'fence'
  readonly pool: string
  /** Number of the reign that begins; the same move has the same, a later one a higher. */
  readonly epoch: number
  readonly from: HookBackend | null
  readonly to: HookBackend
  readonly reason: string
  readonly kind: MoveKind
}

/** What a hook gets, whatever it is about. */
export interface HookMessage {
  /** Variables for a command. */
  readonly environment: Readonly<Record<string, string>>
  /** A command's standard input, a web service's body. */
  readonly json: string
  /** For a web service, in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export interface HookResult {
  readonly ok: boolean
  /** For people: what ran, how it ended, and the last it said. */
  readonly sentence: string
  /** The last of what it said: 4 KiB of a command, the first 1 KiB of an answer. */
  readonly output: string
  readonly tookMs: number
}

/** How one run ended, before it is put into a sentence. */
export interface HookEnd {
  readonly ok: boolean
  /** `ended with code 3`, `answered 503`. */
  readonly what: string
  readonly output: string
}

/** Longest quotation of a hook in a sentence. */
const QUOTE_CHARS_MAX = 200

/**
 * Starts a hook of a move.
 * @param done called once, never before this returns, and not at all after `cancel`
 * @returns cancel: ends the hook, as its timeout would
 */
export function runHook(
  plan: HookPlan,
  facts: HookFacts,
  done: (result: HookResult) => void,
): () => void {
  const message = {
    environment: environmentOf(facts),
    json: JSON.stringify(facts),
    headers: { 'evenkeel-epoch': String(facts.epoch) },
  }
  return startHook(plan, `${facts.hook} hook`, message, done)
}

/**
 * Starts a hook of any kind, as `runHook` does.
 * @param what how sentences call it: `promote hook`
 */
export function startHook(
  plan: HookPlan,
  what: string,
  message: HookMessage,
  done: (result: HookResult) => void,
): () => void {
  const startMs = performance.now()
  let isOver = false
  const end = ({ ok, what: how, output }: HookEnd): void => {
    if (isOver) return
    isOver = true
    const tookMs = performance.now() - startMs
    const quote = quoteOf(output, plan.kind === 'exec' ? 'last' : 'first')
    const said = quote === '' ? '' : `: ${quote}`
    const sentence = `${what} ${nameOf(plan)} ${how} after ${formatTook(tookMs)}${said}`
    done({ ok, sentence, output, tookMs })
  }
  const cancel =
    plan.kind === 'exec' ? runCommand(plan, message, end) : callWebhook(plan, message, end)
  return () => {
    isOver = true
    cancel()
  }
}

/** The facts as environment variables; those about nobody are empty. */
function environmentOf(facts: HookFacts): Record<string, string> {
  const { hook, pool, epoch, from, to, reason, kind } = facts
  return {
    EVENKEEL_HOOK: hook,
    EVENKEEL_POOL: pool,
    EVENKEEL_EPOCH: String(epoch),
    EVENKEEL_FROM: from?.name ?? '',
    EVENKEEL_FROM_ADDRESS: from?.address ?? '',
    EVENKEEL_TO: to.name,
    EVENKEEL_TO_ADDRESS: to.address,
    EVENKEEL_REASON: reason,
    EVENKEEL_KIND: kind,
  }
}

/** The command's path, or the host of a webhook: the rest of a URL may hold a secret. */
function nameOf(plan: HookPlan): string {
  if (plan.kind === 'exec') return plan.command[0] ?? ''
  return URL.canParse(plan.url) ? new URL(plan.url).host : plan.url
}

/** One line of what a hook said: errors stand in the last line of a command. */
function quoteOf(output: string, which: 'first' | 'last'): string {
  const lines = output
    .split(/[\r\n]+/)
    .map((line) => line.replace(/[\p{Cc}\s]+/gu, ' ').trim())
    .filter((line) => line !== '')
  const line = lines.at(which === 'first' ? 0 : -1) ?? ''
  return line.length > QUOTE_CHARS_MAX ? `${line.slice(0, QUOTE_CHARS_MAX)}...` : line
}
