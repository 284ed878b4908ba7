// When the ledger writes what goes on beside its lines (the checkpoint): once a minute, soon after a
// pool is lost or back, often while one is down, and never more than so many bytes a second over time:
// a thousand open incidents make a checkpoint of more than a megabyte. Pure.

const ORDINARY_MS = 60_000
/** While a pool is down: what a sudden end may cost of the time it was. */
const DOWN_MS = 2_000
/** Over time; a checkpoint of a few open incidents is a few kilobytes. */
const BYTES_PER_S = 65_536

export class CheckpointPace {
  #sinceMs = 0
  /** What the size of the last one asks for. */
  #restMs = 0

  /** @param turned a pool was lost or is back since the last one */
  isDue(nowMs: number, { isDown, turned }: { isDown: boolean; turned: boolean }): boolean {
    const afterMs = turned ? 0 : isDown ? DOWN_MS : ORDINARY_MS
    return nowMs - this.#sinceMs >= Math.max(afterMs, this.#restMs)
  }

  /** One is begun. */
  begun(nowMs: number): void {
    this.#sinceMs = nowMs
  }

  /** It was so large. */
  written(bytes: number): void {
    this.#restMs = (bytes / BYTES_PER_S) * 1_000
  }
}
