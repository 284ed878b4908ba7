// When a data thread is given up and how soon it is replaced, as pure functions of what is known
// about it. The hands that terminate and start threads are in `data-threads.ts`.

/** Why a thread was given up. */
export type ThreadFailure = 'start-timeout' | 'standstill' | 'unacknowledged'

export interface SupervisionLimits {
  /** From the start of a thread until all its listeners are open. */
  readonly startMs: number
  /** Longest time without a heartbeat, and from a snapshot's publication to its acknowledgement. */
  readonly standstillMs: number
  /** The same for a snapshot that a move waits for, which nobody may serve meanwhile. */
  readonly acknowledgeMs: number
  /** From the order to end a thread until it is gone; then it is told of. */
  readonly endMs: number
}

export const SUPERVISION_LIMITS: SupervisionLimits = {
  startMs: 10_000,
  standstillMs: 1_000,
  acknowledgeMs: 250,
  endMs: 5_000,
}

/** How often the threads are looked at. */
export const SUPERVISION_TICK_MS = 50

/**
 * The supervisor's own time. While the supervisor itself stands still (a stopped or starved process)
 * so does this time, because the threads most likely did too and must not be blamed for it.
 */
export class WatchedTime {
  /** Milliseconds watched so far. */
  nowMs = 0
  #clockMs: number

  /** @param clockMs the monotonic clock now */
  constructor(clockMs: number) {
    this.#clockMs = clockMs
  }

  /** A look at the threads begins. Of a late one only two ticks count. */
  advance(clockMs: number): void {
    this.nowMs += Math.min(clockMs - this.#clockMs, 2 * SUPERVISION_TICK_MS)
    this.#clockMs = clockMs
  }
}

/** What is known about a thread; times are watched ones. */
export interface ThreadFacts {
  readonly isRunning: boolean
  /** When it was started or, once it runs, when it became ready. */
  readonly sinceMs: number
  /** When its heartbeat was last seen to move. */
  readonly beatMs: number
  /** When the oldest snapshot was published that it hasn't acknowledged; `null` if there is none. */
  readonly owedMs: number | null
  /** The same of those that a move waits for. */
  readonly awaitedMs: number | null
}

/** Judges one thread; `null` is a good one. */
export function judgeThread(
  { isRunning, sinceMs, beatMs, owedMs, awaitedMs }: ThreadFacts,
  nowMs: number,
  limits: SupervisionLimits,
): ThreadFailure | null {
  if (!isRunning) return nowMs - sinceMs > limits.startMs ? 'start-timeout' : null
  const isOver = (fromMs: number, limitMs: number) => nowMs - Math.max(fromMs, sinceMs) > limitMs
  if (isOver(beatMs, limits.standstillMs)) return 'standstill'
  const isLate =
    isOver(owedMs ?? Infinity, limits.standstillMs) ||
    isOver(awaitedMs ?? Infinity, limits.acknowledgeMs)
  return isLate ? 'unacknowledged' : null
}

interface Published {
  readonly version: number
  readonly atMs: number
  readonly isAwaited: boolean
}

/** Snapshots on their way, oldest first: the time each was published. */
export class PublishedSnapshots {
  #entries: Published[] = []

  /** @param isAwaited a move waits for it */
  add(version: number, atMs: number, isAwaited = false): void {
    this.#entries.push({ version, atMs, isAwaited })
  }

  /** When the oldest one newer than `applied` was published; `null` if there is none. */
  owedMs(applied: number): number | null {
    return this.#entries.find(({ version }) => version > applied)?.atMs ?? null
  }

  /** The same of those that a move waits for. */
  awaitedMs(applied: number): number | null {
    const owed = this.#entries.find(({ version, isAwaited }) => isAwaited && version > applied)
    return owed?.atMs ?? null
  }

  /** Forgets the ones that everybody has. @param applied the least version applied anywhere */
  settle(applied: number): void {
    this.#entries = this.#entries.filter((entry) => entry.version > applied)
  }
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
