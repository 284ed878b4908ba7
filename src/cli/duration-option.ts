// Durations on the command line, as in the configuration.

import { readDuration } from '../config/units.ts'
import { EXIT, Failure } from './terminal.ts'

/** Milliseconds. @throws Failure that says what is wrong */
export function durationOption(flag: string, text: string): number {
  const read = readDuration(text)
  if (read.ok) return read.value
  const hint = read.hint === null ? '' : ` (${read.hint})`
  throw new Failure(`${flag}: ${read.message}${hint}`, EXIT.usage)
}
