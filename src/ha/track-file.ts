// The file through which Evenkeel tells keepalived what it is good for: one number.

import { renameSync, writeFileSync } from 'node:fs'

export class TrackFile {
  readonly path: string
  #written: number | null = null

  constructor(path: string) {
    this.path = path
  }

  /**
   * Writes the number unless it is there already. keepalived reads a file that is moved into place
   * as soon as it is there, and never half of one. @throws Error when it can't be written
   */
  write(value: number): void {
    if (value === this.#written) return
    this.#written = null
    const next = `${this.path}.new`
    writeFileSync(next, `${value}\n`)
    renameSync(next, this.path)
    this.#written = value
  }
}
