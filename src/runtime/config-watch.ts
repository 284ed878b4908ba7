// Notices when the text of a configuration file is another one: by watching its folder, because
// editors and Kubernetes put a new file (or a link to one) in its place, and by looking now and then,
// because some file systems tell nothing. What counts is the text, not the event.

import { createHash } from 'node:crypto'
import { readFileSync, realpathSync, statSync, watch, type FSWatcher } from 'node:fs'
import { dirname } from 'node:path'

export interface ConfigWatchOptions {
  readonly file: string
  /**
   * The text is another one. Resolves to whether that was taken note of; if not it is told again.
   * Never rejects.
   */
  readonly changed: () => Promise<boolean>
  /** Watching the folder failed; it goes on by looking now and then. */
  readonly failed: (message: string) => void
  readonly quietMs?: number
  readonly pollMs?: number
}

/** How long nothing may happen before the file is read: editors write in several steps. */
const QUIET_MS = 200
/** Time between two looks without an event. */
const POLL_MS = 5_000

export class ConfigWatch {
  readonly #options: ConfigWatchOptions
  /** Of the text that is known; `null` before the first look. */
  #known: string | null = null
  #watchers: readonly FSWatcher[] = []
  #folders = ''
  #quiet: NodeJS.Timeout | null = null
  readonly #poll: NodeJS.Timeout
  #isLooking = false
  #isStopped = false

  /** Begins; the first look comes at once and tells of whatever is there. */
  constructor(options: ConfigWatchOptions) {
    this.#options = options
    this.#poll = setInterval(() => this.#look(), options.pollMs ?? POLL_MS)
    this.#poll.unref()
    this.#attach()
    this.#look()
  }

  stop(): void {
    this.#isStopped = true
    clearInterval(this.#poll)
    if (this.#quiet !== null) clearTimeout(this.#quiet)
    for (const watcher of this.#watchers) watcher.close()
    this.#watchers = []
  }

  /** The folder of the file, and that of what it is a link to. */
  #attach(): void {
    const folders = foldersOf(this.#options.file)
    if (folders.join('\n') === this.#folders) return
    for (const watcher of this.#watchers) watcher.close()
    this.#folders = folders.join('\n')
    this.#watchers = folders.flatMap((folder) => {
      try {
        const watcher = watch(folder, { persistent: false }, () => this.#stirred())
        watcher.on('error', (error) => this.#lose(error))
        return [watcher]
      } catch (error) {
        this.#lose(error)
        return []
      }
    })
  }

  #lose(error: unknown): void {
    // A new attempt comes with the next look that finds other folders.
    this.#options.failed(error instanceof Error ? error.message : String(error))
  }

  #stirred(): void {
    if (this.#isStopped) return
    if (this.#quiet !== null) clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => this.#look(), this.#options.quietMs ?? QUIET_MS)
    this.#quiet.unref()
  }

  #look(): void {
    if (this.#isStopped || this.#isLooking) return
    this.#attach()
    const text = textOf(this.#options.file)
    // While it is being replaced there may be none for a moment; gone for good, it can't be loaded.
    if (text === null || text === this.#known) return
    void this.#tell(text)
  }

  async #tell(text: string): Promise<void> {
    this.#isLooking = true
    const isTaken = await this.#options.changed()
    this.#isLooking = false
    if (!isTaken) return
    this.#known = text
    // It may have changed again meanwhile.
    this.#look()
  }
}

function foldersOf(file: string): readonly string[] {
  const own = dirname(file)
  try {
    return [...new Set([own, dirname(realpathSync(file))])]
  } catch {
    return [own]
  }
}

/** A hash of the file's text; `null` if it can't be read, or is no file whose text ends. */
function textOf(file: string): string | null {
  try {
    if (!statSync(file).isFile()) return null
    return createHash('sha256').update(readFileSync(file)).digest('base64')
  } catch {
    return null
  }
}
