// Durations on the command line, as in the configuration.

import { formatDuration, readDuration } from '../config/units.ts'
import { EXIT, Failure } from './terminal.ts'

/** Milliseconds from `minMs` to `maxMs`. @throws Failure that says what is wrong */
export function durationOption(flag: string, text: string, maxMs: number, minMs = 0): number {
  const read = readDuration(text)
  if (!read.ok) {
    const hint = read.hint === null ? '' : ` (${read.hint})`
    throw new Failure(`${flag} ${text}: ${read.message}${hint}`, EXIT.usage)
  }
  if (read.value >= minMs && read.value <= maxMs) return read.value
  const range = minMs === 0 ? 'up to' : `${formatDuration(minMs)} to`
  throw new Failure(`${flag} ${text}: use ${range} ${formatDuration(maxMs)}`, EXIT.usage)
}
