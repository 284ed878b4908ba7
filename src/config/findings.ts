// Collects the problems that compilation finds.

import type { Path, Problem, Severity } from './diagnostics.ts'

interface Details {
  readonly on?: 'key' | 'value'
  readonly other?: Path
}

export class Findings {
  readonly problems: Problem[] = []

  error(path: Path, message: string, hint: string | null, details: Details = {}): void {
    this.#add('error', path, message, hint, details)
  }

  warning(path: Path, message: string, hint: string | null, details: Details = {}): void {
    this.#add('warning', path, message, hint, details)
  }

  /** Worth saying on request (`evenkeel check`), not at every start. */
  note(path: Path, message: string, hint: string | null, details: Details = {}): void {
    this.#add('note', path, message, hint, details)
  }

  #add(severity: Severity, path: Path, message: string, hint: string | null, details: Details) {
    this.problems.push({ severity, path, on: 'value', message, hint, ...details })
  }
}
