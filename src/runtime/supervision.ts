// When a data thread is given up and how soon it is replaced, as pure functions of what is known
// about it. The hands that terminate and start threads are in `data-threads.ts`.

/** Why a thread was given up. */
export type ThreadFailure = 'start-timeout' | 'standstill' | 'unacknowledged'

export interface SupervisionLimits {
  /** From the start of a thread until all its listeners are open. */
  readonly startMs: number
  /** Longest time without a heartbeat. */
  readonly standstillMs: number
  /** Longest time from a snapshot's publication to its acknowledgement. */
  readonly acknowledgeMs: number
}

export const SUPERVISION_LIMITS: SupervisionLimits = {
  startMs: 10_000,
  standstillMs: 1_000,
  acknowledgeMs: 250,
}

/** How often the threads are looked at. */
export const SUPERVISION_TICK_MS = 50

export interface ThreadFacts {
  readonly isRunning: boolean
  /** When it was started or, once it runs, when it became ready. */
  readonly sinceMs: number
  readonly heartbeatMs: number
  readonly appliedVersion: number
}

export interface PublishedSnapshot {
  readonly version: number
  readonly atMs: number
}

/**
 * Judges one thread; `null` is a good one.
 * @param graceMs when the judge itself last awoke late: what happened before that isn't held
 *   against the thread, since a stopped or starved process looks the same from inside
 */
export function judgeThread(
  thread: ThreadFacts,
  snapshot: PublishedSnapshot,
  times: { readonly nowMs: number; readonly graceMs: number },
  limits: SupervisionLimits,
): ThreadFailure | null {
  const { nowMs, graceMs } = times
  const fromMs = Math.max(thread.sinceMs, graceMs)
  if (!thread.isRunning) return nowMs - fromMs > limits.startMs ? 'start-timeout' : null
  if (nowMs - Math.max(thread.heartbeatMs, fromMs) > limits.standstillMs) return 'standstill'
  const dueMs = Math.max(snapshot.atMs, fromMs) + limits.acknowledgeMs
  if (thread.appliedVersion < snapshot.version && nowMs > dueMs) return 'unacknowledged'
  return null
}

/** Deaths older than this say nothing about a crash loop. */
const LOOP_WINDOW_MS = 60_000
const LOOP_DELAYS_MS = [0, 0, 200, 1_000, 3_000, 10_000]

/**
 * How long to wait before a dead thread is replaced: not at all at first, longer while it keeps dying.
 * @param deaths monotonic times of this thread's deaths, the present one included
 */
export function replacementDelayMs(deaths: readonly number[], nowMs: number): number {
  const recent = deaths.filter((atMs) => nowMs - atMs < LOOP_WINDOW_MS).length
  return LOOP_DELAYS_MS[Math.min(recent, LOOP_DELAYS_MS.length) - 1] ?? 0
}

/** Whether the deaths amount to a crash loop that an operator should hear of. */
export function isCrashLoop(deaths: readonly number[], nowMs: number): boolean {
  return replacementDelayMs(deaths, nowMs) > 0
}
