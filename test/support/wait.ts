// Waiting for a condition that has no event to await. Always bounded.

/** Waits a fixed time: only for "keep the load up this long", never for something to happen. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms)
  })
}

export interface WaitOptions {
  /** For the error message: what is being waited for. */
  readonly what?: string
  readonly timeoutMs?: number
  readonly everyMs?: number
}

/**
 * Polls until `condition` returns something truthy and returns that. An exception counts as "not
 * yet" and is shown if the time runs out.
 */
export async function waitFor<T>(
  condition: () => T | Promise<T>,
  { what = 'the condition', timeoutMs = 10_000, everyMs = 10 }: WaitOptions = {},
): Promise<NonNullable<T>> {
  const deadline = performance.now() + timeoutMs
  let last: unknown = null
  for (;;) {
    try {
      const value = await condition()
      if (value) return value
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms for ${what}`, { cause: last })
    }
    await pause(everyMs)
  }
}
